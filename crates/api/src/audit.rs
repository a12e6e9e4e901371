//! Who changed what, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Shows who made a change, when, and what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditView {
    /// Names the record; ids rise in the order of the records.
    pub id: String,
    /// When.
    pub at: String,
    /// Who.
    pub who: String,
    /// In which way: `user`, `token`, `socket` or `portward`; null in old records.
    pub actor: Option<String>,
    /// Where the client was; null if it was on this machine.
    pub address: Option<String>,
    /// What was done.
    pub what: String,
    /// Which records of the store were written.
    pub changes: Vec<AuditChangeView>,
    /// How many records the chain has with this one; null in records that are older than the chain.
    pub number: Option<u64>,
    /// The hash of the record before this one.
    pub previous: Option<String>,
    /// The hash of this record, as the next one has it.
    pub sha256: String,
    /// What `POST /api/v1/undo/{id}` takes to undo the change, while that is possible for who asks; else not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<u64>,
}

/// Shows of one record of the store what it had before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditChangeView {
    /// Where it is in the store.
    pub key: String,
    /// SHA-256 of what it had before; null if it was not there.
    pub before: Option<String>,
    /// SHA-256 of what it has after; null if it is not there any more.
    pub after: Option<String>,
}

/// Is a part of the audit, the newest record first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// The records.
    pub items: Vec<AuditView>,
    /// What `cursor` is for the following part; null after the last one.
    ///
    /// A part ends when many records were looked at, so it may have few items, or none, and be followed by others.
    pub next_cursor: Option<String>,
}

/// Says which records are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Text in the name of who changed something.
    pub who: Option<String>,
    /// Text in what was done, or in a key that was written.
    pub what: Option<String>,
    /// A day in UTC, as in `2026-11-20`.
    pub day: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
    /// Those before this one.
    pub cursor: Option<String>,
}

/// Tells whether every record of the audit follows the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditVerification {
    /// Whether all of them do, and the record with the hash that was asked for is among them.
    pub ok: bool,
    /// How many records the chain has.
    pub records: u64,
    /// How many records are older than the chain.
    pub older: u64,
    /// The last record; null if there is no chain yet.
    pub end: Option<AuditEndView>,
    /// The first place where the chain is broken.
    pub broken: Option<AuditBreakView>,
    /// At how many places it is.
    pub breaks: u64,
    /// Whether the record with the hash that was asked for is there; null if none was.
    pub has_known: Option<bool>,
}

/// Names the last record of the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEndView {
    /// The record.
    pub id: String,
    /// How many records the chain has.
    pub number: u64,
    /// Its hash: kept somewhere else, it shows later that nothing before it was written anew.
    pub sha256: String,
}

/// Tells where the chain of the audit is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditBreakView {
    /// Where in the store.
    pub key: String,
    /// The number of the record, if it has one.
    pub number: Option<u64>,
    /// What was expected there, and what was found.
    pub message: String,
}
