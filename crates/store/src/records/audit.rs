//! The record of who changed what, and where the chain of these records ends.

use serde::{Deserialize, Serialize};

use super::Record;

/// Is `audit/<day>/<ulid>`; written in the same transaction as the change.
///
/// Version 1 has no place in a chain, and says in no field of its own how somebody acted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditRecord {
    v: u32,
    /// RFC 3339.
    pub(crate) at: String,
    pub(crate) who: String,
    /// In which way, as [`ActorKind`](portward_core::ActorKind) says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    /// Where the client was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    pub(crate) what: String,
    pub(crate) changes: Vec<AuditedRecord>,
    /// How many records the chain has with this one; none in version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<u64>,
    /// The hash of the record before this one; none where the chain begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<String>,
    /// The hash of the last record of another chain, which a restore brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) joined: Option<String>,
    /// What was there without a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) older: Option<OlderRecords>,
}

/// Tells of one key what it had before and after, as SHA-256 in hexadecimal; none where it was absent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditedRecord {
    pub(crate) key: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

/// Tells of the records that have no place in a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OlderRecords {
    pub(crate) count: u64,
    /// Of the hashes of all of them, in the order of their keys.
    pub(crate) sha256: String,
}

/// Is `audit-head`: the last record of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditHeadRecord {
    v: u32,
    /// How many records the chain has.
    pub(crate) number: u64,
    /// Where the last one is.
    pub(crate) key: String,
    /// Its hash.
    pub(crate) sha256: String,
}

impl Record for AuditRecord {
    const VERSION: u32 = 2;
}

impl Record for AuditHeadRecord {
    const VERSION: u32 = 1;
}

impl AuditRecord {
    /// Makes a record that has no place in a chain yet.
    pub(crate) fn new(at: String, who: String, what: String, changes: Vec<AuditedRecord>) -> Self {
        let v = Self::VERSION;
        let (actor, address, number, previous, joined, older) = (None, None, None, None, None, None);
        Self { v, at, who, actor, address, what, changes, number, previous, joined, older }
    }
}

impl AuditHeadRecord {
    /// Makes the record.
    pub(crate) fn new(number: u64, key: String, sha256: String) -> Self {
        Self { v: Self::VERSION, number, key, sha256 }
    }
}
