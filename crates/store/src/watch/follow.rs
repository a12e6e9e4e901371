//! Following a log of changes: the watch of both engines.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::watch, time::timeout};

use super::{WatchEvent, WatchSource};
use crate::{Prefix, Revision, StoreError};

/// Is a log of changes that can be read from a revision on.
pub(crate) trait Log: Send + Sync + 'static {
    /// Begins to read batches after a revision, as many as it likes, each of them whole.
    ///
    /// What is returned should not keep the engine open.
    fn read_after(self: &Arc<Self>, prefixes: &[Prefix], after: Revision) -> Reading;

    /// Why the log cannot be followed at the moment.
    fn broken(&self) -> Option<StoreError> {
        None
    }
}

/// Is a reading of a log that has begun.
pub(crate) type Reading = Pin<Box<dyn Future<Output = Result<LogPart, StoreError>> + Send>>;

/// Is a part of a log.
#[derive(Debug)]
pub(crate) enum LogPart {
    /// These happened.
    Batches {
        /// One for each revision that has something below the prefixes.
        batches: Vec<WatchEvent>,
        /// Everything up to this revision has been looked at.
        up_to: Revision,
    },
    /// Some of it is forgotten.
    Compacted {
        /// The oldest revision after which it can be read.
        oldest: Revision,
    },
}

/// Follows a log; it does not keep the engine open.
pub(crate) struct Follow<L> {
    log: Weak<L>,
    newest: watch::Receiver<Revision>,
    prefixes: Vec<Prefix>,
    position: Revision,
    pending: VecDeque<WatchEvent>,
    /// Kept here while it waits: if whoever waits for an event goes away and comes again, it is not begun anew.
    reading: Option<Reading>,
}

impl<L: Log> Follow<L> {
    /// Begins after a revision; `newest` is told of each new one.
    pub(crate) fn new(log: &Arc<L>, newest: watch::Receiver<Revision>, prefixes: &[Prefix], after: Revision) -> Self {
        let (log, prefixes) = (Arc::downgrade(log), prefixes.to_vec());
        Self { log, newest, prefixes, position: after, pending: VecDeque::new(), reading: None }
    }
}

#[async_trait]
impl<L: Log> WatchSource for Follow<L> {
    async fn next(&mut self) -> WatchEvent {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return event;
            }
            if let Some(reading) = &mut self.reading {
                let part = reading.await;
                self.reading = None;
                match part {
                    Ok(LogPart::Batches { batches, up_to }) => {
                        self.pending.extend(batches);
                        self.position = up_to.max(self.position);
                        continue;
                    }
                    Ok(LogPart::Compacted { oldest }) => return WatchEvent::Compacted { oldest },
                    Err(error) => return WatchEvent::Lost(error),
                }
            }
            let Some(log) = self.log.upgrade() else { return WatchEvent::Lost(closed()) };
            if let Some(error) = log.broken() {
                return WatchEvent::Lost(error);
            }
            let newest = *self.newest.borrow_and_update();
            if newest > self.position {
                self.reading = Some(log.read_after(&self.prefixes, self.position));
                continue;
            }
            drop(log);
            match timeout(ALIVE_EVERY, self.newest.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return WatchEvent::Lost(closed()),
                Err(_) => return WatchEvent::Alive,
            }
        }
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store was closed".into())
}

/// Often enough that a watcher notices within seconds that its engine hangs.
const ALIVE_EVERY: Duration = Duration::from_secs(10);
