//! Overview: the answer to "am I safe?", the horizon, and what needs a hand.

mod horizon;
mod verdict;

use std::time::Duration;

use askama::Template;
use axum::response::Response;
use portward_api::{AuditQuery, AuditView};
use portward_core::{
    HostPattern, Timestamp,
    acme::{Issuer, announced_lifetimes},
};

use self::{
    horizon::{Horizon, Shape, draw},
    verdict::{Verdict, is_safe, verdict},
};
use super::{
    answer,
    frame::{Frame, Nav},
    problems::{ShownProblem, shown},
    view::{Mark, When},
    visit::Visit,
};
use crate::{
    app::{
        AppError,
        horizon::{Lane, Lifetimes},
        right,
    },
    served::ServedState,
};

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    verdict: Verdict,
    next_renewal: Option<When>,
    managed: String,
    horizon: Horizon,
    plans: Vec<Plan>,
    attention: Vec<Attention>,
    changes: Vec<RecentChange>,
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
    what: String,
    who: String,
    when: Option<When>,
}

/// Is a choice of the lifetimes with which renewals are reckoned.
struct Plan {
    path: String,
    name: String,
    is_chosen: bool,
}

/// Shows how things stand.
pub(super) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let now = visit.app.now();
    let served = visit.app.served();
    let changes = changes(now);
    let asked = visit.query.filled("lifetimes").and_then(|text| Timestamp::parse(&format!("{text}T00:00:00Z")).ok());
    let lifetimes = asked.map_or(Lifetimes::Announced, Lifetimes::Of);
    let lanes = visit.app.horizon(&visit.by, lifetimes, now.plus(AHEAD)).await?;
    let page = OverviewPage {
        frame: visit.frame(Nav::Overview, "Overview"),
        verdict: verdict(&served, &lanes, now),
        next_renewal: next_renewal(&lanes).map(|at| When::new(at, now)),
        managed: managed(&lanes),
        horizon: draw(&lanes, &changes, now),
        plans: plans(&changes, asked),
        attention: attention(&served, now),
        changes: recent(&visit, now).await?,
    };
    answer::html(&page)
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
fn attention(served: &ServedState, now: Timestamp) -> Vec<Attention> {
    let problems = served.problems.iter().map(shown).map(|problem: ShownProblem| Attention {
        mark: problem.mark,
        what: problem.what,
        message: problem.message,
        path: problem.path,
        action: "Look at it",
    });
    let sites = served.desired.sites.iter().map(|stored| &stored.value);
    let warned = sites.filter(|site| !is_safe(site, served, now)).map(|site| {
        let name = site.names.first().filter(|name| **name != HostPattern::Any).map(ToString::to_string);
        let request = name.as_ref().map_or_else(|| "/lets-encrypt".to_owned(), |name| format!("/request?names={name}"));
        Attention {
            mark: Mark::Warn,
            what: format!("Browsers warn of {}", name.unwrap_or_else(|| format!("the site {}", site.id))),
            message: "Its certificate is missing, or one that Portward signed itself.".to_owned(),
            path: Some(request),
            action: "Get a certificate",
        }
    });
    problems.chain(warned).take(MOST_SHOWN).collect()
}

/// The newest changes, for who may see them.
async fn recent(visit: &Visit<right::View>, now: Timestamp) -> Result<Vec<RecentChange>, AppError> {
    let Ok(by) = visit.may::<right::AuditView>() else { return Ok(Vec::new()) };
    let asked = AuditQuery { limit: Some(MOST_SHOWN), ..AuditQuery::default() };
    let page = visit.app.list_audit(&by, &asked).await?;
    let change = |record: AuditView| RecentChange {
        when: Timestamp::parse(&record.at).ok().map(|at| When::new(at, now)),
        what: record.what,
        who: record.who,
    };
    Ok(page.items.into_iter().map(change).collect())
}

fn next_renewal(lanes: &[Lane]) -> Option<Timestamp> {
    lanes.iter().filter_map(|lane| lane.planned.as_ref().map(|planned| planned.at)).min()
}

fn managed(lanes: &[Lane]) -> String {
    let count = lanes.iter().filter(|lane| lane.planned.is_some()).count();
    match (count, lanes.len()) {
        (_, 0) => "No certificate yet".to_owned(),
        (0, _) => "No certificate renews by itself".to_owned(),
        (1, all) => format!("1 of {all} certificates renews by itself"),
        (count, all) => format!("{count} of {all} certificates renew by themselves"),
    }
}

/// A little more than the horizon has to scale, so that what stands at its edge is right.
const AHEAD: Duration = Duration::from_secs(92 * 86_400);
/// More stand on the page of problems.
const MOST_SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_lifetimes_to_come_can_be_chosen() {
        let now = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
        let asked = Timestamp::parse("2027-02-10T00:00:00Z").unwrap();
        let plans = plans(&changes(now), Some(asked));
        let names: Vec<(&str, bool)> = plans.iter().map(|plan| (plan.name.as_str(), plan.is_chosen)).collect();
        assert_eq!(names, [("today", false), ("Feb 2027", true), ("Feb 2028", false)]);
        assert_eq!(plans[1].path, "/?lifetimes=2027-02-10");
    }
}
