//! What is seen of agents at a glance: of ten thousand, nobody's report is copied.

use std::sync::Arc;

use portward_core::{Agent, AgentHealth, Timestamp};
use portward_store::desired::Stored;

use super::Agents;

/// Is what a list shows of an agent.
#[derive(Clone, Debug)]
pub(crate) struct Glance {
    /// Who is trusted, and how.
    pub(crate) stored: Arc<Stored<Agent>>,
    /// How it is.
    pub(crate) health: AgentHealth,
    /// The first reason why it is not healthy.
    pub(crate) reason: Option<String>,
    /// When it was last heard.
    pub(crate) last_heard: Option<Timestamp>,
    /// Where it was.
    pub(crate) address: Option<String>,
    /// Its version.
    pub(crate) version: Option<String>,
    /// Whether there is a link to it now.
    pub(crate) is_linked: bool,
}

impl Agents {
    /// All agents at a glance, by name.
    pub(crate) fn glances(&self) -> Vec<Glance> {
        let (now, linked) = (self.now(), self.links.names());
        let all = self.roster.all();
        let mut glances: Vec<Glance> = Vec::with_capacity(all.len());
        for stored in all {
            let is_linked = linked.contains(&stored.value.name);
            glances.push(Glance {
                health: AgentHealth::Unknown,
                reason: None,
                last_heard: is_linked.then_some(now),
                address: None,
                version: None,
                is_linked,
                stored,
            });
        }
        self.remember.look(now, &mut glances);
        glances
    }
}
