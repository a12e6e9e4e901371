//! Desired state, revisions, watch, and the sealing of secrets.
//!
//! A [`Store`] is a revisioned map from keys to values with transactions, watches and leases.
//! Two engines fulfil it: [`memory`], the model, and [`sqlite`], the embedded default.
//! Above them, and the same for both: whose store it is ([`cluster`]), reading all of it ([`desired`]),
//! changing it ([`change`]), who may do that ([`access`]), remote machines ([`agents`]), who changed what ([`audit`]), sealing secrets ([`sealing`]),
//! and files to go back to ([`backup`]).
//!
//! **Invariant:** nobody outside this crate sees SQL or a record.

pub mod access;
pub mod agents;
pub mod audit;
pub mod backup;
pub mod change;
pub mod cluster;
pub mod desired;
pub mod disk_snapshot;
pub mod doctor;
pub mod late;
pub mod memory;
pub mod sealing;
pub mod sqlite;

mod challenge;
mod disk;
mod error;
mod hex;
mod key;
mod lease;
mod place;
mod random;
mod records;
#[cfg(test)]
mod sample;
mod store;
mod txn;
mod watch;
pub mod work;

pub use challenge::{HttpChallenge, HttpChallengeError, TlsChallenge};
pub use error::{Cause, StoreError};
pub use key::{Key, KeyError, Prefix};
pub use lease::{Lease, LeaseId};
pub use portward_core::Revision;
pub use records::RecordError;
pub use store::{Changes, Counts, HealthState, ListPage, OP_REMEMBERED, Page, Read, Store, StoreHealth};
pub use txn::{Cond, Kv, LimitError, Op, OpId, Txn, TxnOutcome};
pub use watch::{WatchEvent, WatchStream};
