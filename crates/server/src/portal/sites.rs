//! The pages of sites: the list, a new one, and one of them with its tabs.

mod detail;
mod forwarding;
mod given;
mod handshake;
mod headers;
mod history;
mod limits;
mod list;
mod new;
mod rehearsal;
mod remove;
mod tab;
#[cfg(test)]
mod tests;
mod traffic;

pub(super) use detail::{ask, save, show};
pub(super) use forwarding::{save as save_forwarding, show as show_forwarding};
pub(super) use headers::{save as save_headers, show as show_headers};
pub(super) use history::show as show_history;
pub(super) use limits::{save as save_limits, show as show_limits};
pub(super) use list::list;
pub(super) use new::{add, show as show_new};
pub(super) use remove::{ask as ask_remove, remove};
pub(super) use traffic::{show as show_traffic, show_live as show_live_traffic};
