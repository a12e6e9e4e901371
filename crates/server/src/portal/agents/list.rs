//! The list of agents: filtered, sorted and cut into pages by the address; above it those who are not trusted, below it
//! the drift board.

use std::{cmp::Reverse, collections::HashMap};

use askama::Template;
use axum::response::Response;
use portward_api::DeliveryView;
use portward_core::Timestamp;

use super::{
    super::{
        answer,
        deliveries::is_trouble,
        frame::{Frame, Nav},
        listing::{Column, Listing, Pager, Segment},
        view::{Mark, grouped},
        visit::Visit,
    },
    board::Board,
    row::{Machine, Row, dialled_at},
    strangers::{Refused, ShownStrangers},
};
use crate::app::{AppError, Right, right};

#[derive(Template)]
#[template(path = "agents/list.html")]
struct ListPage {
    frame: Frame,
    segments: Vec<Segment>,
    wanted: Listing,
    live: String,
    is_empty: bool,
    may_add: bool,
    part: Part,
}

/// Is what of the page changes by itself, for the page that is open.
#[derive(Template)]
#[template(path = "agents/list-live.html")]
struct LivePart {
    part: Part,
}

struct Part {
    lead: String,
    strangers: ShownStrangers,
    columns: Vec<Column>,
    rows: Vec<Row>,
    tally: String,
    pager: Pager,
    board: Board,
    may_check: bool,
    may_change: bool,
    may_retry: bool,
}

/// Shows the list.
pub(in crate::portal) async fn list(visit: Visit<right::View>) -> Result<Response, AppError> {
    answer::html(&page(&visit, None).await?)
}

/// Shows what of it changes, for the page that is open.
pub(in crate::portal) async fn show_live(visit: Visit<right::View>) -> Result<Response, AppError> {
    answer::html(&LivePart { part: page(&visit, None).await?.part })
}

/// Shows it again, as a stranger was not trusted.
pub(super) async fn refuse<R: Right>(visit: &Visit<R>, refused: Refused) -> Result<Response, AppError> {
    let status = refused.status;
    answer::with_status(status, &page(visit, Some(refused)).await?)
}

async fn page<R: Right>(visit: &Visit<R>, refused: Option<Refused>) -> Result<ListPage, AppError> {
    let (by, now) = (visit.may::<right::View>()?, visit.app.now());
    let deliveries = visit.app.list_deliveries(&by).await?;
    let all = machines(visit.app.survey_agents(&by), &deliveries, now);
    let wanted = Listing::read("/agents", &visit.query, &["board"]);
    let strangers = ShownStrangers::of(&visit.app.list_strangers(&by), refused, now);
    let board = Board::of(&deliveries, wanted.word("board"));
    let lead = lead(&all, &board);
    let segments = segments(&all, &wanted);
    let (total, is_empty) = (all.len(), all.is_empty() && strangers.is_empty());
    let mut shown: Vec<Machine> = all.into_iter().filter(|machine| takes(&wanted, machine)).collect();
    sort(&wanted, &mut shown);
    let pager = wanted.pager(shown.len(), "agent");
    let may_change = visit.may::<right::AgentChange>().is_ok();
    Ok(ListPage {
        frame: visit.frame(Nav::Agents, "Agents"),
        segments,
        live: wanted.at("/machines/live"),
        is_empty,
        may_add: may_change,
        part: Part {
            lead,
            strangers,
            columns: wanted.columns([
                ("Health", "status", ""),
                ("Agent", "name", ""),
                ("Who dials", "", "w"),
                ("Last heard", "heard", "w w3"),
                ("Thumbprint, SHA-256", "", ""),
                ("Certificates", "certificates", "num w w2"),
                ("Version", "version", "w w2"),
            ]),
            tally: wanted.tally(shown.len(), total),
            rows: shown.drain(pager.rows.clone()).map(|machine| Row::of(&machine, now)).collect(),
            pager,
            board,
            may_check: visit.may::<right::AgentCheck>().is_ok(),
            may_change,
            may_retry: visit.may::<right::DeliveryChange>().is_ok(),
        },
        wanted,
    })
}

