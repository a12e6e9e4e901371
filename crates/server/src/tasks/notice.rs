//! Tells of certificates that expire, are renewed, or cannot be renewed: each event once for a version, also across
//! restarts; and of problems, once when they come and once when they go.
//!
//! It follows what is served and what the engine remembers of renewals. Of each managed certificate it knows when time
//! alone makes something of it, so that nothing is looked through again while nothing happens.
//! An event is logged first and stored after that, in one change with what waits for channels: a crash in between logs
//! it twice, and has it sent once.

mod known;
mod problems;
#[cfg(test)]
mod tests;
mod words;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use portward_core::{CertificateId, NoticeKind, Timestamp, VersionNumber};
use portward_proxy::Clock;
use portward_store::{
    Key, Prefix, Store, StoreError, WatchStream,
    change::{Change, CommitError, commit},
    work::{self, ReadWorkError},
};

use known::{Known, KnownRenewals};
pub(crate) use known::{RenewalBoard, Standing};
use problems::OpenProblems;

use super::{Shutdown, watched::touched};
use crate::{
    app::chain_text,
    notice::{Notice, Notices},
    problem::Subject,
    served::{Served, ServedState},
};

/// Is what the task works with.
#[derive(Clone)]
pub(crate) struct GiveNotice {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) served: Arc<Served>,
    /// Where others look up how renewals stand.
    pub(crate) board: Arc<RenewalBoard>,
    pub(crate) clock: Clock,
    /// Who has notices wait for channels.
    pub(crate) notices: Arc<Notices>,
    /// Who is told at once.
    pub(crate) tell: Arc<dyn Fn(&Notice) + Send + Sync>,
    pub(crate) shutdown: Shutdown,
}

