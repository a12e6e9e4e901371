//! What the model remembers.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use bytes::Bytes;

use crate::{
    Cond, Counts, Key, Kv, LeaseId, ListPage, Op, Page, Prefix, Revision, StoreError, Txn, TxnOutcome, WatchEvent,
    watch::LogPart,
};

/// Holds the keys, and how they came to be.
#[derive(Debug, Default)]
pub(super) struct State {
    kvs: BTreeMap<Key, Kv>,
    log: BTreeMap<Revision, Vec<Entry>>,
    revision: Revision,
    compacted: Revision,
}

/// A key, and its new value and lease; none deletes it.
type Change = (Key, Option<(Bytes, Option<LeaseId>)>);

/// Is what one revision did to one key.
#[derive(Debug)]
struct Entry {
    key: Key,
    before: Option<Kv>,
    after: Option<Kv>,
}

impl State {
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Kv> {
        self.kvs.get(key)
    }

    pub(super) fn txn(
        &mut self,
        txn: &Txn,
        ops_lease: LeaseId,
        is_live: &dyn Fn(LeaseId) -> bool,
    ) -> Result<TxnOutcome, StoreError> {
        let note = txn.op_id.key();
        if let Some(noted) = self.kvs.get(&note) {
            return Ok(TxnOutcome::Committed(noted.mod_revision));
        }
        if let Some(conflict) = self.conflict(&txn.when) {
            return Ok(conflict);
        }
        for op in &txn.then {
            if let Op::Put { lease: Some(lease), .. } = op
                && !is_live(*lease)
            {
                return Err(StoreError::NoLease(*lease));
            }
        }
        let mut changes: Vec<Change> = Vec::new();
        for op in &txn.then {
            changes.push(match op {
                Op::Put { key, value, lease } => (key.clone(), Some((value.clone(), *lease))),
                Op::Delete(key) => (key.clone(), None),
            });
        }
        changes.push((note, Some((Bytes::new(), Some(ops_lease)))));
        Ok(TxnOutcome::Committed(self.apply(changes)))
    }

    pub(super) fn delete_leased(&mut self, lease: LeaseId) {
        let keys: Vec<_> = self.kvs.values().filter(|kv| kv.lease == Some(lease)).map(|kv| kv.key.clone()).collect();
        if !keys.is_empty() {
            self.apply(keys.into_iter().map(|key| (key, None)).collect());
        }
    }

    pub(super) fn replace_all(&mut self, when: &[Cond], content: Vec<(Key, Bytes)>) -> TxnOutcome {
        if let Some(conflict) = self.conflict(when) {
            return conflict;
        }
        let revision = Revision(self.revision.0 + 1);
        self.revision = revision;
        self.kvs = content
            .into_iter()
            .map(|(key, value)| {
                let kv = Kv { key: key.clone(), value, create_revision: revision, mod_revision: revision, lease: None };
                (key, kv)
            })
            .collect();
        self.log.clear();
        self.compacted = revision;
        TxnOutcome::Committed(revision)
    }

    pub(super) fn compact(&mut self, up_to: Revision) {
        self.compacted = self.compacted.max(up_to.min(self.revision));
        self.log = self.log.split_off(&Revision(self.compacted.0 + 1));
    }

    pub(super) fn list(&self, prefix: &Prefix, at: Option<Revision>, page: &Page) -> Result<ListPage, StoreError> {
        let asked = at.unwrap_or(self.revision);
        if asked > self.revision {
            return Err(StoreError::Future { asked, newest: self.revision });
        }
        if asked < self.compacted {
            return Err(StoreError::Compacted { asked, oldest: self.compacted });
        }
        // What later revisions found when they came: the first of them for a key tells what was there.
        let mut earlier: BTreeMap<&Key, Option<&Kv>> = BTreeMap::new();
        for entry in self.log.range((Bound::Excluded(asked), Bound::Unbounded)).flat_map(|(_, entries)| entries) {
            if prefix.contains(&entry.key) {
                earlier.entry(&entry.key).or_insert(entry.before.as_ref());
            }
        }
        let is_asked = |key: &&Key| page.after.as_ref().is_none_or(|after| *key > after);
        let from = page.after.as_ref().map_or("", Key::as_str).max(prefix.as_str());
        let mut now = self.kvs.range::<str, _>((Bound::Included(from), Bound::Unbounded)).map(|(key, _)| key);
        let limit = page.limit.max(1);
        let mut keys: BTreeSet<&Key> = earlier.keys().copied().filter(is_asked).collect();
        // A later revision may have taken some of these away again, so that many more than the limit may be needed.
        let most = limit.saturating_add(1).saturating_add(keys.len());
        keys.extend(now.by_ref().take_while(|key| prefix.contains(key)).filter(is_asked).take(most));
        let mut kvs: Vec<Kv> = keys
            .into_iter()
            .filter_map(|key| earlier.get(key).copied().unwrap_or_else(|| self.kvs.get(key)))
            .take(limit.saturating_add(1))
            .cloned()
            .collect();
        let more = kvs.len() > limit;
        kvs.truncate(limit);
        let next = kvs.last().filter(|_| more).map(|kv| kv.key.clone());
        Ok(ListPage { kvs, revision: asked, next })
    }

    pub(super) fn counts(&self, prefix: &Prefix, newer_than: Revision) -> Counts {
        let mut counts = Counts { all: 0, newer: 0 };
        for kv in self.kvs.values().filter(|kv| prefix.contains(&kv.key)) {
            counts.all += 1;
            counts.newer += u64::from(kv.mod_revision > newer_than);
        }
        counts
    }

    pub(super) fn log_after(&self, prefixes: &[Prefix], after: Revision) -> LogPart {
        if after < self.compacted {
            return LogPart::Compacted { oldest: self.compacted };
        }
        let batches = self
            .log
            .range((Bound::Excluded(after), Bound::Unbounded))
            .filter_map(|(revision, entries)| {
                let changes = entries.iter().map(|entry| (entry.key.clone(), entry.after.clone()));
                WatchEvent::batch(*revision, changes, prefixes)
            })
            .collect();
        LogPart::Batches { batches, up_to: self.revision }
    }

    fn conflict(&self, when: &[Cond]) -> Option<TxnOutcome> {
        if when.iter().all(|cond| cond.holds(self.kvs.get(cond.key()))) {
            return None;
        }
        let seen = when.iter().map(|cond| self.kvs.get(cond.key()).cloned()).collect();
        Some(TxnOutcome::Conflict { at: self.revision, seen })
    }

    fn apply(&mut self, changes: Vec<Change>) -> Revision {
        let revision = Revision(self.revision.0 + 1);
        self.revision = revision;
        let mut entries = Vec::new();
        for (key, value) in changes {
            let before = self.kvs.get(&key).cloned();
            let after = value.map(|(value, lease)| Kv {
                key: key.clone(),
                value,
                create_revision: before.as_ref().map_or(revision, |kv| kv.create_revision),
                mod_revision: revision,
                lease,
            });
            match &after {
                Some(kv) => {
                    self.kvs.insert(key.clone(), kv.clone());
                }
                None if before.is_none() => continue,
                None => {
                    self.kvs.remove(&key);
                }
            }
            entries.push(Entry { key, before, after });
        }
        self.log.insert(revision, entries);
        revision
    }
}
