//! The trait that every engine fulfils.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use portward_core::Revision;

use crate::{Cond, Key, Kv, Lease, OpId, Prefix, StoreError, Txn, TxnOutcome, WatchEvent, WatchStream, watch::LogPart};

/// Keeps a revisioned map from keys to values, with transactions, watches and leases.
///
/// What holds for each engine, and is tested for each by the same suite:
///
/// 1. A transaction is atomic; all keys that it writes carry one revision, and a watch gives it as one batch.
/// 2. Revisions rise, but may jump. Nobody counts them.
/// 3. A watch after a revision gives every later event below its prefixes, once and in order, or says that they are forgotten.
/// 4. [`WatchEvent::Alive`] says nothing about completeness.
///    To know that one has a revision, apply an event of it or a later one, or compare [`Store::counts`].
/// 5. The end of a lease deletes its keys, and a watch shows that. A lease is a hint, never proof.
/// 6. Limits are checked by [`Txn::check`] and are the same everywhere.
/// 7. [`StoreError::Indeterminate`] is real; each transaction writes `ops/<op_id>`, so that [`Store::happened`] can tell.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Reads one key, and the revision at which it was read.
    async fn get(&self, key: &Key, how: Read) -> Result<(Option<Kv>, Revision), StoreError>;

    /// Reads one page of the keys below a prefix, in the order of their bytes.
    ///
    /// With `at`, what was there at that revision is read, so that pages fit together; without, what is there now.
    async fn list(&self, prefix: &Prefix, at: Option<Revision>, page: Page) -> Result<ListPage, StoreError>;

    /// Does a transaction, or finds that one of its conditions does not hold.
    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError>;

    /// Follows what happens below any of the prefixes after a revision.
    async fn watch(&self, prefixes: &[Prefix], after: Revision) -> Result<WatchStream, StoreError>;

    /// What happened below any of the prefixes after a revision: what is left of it, key by key.
    ///
    /// It goes up to [`Changes::up_to`], which is the newest revision unless very much happened: then it is asked again.
    /// What is forgotten is [`StoreError::Compacted`].
    async fn changes(&self, prefixes: &[Prefix], after: Revision) -> Result<Changes, StoreError>;

    /// Makes a lease, which lives while the returned handle does.
    async fn lease_grant(&self, ttl: Duration) -> Result<Lease, StoreError>;

    /// The newest revision; every transaction that was acknowledged before is at or below it.
    async fn revision(&self) -> Result<Revision, StoreError>;

    /// Counts the keys below a prefix, and those among them that were written after a revision.
    async fn counts(&self, prefix: &Prefix, newer_than: Revision) -> Result<Counts, StoreError>;

    /// Tells whether the store can be read and written.
    async fn health(&self) -> StoreHealth;

    /// Replaces everything by the given keys and values, at one revision; a restore uses it.
    ///
    /// Limits of transactions do not hold here, and keys on leases go like all others.
    /// Every watch gets [`WatchEvent::Compacted`], as a batch of all keys would help nobody.
    /// Nothing happens where a condition does not hold.
    async fn replace_all(&self, when: Vec<Cond>, content: Vec<(Key, Bytes)>) -> Result<TxnOutcome, StoreError>;

    /// Tells at which revision a transaction happened; none if it did not in the last [`OP_REMEMBERED`].
    async fn happened(&self, op_id: &OpId) -> Result<Option<Revision>, StoreError> {
        let (noted, _) = self.get(&op_id.key(), Read::Linearizable).await?;
        Ok(noted.map(|kv| kv.mod_revision))
    }
}

/// How long an engine remembers that a transaction happened.
pub const OP_REMEMBERED: Duration = Duration::from_secs(600);

/// Chooses how fresh a read is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// It shows every transaction that was acknowledged before, by any node.
    Linearizable,
    /// It may be late, and works while a cluster has no majority.
    Local,
}

/// Asks for a part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Begin after this key; at the start if there is none.
    pub after: Option<Key>,
    /// At most so many keys; 0 counts as 1.
    pub limit: usize,
}

/// Holds a part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPage {
    /// In the order of the bytes of the keys.
    pub kvs: Vec<Kv>,
    /// The revision at which the page was read.
    pub revision: Revision,
    /// What the next page begins after; none if this is the last one.
    pub next: Option<Key>,
}

/// Holds what happened between two revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// What was written and is still there, in the order of the keys.
    pub puts: Vec<Kv>,
    /// What was deleted and is not there again, in the order of the keys; perhaps it was never there before.
    pub deletes: Vec<Key>,
    /// The revision at which that was so.
    pub up_to: Revision,
}

/// Counts keys, to compare what one has with what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// All below the prefix.
    pub all: u64,
    /// Those of them that were written after the revision that was asked about.
    pub newer: u64,
}

/// Tells how the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHealth {
    /// The short answer.
    pub state: HealthState,
    /// The newest revision, if it can be read.
    pub revision: Option<Revision>,
    /// What an operator should know; empty when all is well.
    pub note: String,
}

/// Is the short answer to how the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthState {
    /// It can be read and written.
    Up,
    /// It can be read; there is no room to write.
    ReadOnly,
    /// It does not answer.
    Down,
}

impl Changes {
    /// Sums up a part of a log.
    pub(crate) fn of(part: LogPart, after: Revision) -> Result<Self, StoreError> {
        let (batches, up_to) = match part {
            LogPart::Batches { batches, up_to } => (batches, up_to),
            LogPart::Compacted { oldest } => return Err(StoreError::Compacted { asked: after, oldest }),
        };
        let mut last = BTreeMap::new();
        for batch in batches {
            if let WatchEvent::Batch { puts, deletes, .. } = batch {
                last.extend(puts.into_iter().map(|kv| (kv.key.clone(), Some(kv))));
                last.extend(deletes.into_iter().map(|key| (key, None)));
            }
        }
        let (mut puts, mut deletes) = (Vec::new(), Vec::new());
        for (key, kv) in last {
            match kv {
                Some(kv) => puts.push(kv),
                None => deletes.push(key),
            }
        }
        Ok(Self { puts, deletes, up_to: up_to.max(after) })
    }
}

impl Page {
    /// Asks for the first part.
    pub fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }
}

impl ListPage {
    /// Asks for the part after this one, of the same size limit; none if this is the last one.
    pub fn following(&self, limit: usize) -> Option<Page> {
        self.next.clone().map(|after| Page { after: Some(after), limit })
    }
}
