//! The pages of certificates: the list, and one of them with all that can be done to it.

mod deeds;
mod detail;
mod list;
mod remove;
mod row;
mod state;
#[cfg(test)]
mod tests;
mod words;

pub(super) use deeds::{begun_after, export, newest_attempt, renew, revoke, roll_back, unmanage};
pub(super) use detail::show;
pub(super) use list::list;
pub(super) use remove::{ask as ask_remove, remove};
pub(super) use row::issued_by;
pub(super) use words::{common_name, issuer_name};