/// Says why not everything could be looked at; it is tried again soon.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("the store fails")]
    Store(#[from] StoreError),
    #[error("what is remembered of renewals cannot be read")]
    Read(#[from] ReadWorkError),
    #[error("it could not be stored that somebody was told")]
    Commit(#[from] CommitError),
}

/// Names an event: there is one for each version and kind.
type EventKey = (CertificateId, VersionNumber, NoticeKind);

/// Is what the task knows between two looks.
#[derive(Default)]
struct Memory {
    /// What was served at the last look.
    last: Option<Arc<ServedState>>,
    renewals: KnownRenewals,
    /// Managed certificates to look at.
    dirty: BTreeSet<CertificateId>,
    /// Events that were told; with what was told, if that is not stored yet.
    told: HashMap<EventKey, Option<Notice>>,
    problems: OpenProblems,
}

impl GiveNotice {
    /// Tells until shutdown.
    pub(crate) async fn run(self) {
        let mut memory = Memory::default();
        let mut newest = self.served.subscribe();
        let mut watch: Option<WatchStream> = None;
        loop {
            if watch.is_none() {
                watch = self.watch().await;
                memory.dirty.extend(memory.renewals.ids());
            }
            let state = Arc::clone(&newest.borrow_and_update());
            let pause = match self.look(&mut memory, &state).await {
                Ok(()) if watch.is_some() => self.pause(&memory),
                Ok(()) => RETRY,
                Err(error) => {
                    memory.last = None;
                    tracing::warn!(
                        error = chain_text(&error),
                        "cannot look how renewals stand; it is tried again soon"
                    );
                    RETRY
                }
            };
            tokio::select! {
                () = self.shutdown.pulled() => return,
                changed = newest.changed() => if changed.is_err() { return },
                touched = touched(&mut watch) => match touched {
                    Some(keys) => memory.dirty.extend(keys.iter().filter_map(certificate_of)),
                    None => watch = None,
                },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn watch(&self) -> Option<WatchStream> {
        let watched = async {
            let after = self.store.revision().await?;
            let prefixes: Vec<Prefix> = Prefix::parse(RENEWALS).into_iter().collect();
            self.store.watch(&prefixes, after).await
        };
        match watched.await {
            Ok(stream) => Some(stream),
            Err(error) => {
                tracing::warn!(error = chain_text(&error), "renewals cannot be watched; it is tried again soon");
                None
            }
        }
    }

    /// Looks at whatever may have changed since the last look, and tells of it.
    async fn look(&self, memory: &mut Memory, state: &Arc<ServedState>) -> Result<(), LookError> {
        if !state.is_published {
            return Ok(());
        }
        let now = self.clock.now();
        let is_news = memory
            .last
            .as_ref()
            .is_none_or(|last| last.desired.revision != state.desired.revision || last.problems != state.problems);
        let Memory { renewals, dirty, .. } = memory;
        if is_news {
            dirty.extend(renewals.follow(&state.desired, &self.board));
        }
        dirty.extend(renewals.ripe(now));
        let looked_at = !dirty.is_empty();
        while let Some(id) = dirty.first().cloned() {
            renewals.look_at(&*self.store, &state.desired, &id, now, &self.board).await?;
            dirty.remove(&id);
        }
        if looked_at || is_news {
            self.served.set_failing_renewals(renewals.problems());
            self.tell_news(memory, state, now).await?;
            memory.last = Some(Arc::clone(state));
        }
        self.store_told(memory, state).await?;
        self.tell_problems(memory, state, now).await
    }

    /// Tells of what nobody was told of yet.
    async fn tell_news(&self, memory: &mut Memory, state: &ServedState, now: Timestamp) -> Result<(), LookError> {
        for (id, kind) in events(&memory.renewals, state, now) {
            let Some(stored) = state.desired.certificate(&id) else { continue };
            let Some(version) = stored.value.current_version() else { continue };
            let key = (id.clone(), version.number, kind);
            if memory.told.contains_key(&key) {
                continue;
            }
            if work::is_noticed(&*self.store, &id, version.number, kind.as_str()).await? {
                memory.told.insert(key, None);
                continue;
            }
            let known: Option<&Known> = memory.renewals.of(&id);
            let failure = match known {
                Some(known) => known.failure(&*self.store, &id).await?,
                None => None,
            };
            let notice = words::notice(kind, stored, version, known, failure.as_ref(), now);
            (self.tell)(&notice);
            memory.told.insert(key, Some(notice));
        }
        let desired = &state.desired;
        memory.told.retain(|(id, version, _), _| {
            desired.certificate(id).is_some_and(|stored| stored.value.version(*version).is_some())
        });
        Ok(())
    }

    /// Remembers in the store what was told, and has it wait for channels.
    async fn store_told(&self, memory: &mut Memory, state: &ServedState) -> Result<(), LookError> {
        let unstored = memory.told.iter().filter_map(|(key, notice)| Some((key.clone(), notice.clone()?)));
        let mut unstored: Vec<(EventKey, Notice)> = unstored.collect();
        unstored.sort_by(|(one, _), (other, _)| one.cmp(other));
        for some in unstored.chunks(self.at_once(state)) {
            let mut change = Change::of_work();
            for ((id, version, kind), notice) in some {
                change.put_notice(id, *version, kind.as_str());
                self.notices.queue(&mut change, &state.desired, notice);
            }
            commit(&*self.store, change).await?;
            for (key, _) in some {
                memory.told.insert(key.clone(), None);
            }
        }
        Ok(())
    }

    /// Tells of problems that came or went a while ago.
    async fn tell_problems(&self, memory: &mut Memory, state: &ServedState, now: Timestamp) -> Result<(), LookError> {
        memory.problems.load(&*self.store).await?;
        let news = memory.problems.news(&state.problems, now);
        for some in news.chunks(self.at_once(state)) {
            let mut change = Change::of_work();
            for news in some {
                (self.tell)(news.notice());
                news.remember(&mut change);
                self.notices.queue(&mut change, &state.desired, news.notice());
            }
            commit(&*self.store, change).await?;
            for news in some {
                memory.problems.told(news);
            }
        }
        Ok(())
    }

    /// How many notices fit into one transaction.
    fn at_once(&self, state: &ServedState) -> usize {
        (AT_ONCE / (1 + state.desired.channels.len())).max(1)
    }

    fn pause(&self, memory: &Memory) -> Duration {
        let next = [memory.renewals.next_change(), memory.problems.next_change()].into_iter().flatten().min();
        next.map_or(LONGEST, |at| at.since(self.clock.now()).clamp(Duration::from_secs(1), LONGEST))
    }
}

/// All events that there are now, told or not, in the order of the certificates' ids.
fn events(renewals: &KnownRenewals, state: &ServedState, now: Timestamp) -> BTreeSet<(CertificateId, NoticeKind)> {
    let dated = state.problems.iter().filter_map(|problem| {
        let Subject::Certificate(id) = &problem.subject else { return None };
        let kind = match problem.code {
            EXPIRES_SOON => NoticeKind::ExpiresSoon,
            EXPIRED => NoticeKind::Expired,
            _ => return None,
        };
        Some((id.clone(), kind))
    });
    // What was got from a CA long ago is no news to whoever updates Portward.
    let renewed = renewals.issued_after(now.minus(NEWS)).map(|id| (id.clone(), NoticeKind::Renewed));
    let failing = renewals.failing().map(|id| (id.clone(), NoticeKind::RenewalFailing));
    dated.chain(failing).chain(renewed).collect()
}

/// The certificate of which a key below [`RENEWALS`] tells.
fn certificate_of(key: &Key) -> Option<CertificateId> {
    key.segments().nth(2).and_then(|id| CertificateId::parse(id).ok())
}

/// Whether it is an event, which this task tells of, and not whoever finds it.
pub(crate) fn is_event(code: &str) -> bool {
    [EXPIRES_SOON, EXPIRED].contains(&code)
}

/// The problem of a certificate whose end is near.
pub(crate) const EXPIRES_SOON: &str = "certificate-expires-soon";
/// The problem of a certificate whose end is over.
pub(crate) const EXPIRED: &str = "certificate-expired";

/// Below this is what the engine remembers of each certificate.
const RENEWALS: &str = "work/renewal/";
/// Records that fit into one transaction.
const AT_ONCE: usize = 100;
/// A server that was off for a day tells of what it got before that.
const NEWS: Duration = Duration::from_secs(24 * 3600);
/// After the store could not be read or watched.
const RETRY: Duration = Duration::from_secs(5);
/// The clock may be set; what is served is told of every minute anyway.
const LONGEST: Duration = Duration::from_secs(3600);
