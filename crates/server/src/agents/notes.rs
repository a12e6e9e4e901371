//! What happens with agents, told to whoever looks on: in the log, and as events.

use portward_core::AgentName;

/// Says what happened to an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// It is linked.
    Connected(AgentName),
    /// Its link is gone, and why.
    Disconnected(AgentName, String),
}

impl Note {
    /// Writes it to the log.
    pub(crate) fn log(&self) {
        match self {
            Self::Connected(name) => tracing::info!(agent.name = %name, "an agent is connected"),
            Self::Disconnected(name, why) => {
                tracing::info!(agent.name = %name, reason = why, "an agent is not connected any more");
            }
        }
    }
}
