//! The embedded engine: one SQLite file, for one process.
//!
//! One thread writes, and one reads on a connection of its own, so that reads do not wait for writes.
//! An acknowledged transaction is on the disk (`synchronous=FULL`).
//! This is the only module that knows SQL.

mod failure;
mod lending;
mod lock;
mod migrate;
mod open;
mod peek;
mod read;
mod replace;
mod schema;
mod watching;
mod worker;
mod write;

use std::{
    fmt,
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use portward_core::Timestamp;
use tokio::sync::watch;

pub use lock::{LockError, StoreLock};
pub(crate) use open::FILE;
pub use open::OpenSqliteError;
pub(crate) use peek::{Looked, changed_since, integrity, look, read_everything};
pub use peek::{Peeked, peek};
pub(crate) use replace::{Old, ReplaceError, replace_file};

use crate::{
    Changes, Cond, Counts, HealthState, Key, Kv, Lease, LeaseId, ListPage, OpId, Page, Prefix, Read, Revision, Store,
    StoreError, StoreHealth, Txn, TxnOutcome, WatchStream,
    lease::{Expiry, LeaseKeeper, LeaseTable, check_ttl},
    watch::Follow,
};
use worker::Worker;

/// Keeps everything in `store.db` in a directory that no other process uses at the time.
///
/// Clones are the same store. Dropping the last one closes it.
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

/// Tells the time; only the forgetting of old changes asks it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

struct Inner {
    // Fields are dropped in this order: the connection that writes closes last, as it tidies up the files,
    // and both before another process may have the lock.
    reader: Worker<rusqlite::Connection>,
    writer: Worker<write::Writer>,
    expiry: Expiry,
    newest: watch::Sender<Revision>,
    leases: Arc<LeaseTable>,
    failing: write::Failing,
    file: PathBuf,
    /// Whether another process writes.
    lent: Arc<AtomicBool>,
    /// Tells what the check of the file found; none once it was told.
    settled: Mutex<Option<mpsc::Receiver<Result<(), OpenSqliteError>>>>,
    /// None once it was left to another process.
    lock: Mutex<Option<StoreLock>>,
}

impl SqliteStore {
    /// Opens the store in a directory, and makes both if they are not there.
    ///
    /// It checks the file for damage, which takes about a second for 400 MB, and blocks meanwhile.
    pub fn open(directory: &Path, now: Clock) -> Result<Self, OpenSqliteError> {
        let store = Self::open_unchecked(directory, now, None)?;
        store.check()?;
        Ok(store)
    }

    /// Opens the store likewise, with the lock of a process that has lent it if one has, and does not wait for the check:
    /// it can be read at once, and what is to be written waits. Whoever believes what was read calls
    /// [`SqliteStore::check`] before.
    pub fn open_unchecked(directory: &Path, now: Clock, lock: Option<File>) -> Result<Self, OpenSqliteError> {
        open::open(directory, now, lock).map(|inner| Self { inner: Arc::new(inner) })
    }

    /// Waits for what the check of the file found; it blocks.
    ///
    /// After a damage nothing is written, and the store is to be dropped.
    pub fn check(&self) -> Result<(), OpenSqliteError> {
        let settled = self.inner.settled.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It was waited for already.
        let Some(settled) = settled else { return Ok(()) };
        settled.recv().unwrap_or_else(|_| {
            Err(OpenSqliteError::Database { file: self.inner.file.clone(), cause: worker::BrokeDown.into() })
        })
    }

    /// Whether there is a store in a directory, in use or not.
    pub fn is_in(directory: &Path) -> bool {
        directory.join(open::FILE).is_file()
    }

    /// The file in which everything is.
    pub fn file(&self) -> &Path {
        &self.inner.file
    }

    fn begin_expiry(&self) {
        let keeper: Weak<dyn LeaseKeeper> = Arc::downgrade(&self.inner) as _;
        self.inner.expiry.begin(&self.inner.leases, keeper);
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.reader.run(read).wait().await?
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, key: &Key, _how: Read) -> Result<(Option<Kv>, Revision), StoreError> {
        let key = key.clone();
        self.read(move |connection| read::get(connection, &key)).await
    }

    async fn list(&self, prefix: &Prefix, at: Option<Revision>, page: Page) -> Result<ListPage, StoreError> {
        let prefix = prefix.clone();
        self.read(move |connection| read::list(connection, &prefix, at, &page)).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        txn.check()?;
        self.begin_expiry();
        let op_id = txn.op_id.clone();
        let ops_lease = self.inner.leases.ops_lease();
        self.inner.write(op_id, move |writer| writer.txn(&txn, ops_lease)).await
    }

    async fn watch(&self, prefixes: &[Prefix], after: Revision) -> Result<WatchStream, StoreError> {
        Ok(WatchStream::new(Follow::new(&self.inner, self.inner.newest.subscribe(), prefixes, after)))
    }

    async fn changes(&self, prefixes: &[Prefix], after: Revision) -> Result<Changes, StoreError> {
        let prefixes = prefixes.to_vec();
        let part = self.read(move |connection| read::log_after(connection, &prefixes, after)).await?;
        Changes::of(part, after)
    }

    async fn lease_grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        check_ttl(ttl)?;
        self.begin_expiry();
        let keeper: Weak<dyn LeaseKeeper> = Arc::downgrade(&self.inner) as _;
        Ok(Lease::keep(self.inner.leases.grant(ttl), ttl, keeper))
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.read(read::revision).await
    }

    async fn counts(&self, prefix: &Prefix, newer_than: Revision) -> Result<Counts, StoreError> {
        let prefix = prefix.clone();
        self.read(move |connection| read::counts(connection, &prefix, newer_than)).await
    }

    async fn health(&self) -> StoreHealth {
        let failing = self.inner.failing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (self.revision().await, failing) {
            (Err(error), _) => StoreHealth { state: HealthState::Down, revision: None, note: error.to_string() },
            (Ok(revision), Some(note)) => StoreHealth { state: HealthState::ReadOnly, revision: Some(revision), note },
            (Ok(revision), None) => {
                StoreHealth { state: HealthState::Up, revision: Some(revision), note: String::new() }
            }
        }
    }

    async fn replace_all(&self, when: Vec<Cond>, content: Vec<(Key, Bytes)>) -> Result<TxnOutcome, StoreError> {
        self.inner.write(OpId::random(), move |writer| writer.replace_all(&when, &content)).await
    }
}

