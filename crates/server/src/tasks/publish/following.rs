//! The desired state as it is now, for the publish task and for use cases: read once, then followed.

use std::sync::Arc;

use portward_core::CertificateId;
use portward_store::{
    Store, StoreError,
    desired::{Desired, Follower, Touched},
};
use tokio::sync::Mutex;

/// Follows the desired state of a store; there is one for each server.
#[derive(Debug)]
pub(crate) struct Following {
    inner: Mutex<Inner>,
    is_of_kept: bool,
}

#[derive(Debug, Default)]
struct Inner {
    /// None before it was read for the first time.
    follower: Option<Follower>,
    /// What was touched since the publish task took it.
    touched: Touched,
    newest: Arc<Desired>,
}

impl Following {
    /// Goes on from what was read already, if anything was.
    pub(crate) fn new(follower: Option<Follower>) -> Self {
        let touched = Touched::everything();
        Self { inner: Mutex::new(Inner { follower, touched, newest: Arc::default() }), is_of_kept: false }
    }

    /// Goes on from what was kept, which is published before anything else.
    pub(crate) fn of_kept(follower: Follower) -> Self {
        let inner = Inner { follower: Some(follower), touched: Touched::default(), newest: Arc::default() };
        Self { inner: Mutex::new(inner), is_of_kept: true }
    }

    /// The desired state as it is now.
    pub(crate) async fn newest(&self, store: &dyn Store) -> Result<Arc<Desired>, StoreError> {
        let mut inner = self.inner.lock().await;
        inner.catch_up(store).await?;
        Ok(Arc::clone(&inner.newest))
    }

    /// Whether it goes on from what was kept.
    pub(super) fn is_of_kept(&self) -> bool {
        self.is_of_kept
    }

    /// The desired state as it is now, and what may be another than when this was called before.
    ///
    /// For the publish task alone.
    pub(super) async fn take(&self, store: &dyn Store) -> Result<(Arc<Desired>, Touched), StoreError> {
        let mut inner = self.inner.lock().await;
        inner.catch_up(store).await?;
        Ok((Arc::clone(&inner.newest), std::mem::take(&mut inner.touched)))
    }

    /// Has the publish task look at certificates again that nobody changed.
    pub(super) async fn touch(&self, certificates: Vec<CertificateId>) {
        self.inner.lock().await.touched.certificates.extend(certificates);
    }
}

impl Inner {
    async fn catch_up(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        match &mut self.follower {
            Some(follower) => follower.catch_up(store, &mut self.touched).await?,
            None => self.follower = Some(Follower::begin(store).await?),
        }
        if let Some(follower) = &self.follower
            && (self.newest.revision != follower.desired().revision || self.touched.everything)
        {
            self.newest = Arc::new(follower.desired().clone());
        }
        Ok(())
    }
}
