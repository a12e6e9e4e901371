//! The pages of certificates: the list, and one of them with all that can be done to it.

mod list;
mod row;
mod state;
mod words;

pub(super) use list::list;
pub(super) use words::issuer_name;