impl Inner {
    /// Runs on the writing thread. A caller who goes away does not stop what has begun.
    async fn write<T: Send + 'static>(
        &self,
        op_id: OpId,
        write: impl FnOnce(&mut write::Writer) -> Result<T, write::WriteError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let lent = Arc::clone(&self.lent);
        let write = move |writer: &mut write::Writer| match lent.load(Ordering::SeqCst) {
            true => Err(write::WriteError::Not(lending::lent())),
            false if !writer.is_allowed() => Err(write::WriteError::Not(unsound())),
            false => write(writer),
        };
        match self.writer.run(write).wait().await {
            Ok(done) => done.map_err(|error| error.for_op(op_id)),
            // The thread may have been anywhere when it went away.
            Err(error) => Err(StoreError::Indeterminate { op_id, cause: error.into() }),
        }
    }
}

/// What is told to who would write to a file that was not found to be sound.
fn unsound() -> StoreError {
    StoreError::Unavailable("the file of the store was not found to be sound".into())
}

#[async_trait]
impl LeaseKeeper for Inner {
    async fn keep_alive(&self, id: LeaseId) -> Result<bool, StoreError> {
        Ok(self.leases.keep_alive(id))
    }

    async fn revoke(&self, id: LeaseId) -> Result<(), StoreError> {
        self.leases.end(id);
        let deleted = self.write(OpId::random(), move |writer| writer.delete_leased(id)).await;
        if deleted.is_err() {
            self.leases.end_again(id);
        }
        deleted
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("file", &self.inner.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
