//! Making one chain of two: that of a store, and that of the backup which replaces it.

use std::collections::BTreeMap;

use bytes::Bytes;
use portward_core::Timestamp;

use super::{
    chain::{Link, Older, hash, head_key, place},
    prefix,
};
use crate::{
    Key, Kv,
    records::{AuditHeadRecord, AuditRecord, decode},
};

/// Puts all audit records of a store into the content of a backup, and behind them the record that says so.
///
/// Where one chain goes on from the other, it stays; else the new record joins both.
pub(crate) fn join(content: &mut BTreeMap<Key, Bytes>, old: &[Kv], record: AuditRecord, at: Timestamp) {
    let brought = Records::of(content.iter());
    let kept = Records::of(old.iter().map(|kv| (&kv.key, &kv.value)));
    let (previous, joined, brings_older) = match (&kept.head, &brought.head) {
        (Some(ours), Some(theirs)) if kept.has(theirs) => (Some(ours), None, brought.has_older_than(&kept)),
        (Some(ours), Some(theirs)) if brought.has(ours) => (Some(theirs), None, kept.has_older_than(&brought)),
        (Some(ours), Some(theirs)) => (Some(ours), Some(theirs), true),
        (Some(ours), None) => (Some(ours), None, brought.has_older_than(&kept)),
        (None, Some(theirs)) => (Some(theirs), None, kept.has_older_than(&brought)),
        (None, None) => (None, None, true),
    };
    let (previous, joined) = (previous.cloned(), joined.cloned());
    content.extend(kept.all);

    let all = Records::of(content.iter());
    let mut older = Older::default();
    all.older().for_each(|(key, value)| older.add(&hash(key, value)));
    let link = Link {
        number: match (&previous, &joined) {
            (Some(previous), None) => previous.number + 1,
            _ => all.chained() + 1,
        },
        previous: previous.map(|head| head.sha256),
        joined: joined.map(|head| head.sha256),
        older: older.records().filter(|_| brings_older),
        last: all.all.last_key_value().map(|(key, _)| key.clone()),
    };
    content.extend(place(link, record, at));
}

/// Is the audit of one store.
struct Records {
    all: BTreeMap<Key, Bytes>,
    head: Option<AuditHeadRecord>,
}

impl Records {
    fn of<'a>(content: impl Iterator<Item = (&'a Key, &'a Bytes)>) -> Self {
        let (prefix, head_key) = (prefix(), head_key());
        let (mut all, mut head) = (BTreeMap::new(), None);
        for (key, value) in content {
            if prefix.contains(key) {
                all.insert(key.clone(), value.clone());
            } else if *key == head_key {
                head = decode(value).ok();
            }
        }
        Self { all, head }
    }

    /// Whether the record that a head names is among these.
    fn has(&self, head: &AuditHeadRecord) -> bool {
        let found = Key::parse(&head.key).ok().and_then(|key| self.all.get_key_value(&key));
        found.is_some_and(|(key, value)| hash(key, value) == head.sha256)
    }

    /// Those without a place in a chain.
    fn older(&self) -> impl Iterator<Item = (&Key, &Bytes)> {
        self.all.iter().filter(|(_, value)| decode::<AuditRecord>(value).is_ok_and(|record| record.number.is_none()))
    }

    /// Whether some without a place in a chain are here and not there.
    fn has_older_than(&self, other: &Self) -> bool {
        self.older().any(|(key, _)| !other.all.contains_key(key))
    }

    /// How many have a place in a chain.
    fn chained(&self) -> u64 {
        let chained = |value: &&Bytes| decode::<AuditRecord>(value).is_ok_and(|record| record.number.is_some());
        self.all.values().filter(chained).count() as u64
    }
}
