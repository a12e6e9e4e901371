//! One delivery: how far it came, what is wrong and the way out, what is wanted there and what is.

use askama::Template;
use axum::response::Response;
use http::Method;
use portward_api::DeliveryView;
use portward_core::Timestamp;

use super::{
    super::{
        agents::Head,
        answer::{self, as_sentence},
        equivalents::{DifferenceLine, Equivalents, curl, word},
        frame::{Frame, Nav},
        view::{Mark, When, absolute, in_fours, span, upcoming},
        visit::Visit,
    },
    format_name, mark_and_word,
};
use crate::app::{AppError, right};

#[derive(Template)]
#[template(path = "deliveries/detail.html")]
struct DetailPage {
    frame: Frame,
    head: Head,
    part: Part,
    equivalents: Equivalents,
}

/// Is what of the page changes by itself.
#[derive(Template)]
#[template(path = "deliveries/detail-live.html")]
struct Part {
    delivery: DeliveryView,
    stations: Vec<Station>,
    /// Why it is not as wanted.
    trouble: Option<Trouble>,
    format: &'static str,
    served_thumbprint: Option<String>,
    at: Option<When>,
    next_try: Option<(String, String)>,
    left: Option<String>,
    may_change: bool,
}

/// Is both, for the page that is open.
#[derive(Template)]
#[template(source = "{{ head|safe }}{{ part|safe }}", ext = "html")]
struct Live {
    head: Head,
    part: Part,
}

struct Trouble {
    mark: Mark,
    title: &'static str,
    says: String,
    cause: String,
    meanwhile: String,
    remedy: &'static str,
}

struct Station {
    name: &'static str,
    class: &'static str,
    mark: Mark,
    label: &'static str,
    sub: &'static str,
}

/// Shows it.
pub(in crate::portal) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let (head, part) = parts(&visit).await?;
    let id = part.delivery.id.clone();
    answer::html(&DetailPage {
        frame: visit.frame(Nav::Agents, format!("{} on {}", part.delivery.certificate, part.delivery.agent)),
        equivalents: Equivalents {
            cli: format!("portward delivery show {0}\nportward delivery retry {0}", word(&id)),
            curl: curl(&Method::POST, &format!("/api/v1/deliveries/{id}/retry"), None),
            ..Equivalents::default()
        },
        head,
        part,
    })
}

/// Shows what of it changes, for the page that is open.
pub(in crate::portal) async fn show_live(visit: Visit<right::View>) -> Result<Response, AppError> {
    let (head, part) = parts(&visit).await?;
    answer::html(&Live { head, part })
}

/// Has it tried now.
pub(in crate::portal) async fn retry(visit: Visit<right::DeliveryChange>) -> Result<Response, AppError> {
    let id = visit.param("id").to_owned();
    let view = visit.app.retry_delivery(&visit.by, &id).await?;
    let says = match view.state.as_str() {
        "unreachable" => format!("It is installed as soon as {} is connected.", view.agent),
        _ => format!("{} is installed on {} again.", view.certificate, view.agent),
    };
    Ok(visit.told(&format!("/deliveries/{id}"), says))
}

async fn parts(visit: &Visit<right::View>) -> Result<(Head, Part), AppError> {
    let delivery = visit.app.show_delivery(&visit.by, visit.param("id")).await?.view;
    let now = visit.app.now();
    let (mark, word) = mark_and_word(&delivery);
    let next = delivery.next_try.as_deref().and_then(|at| Timestamp::parse(at).ok());
    let facts = vec![format_name(&delivery.format).to_owned(), delivery.to.join(", ")];
    let part = Part {
        stations: stations(&delivery),
        trouble: trouble(&delivery, mark),
        format: format_name(&delivery.format),
        served_thumbprint: delivery.served_thumbprint.as_deref().map(in_fours),
        at: delivery.at.as_deref().and_then(|at| Timestamp::parse(at).ok()).map(|at| When::new(at, now)),
        next_try: next.map(|at| (upcoming(at, now), absolute(at))),
        left: left(visit, &delivery, now),
        may_change: visit.may::<right::DeliveryChange>().is_ok(),
        delivery,
    };
    Ok((Head { mark, word: word.to_owned(), facts }, part))
}

