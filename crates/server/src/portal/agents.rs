//! The pages of agents: who is trusted and how they are, one of them, adding one, asking them, and the server's identity.
//!
//! The one thing to know: who is an agent is its thumbprint. The name is for people, and stands beside it.

mod add;
mod board;
mod checks;
mod deeds;
mod detail;
mod head;
mod list;
mod remove;
mod row;
mod script;
mod strangers;
#[cfg(test)]
mod tests;
mod trust;

use http::Method as M;
use portward_core::Timestamp;

use super::{
    deliveries,
    pages::Pages,
    view::{When, in_fours},
};

pub(crate) use checks::Checks;
pub(super) use head::Head;

/// The pages of agents and deliveries.
pub(super) fn pages(pages: Pages) -> Pages {
    pages
        .page(M::GET, "/agents", list::list)
        .page(M::GET, "/machines/live", list::show_live)
        .page(M::POST, "/strangers/{id}/trust", strangers::trust)
        .page(M::POST, "/strangers/{id}/refuse", strangers::refuse)
        .page(M::POST, "/agent-checks", checks::begin)
        .page(M::GET, "/agent-checks/{id}", checks::show)
        .page(M::GET, "/agent-checks/{id}/live", checks::show_live)
        .page(M::GET, "/agents/add", add::show)
        .page(M::POST, "/agents/add/join", add::join)
        .page(M::POST, "/agents/add/thumbprint", add::trust)
        .page(M::GET, "/agents/trust", trust::show)
        .page(M::GET, "/agents/trust/live", trust::show_live)
        .page(M::POST, "/agents/trust/make", trust::make)
        .page(M::POST, "/agents/trust/rotate", trust::rotate)
        .page(M::POST, "/agents/trust/replace", trust::replace)
        .page(M::POST, "/agents/trust/import", trust::import)
        .page(M::GET, "/agents/{name}", detail::show)
        .page(M::GET, "/agents/{name}/live", detail::show_live)
        .page(M::POST, "/agents/{name}/check", checks::check_one)
        .page(M::POST, "/agents/{name}/rotate", deeds::rotate)
        .page(M::POST, "/agents/{name}/change", deeds::change)
        .page(M::GET, "/agents/{name}/remove", remove::ask)
        .page(M::POST, "/agents/{name}/remove", remove::remove)
        .page(M::GET, "/deliveries/add", deliveries::show_new)
        .page(M::POST, "/deliveries/add", deliveries::add)
        .page(M::GET, "/deliveries/{id}", deliveries::show)
        .page(M::GET, "/deliveries/{id}/live", deliveries::show_live)
        .page(M::POST, "/deliveries/{id}/retry", deliveries::retry)
        .page(M::GET, "/deliveries/{id}/remove", deliveries::ask_remove)
        .page(M::POST, "/deliveries/{id}/remove", deliveries::remove)
}

/// A moment that a view has as a text; none if it has none.
pub(super) fn moment(text: Option<&str>, now: Timestamp) -> Option<When> {
    Timestamp::parse(text?).ok().map(|at| When::new(at, now))
}

/// The two ends of a thumbprint, to tell rows from one another; it is never compared by this.
pub(super) fn short(hex: &str) -> String {
    let (start, end) = (hex.get(..8).unwrap_or_default(), hex.get(hex.len().saturating_sub(4)..).unwrap_or_default());
    format!("{} … {}", in_fours(start), in_fours(end))
}
