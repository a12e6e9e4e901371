//! A store that another process is about to take over: it is read here, and written there.
//!
//! The lock goes along as an open file, so that there is no moment at which a third process could have it.

use std::{
    fs::File,
    io,
    path::Path,
    sync::{MutexGuard, PoisonError, atomic::Ordering},
};

use super::{Clock, Inner, OpenSqliteError, SqliteStore, StoreLock, schema};
use crate::{OpId, StoreError};

impl SqliteStore {
    /// The newest form of the file that is known here; a process that knows an older one alone cannot take over.
    pub const FORM: i32 = schema::VERSION;

    /// Opens the store as [`SqliteStore::open`] does, with the lock of a process that has lent it.
    pub fn open_lent(directory: &Path, now: Clock, lock: File) -> Result<Self, OpenSqliteError> {
        let store = Self::open_unchecked(directory, now, Some(lock))?;
        store.check()?;
        Ok(store)
    }

    /// Writes nothing from now on: resolves when everything is done that was asked for before; later writes fail as
    /// [`StoreError::Unavailable`].
    pub async fn lend(&self) -> Result<(), StoreError> {
        self.inner.lent.store(true, Ordering::SeqCst);
        Ok(self.inner.writer.run(|_| ()).wait().await?)
    }

    /// Writes again; what was written elsewhere meanwhile is noticed.
    pub async fn take_back(&self) {
        if !self.inner.lent.swap(false, Ordering::SeqCst) {
            return;
        }
        if let Some(lock) = &*self.inner.lock() {
            lock.sign();
        }
        let looked = self.inner.write(OpId::random(), super::write::Writer::look_again).await;
        if let Err(error) = looked {
            tracing::warn!(error = &error as &dyn std::error::Error, "the store cannot be read after it was lent");
        }
    }

    /// The lock, for a process to which the store is lent.
    pub fn lock_file(&self) -> io::Result<File> {
        let lock = self.inner.lock();
        lock.as_ref().ok_or_else(|| io::Error::other("the store was left to another process"))?.file()
    }

    /// Leaves a store that was lent to the process that has it, for good: it can be read here yet, and the lock is that
    /// one's alone, so that it is free when that one ends.
    pub fn let_go(&self) {
        if self.inner.lent.load(Ordering::SeqCst) {
            drop(self.inner.lock().take());
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Option<StoreLock>> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What whoever writes meanwhile is told.
pub(super) fn lent() -> StoreError {
    StoreError::Unavailable("another process is taking over; ask again in a moment".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use portward_core::Timestamp;

    use super::*;
    use crate::{Key, Op, Read, Revision, Store, Txn, TxnOutcome};

    fn clock() -> Clock {
        Arc::new(|| Timestamp::EPOCH)
    }

    fn put(key: &str) -> Txn {
        let key = Key::parse(key).unwrap();
        let then = vec![Op::Put { key, value: b"x".to_vec().into(), lease: None }];
        Txn { op_id: OpId::random(), when: Vec::new(), then }
    }

    #[tokio::test]
    async fn what_is_lent_is_written_by_the_other_one_alone_and_comes_back_with_what_it_wrote() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path(), clock()).unwrap();
        store.txn(put("a/1")).await.unwrap();
        store.lend().await.unwrap();
        assert!(matches!(store.txn(put("a/2")).await, Err(StoreError::Unavailable(_))));
        assert!(SqliteStore::open(directory.path(), clock()).is_err(), "the lock is held");

        let other = SqliteStore::open_lent(directory.path(), clock(), store.lock_file().unwrap()).unwrap();
        let TxnOutcome::Committed(revision) = other.txn(put("a/3")).await.unwrap() else { unreachable!() };
        let key = Key::parse("a/3").unwrap();
        assert!(store.get(&key, Read::Linearizable).await.unwrap().0.is_some(), "it is read here all the same");
        drop(other);
        assert!(SqliteStore::open(directory.path(), clock()).is_err(), "the lock is still held");

        let mut newest = store.inner.newest.subscribe();
        store.take_back().await;
        newest.wait_for(|newest| *newest >= revision).await.unwrap();
        let TxnOutcome::Committed(later) = store.txn(put("a/4")).await.unwrap() else { unreachable!() };
        assert_eq!(later, Revision(revision.0 + 1));
        drop(store);
        SqliteStore::open(directory.path(), clock()).unwrap();
    }

    #[tokio::test]
    async fn what_was_let_go_is_free_when_the_other_one_ends() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path(), clock()).unwrap();
        store.let_go();
        store.txn(put("a/1")).await.unwrap();
        assert!(SqliteStore::open(directory.path(), clock()).is_err(), "it was not lent");
        store.lend().await.unwrap();
        let other = SqliteStore::open_lent(directory.path(), clock(), store.lock_file().unwrap()).unwrap();
        store.let_go();
        assert!(SqliteStore::open(directory.path(), clock()).is_err(), "the other one has it");
        assert!(store.lock_file().is_err());
        drop(other);
        let third = SqliteStore::open(directory.path(), clock()).unwrap();
        third.txn(put("a/2")).await.unwrap();
        let key = Key::parse("a/2").unwrap();
        assert!(store.get(&key, Read::Linearizable).await.unwrap().0.is_some(), "it is read here all the same");
        assert!(matches!(store.txn(put("a/3")).await, Err(StoreError::Unavailable(_))));
    }
}