/// How long what is served there is valid.
fn left(visit: &Visit<right::View>, delivery: &DeliveryView, now: Timestamp) -> Option<String> {
    let number = delivery.served.or(delivery.stored)?;
    let versions = visit.app.list_certificate_versions(&visit.by, &delivery.certificate).ok()?;
    let end = Timestamp::parse(&versions.iter().find(|version| version.version == number)?.not_after).ok()?;
    Some(match now > end {
        true => format!("Version {number} expired {} ago.", span(now.since(end).as_secs())),
        false => format!("Version {number} stays valid for {}.", span(end.since(now).as_secs())),
    })
}

fn stations(delivery: &DeliveryView) -> Vec<Station> {
    let stage = delivery.stage.as_deref();
    let at = stage.and_then(|stage| STATIONS.iter().position(|(word, ..)| *word == stage));
    let (at, state) = match delivery.state.as_str() {
        "installed" => (STATIONS.len(), "done"),
        "running" => (at.unwrap_or(0), "now"),
        "failed" => (at.unwrap_or(0), "stop"),
        "drifted" => (STATIONS.len() - 1, "stop"),
        _ => (0, "next"),
    };
    let station = |(index, (_, name, sub)): (usize, &(&str, &'static str, &'static str))| {
        let (class, mark, label) = match (index.cmp(&at), state) {
            (std::cmp::Ordering::Less, _) => ("done", Mark::Ok, "done"),
            (std::cmp::Ordering::Equal, "now") => ("now", Mark::Run, "running"),
            (std::cmp::Ordering::Equal, "stop") => ("stop", Mark::Bad, "failed"),
            (_, "stop") => ("never", Mark::Off, "not reached"),
            _ => ("next", Mark::Off, "to come"),
        };
        Station { name, class, mark, label, sub }
    };
    STATIONS.iter().enumerate().map(station).collect()
}

fn trouble(delivery: &DeliveryView, mark: Mark) -> Option<Trouble> {
    let wanted = delivery.wanted.map_or_else(|| "it".to_owned(), |number| format!("version {number}"));
    let there = delivery.served.or(delivery.stored);
    let cause = delivery.message.as_deref().map(as_sentence).unwrap_or_default();
    let (title, says, remedy) = match (delivery.state.as_str(), there) {
        ("failed", there) => (
            "It could not be installed",
            match there {
                Some(there) => format!("Version {there} goes on being used, you asked for {wanted}."),
                None => format!("Nothing is there yet, you asked for {wanted}."),
            },
            failed_remedy(delivery.stage.as_deref()),
        ),
        ("drifted", there) => (
            "Something else is served",
            match there {
                Some(there) => format!("Serves version {there}, you asked for {wanted}."),
                None => format!("Something else is there, you asked for {wanted}."),
            },
            "Portward installs it again by itself. If it comes back, see who writes these files there: another program, or a person.",
        ),
        ("unreachable", _) => (
            "Its machine is out of reach",
            format!("The agent {} is not connected, so nothing can be installed there.", delivery.agent),
            "Check the agent: it tells how far the way to it goes. As soon as it is back, this is installed.",
        ),
        ("paused", _) => (
            "It waits",
            "A new version goes to one machine first, then to a tenth of them, then to all.".to_owned(),
            "Mend it where it failed. To go on here without waiting, install it now.",
        ),
        _ => return None,
    };
    let meanwhile = match delivery.state.as_str() {
        "failed" => "What was there before goes on being used.".to_owned(),
        _ => String::new(),
    };
    Some(Trouble { mark, title, says, cause, meanwhile, remedy })
}

fn failed_remedy(stage: Option<&str>) -> &'static str {
    match stage {
        Some("check") => {
            "Give a place, an owner and a profile that the policy of the agent allows, or change the policy on its machine; then try again."
        }
        Some("stage") => "See on the machine whether the directory is there and its disk has room; then try again.",
        Some("test") => {
            "The program there does not take the new files together with its configuration. Mend that on the machine; then try again."
        }
        Some("reload") => "The program there could not be told. Look at its log on the machine; then try again.",
        Some("verify") => {
            "The program there was told and serves something else. See whether it reads these files, and whether the address to verify is its own; then try again."
        }
        _ => "Mend it on the machine; then try again.",
    }
}

/// The stages of an installation: the agent's word, what it is called, what is done.
const STATIONS: [(&str, &str, &str); 6] = [
    ("check", "Check", "may it be here?"),
    ("stage", "Stage", "files beside the old ones"),
    ("test", "Test", "the program reads them"),
    ("swap", "Swap", "all at once"),
    ("reload", "Reload", "the program is told"),
    ("verify", "Served", "seen on the wire"),
];
