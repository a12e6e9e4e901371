//! Sends the notices that wait, each channel by itself: one after the other, or in one message where they are many.
//!
//! What waits is in the store, so that a restart loses nothing; a crash between a message and the note that it was taken
//! sends it twice rather than never, with the same id.

mod pace;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use portward_core::{ChannelId, Revision, Timestamp};
use portward_proxy::Clock;
use portward_store::{
    Store, StoreError, WatchStream,
    change::{Change, CommitError},
    desired::{Stored, StoredChannel},
    sealing::{MasterKey, Sealer},
    work::{self, ChannelWork, Delivered, EditChannelWorkError, QueuedNotice, ReadWorkError},
};
use tokio::task::{Id, JoinSet};

use super::{Shutdown, watched::touched};
use crate::{
    app::chain_text,
    channel::{self, Message, SendError},
    kind_settings::{KindSettings, Values},
    notice::Notices,
    problem::{NOTIFICATION_FAILING, Problem, Subject},
    served::{Served, ServedState},
};

/// Is what the task works with.
#[derive(Clone)]
pub(crate) struct Deliver {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) served: Arc<Served>,
    /// Opens the secrets of channels.
    pub(crate) master: MasterKey,
    /// Where others look up how sending goes.
    pub(crate) notices: Arc<Notices>,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
}

