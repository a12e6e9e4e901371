//! Walking the whole chain.

use std::collections::{BTreeMap, HashMap};

use super::{
    AuditId, PAGE_KEYS,
    chain::{self, Older},
    prefix,
};
use crate::{
    Key, Page, Prefix, Revision, Store, StoreError,
    records::{AuditHeadRecord, AuditRecord, OlderRecords, decode},
};

/// Tells what was found of the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// How many records have a place in the chain.
    pub records: u64,
    /// How many are older than the chain.
    pub older: u64,
    /// The last record that is there; none if there is no chain.
    pub end: Option<AuditEnd>,
    /// The first place where the chain is broken.
    pub broken: Option<Broken>,
    /// At how many places it is.
    pub breaks: u64,
    /// Whether the record with the hash that was asked for is there; none if none was.
    pub has_known: Option<bool>,
}

/// Names the last record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEnd {
    /// The record.
    pub id: Option<AuditId>,
    /// How many records the chain has.
    pub number: u64,
    /// Its hash: what an operator keeps somewhere else.
    pub sha256: String,
}

/// Tells where the chain is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Where in the store.
    pub key: Key,
    /// The number of the record, if it has one.
    pub number: Option<u64>,
    /// In which way.
    pub fault: Fault,
}

/// Says in which way the chain is broken at a record; what was expected, and what came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is no record.
    #[error("it cannot be read: it was changed, or a newer Portward wrote it")]
    Unreadable,
    /// It has no place in the chain, and is not older than it.
    #[error("it has no place in the chain: it was put there by something other than this Portward")]
    Outside,
    /// What it follows is not there.
    #[error(
        "it follows a record with the hash {expected}, and {}: one of the two was changed, or what was between them was taken away",
        .found.as_ref().map_or_else(|| "no record is before it".to_owned(), |(key, hash)| format!("the record before it, {key}, has the hash {hash}"))
    )]
    Previous {
        /// The hash that it names.
        expected: String,
        /// The record before it, and the hash of that one.
        found: Option<(Key, String)>,
    },
    /// The chain that a restore brought is not there.
    #[error(
        "it joins a chain that ends with the hash {0}, and no record has that: the last one was changed, or taken away"
    )]
    Joined(String),
    /// It is not the next one.
    #[error("it says that it is number {found}, and by those before it it is number {expected}")]
    Number {
        /// What it should be.
        expected: u64,
        /// What it says.
        found: u64,
    },
    /// Nothing comes after it.
    #[error(
        "no record follows it, and it is not the newest one: it was put there, or the end of the chain was lost after it"
    )]
    NotFollowed,
    /// Records without a place in the chain are not as they were.
    #[error(
        "it tells of {expected} records that are older than the chain, and {found} are there: one of them was changed, put there or taken away"
    )]
    Older {
        /// How many it tells of.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// The chain should end elsewhere.
    #[error(
        "the chain should end with number {expected}, which has the hash {hash}, and {}: the newest records were taken away, or the last one was changed",
        .found.as_ref().map_or_else(|| "there is none".to_owned(), |end| format!("it ends with number {}, which has the hash {}", end.number, end.sha256))
    )]
    End {
        /// How many records there should be.
        expected: u64,
        /// The hash of the last one.
        hash: String,
        /// What is there.
        found: Option<AuditEnd>,
    },
    /// Nobody knows where the chain should end.
    #[error("it is missing or cannot be read, so nobody knows whether the newest records were taken away")]
    NoEnd,
}

/// Reads all records at one revision and checks that each follows the one before it, and that the last one is the last.
///
/// `known` is the hash of a record that an operator has kept.
pub async fn verify(store: &dyn Store, known: Option<&str>) -> Result<Verification, StoreError> {
    let mut attempts = 0;
    loop {
        let revision = store.revision().await?;
        match verify_at(store, revision, known).await {
            // More happened meanwhile than the store remembers: begin again with what is there now.
            Err(StoreError::Compacted { .. }) if attempts < MAX_ATTEMPTS => attempts += 1,
            verified => return verified,
        }
    }
}

async fn verify_at(store: &dyn Store, revision: Revision, known: Option<&str>) -> Result<Verification, StoreError> {
    let mut walk = Walk::new(known);
    let mut page = Some(Page::first(PAGE_KEYS));
    while let Some(asked) = page {
        let listed = store.list(&prefix(), Some(revision), asked).await?;
        for kv in &listed.kvs {
            walk.step(&kv.key, &kv.value);
        }
        page = listed.following(PAGE_KEYS);
    }
    // A list reads what was there at that revision, and this is the key right before the head.
    let after = Key::of_checked("audit-hea".to_owned());
    let listed = store.list(&Prefix::all(), Some(revision), Page { after: Some(after), limit: 1 }).await?;
    let head = listed.kvs.iter().find(|kv| kv.key == chain::head_key());
    Ok(walk.end(head.map(|kv| &*kv.value)))
}

