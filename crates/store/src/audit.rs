//! Who changed what: reading the records of it, and finding out whether any of them was touched.
//!
//! Each record has the hash of the one before it, and `audit-head` has the hash of the last one,
//! so that what was changed, put between, put in another order or taken away is noticed.
//! There is no key in it: who can write the whole store can write the whole chain anew.
//! Whoever wants to be sure of that too keeps the hash of the last record somewhere else.

pub(crate) mod chain;
mod days;
mod entry;
mod join;
mod page;
mod verify;

pub use entry::{AuditChange, AuditEntry, AuditId, AuditIdError};
pub(crate) use join::join;
pub use page::{AuditFilter, AuditPage, entry, page};
pub use verify::{AuditEnd, Broken, Fault, Verification, verify};

use crate::Prefix;

/// Below this are all records.
pub(crate) fn prefix() -> Prefix {
    Prefix::of_checked("audit/".to_owned())
}

/// How many keys are read at once.
const PAGE_KEYS: usize = 1000;
