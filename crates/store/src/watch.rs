//! Following what happens in the store.

mod follow;

use std::fmt;

use async_trait::async_trait;
pub(crate) use follow::{Follow, Log, LogPart, Reading};
use portward_core::Revision;

use crate::{Key, Kv, Prefix, StoreError};

/// Tells what a watch noticed.
#[derive(Debug)]
pub enum WatchEvent {
    /// A transaction happened; both lists hold only what lies below the watched prefixes, and one of them has something.
    Batch {
        /// The revision that it made.
        revision: Revision,
        /// What was written, in the order of the keys.
        puts: Vec<Kv>,
        /// What was deleted, in the order of the keys.
        deletes: Vec<Key>,
    },
    /// Nothing happened, and the watch still stands. It says nothing about completeness.
    Alive,
    /// Events are missing, as they are forgotten: list again at `oldest` or later, and watch after that. The watch ends.
    Compacted {
        /// The oldest revision after which one can watch.
        oldest: Revision,
    },
    /// The watch broke. It ends; begin another one after the last revision that was seen.
    Lost(StoreError),
}

/// Gives the events of one watch, in order.
pub struct WatchStream {
    source: Option<Box<dyn WatchSource>>,
}

/// Is what an engine puts behind a [`WatchStream`].
#[async_trait]
pub(crate) trait WatchSource: Send {
    /// Waits for the next event. An event is taken away only when it is returned, so that the future may be dropped.
    async fn next(&mut self) -> WatchEvent;
}

impl WatchStream {
    pub(crate) fn new(source: impl WatchSource + 'static) -> Self {
        Self { source: Some(Box::new(source)) }
    }

    /// Waits for the next event; none after the watch has ended.
    ///
    /// The future may be dropped, as `select!` does, without losing an event.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        let event = self.source.as_mut()?.next().await;
        if matches!(event, WatchEvent::Compacted { .. } | WatchEvent::Lost(_)) {
            self.source = None;
        }
        Some(event)
    }
}

impl fmt::Debug for WatchStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchStream").field("ended", &self.source.is_none()).finish()
    }
}

impl WatchEvent {
    /// Puts a batch together from one revision's changes; none if nothing lies below the prefixes.
    pub(crate) fn batch(
        revision: Revision,
        changes: impl IntoIterator<Item = (Key, Option<Kv>)>,
        prefixes: &[Prefix],
    ) -> Option<Self> {
        let (mut puts, mut deletes) = (Vec::new(), Vec::new());
        for (key, after) in changes {
            if prefixes.iter().any(|prefix| prefix.contains(&key)) {
                match after {
                    Some(kv) => puts.push(kv),
                    None => deletes.push(key),
                }
            }
        }
        if puts.is_empty() && deletes.is_empty() {
            return None;
        }
        puts.sort_by(|one, other| one.key.cmp(&other.key));
        deletes.sort();
        Some(Self::Batch { revision, puts, deletes })
    }
}
