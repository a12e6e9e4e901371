//! An engine for a test, and what tests say often.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use portward_core::Timestamp;
use portward_store::{
    Key, Kv, Page, Prefix, Read, Revision, Store, Txn, TxnOutcome, WatchEvent, WatchStream,
    memory::MemoryStore,
    sqlite::{Clock, OpenSqliteError, SqliteStore},
};

/// Makes an engine with a place of its own.
pub(crate) trait Fixture: Sized {
    /// Whether a paused clock stands still while the engine works.
    const KEEPS_TIME: bool;
    fn new() -> Self;
    fn store(&self) -> Arc<dyn Store>;
    /// Closes the store and opens it again, as another process would.
    fn reopen(self) -> Self;
    /// Lets the engine forget all that has happened so far.
    fn forget(&self) -> impl Future<Output = ()>;
}

pub(crate) struct Memory(MemoryStore);

pub(crate) struct Sqlite {
    store: SqliteStore,
    seconds: Arc<AtomicI64>,
    directory: tempfile::TempDir,
}

impl Fixture for Memory {
    const KEEPS_TIME: bool = true;

    fn new() -> Self {
        Self(MemoryStore::new())
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    fn reopen(self) -> Self {
        self
    }

    async fn forget(&self) {
        self.0.compact(self.0.revision().await.unwrap());
    }
}

impl Sqlite {
    fn open(directory: tempfile::TempDir, seconds: Arc<AtomicI64>) -> Self {
        // A process that another test begins at this moment has the lock too, until it is another program.
        let begun = Instant::now();
        let store = loop {
            match SqliteStore::open(directory.path(), clock(&seconds)) {
                Err(OpenSqliteError::Lock(_)) if begun.elapsed() < Duration::from_secs(5) => std::thread::yield_now(),
                opened => break opened.unwrap(),
            }
        };
        Self { store, seconds, directory }
    }
}

impl Fixture for Sqlite {
    const KEEPS_TIME: bool = false;

    fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap(), Arc::new(AtomicI64::new(1_800_000_000)))
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn reopen(self) -> Self {
        let Self { store, seconds, directory } = self;
        drop(store);
        Self::open(directory, seconds)
    }

    /// More than a day goes by, and then something is written.
    async fn forget(&self) {
        self.seconds.fetch_add(25 * 3600, Ordering::Relaxed);
        commit(&self.store, Txn::new()).await;
    }
}

pub(crate) fn clock(seconds: &Arc<AtomicI64>) -> Clock {
    let seconds = Arc::clone(seconds);
    Arc::new(move || Timestamp::from_unix(seconds.load(Ordering::Relaxed)).unwrap())
}

/// Makes a test of each function for each engine.
macro_rules! for_each_engine {
    ($(#[$meta:meta])* $($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $name() { super::$name(<crate::fixture::Memory as crate::fixture::Fixture>::new()).await; })*
        }
        mod sqlite {
            $(#[tokio::test] async fn $name() { super::$name(<crate::fixture::Sqlite as crate::fixture::Fixture>::new()).await; })*
        }
    };
}
pub(crate) use for_each_engine;

pub(crate) fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

pub(crate) fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap()
}

pub(crate) fn put(text: &str, value: &'static str) -> Txn {
    Txn::new().put(key(text), value)
}

pub(crate) async fn commit(store: &dyn Store, txn: Txn) -> Revision {
    match store.txn(txn).await.unwrap() {
        TxnOutcome::Committed(revision) => revision,
        conflict @ TxnOutcome::Conflict { .. } => panic!("{conflict:?}"),
    }
}

pub(crate) async fn get(store: &dyn Store, text: &str) -> Option<Kv> {
    store.get(&key(text), Read::Linearizable).await.unwrap().0
}

pub(crate) async fn value(store: &dyn Store, text: &str) -> Option<String> {
    get(store, text).await.map(|kv| String::from_utf8(kv.value.to_vec()).unwrap())
}

/// All keys below a prefix at a revision, read in pages of `limit`, as `key=value`.
pub(crate) async fn list(store: &dyn Store, below: &str, at: Option<Revision>, limit: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut page = Some(Page::first(limit));
    while let Some(asked) = page {
        let listed = store.list(&prefix(below), at, asked).await.unwrap();
        assert!(listed.kvs.len() <= limit);
        found.extend(listed.kvs.iter().map(|kv| format!("{}={}", kv.key, String::from_utf8_lossy(&kv.value))));
        page = listed.following(limit);
    }
    found
}

/// The next event that is not a sign of life.
pub(crate) async fn next(watch: &mut WatchStream) -> Option<WatchEvent> {
    loop {
        match watch.next().await {
            Some(WatchEvent::Alive) => {}
            event => return event,
        }
    }
}

/// The next batch, as its revision, what was put and what was deleted.
pub(crate) async fn batch(watch: &mut WatchStream) -> (Revision, Vec<String>, Vec<String>) {
    match next(watch).await {
        Some(WatchEvent::Batch { revision, puts, deletes }) => {
            assert!(puts.iter().all(|kv| kv.mod_revision == revision));
            let puts = puts.iter().map(|kv| format!("{}={}", kv.key, String::from_utf8_lossy(&kv.value))).collect();
            (revision, puts, deletes.iter().map(ToString::to_string).collect())
        }
        other => panic!("no batch but {other:?}"),
    }
}
