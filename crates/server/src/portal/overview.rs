//! Overview: the answer to "am I safe?", the horizon, and what needs a hand.

mod horizon;
mod traffic;
mod verdict;

use std::{collections::HashSet, time::Duration};

use askama::Template;
use axum::response::Response;
use portward_api::{AuditQuery, AuditView};
use portward_core::{
    AgentHealth, HostPattern, Permission, Site, SiteId, Timestamp,
    acme::{Issuer, announced_lifetimes},
};

use self::{
    horizon::{Horizon, Shape, draw},
    traffic::Traffic,
    verdict::{Verdict, name_of, portal_warned, verdict},
};
use super::{
    answer,
    frame::{Frame, Nav},
    problems::{ShownProblem, shown},
    standing::{Reach, Standing, standings},
    view::{Mark, When, grouped},
    visit::Visit,
};
use crate::{
    app::{
        Actor, Allowed, App, AppError,
        horizon::{Lane, Lifetimes},
        right,
    },
    problem::Subject,
    served::ServedState,
};

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    standing: HowItStands,
    traffic: Traffic,
}

/// The parts that change with what is served, and with time.
#[derive(Template)]
#[template(path = "overview-live.html")]
struct HowItStands {
    verdict: Verdict,
    next_renewal: Option<When>,
    managed: String,
    /// What stands between the reader and the portal itself, if something does.
    of_portal: Option<&'static str>,
    /// How agents are; none if there is none.
    agents: Option<String>,
    /// Whether who looks may get certificates.
    may_get: bool,
    horizon: Horizon,
    plans: Vec<Plan>,
    attention: Vec<Attention>,
    /// How many things need attention.
    needing: String,
    /// None for who may not see them.
    changes: Option<Vec<RecentChange>>,
}

/// The part that changes with what comes.
#[derive(Template)]
#[template(path = "overview/traffic.html")]
struct TrafficPart {
    traffic: Traffic,
}

/// Is something that needs a hand, with one thing to do.
struct Attention {
    mark: Mark,
    what: String,
    message: String,
    path: Option<String>,
    action: &'static str,
}

/// Is a change that somebody made lately.
struct RecentChange {
    /// How many records the audit has with it; empty if it is older than that count.
    number: String,
    what: String,
    who: String,
    when: Option<When>,
    /// The revision with which it can be undone.
    undo: Option<u64>,
}

/// Is a choice of the lifetimes with which renewals are reckoned.
struct Plan {
    path: String,
    name: String,
    is_chosen: bool,
}

/// Shows how things stand.
pub(super) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let served = visit.app.served();
    let sites = standings(&visit.app, &served);
    let standing = HowItStands::of(&visit, &served, &sites).await?;
    let traffic = Traffic::of(&visit.app, &served, visit.app.now());
    answer::html(&OverviewPage { frame: visit.frame(Nav::Overview, "Overview"), standing, traffic })
}

/// Shows the parts that change when something happens.
pub(super) async fn show_live(visit: Visit<right::View>) -> Result<Response, AppError> {
    let served = visit.app.served();
    let sites = standings(&visit.app, &served);
    answer::html(&HowItStands::of(&visit, &served, &sites).await?)
}

/// Shows what comes.
pub(super) async fn show_traffic(visit: Visit<right::View>) -> Result<Response, AppError> {
    answer::html(&TrafficPart { traffic: Traffic::of(&visit.app, &visit.app.served(), visit.app.now()) })
}

impl HowItStands {
    async fn of(
        visit: &Visit<right::View>,
        served: &ServedState,
        sites: &[(&Site, Standing)],
    ) -> Result<Self, AppError> {
        let now = visit.app.now();
        let changes = changes(now);
        let asked =
            visit.query.filled("lifetimes").and_then(|text| Timestamp::parse(&format!("{text}T00:00:00Z")).ok());
        let lifetimes = asked.map_or(Lifetimes::Announced, Lifetimes::Of);
        let lanes = visit.app.horizon(&visit.by, lifetimes, now.plus(AHEAD)).await?;
        let mut attention = attention(served, sites, visit.by.actor());
        let needing = attention.len();
        attention.truncate(MOST_SHOWN);
        Ok(Self {
            verdict: verdict(served, sites, &lanes, now),
            next_renewal: next_renewal(&lanes).map(|at| When::new(at, now)),
            managed: managed(&lanes),
            agents: agents(&visit.app, &visit.by),
            of_portal: portal_warned(sites).then_some("Browsers warn of the portal"),
            may_get: visit.may::<right::CertificateChange>().is_ok(),
            horizon: draw(&lanes, &changes, now),
            plans: plans(&changes, asked),
            attention,
            needing: grouped(needing as u64),
            changes: recent(visit, now).await?,
        })
    }
}

/// How many agents are healthy, and how many are not.
fn agents(app: &App, by: &Allowed<right::View>) -> Option<String> {
    let glances = app.survey_agents(by);
    let healthy = glances.iter().filter(|glance| glance.is_linked && glance.health == AgentHealth::Healthy).count();
    match (healthy, glances.len() - healthy) {
        (0, 0) => None,
        (1, 0) => Some("The agent is healthy".to_owned()),
        (healthy, 0) => Some(format!("All {} agents are healthy", grouped(healthy as u64))),
        (0, 1) => Some("The agent is not healthy".to_owned()),
        (healthy, others) => {
            let (healthy, all) = (grouped(healthy as u64), grouped((healthy + others) as u64));
            Some(format!("{healthy} of {all} agents are healthy"))
        }
    }
}

