//! A store that may be opened later than those begin who use it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use crate::{
    Changes, Cond, Counts, HealthState, Key, Kv, Lease, ListPage, Page, Prefix, Read, Revision, Store, StoreError,
    StoreHealth, Txn, TxnOutcome, WatchStream,
};

/// Stands for a store that is opened behind it.
///
/// Until the first try to open it is over, everything waits; if that failed, everything fails and says why, until a later
/// one succeeds. Clones are the same store.
#[derive(Clone)]
pub struct LateStore {
    inner: Arc<Inner>,
}

struct Inner {
    opened: OnceLock<Arc<dyn Store>>,
    /// Why it could not be opened the last time.
    why: Mutex<String>,
    tried: watch::Sender<bool>,
}

impl LateStore {
    /// Nobody has tried to open it.
    #[expect(clippy::new_without_default, reason = "a new one is no value that others could equal")]
    pub fn new() -> Self {
        let inner = Inner { opened: OnceLock::new(), why: Mutex::default(), tried: watch::Sender::new(false) };
        Self { inner: Arc::new(inner) }
    }

    /// Has it be that store from now on; a second one is ignored.
    pub fn open_as(&self, store: Arc<dyn Store>) {
        let _ = self.inner.opened.set(store);
        self.inner.tried.send_replace(true);
    }

    /// Has everything fail for that reason, for an operator to read, until it is opened.
    pub fn fail_with(&self, why: impl Into<String>) {
        *self.inner.why.lock().unwrap_or_else(PoisonError::into_inner) = why.into();
        self.inner.tried.send_replace(true);
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.inner.opened.get().is_some()
    }

    async fn opened(&self) -> Result<&Arc<dyn Store>, StoreError> {
        if self.inner.opened.get().is_none() {
            // The sender is our own.
            let _ = self.inner.tried.subscribe().wait_for(|tried| *tried).await;
        }
        self.inner.opened.get().ok_or_else(|| {
            let why = self.inner.why.lock().unwrap_or_else(PoisonError::into_inner).clone();
            StoreError::Unavailable(why.into())
        })
    }
}

#[async_trait]
impl Store for LateStore {
    async fn get(&self, key: &Key, how: Read) -> Result<(Option<Kv>, Revision), StoreError> {
        self.opened().await?.get(key, how).await
    }

    async fn list(&self, prefix: &Prefix, at: Option<Revision>, page: Page) -> Result<ListPage, StoreError> {
        self.opened().await?.list(prefix, at, page).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        self.opened().await?.txn(txn).await
    }

    async fn watch(&self, prefixes: &[Prefix], after: Revision) -> Result<WatchStream, StoreError> {
        self.opened().await?.watch(prefixes, after).await
    }

    async fn changes(&self, prefixes: &[Prefix], after: Revision) -> Result<Changes, StoreError> {
        self.opened().await?.changes(prefixes, after).await
    }

    async fn lease_grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        self.opened().await?.lease_grant(ttl).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.opened().await?.revision().await
    }

    async fn counts(&self, prefix: &Prefix, newer_than: Revision) -> Result<Counts, StoreError> {
        self.opened().await?.counts(prefix, newer_than).await
    }

    async fn health(&self) -> StoreHealth {
        match self.opened().await {
            Ok(store) => store.health().await,
            Err(error) => StoreHealth { state: HealthState::Down, revision: None, note: error.to_string() },
        }
    }

    async fn replace_all(&self, when: Vec<Cond>, content: Vec<(Key, Bytes)>) -> Result<TxnOutcome, StoreError> {
        self.opened().await?.replace_all(when, content).await
    }
}

impl fmt::Debug for LateStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LateStore").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::memory::MemoryStore;

    #[tokio::test]
    async fn who_comes_before_the_first_try_waits_and_who_comes_after_a_failure_is_told_why() {
        let late = LateStore::new();
        let early = tokio::spawn({
            let late = late.clone();
            async move { late.revision().await }
        });
        tokio::task::yield_now().await;
        assert!(!early.is_finished());
        late.fail_with("the file is damaged");
        let error = early.await.unwrap().unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(why, "the file is damaged");
        assert_eq!(late.health().await.state, HealthState::Down);
        late.fail_with("the file is damaged still");
        assert!(late.revision().await.is_err() && !late.is_open());

        late.open_as(Arc::new(MemoryStore::new()));
        assert_eq!(late.revision().await.unwrap(), Revision(0));
        assert!(late.is_open() && late.health().await.state == HealthState::Up);
    }
}
