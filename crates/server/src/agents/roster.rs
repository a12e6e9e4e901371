//! Who is trusted, as the store has it: by name and by thumbprint.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use portward_core::{Agent, AgentName, Thumbprint, Timestamp};
use portward_store::desired::Stored;

/// Has all agents in memory: a handshake must not wait for the store.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    inside: RwLock<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    by_name: BTreeMap<AgentName, Arc<Stored<Agent>>>,
    by_pin: HashMap<Thumbprint, AgentName>,
}

impl Roster {
    /// The agent of that name.
    pub(crate) fn agent(&self, name: &AgentName) -> Option<Arc<Stored<Agent>>> {
        self.read().by_name.get(name).cloned()
    }

    /// All agents, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Stored<Agent>>> {
        self.read().by_name.values().cloned().collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.read().by_name.len()
    }

    /// Whose thumbprint it is, if it counts now.
    pub(crate) fn trusted(&self, pin: Thumbprint, now: Timestamp) -> Option<AgentName> {
        let inside = self.read();
        let name = inside.by_pin.get(&pin)?;
        let agent = inside.by_name.get(name)?;
        agent.value.pins.trusted(now).any(|trusted| trusted == pin).then(|| name.clone())
    }

    /// Whose thumbprint it is or was, whether it counts or not.
    pub(crate) fn owner(&self, pin: Thumbprint) -> Option<AgentName> {
        self.read().by_pin.get(&pin).cloned()
    }

    /// Takes an agent as it is stored now, or that it is there no more; gives what was there before.
    pub(crate) fn set(&self, name: &AgentName, stored: Option<Stored<Agent>>) -> Option<Arc<Stored<Agent>>> {
        let mut inside = self.inside.write().unwrap_or_else(PoisonError::into_inner);
        let newer = |before: &Arc<Stored<Agent>>| {
            // Two who look at the same time may come in the wrong order.
            stored.as_ref().is_some_and(|stored| stored.revision < before.revision)
        };
        if let Some(before) = inside.by_name.get(name).filter(|before| newer(before)) {
            return Some(Arc::clone(before));
        }
        let before = inside.by_name.remove(name);
        for pin in before.iter().flat_map(|before| pins(&before.value)) {
            inside.by_pin.remove(&pin);
        }
        if let Some(stored) = stored {
            for pin in pins(&stored.value) {
                inside.by_pin.insert(pin, name.clone());
            }
            inside.by_name.insert(name.clone(), Arc::new(stored));
        }
        before
    }

    fn read(&self) -> RwLockReadGuard<'_, Inside> {
        self.inside.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All thumbprints of an agent, whether they count now or not.
fn pins(agent: &Agent) -> impl Iterator<Item = Thumbprint> + use<> {
    let pins = agent.pins.clone();
    [Some(pins.current), pins.next, pins.previous.map(|(pin, _)| pin)].into_iter().flatten()
}