/// Lifetimes that Let's Encrypt has announced, and that are not there yet.
fn changes(now: Timestamp) -> Vec<(Timestamp, u64)> {
    let all = announced_lifetimes(Issuer::LETS_ENCRYPT, None);
    all.into_iter().filter(|step| step.from > now).map(|step| (step.from, step.lifetime.as_secs() / 86_400)).collect()
}

fn plans(changes: &[(Timestamp, u64)], asked: Option<Timestamp>) -> Vec<Plan> {
    let mut plans = vec![Plan { path: "/".to_owned(), name: "today".to_owned(), is_chosen: asked.is_none() }];
    plans.extend(changes.iter().map(|(from, _)| Plan {
        path: format!("/?lifetimes={}", from.date()),
        name: super::view::day(*from).split_once(' ').map(|(_, month)| month.to_owned()).unwrap_or_default(),
        is_chosen: asked == Some(*from),
    }));
    plans
}

/// Problems, and sites of which browsers warn; the worst first.
fn attention(served: &ServedState, sites: &[(&Site, Standing)], actor: &Actor) -> Vec<Attention> {
    let problems = served.problems.iter().map(shown).map(|problem: ShownProblem| Attention {
        mark: problem.mark,
        what: problem.what,
        message: problem.message,
        path: problem.path,
        action: "Look at it",
    });
    // A site that is left out is a problem already, and without an https binding no certificate helps.
    let said: HashSet<&SiteId> = served
        .problems
        .iter()
        .filter_map(|problem| match &problem.subject {
            Subject::Site(id) => Some(id),
            _ => None,
        })
        .collect();
    let warned = sites.iter().filter(|(_, standing)| standing.reach == Reach::Https && !standing.is_safe());
    let warned = warned.filter(|(site, _)| !said.contains(&site.id));
    let warned = warned.map(|(site, _)| {
        let name = site.names.first().filter(|name| **name != HostPattern::Any);
        let (path, action) = match (name, actor.holds(Permission::CertificateChange)) {
            (_, false) => (format!("/sites/{}", site.id), "Look at it"),
            (Some(name), true) => (format!("/request?names={name}"), "Get a certificate"),
            (None, true) => ("/lets-encrypt".to_owned(), "Get a certificate"),
        };
        Attention {
            mark: Mark::Warn,
            what: format!("Browsers warn of {}", name_of(site)),
            message: "Its certificate is missing, or one that Portward signed itself.".to_owned(),
            path: Some(path),
            action,
        }
    });
    let is_http_alone = sites.iter().any(|(_, standing)| standing.reach == Reach::HttpAlone);
    let http_alone = is_http_alone.then(|| Attention {
        mark: Mark::Warn,
        what: "Sites are served over HTTP alone".to_owned(),
        message: "No https binding is there, so nobody is shown a certificate.".to_owned(),
        path: Some("/bindings".to_owned()),
        action: if actor.holds(Permission::BindingChange) { "Add a binding" } else { "Look at it" },
    });
    problems.chain(http_alone).chain(warned).collect()
}

/// The newest changes, for who may see them.
async fn recent(visit: &Visit<right::View>, now: Timestamp) -> Result<Option<Vec<RecentChange>>, AppError> {
    let Ok(by) = visit.may::<right::AuditView>() else { return Ok(None) };
    let asked = AuditQuery { limit: Some(MOST_READ), ..AuditQuery::default() };
    let page = visit.app.list_audit(&by, &asked).await?;
    let change = |record: AuditView| RecentChange {
        when: Timestamp::parse(&record.at).ok().map(|at| When::new(at, now)),
        number: record.number.map(grouped).unwrap_or_default(),
        what: in_short(&record.what).to_owned(),
        who: record.who,
        undo: record.undo,
    };
    let is_change = |record: &AuditView| !NO_CHANGES.iter().any(|what| record.what.starts_with(what));
    let changes = page.items.into_iter().filter(is_change);
    Ok(Some(changes.take(MOST_SHOWN).map(change).collect()))
}

/// What was done, without the thumbprint, which tells people nothing.
fn in_short(what: &str) -> &str {
    what.split_once(", thumbprint ").map_or(what, |(before, _)| before)
}

fn next_renewal(lanes: &[Lane]) -> Option<Timestamp> {
    lanes.iter().filter_map(|lane| lane.planned.as_ref().map(|planned| planned.at)).min()
}

fn managed(lanes: &[Lane]) -> String {
    let count = lanes.iter().filter(|lane| lane.planned.is_some()).count();
    match (count, lanes.len()) {
        (_, 0) => "No certificate yet".to_owned(),
        (0, _) => "No certificate renews by itself".to_owned(),
        (1, 1) => "The certificate renews by itself".to_owned(),
        (1, all) => format!("1 of {all} certificates renews by itself"),
        (count, all) => format!("{count} of {all} certificates renew by themselves"),
    }
}

/// A little more than the horizon has to scale, so that what stands at its edge is right.
const AHEAD: Duration = Duration::from_secs(92 * 86_400);
/// More stand on the page of problems.
const MOST_SHOWN: usize = 5;
/// How records begin that are in the audit alone: they change nothing that somebody asked for.
const NO_CHANGES: [&str; 3] = ["sign in", "answer challenges", "take away the answers"];
/// Among that many records there are mostly [`MOST_SHOWN`] changes.
const MOST_READ: usize = 30;

#[cfg(test)]
mod tests;
