//! The model: a store in memory that does exactly what the contract says, and fails when a test wants it to.

mod fault;
mod state;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

pub use fault::{Faults, TxnFault};

use crate::{
    Changes, Cond, Counts, HealthState, Key, Kv, Lease, LeaseId, ListPage, Page, Prefix, Read, Revision, Store,
    StoreError, StoreHealth, Txn, TxnOutcome, WatchStream,
    lease::{Expiry, LeaseKeeper, LeaseTable, check_ttl},
    memory::state::State,
    watch::{Follow, Log, Reading},
};

/// Keeps everything in memory. Clones are the same store, as several nodes on one cluster are.
#[derive(Clone)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    newest: watch::Sender<Revision>,
    leases: Arc<LeaseTable>,
    expiry: Expiry,
    faults: Faults,
}

impl MemoryStore {
    /// Makes an empty store.
    #[expect(clippy::new_without_default, reason = "a new one is no value that others could equal")]
    pub fn new() -> Self {
        let newest = watch::Sender::new(Revision::default());
        let inner = Inner {
            state: Mutex::default(),
            faults: Faults::new(newest.clone()),
            newest,
            leases: Arc::default(),
            expiry: Expiry::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The ways to make the store fail.
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// Forgets what happened up to a revision, so that nobody can watch from before it.
    pub fn compact(&self, up_to: Revision) {
        self.inner.state().compact(up_to);
    }

    /// Ends a lease as if its owner had not been heard of for its time to live.
    pub async fn expire_lease(&self, id: LeaseId) -> Result<(), StoreError> {
        self.inner.revoke(id).await
    }

    fn begin_expiry(&self) {
        let keeper: Weak<dyn LeaseKeeper> = Arc::downgrade(&self.inner) as _;
        self.inner.expiry.begin(&self.inner.leases, keeper);
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &Key, how: Read) -> Result<(Option<Kv>, Revision), StoreError> {
        // A local read is answered by a member that has lost its majority.
        if how == Read::Linearizable {
            self.inner.faults.check()?;
        }
        let state = self.inner.state();
        Ok((state.get(key).cloned(), state.revision()))
    }

    async fn list(&self, prefix: &Prefix, at: Option<Revision>, page: Page) -> Result<ListPage, StoreError> {
        self.inner.faults.check()?;
        self.inner.state().list(prefix, at, &page)
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        txn.check()?;
        self.inner.faults.check()?;
        self.begin_expiry();
        let fault = self.inner.faults.take_next();
        let indeterminate = StoreError::Indeterminate {
            op_id: txn.op_id.clone(),
            cause: "the connection broke, as a test wanted".into(),
        };
        if fault == Some(TxnFault::IndeterminateNotDone) {
            return Err(indeterminate);
        }
        let ops_lease = self.inner.leases.ops_lease();
        let leases = &self.inner.leases;
        let outcome = self.inner.write(|state| state.txn(&txn, ops_lease, &|id| leases.is_live(id)));
        if fault == Some(TxnFault::IndeterminateDone) { Err(indeterminate) } else { outcome }
    }

    async fn watch(&self, prefixes: &[Prefix], after: Revision) -> Result<WatchStream, StoreError> {
        self.inner.faults.check()?;
        Ok(WatchStream::new(Follow::new(&self.inner, self.inner.newest.subscribe(), prefixes, after)))
    }

    async fn changes(&self, prefixes: &[Prefix], after: Revision) -> Result<Changes, StoreError> {
        self.inner.faults.check()?;
        Changes::of(self.inner.state().log_after(prefixes, after), after)
    }

    async fn lease_grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        check_ttl(ttl)?;
        self.inner.faults.check()?;
        self.begin_expiry();
        let keeper: Weak<dyn LeaseKeeper> = Arc::downgrade(&self.inner) as _;
        Ok(Lease::keep(self.inner.leases.grant(ttl), ttl, keeper))
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.inner.faults.check()?;
        Ok(self.inner.state().revision())
    }

    async fn counts(&self, prefix: &Prefix, newer_than: Revision) -> Result<Counts, StoreError> {
        self.inner.faults.check()?;
        Ok(self.inner.state().counts(prefix, newer_than))
    }

    async fn health(&self) -> StoreHealth {
        match self.inner.faults.check() {
            Ok(()) => StoreHealth {
                state: HealthState::Up,
                revision: Some(self.inner.state().revision()),
                note: String::new(),
            },
            Err(error) => StoreHealth { state: HealthState::Down, revision: None, note: error.to_string() },
        }
    }

    async fn replace_all(&self, when: Vec<Cond>, content: Vec<(Key, Bytes)>) -> Result<TxnOutcome, StoreError> {
        self.inner.faults.check()?;
        self.inner.write(|state| Ok(state.replace_all(&when, content)))
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes those who watch before the caller knows of it.
    fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let done = change(&mut state);
        self.newest.send_replace(state.revision());
        done
    }
}

impl Log for Inner {
    fn read_after(self: &Arc<Self>, prefixes: &[Prefix], after: Revision) -> Reading {
        let (inner, prefixes) = (Arc::clone(self), prefixes.to_vec());
        Box::pin(async move {
            inner.faults.watches_may_pass().await;
            inner.faults.check()?;
            Ok(inner.state().log_after(&prefixes, after))
        })
    }

    fn broken(&self) -> Option<StoreError> {
        self.faults.check().err()
    }
}

#[async_trait]
impl LeaseKeeper for Inner {
    async fn keep_alive(&self, id: LeaseId) -> Result<bool, StoreError> {
        self.faults.check()?;
        Ok(self.leases.keep_alive(id))
    }

    /// Works while the store does not answer, as a cluster goes on without those who cannot reach it.
    async fn revoke(&self, id: LeaseId) -> Result<(), StoreError> {
        self.leases.end(id);
        self.write(|state| state.delete_leased(id));
        Ok(())
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").field("revision", &self.inner.state().revision()).finish()
    }
}
