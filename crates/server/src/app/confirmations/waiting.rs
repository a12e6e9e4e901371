//! What waits to be confirmed, as it was last read, and since when it has been known here.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use portward_api::TrialStep;
use portward_core::{ConfirmationId, Timestamp};
use portward_store::work::Confirmation;
use tokio::time::Instant;

/// Remembers what waits, so that every page can say so without reading the store.
#[derive(Debug, Default)]
pub(in crate::app) struct Waiting {
    now: Mutex<Vec<Arc<Confirmation>>>,
    /// When each was first seen, by a clock that nobody sets.
    seen: Mutex<BTreeMap<ConfirmationId, Instant>>,
    /// What was tried of each.
    trials: Mutex<BTreeMap<ConfirmationId, Vec<TrialStep>>>,
}

impl Waiting {
    /// Remembers what was tried.
    pub(in crate::app) fn tried(&self, id: &ConfirmationId, steps: Vec<TrialStep>) {
        lock(&self.trials).insert(id.clone(), steps);
    }

    /// One that waits.
    pub(in crate::app) fn find(&self, id: &ConfirmationId) -> Option<Arc<Confirmation>> {
        self.all().into_iter().find(|waiting| waiting.id == *id)
    }

    /// How long one still waits, in whole seconds: until the deadline by the clock, and no longer than was said since it
    /// was first seen here, as the clock may be set back meanwhile.
    pub(super) fn left(&self, waiting: &Confirmation, now: Timestamp) -> Duration {
        let by_clock = waiting.left(now);
        let Some(seen) = lock(&self.seen).get(&waiting.id).copied() else { return by_clock };
        let left = waiting.deadline.since(waiting.made).saturating_sub(seen.elapsed());
        by_clock.min(Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0)))
    }

    /// Whether the time of one is over.
    pub(super) fn is_over(&self, waiting: &Confirmation, now: Timestamp) -> bool {
        self.left(waiting, now).is_zero()
    }

    pub(super) fn all(&self) -> Vec<Arc<Confirmation>> {
        lock(&self.now).clone()
    }

    pub(super) fn set(&self, waiting: Vec<Confirmation>) {
        let waits = |id: &ConfirmationId| waiting.iter().any(|waiting| waiting.id == *id);
        lock(&self.trials).retain(|id, _| waits(id));
        let mut seen = lock(&self.seen);
        seen.retain(|id, _| waits(id));
        for one in &waiting {
            seen.entry(one.id.clone()).or_insert_with(Instant::now);
        }
        drop(seen);
        *lock(&self.now) = waiting.into_iter().map(Arc::new).collect();
    }

    pub(super) fn trial(&self, id: &ConfirmationId) -> Vec<TrialStep> {
        lock(&self.trials).get(id).cloned().unwrap_or_default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