/// Says why it could not be looked what waits; it is tried again soon.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("the store fails")]
    Store(#[from] StoreError),
    #[error("what waits to be sent cannot be read")]
    Read(#[from] ReadWorkError),
    #[error("it could not be stored what was sent")]
    Commit(#[from] CommitError),
    #[error("it could not be stored how sending goes")]
    Edit(#[from] EditChannelWorkError),
}

/// Is what the task knows between two looks.
#[derive(Default)]
struct Memory {
    is_stale: bool,
    queue: BTreeMap<ChannelId, Vec<QueuedNotice>>,
    works: BTreeMap<ChannelId, ChannelWork>,
    /// At which revision each channel was when it was last looked at.
    seen: BTreeMap<ChannelId, Revision>,
    sending: JoinSet<Finished>,
    /// Channels on which something is sent, until it is stored what came of it.
    busy: HashMap<ChannelId, Option<Id>>,
    finished: Vec<Finished>,
    /// When something is due without anything happening.
    next: Option<Timestamp>,
}

/// Is what came of a message.
#[derive(Clone, Debug)]
struct Finished {
    channel: ChannelId,
    notices: Vec<String>,
    result: Result<String, SendError>,
}

impl Deliver {
    /// Sends until shutdown.
    pub(crate) async fn run(self) {
        let mut memory = Memory::default();
        let mut newest = self.served.subscribe();
        let mut watch: Option<WatchStream> = None;
        loop {
            if watch.is_none() {
                watch = self.watch().await;
                memory.is_stale = true;
            }
            let state = Arc::clone(&newest.borrow_and_update());
            let pause = match self.look(&mut memory, &state).await {
                Ok(()) if watch.is_some() => self.pause(&memory),
                Ok(()) => RETRY,
                Err(error) => {
                    memory.is_stale = true;
                    tracing::warn!(error = chain_text(&error), "notices wait longer than they should");
                    RETRY
                }
            };
            tokio::select! {
                () = self.shutdown.pulled() => return,
                changed = newest.changed() => if changed.is_err() { return },
                touched = touched(&mut watch) => {
                    memory.is_stale = true;
                    if touched.is_none() {
                        watch = None;
                    }
                }
                Some(ended) = memory.sending.join_next_with_id() => memory.end(ended),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn watch(&self) -> Option<WatchStream> {
        let watched = async {
            let after = self.store.revision().await?;
            self.store.watch(&work::outbox(), after).await
        };
        match watched.await {
            Ok(stream) => Some(stream),
            Err(error) => {
                tracing::warn!(error = chain_text(&error), "what waits to be sent cannot be watched");
                None
            }
        }
    }

    /// Stores what came of messages, and begins to send what is due.
    async fn look(&self, memory: &mut Memory, state: &ServedState) -> Result<(), LookError> {
        if !state.is_published {
            return Ok(());
        }
        while let Some(finished) = memory.finished.last().cloned() {
            self.settle(&finished).await?;
            memory.finished.pop();
            memory.busy.remove(&finished.channel);
            memory.is_stale = true;
        }
        if memory.is_stale {
            self.read(memory).await?;
            memory.is_stale = false;
        }
        let now = self.clock.now();
        memory.next = None;
        for stored in &state.desired.channels {
            self.tend(memory, state, stored, now).await?;
        }
        self.show(memory, state);
        Ok(())
    }

    /// Reads what waits, and forgets what is for channels that are there no more.
    async fn read(&self, memory: &mut Memory) -> Result<(), LookError> {
        memory.queue.clear();
        for (channel, notice) in work::queued(&*self.store).await? {
            memory.queue.entry(channel).or_default().push(notice);
        }
        memory.works = work::ChannelWork::read_all(&*self.store).await?.into_iter().collect();
        // Asked for after the queue was read: whoever had a notice wait knew the channel before that.
        let desired = Arc::clone(&self.served.now().desired);
        let gone = memory.queue.keys().chain(memory.works.keys()).filter(|id| desired.channel(id).is_none());
        let gone: Vec<ChannelId> = gone.cloned().collect();
        for id in gone {
            work::forget_channel(&*self.store, &id).await?;
            memory.queue.remove(&id);
            memory.works.remove(&id);
        }
        Ok(())
    }

    /// Gives up what is too old or too much, and sends what is due on one channel.
    async fn tend(
        &self,
        memory: &mut Memory,
        state: &ServedState,
        stored: &Stored<StoredChannel>,
        now: Timestamp,
    ) -> Result<(), LookError> {
        let id = &stored.value.id;
        let mut work = memory.works.get(id).cloned().unwrap_or_default();
        let is_changed = memory.seen.insert(id.clone(), stored.revision).is_some_and(|seen| seen != stored.revision);
        if is_changed {
            // Other settings may be what was missing.
            work.retry_at = None;
        }
        let waiting = memory.queue.entry(id.clone()).or_default();
        if memory.busy.contains_key(id) {
            return Ok(());
        }
        let given_up = pace::given_up(waiting, now);
        if given_up > 0 {
            let gone: Vec<QueuedNotice> = waiting.drain(..given_up).collect();
            let count = u32::try_from(given_up).unwrap_or(u32::MAX);
            let edited = work::edit_channel_work(&*self.store, id, |work| {
                work.dropped = work.dropped.saturating_add(count);
                if is_changed {
                    work.retry_at = None;
                }
                let mut change = Change::of_work();
                gone.iter().for_each(|notice| change.remove_queued(id, &notice.id));
                change
            });
            let Some(edited) = edited.await? else { return Ok(()) };
            work = edited;
            tracing::warn!(channel.id = %id, notices = given_up, "notices that could not be delivered were given up");
            self.notices.board().update(id, |standing| standing.deliveries.dropped += u64::from(count));
        }
        memory.works.insert(id.clone(), work.clone());
        if !stored.value.enabled {
            return Ok(());
        }
        match pace::next(&work, waiting.len(), now) {
            pace::Next::Nothing => {}
            pace::Next::Wait(until) => memory.next = Some(memory.next.map_or(until, |next| next.min(until))),
            pace::Next::Send(count) => {
                let notices: Vec<QueuedNotice> = waiting.iter().take(count).cloned().collect();
                let sending = self.clone().send(stored.value.clone(), self.opened(state, &stored.value), notices, work);
                let task = memory.sending.spawn(sending);
                memory.busy.insert(id.clone(), Some(task.id()));
            }
        }
        Ok(())
    }

    fn opened(&self, state: &ServedState, channel: &StoredChannel) -> Result<Values, SendError> {
        let failed = |said: String| SendError { said, retry_after: None };
        let Some(cluster) = &state.desired.cluster else {
            return Err(failed("the store does not say whose it is".to_owned()));
        };
        let sealer = Sealer::new(cluster.id.clone(), self.master.clone());
        let settings = KindSettings::open_channel(&sealer, channel).map_err(|error| failed(chain_text(&error)))?;
        Ok(settings.all())
    }

    async fn send(
        self,
        channel: StoredChannel,
        settings: Result<Values, SendError>,
        notices: Vec<QueuedNotice>,
        work: ChannelWork,
    ) -> Finished {
        let portal = self.notices.portal();
        let message = Message::of(&notices, work.dropped, self.notices.server(), portal.as_deref(), self.clock.now());
        let sent = async {
            let settings = settings?;
            let opened = channel::open(&channel.kind, &settings)
                .map_err(|error| SendError { said: error.to_string(), retry_after: None })?;
            match message {
                Some(message) => opened.send(&message).await,
                None => Ok("nothing was to be sent".to_owned()),
            }
        };
        let result = sent.await;
        let notices = notices.into_iter().map(|notice| notice.id).collect();
        Finished { channel: channel.id, notices, result }
    }

    /// Stores what came of a message.
    async fn settle(&self, finished: &Finished) -> Result<(), LookError> {
        let Finished { channel, notices, result } = finished;
        let now = self.clock.now();
        match result {
            Ok(said) => {
                tracing::info!(channel.id = %channel, notices = notices.len(), said, "a message was delivered");
            }
            Err(error) => {
                tracing::warn!(channel.id = %channel, notices = notices.len(), said = error.said, "a message was not delivered");
            }
        }
        // Somebody may test the channel meanwhile; what waits for one that is gone is forgotten with it.
        work::edit_channel_work(&*self.store, channel, |work| {
            let mut change = Change::of_work();
            match result {
                Ok(said) => {
                    pace::delivered(work, notices.len(), now);
                    work.last = Some(Delivered { at: now, ok: true, said: said.clone() });
                    notices.iter().for_each(|id| change.remove_queued(channel, id));
                }
                Err(error) => {
                    pace::failed(work, error.retry_after, now);
                    work.last = Some(Delivered { at: now, ok: false, said: error.said.clone() });
                }
            }
            change
        })
        .await?;
        self.notices.board().update(channel, |standing| match result {
            Ok(_) => standing.deliveries.delivered += 1,
            Err(_) => standing.deliveries.failed += 1,
        });
        Ok(())
    }

    /// Tells everybody who looks how sending goes.
    fn show(&self, memory: &Memory, state: &ServedState) {
        let board = self.notices.board();
        board.retain(|id| state.desired.channel(id).is_some());
        let mut problems = Vec::new();
        for stored in &state.desired.channels {
            let id = &stored.value.id;
            let work = memory.works.get(id).cloned().unwrap_or_default();
            let waiting = memory.queue.get(id).map_or(0, Vec::len);
            if work.failures >= FAILURES && stored.value.enabled {
                problems.push(failing(id, &work));
            }
            board.update(id, |standing| (standing.work, standing.waiting) = (work, waiting));
        }
        self.served.set_failing_channels(problems);
    }

    fn pause(&self, memory: &Memory) -> Duration {
        memory.next.map_or(LONGEST, |at| at.since(self.clock.now()).clamp(Duration::from_secs(1), LONGEST))
    }
}

impl Memory {
    fn end(&mut self, ended: Result<(Id, Finished), tokio::task::JoinError>) {
        match ended {
            Ok((_, finished)) => self.finished.push(finished),
            Err(error) => {
                let failed = self.busy.iter().find(|(_, task)| **task == Some(error.id())).map(|(id, _)| id.clone());
                let result =
                    Err(SendError { said: "Portward failed; the log says more".to_owned(), retry_after: None });
                self.finished.extend(failed.map(|channel| Finished { channel, notices: Vec::new(), result }));
            }
        }
    }
}

fn failing(id: &ChannelId, work: &ChannelWork) -> Problem {
    let said = work.last.as_ref().map_or("", |last| &last.said).trim_end_matches('.');
    Problem::warning(
        NOTIFICATION_FAILING,
        Subject::Channel(id.clone()),
        format!("the channel \"{id}\" delivers nothing, {} times in a row: {said}", work.failures),
        format!("correct what is wrong, then test it: portward notification test {id}"),
    )
}

/// One failure may pass by itself.
const FAILURES: u32 = 2;
/// After the store could not be read or watched.
const RETRY: Duration = Duration::from_secs(5);
/// The clock may be set.
const LONGEST: Duration = Duration::from_secs(3600);
