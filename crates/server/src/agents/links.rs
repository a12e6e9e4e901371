//! Who is linked now: one link for each agent.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use portward_core::{AgentName, Thumbprint, Timestamp};
use portward_link::Caller;

/// Has the links.
#[derive(Debug, Default)]
pub(crate) struct Links {
    live: Mutex<HashMap<AgentName, Live>>,
    next: AtomicU64,
}

/// Is a link that is up.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    /// Tells links apart.
    pub(crate) id: u64,
    /// Calls the agent.
    pub(crate) caller: Caller,
    /// Since when it is up.
    pub(crate) since: Timestamp,
}

impl Live {
    /// Who the agent showed to be.
    pub(crate) fn pin(&self) -> Thumbprint {
        self.caller.peer().shown.thumbprint
    }

    /// By what the agent knows Portward.
    pub(crate) fn ours(&self) -> Thumbprint {
        self.caller.peer().ours
    }
}

impl Links {
    /// The link to an agent.
    pub(crate) fn of(&self, name: &AgentName) -> Option<Live> {
        self.lock().get(name).cloned()
    }

    /// Who is linked.
    pub(crate) fn names(&self) -> HashSet<AgentName> {
        self.lock().keys().cloned().collect()
    }

    /// All links.
    pub(crate) fn all(&self) -> Vec<(AgentName, Live)> {
        self.lock().iter().map(|(name, live)| (name.clone(), live.clone())).collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Puts a link in the place of the one before, which is given back.
    pub(crate) fn put(&self, name: &AgentName, caller: Caller, since: Timestamp) -> (Live, Option<Live>) {
        let live = Live { id: self.next.fetch_add(1, Ordering::Relaxed), caller, since };
        let before = self.lock().insert(name.clone(), live.clone());
        (live, before)
    }

    /// Takes a link away that has ended, unless another one has its place.
    pub(crate) fn remove(&self, name: &AgentName, id: u64) -> bool {
        let mut live = self.lock();
        let is_it = live.get(name).is_some_and(|live| live.id == id);
        if is_it {
            live.remove(name);
        }
        is_it
    }

    /// Ends every link whose agent is not trusted by the thumbprint that it showed.
    pub(crate) fn close_unless(&self, is_trusted: impl Fn(&AgentName, Thumbprint) -> bool) {
        let ended: Vec<Live> = {
            let mut live = self.lock();
            let ended = live.iter().filter(|(name, live)| !is_trusted(name, live.pin()));
            let ended: Vec<AgentName> = ended.map(|(name, _)| name.clone()).collect();
            ended.iter().filter_map(|name| live.remove(name)).collect()
        };
        ended.iter().for_each(|live| live.caller.close());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentName, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