/// Goes from record to record in the order of their keys, which is the order of the chain.
pub(super) struct Walk {
    found: Verification,
    known: Option<String>,
    /// The number of each record of the chain, by its hash.
    seen: HashMap<String, u64>,
    /// Those that nothing follows yet.
    ends: BTreeMap<Key, AuditEnd>,
    last: Option<(Key, String)>,
    older: Older,
    /// What the newest record that tells of older ones says, and what was there.
    told: Option<(Key, u64, Option<OlderRecords>, Option<OlderRecords>)>,
    /// The first one without a place in the chain that no record has told of yet.
    untold: Option<Key>,
}

impl Walk {
    pub(super) fn new(known: Option<&str>) -> Self {
        Self {
            found: Verification { has_known: known.map(|_| false), ..Verification::default() },
            known: known.map(str::to_lowercase),
            seen: HashMap::new(),
            ends: BTreeMap::new(),
            last: None,
            older: Older::default(),
            told: None,
            untold: None,
        }
    }

    /// Looks at the next record.
    pub(super) fn step(&mut self, key: &Key, value: &[u8]) {
        let hash = chain::hash(key, value);
        if self.known.as_ref() == Some(&hash) {
            self.found.has_known = Some(true);
        }
        let Ok(record) = decode::<AuditRecord>(value) else {
            return self.broken(key, None, Fault::Unreadable);
        };
        let Some(number) = record.number else {
            self.found.older += 1;
            self.older.add(&hash);
            self.untold.get_or_insert_with(|| key.clone());
            return;
        };
        self.found.records += 1;
        let expected = match &record.joined {
            // Of two chains that are joined, each has its own numbers.
            Some(joined) => {
                if !self.follow(joined) {
                    self.broken(key, Some(number), Fault::Joined(joined.clone()));
                }
                self.found.records
            }
            None => record.previous.as_ref().map_or(1, |previous| self.seen.get(previous).map_or(number, |n| n + 1)),
        };
        if let Some(previous) = &record.previous
            && !self.follow(previous)
        {
            // The one before stands in, so that one fault is told of once.
            let found = self.last.clone();
            if let Some((_, hash)) = &found {
                self.follow(&hash.clone());
            }
            self.broken(key, Some(number), Fault::Previous { expected: previous.clone(), found });
        }
        if number != expected {
            self.broken(key, Some(number), Fault::Number { expected, found: number });
        }
        if record.previous.is_none() || record.older.is_some() {
            self.told = Some((key.clone(), number, record.older, self.older.records()));
            self.untold = None;
        }
        self.ends.insert(key.clone(), AuditEnd { id: AuditId::of(key), number, sha256: hash.clone() });
        self.seen.insert(hash.clone(), number);
        self.last = Some((key.clone(), hash));
    }

    /// Compares the end with what the head says, and tells of all.
    pub(super) fn end(mut self, head: Option<&[u8]>) -> Verification {
        if let Some((key, number, expected, found)) = self.told.take()
            && expected != found
        {
            let count = |older: Option<OlderRecords>| older.map_or(0, |older| older.count);
            self.broken(&key, Some(number), Fault::Older { expected: count(expected), found: count(found) });
        }
        let newest = self.ends.values().last().cloned();
        if let Some(key) = self.untold.take().filter(|_| newest.is_some()) {
            self.broken(&key, None, Fault::Outside);
        }
        let head_key = chain::head_key();
        match head.map(decode::<AuditHeadRecord>) {
            None if newest.is_none() => {}
            None | Some(Err(_)) => {
                self.ends.pop_last();
                self.broken(&head_key, None, Fault::NoEnd);
            }
            Some(Ok(head)) => {
                let is_there = self.seen.get(&head.sha256) == Some(&head.number);
                if is_there {
                    self.follow(&head.sha256);
                } else {
                    self.ends.pop_last();
                    let fault = Fault::End { expected: head.number, hash: head.sha256, found: newest.clone() };
                    self.broken(&head_key, Some(head.number), fault);
                }
            }
        }
        for (key, end) in std::mem::take(&mut self.ends) {
            self.broken(&key, Some(end.number), Fault::NotFollowed);
        }
        self.found.end = newest;
        self.found
    }

    /// Notes that a record is followed; tells whether it is there.
    fn follow(&mut self, hash: &str) -> bool {
        self.ends.retain(|_, end| end.sha256 != hash);
        self.seen.contains_key(hash)
    }

    /// Notes a fault; the first one by its key is told of.
    fn broken(&mut self, key: &Key, number: Option<u64>, fault: Fault) {
        self.found.breaks += 1;
        // What is wrong with the end is told of last.
        let place = |key: &Key| (*key == chain::head_key(), key.clone());
        if self.found.broken.as_ref().is_none_or(|first| place(key) < place(&first.key)) {
            self.found.broken = Some(Broken { key: key.clone(), number, fault });
        }
    }
}

/// Then something else is wrong, and the caller should know.
const MAX_ATTEMPTS: u32 = 3;

#[cfg(test)]
mod tests;
