//! Leases: keys that go away when their owner does.

mod table;

use std::{
    fmt,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep_until},
};

pub(crate) use table::LeaseTable;

use crate::{LimitError, StoreError};

/// Names a lease, for the engine that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub i64);

/// Keeps a lease alive while it exists.
///
/// Dropped, it lets the lease run out, which takes up to its time to live; [`Lease::revoke`] ends it at once.
/// It is a hint, never proof: whoever holds it may have been asleep while the lease ran out.
/// What must not happen twice is made conditional on the revision of the claim.
pub struct Lease {
    id: LeaseId,
    ttl: Duration,
    keeper: Weak<dyn LeaseKeeper>,
    lost: watch::Receiver<bool>,
    task: AbortHandle,
}

/// Is what an engine puts behind a [`Lease`].
#[async_trait]
pub(crate) trait LeaseKeeper: Send + Sync + 'static {
    /// Gives the lease its full time again; `false` if it is over.
    async fn keep_alive(&self, id: LeaseId) -> Result<bool, StoreError>;
    /// Ends the lease and deletes its keys; an engine that cannot tries again by itself.
    async fn revoke(&self, id: LeaseId) -> Result<(), StoreError>;
}

impl Lease {
    /// Shortest time to live; etcd gives no less than 2 seconds, and a slow disk may take one.
    pub const MIN_TTL: Duration = Duration::from_secs(5);
    /// Longest time to live.
    pub const MAX_TTL: Duration = Duration::from_secs(600);

    /// Begins to keep a lease alive that the engine has just made.
    pub(crate) fn keep(id: LeaseId, ttl: Duration, keeper: Weak<dyn LeaseKeeper>) -> Self {
        let (tell, lost) = watch::channel(false);
        let task = tokio::spawn(keep_alive(id, ttl, Weak::clone(&keeper), tell)).abort_handle();
        Self { id, ttl, keeper, lost, task }
    }

    /// What to put on keys that shall end with the lease.
    pub fn id(&self) -> LeaseId {
        self.id
    }

    /// How long the lease stays when nothing is heard of its owner.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Whether the lease is over, or cannot be kept alive any more.
    pub fn is_lost(&self) -> bool {
        *self.lost.borrow()
    }

    /// Waits until the lease is over, or cannot be kept alive any more.
    pub async fn lost(&self) {
        let mut lost = self.lost.clone();
        // An error means that the task that would tell is gone, which is the same.
        let _ = lost.wait_for(|lost| *lost).await;
    }

    /// Ends the lease and deletes its keys.
    pub async fn revoke(self) -> Result<(), StoreError> {
        self.task.abort();
        match self.keeper.upgrade() {
            Some(keeper) => keeper.revoke(self.id).await,
            None => Err(StoreError::Unavailable("the store was closed".into())),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("id", &self.id).field("ttl", &self.ttl).field("lost", &self.is_lost()).finish()
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Checks the time to live; every engine calls it before it makes a lease.
pub(crate) fn check_ttl(ttl: Duration) -> Result<(), LimitError> {
    if (Lease::MIN_TTL..=Lease::MAX_TTL).contains(&ttl) { Ok(()) } else { Err(LimitError::LeaseTtl(ttl.as_secs())) }
}

/// Ends leases that run out, for engines that keep them in a [`LeaseTable`].
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    task: OnceLock<AbortHandle>,
}

impl Expiry {
    /// Begins, if it has not begun. It ends with the engine.
    pub(crate) fn begin(&self, table: &Arc<LeaseTable>, keeper: Weak<dyn LeaseKeeper>) {
        self.task.get_or_init(|| tokio::spawn(expire(Arc::clone(table), keeper)).abort_handle());
    }
}

impl Drop for Expiry {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

async fn expire(table: Arc<LeaseTable>, keeper: Weak<dyn LeaseKeeper>) {
    loop {
        let id = table.run_out().await;
        let Some(keeper) = keeper.upgrade() else { return };
        if let Err(error) = keeper.revoke(id).await {
            tracing::warn!(lease.id = %id, error = %error, "could not delete the keys of a lease that ran out; trying again");
        }
    }
}

async fn keep_alive(id: LeaseId, ttl: Duration, keeper: Weak<dyn LeaseKeeper>, tell: watch::Sender<bool>) {
    let mut end = Instant::now() + ttl;
    loop {
        // Three attempts fit into the time to live, so that one may fail.
        sleep_until((Instant::now() + ttl / 3).min(end)).await;
        let asked = Instant::now();
        let Some(keeper) = keeper.upgrade() else { break };
        match keeper.keep_alive(id).await {
            Ok(true) => end = asked + ttl,
            Ok(false) => break,
            Err(error) if Instant::now() < end => {
                tracing::debug!(lease.id = %id, error = %error, "could not keep a lease alive; trying again");
            }
            Err(_) => break,
        }
    }
    let _ = tell.send(true);
}
