//! Search: names, thumbprints, pages and commands, as a page and as what the palette shows.

mod find;

use askama::Template;
use axum::response::Response;

use self::find::{Group, Machines, find};
use super::{
    answer,
    frame::{Frame, Nav},
    visit::Visit,
};
use crate::app::{AppError, right};

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    frame: Frame,
    query: String,
    groups: Vec<Group>,
    lead: String,
}

/// Is what the palette shows below its field.
#[derive(Template)]
#[template(path = "search-hits.html")]
struct Hits {
    groups: Vec<Group>,
}

/// Shows what was found, all of it.
pub(super) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let query = visit.query.filled("q").unwrap_or_default().to_owned();
    let machines = machines(&visit).await?;
    let groups = find(&visit.app.served().desired, &machines, visit.by.actor(), &query, ON_A_PAGE);
    let found: usize = groups.iter().map(|group| group.hits.len()).sum();
    let lead = match (query.is_empty(), found) {
        (true, _) => "Type a host name, a part of a thumbprint, or what you want to do.".to_owned(),
        (false, 0) => format!("Nothing has “{query}” in its name, thumbprint or title."),
        (false, 1) => "1 found.".to_owned(),
        (false, count) => format!("{count} found."),
    };
    answer::html(&SearchPage { frame: visit.frame(Nav::None, "Search"), query, groups, lead })
}

/// Shows the first ones of each kind, for the palette.
pub(super) async fn hits(visit: Visit<right::View>) -> Result<Response, AppError> {
    let query = visit.query.filled("q").unwrap_or_default();
    let machines = machines(&visit).await?;
    answer::html(&Hits {
        groups: find(&visit.app.served().desired, &machines, visit.by.actor(), query, IN_THE_PALETTE),
    })
}

/// Agents, and what is delivered to them.
async fn machines(visit: &Visit<right::View>) -> Result<Machines, AppError> {
    let agents = visit.app.agents();
    let delivered = agents.delivered().into_iter();
    let delivered = delivered.map(|standing| standing.stored.value.delivery.clone());
    Ok(Machines { agents: agents.roster().all(), deliveries: delivered.collect() })
}

/// Of each kind; more is not read through.
const ON_A_PAGE: usize = 100;
/// Of each kind, so that all kinds are seen at once.
const IN_THE_PALETTE: usize = 6;
