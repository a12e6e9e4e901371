//! How sending goes on each channel, for whoever shows or counts it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use portward_core::ChannelId;
use portward_store::work::ChannelWork;

/// Shows how sending goes.
#[derive(Debug, Default)]
pub(crate) struct ChannelBoard {
    standings: Mutex<BTreeMap<ChannelId, Standing>>,
}

/// Is how sending goes on one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// What is remembered of it.
    pub(crate) work: ChannelWork,
    /// Notices that wait.
    pub(crate) waiting: usize,
    /// What was counted since the start.
    pub(crate) deliveries: Deliveries,
}

/// Counts deliveries since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deliveries {
    /// Messages that the other side took.
    pub(crate) delivered: u64,
    /// Tries that failed.
    pub(crate) failed: u64,
    /// Notices that were given up.
    pub(crate) dropped: u64,
}

impl ChannelBoard {
    /// How it goes on all channels of which anything is known.
    pub(crate) fn all(&self) -> BTreeMap<ChannelId, Standing> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How it goes on one channel.
    pub(crate) fn of(&self, id: &ChannelId) -> Standing {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned().unwrap_or_default()
    }

    /// Changes what is shown of a channel.
    pub(crate) fn update(&self, id: &ChannelId, change: impl FnOnce(&mut Standing)) {
        change(self.standings.lock().unwrap_or_else(PoisonError::into_inner).entry(id.clone()).or_default());
    }

    /// Forgets channels that are there no more.
    pub(crate) fn retain(&self, is_there: impl Fn(&ChannelId) -> bool) {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).retain(|id, _| is_there(id));
    }
}
