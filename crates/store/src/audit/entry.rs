//! One record, as it is shown.

use std::{fmt, net::IpAddr};

use portward_core::{ActorKind, Revision, Timestamp};
use ulid::Ulid;

use super::{chain, days::Day};
use crate::{
    Key,
    records::{AuditRecord, RecordError},
};

/// Names a record; ids rise in the order of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditId(Ulid);

/// Says why a text is no [`AuditId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not the id of an audit record, as in 01KB1Q2V4M8Y0C5N7R9T3W6XZE")]
pub struct AuditIdError(String);

/// Tells of one change: who made it, when, and what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Names it.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// In which way; none in old records.
    pub actor: Option<ActorKind>,
    /// Where the client was, if it was elsewhere.
    pub address: Option<IpAddr>,
    /// What.
    pub what: String,
    /// Which keys of the store were written.
    pub changes: Vec<AuditChange>,
    /// How many records the chain has with this one; none in records without a chain.
    pub number: Option<u64>,
    /// The hash of the record before this one.
    pub previous: Option<String>,
    /// The hash of this record, as the next one has it.
    pub sha256: String,
    /// The revision that wrote the record: that of the change, unless it came out of a backup.
    pub revision: Revision,
}

/// Tells of one key what it had before and after, as SHA-256 in hexadecimal; none where it was absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditChange {
    /// The key.
    pub key: String,
    /// What it had before.
    pub before: Option<String>,
    /// What it has after.
    pub after: Option<String>,
}

impl AuditId {
    /// Reads an id.
    pub fn parse(text: &str) -> Result<Self, AuditIdError> {
        let ulid = Ulid::from_string(text).ok().filter(|ulid| chain::day_of(*ulid).is_some());
        ulid.map(Self).ok_or_else(|| AuditIdError(text.chars().take(40).collect()))
    }

    /// The id in a key; none if it is no key of a record.
    pub(crate) fn of(key: &Key) -> Option<Self> {
        let ulid = Ulid::from_string(key.segments().last()?).ok()?;
        (chain::key_of(ulid)? == *key).then_some(Self(ulid))
    }

    /// The day that its key has: that of the record, or a later one if the clock was set back before it.
    pub(super) fn day(self) -> Day {
        Day::of_seconds(self.0.timestamp_ms() / 1000)
    }
}

impl fmt::Display for AuditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl AuditEntry {
    pub(super) fn of(
        id: AuditId,
        record: AuditRecord,
        sha256: String,
        revision: Revision,
    ) -> Result<Self, RecordError> {
        let at = Timestamp::parse(&record.at).map_err(|error| RecordError::invalid("at", error))?;
        let changes = record.changes.into_iter();
        Ok(Self {
            id,
            at,
            who: record.who,
            actor: record.actor.as_deref().and_then(ActorKind::parse),
            address: record.address.as_deref().and_then(|text| text.parse().ok()),
            what: record.what,
            changes: changes
                .map(|change| AuditChange { key: change.key, before: change.before, after: change.after })
                .collect(),
            number: record.number,
            previous: record.previous,
            sha256,
            revision,
        })
    }
}
