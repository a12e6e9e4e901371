//! Those who came and are not trusted: what an operator compares, and approves.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use portward_core::{AgentName, Thumbprint, Timestamp};
use portward_link::verify::Shown;

/// Remembers the last ones; what is not asked again is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    known: Mutex<BTreeMap<Thumbprint, Stranger>>,
    /// Thumbprints that others took the place of, by hand, and whose they were; the last ones.
    replaced: Mutex<VecDeque<(Thumbprint, AgentName)>>,
}

/// Is somebody who came and is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stranger {
    /// What they showed.
    pub(crate) shown: Shown,
    /// Where they came from last.
    pub(crate) address: Option<SocketAddr>,
    /// The agent whose thumbprint this was.
    pub(crate) former: Option<AgentName>,
    /// When they came first.
    pub(crate) first_seen: Timestamp,
    /// When they came last.
    pub(crate) last_seen: Timestamp,
    /// How often they came.
    pub(crate) tries: u64,
}

impl Strangers {
    /// Remembers that somebody came.
    pub(crate) fn came(&self, shown: &Shown, address: Option<SocketAddr>, former: Option<&AgentName>, now: Timestamp) {
        let mut known = self.lock();
        if let Some(stranger) = known.get_mut(&shown.thumbprint) {
            (stranger.address, stranger.last_seen) = (address, now);
            stranger.tries += 1;
            return;
        }
        if known.len() >= MOST
            && let Some(oldest) = known.values().min_by_key(|stranger| stranger.last_seen)
        {
            let oldest = oldest.shown.thumbprint;
            known.remove(&oldest);
        }
        let mut shown = shown.clone();
        // They chose it.
        shown.subject = shown.subject.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        let stranger = Stranger { address, former: former.cloned(), first_seen: now, last_seen: now, tries: 1, shown };
        known.insert(stranger.shown.thumbprint, stranger);
    }

    /// Remembers whose a thumbprint was that is trusted no more.
    pub(crate) fn was(&self, thumbprint: Thumbprint, name: &AgentName) {
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.retain(|(known, _)| *known != thumbprint);
        replaced.push_back((thumbprint, name.clone()));
        if replaced.len() > MOST {
            replaced.pop_front();
        }
    }

    /// Whose a thumbprint was before another one took its place by hand.
    pub(crate) fn former(&self, thumbprint: Thumbprint) -> Option<AgentName> {
        let replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.iter().find(|(known, _)| *known == thumbprint).map(|(_, name)| name.clone())
    }

    /// Those who came within the last day, the newest first.
    pub(crate) fn all(&self, now: Timestamp) -> Vec<Stranger> {
        let mut known = self.lock();
        known.retain(|_, stranger| now.since(stranger.last_seen) < REMEMBERED);
        let mut all: Vec<Stranger> = known.values().cloned().collect();
        all.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.shown.thumbprint.cmp(&b.shown.thumbprint)));
        all
    }

    /// Forgets somebody, who is trusted now or was refused.
    pub(crate) fn forget(&self, thumbprint: Thumbprint) {
        self.lock().remove(&thumbprint);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Thumbprint, Stranger>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody looks through more, and whoever fills it does not push out what comes again and again.
const MOST: usize = 200;
const LONGEST: usize = 200;
/// Somebody who still wants to be an agent comes again within a minute.
const REMEMBERED: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
