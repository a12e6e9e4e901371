//! The record of who changed what.

use serde::{Deserialize, Serialize};

use super::Record;

/// Is `audit/<day>/<ulid>`; written in the same transaction as the change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditRecord {
    v: u32,
    /// RFC 3339.
    pub(crate) at: String,
    pub(crate) who: String,
    pub(crate) what: String,
    pub(crate) changes: Vec<AuditedRecord>,
}

/// Tells of one key what it had before and after, as SHA-256 in hexadecimal; none where it was absent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditedRecord {
    pub(crate) key: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

impl Record for AuditRecord {
    const VERSION: u32 = 1;
}

impl AuditRecord {
    /// Makes the record.
    pub(crate) fn new(at: String, who: String, what: String, changes: Vec<AuditedRecord>) -> Self {
        Self { v: Self::VERSION, at, who, what, changes }
    }
}