fn machines(glances: Vec<crate::agents::Glance>, deliveries: &[DeliveryView], now: Timestamp) -> Vec<Machine> {
    let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
    for delivery in deliveries {
        let (all, behind) = counts.entry(delivery.agent.as_str()).or_default();
        *all += 1;
        // What cannot be known, as its machine is away, is no reason of its own.
        *behind += usize::from(is_trouble(delivery) && delivery.state != "unreachable");
    }
    let machine = |glance: crate::agents::Glance| {
        let (all, behind) = counts.get(glance.stored.value.name.as_str()).copied().unwrap_or_default();
        Machine::new(glance, all, behind, now)
    };
    glances.into_iter().map(machine).collect()
}

fn takes(wanted: &Listing, machine: &Machine) -> bool {
    let is_shown = match wanted.show.as_str() {
        "attention" => machine.needs_attention(),
        "away" => machine.is_away(),
        "connected" => machine.glance.is_linked,
        _ => true,
    };
    let (glance, agent) = (&machine.glance, &machine.glance.stored.value);
    let pins = &agent.pins;
    let pins = pins.previous.iter().map(|(pin, _)| pin).chain([&pins.current]).chain(&pins.next);
    is_shown
        && wanted.finds(pins, || {
            let (address, version) = (glance.address.as_deref(), glance.version.as_deref());
            format!(
                "{} {} {} {}",
                agent.name,
                dialled_at(agent),
                address.unwrap_or_default(),
                version.unwrap_or_default()
            )
        })
}

fn sort(wanted: &Listing, shown: &mut [Machine]) {
    let (word, is_backwards) = wanted.order();
    match word {
        // They are by name already.
        "name" => {}
        "heard" => shown.sort_by_key(|machine| Reverse(machine.glance.last_heard)),
        "certificates" => shown.sort_by_key(|machine| Reverse(machine.certificates)),
        "version" => shown.sort_by(|a, b| a.glance.version.cmp(&b.glance.version)),
        _ => shown.sort_by_key(|machine| Reverse(machine.mark)),
    }
    if is_backwards {
        shown.reverse();
    }
}

/// What is true of all of them, in a sentence or two.
fn lead(all: &[Machine], board: &Board) -> String {
    let machines = match all.len() {
        0 => return "Programs on other machines that install there the certificates that Portward renews.".to_owned(),
        1 => "1 machine installs certificates for Portward.".to_owned(),
        count => format!("{} machines install certificates for Portward.", grouped(count as u64)),
    };
    let count = |takes: fn(&Machine) -> bool| all.iter().filter(|machine| takes(machine)).count();
    let of = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{} {many}", grouped(count as u64))),
    };
    let drifted =
        of(board.drifted, "serves another version than you asked for", "serve another version than you asked for");
    let failed = of(board.failed, "installation failed", "installations failed");
    let away = of(count(Machine::is_away), "is out of reach", "are out of reach");
    let unwell = count(|machine| machine.mark == Mark::Bad);
    let unwell = of(unwell, "is unhealthy", "are unhealthy");
    let troubles: Vec<String> = [drifted, failed, unwell, away].into_iter().flatten().collect();
    if troubles.is_empty() {
        format!("{machines} All are well.")
    } else {
        format!("{machines} {}.", troubles.join(", "))
    }
}

fn segments(all: &[Machine], wanted: &Listing) -> Vec<Segment> {
    let count = |takes: fn(&Machine) -> bool| all.iter().filter(|machine| takes(machine)).count();
    wanted.segments([
        ("", "All", all.len()),
        ("attention", "Attention", count(Machine::needs_attention)),
        ("away", "Out of reach", count(Machine::is_away)),
        ("connected", "Connected", count(|machine| machine.glance.is_linked)),
    ])
}
