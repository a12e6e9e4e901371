//! The links that are up, and why others are not.
//!
//! A link counts as long as the server is trusted by the pin that it showed, and what was shown or offered to it is this
//! agent. When it does not count any more it is cut at once, in the midst of what it does.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portward_core::{DialAddress, Thumbprint, Timestamp};
use portward_link::{Session, serve, verify::Shown};
use tokio::{
    sync::oneshot,
    task::{AbortHandle, JoinHandle},
};

use crate::{
    handler::SessionHandler,
    shared::{Shared, State},
};

/// Holds the links of an agent.
#[derive(Debug, Default)]
pub(crate) struct Links {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    live: BTreeMap<u64, Live>,
    /// By server: why it is not linked.
    problems: BTreeMap<String, String>,
    /// What was seen to be shown, so that the SHA-256 of a SHA-1 can be told.
    seen: VecDeque<Shown>,
    /// Who was turned away, and is not told of again until it was linked in between.
    turned_away: VecDeque<Thumbprint>,
}

/// Describes a link that is up.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// Of which server.
    pub(crate) server: String,
    /// What the server showed.
    pub(crate) pin: Thumbprint,
    /// What was shown to it.
    pub(crate) identity: Thumbprint,
    /// What was offered to it.
    pub(crate) offered: Option<Thumbprint>,
    /// Where it was dialled, if it was.
    pub(crate) dialled: Option<DialAddress>,
    /// Where it is.
    pub(crate) peer: String,
    /// Since when.
    pub(crate) since: Timestamp,
}

#[derive(Debug)]
struct Live {
    link: Link,
    end: Option<oneshot::Sender<()>>,
    task: AbortHandle,
}

/// Takes a link out when it has ended, however that came.
struct Entry {
    shared: Arc<Shared>,
    id: u64,
}

impl Link {
    fn counts(&self, state: &State) -> bool {
        let is_ours = state.is_ours(self.identity) || self.offered == Some(state.identity.identity.thumbprint());
        is_ours && state.configuration.by_pin(self.pin).is_some_and(|server| server.id == self.server)
    }
}

impl Links {
    /// Serves a session; the task gives the reason when it has ended, and the number ends it.
    pub(crate) fn serve(shared: &Arc<Shared>, session: Session, link: Link) -> (u64, JoinHandle<String>) {
        let handler = Arc::new(SessionHandler::new(Arc::clone(shared), link.server.clone(), link.pin));
        let (end, ended) = oneshot::channel();
        let mut inner = shared.links.lock();
        inner.last += 1;
        let id = inner.last;
        inner.problems.remove(&link.server);
        remember(&mut inner.seen, session.peer.shown.clone());
        inner.turned_away.retain(|pin| *pin != session.peer.shown.thumbprint);
        let entry = Entry { shared: Arc::clone(shared), id };
        let task = tokio::spawn(async move {
            let _entry = entry;
            serve(session, handler, async move {
                // Whoever lets go of the other half wants it to go on.
                if ended.await.is_err() {
                    std::future::pending::<()>().await;
                }
            })
            .await
        });
        inner.live.insert(id, Live { link, end: Some(end), task: task.abort_handle() });
        drop(inner);
        // What was changed while the handshake was done counts.
        shared.links.close_what_does_not_count(&shared.state());
        (id, task)
    }

    /// Ends a link when the calls that run on it are done.
    pub(crate) fn end(&self, id: u64) {
        if let Some(end) = self.lock().live.get_mut(&id).and_then(|live| live.end.take()) {
            let _ = end.send(());
        }
    }

    /// Cuts the links that do not count.
    pub(crate) fn close_what_does_not_count(&self, state: &State) {
        let mut inner = self.lock();
        for live in inner.live.values().filter(|live| !live.link.counts(state)) {
            tracing::info!(server.thumbprint = %live.link.pin, peer = live.link.peer, "a link is cut: it is not trusted any more");
            live.task.abort();
        }
        inner.problems.retain(|id, _| state.configuration.by_id(id).is_some());
    }

    /// Cuts all.
    pub(crate) fn close(&self) {
        self.lock().live.values().for_each(|live| live.task.abort());
    }

    /// Ends the links that were begun by servers before there was this identity to offer: they come back, and are told.
    pub(crate) fn end_dialled_here_without(&self, offer: Thumbprint) {
        let mut inner = self.lock();
        for live in inner.live.values_mut() {
            let link = &live.link;
            let knows = link.offered == Some(offer) || link.identity == offer;
            if link.dialled.is_none()
                && !knows
                && let Some(end) = live.end.take()
            {
                let _ = end.send(());
            }
        }
    }

    /// Those of one server.
    pub(crate) fn of(&self, server: &str) -> Vec<Link> {
        let inner = self.lock();
        inner.live.values().filter(|live| live.link.server == server).map(|live| live.link.clone()).collect()
    }

    /// How many are up.
    pub(crate) fn count(&self) -> usize {
        self.lock().live.len()
    }

    /// Keeps why a server is not linked; gives whether that is news.
    pub(crate) fn note_problem(&self, server: &str, problem: &str) -> bool {
        self.lock().problems.insert(server.to_owned(), problem.to_owned()).as_deref() != Some(problem)
    }

    /// Why a server is not linked.
    pub(crate) fn problem(&self, server: &str) -> Option<String> {
        self.lock().problems.get(server).cloned()
    }

    /// Keeps what somebody showed.
    pub(crate) fn note_seen(&self, shown: Shown) {
        remember(&mut self.lock().seen, shown);
    }

    /// Keeps what somebody showed who is turned away; gives whether that is news.
    pub(crate) fn note_turned_away(&self, shown: Shown) -> bool {
        let mut inner = self.lock();
        let pin = shown.thumbprint;
        remember(&mut inner.seen, shown);
        if inner.turned_away.contains(&pin) {
            return false;
        }
        if inner.turned_away.len() >= MOST_SEEN {
            inner.turned_away.pop_front();
        }
        inner.turned_away.push_back(pin);
        true
    }

    /// The SHA-256 of a certificate that was seen, by its SHA-1 (40 hexadecimal digits).
    pub(crate) fn seen(&self, sha1: &str) -> Option<Thumbprint> {
        let inner = self.lock();
        let mut seen = inner.seen.iter().rev();
        seen.find(|shown| shown.sha1.to_string().eq_ignore_ascii_case(sha1)).map(|shown| shown.thumbprint)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remember(seen: &mut VecDeque<Shown>, shown: Shown) {
    if seen.iter().any(|one| one.thumbprint == shown.thumbprint) {
        return;
    }
    if seen.len() >= MOST_SEEN {
        seen.pop_front();
    }
    seen.push_back(shown);
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.shared.links.lock().live.remove(&self.id);
    }
}

/// Anybody can show something.
const MOST_SEEN: usize = 64;
