//! One row of the list, and how an agent is in a few words.

use portward_core::{Agent, AgentHealth, Dialling, Timestamp};

use super::{
    super::view::{Mark, When, counted, span},
    short,
};
use crate::agents::Glance;

/// Is what a row shows.
pub(super) struct Row {
    pub(super) mark: Mark,
    pub(super) word: String,
    /// Why it is so, where that is known.
    pub(super) reason: String,
    pub(super) name: String,
    pub(super) dialling: &'static str,
    pub(super) address: String,
    pub(super) heard: Option<When>,
    pub(super) thumbprint: String,
    pub(super) certificates: usize,
    pub(super) version: String,
    /// Whether it is the version of the server.
    pub(super) is_same_version: bool,
}

/// Is an agent with what is delivered to it.
pub(super) struct Machine {
    pub(super) glance: Glance,
    /// Certificates that are delivered to it.
    pub(super) certificates: usize,
    /// Those of them that are not as wanted.
    pub(super) behind: usize,
    /// How it is.
    pub(super) mark: Mark,
}

impl Machine {
    /// Judges one.
    pub(super) fn new(glance: Glance, certificates: usize, behind: usize, now: Timestamp) -> Self {
        let (mark, _) = health(glance.health, glance.is_linked, glance.last_heard, now);
        let mark = if mark == Mark::Ok && behind > 0 { Mark::Warn } else { mark };
        Self { glance, certificates, behind, mark }
    }

    /// Whether somebody should look.
    pub(super) fn needs_attention(&self) -> bool {
        matches!(self.mark, Mark::Warn | Mark::Bad)
    }

    /// Whether it is not reached.
    pub(super) fn is_away(&self) -> bool {
        !self.glance.is_linked && self.mark == Mark::Unknown
    }
}

impl Row {
    /// Writes one.
    pub(super) fn of(machine: &Machine, now: Timestamp) -> Self {
        let glance = &machine.glance;
        let agent = &glance.stored.value;
        let (_, mut word) = health(glance.health, glance.is_linked, glance.last_heard, now);
        if machine.behind > 0 && machine.mark == Mark::Warn {
            word = format!("{word}, {} behind", counted(machine.behind, "certificate"));
        }
        Self {
            mark: machine.mark,
            word,
            reason: glance.reason.clone().unwrap_or_default(),
            name: agent.name.to_string(),
            dialling: match agent.dialling {
                Dialling::Polling => "polling",
                Dialling::Listening(_) => "listening",
            },
            address: dialled_at(agent),
            heard: glance.last_heard.map(|at| When::new(at, now)),
            thumbprint: short(&agent.pins.current.to_string()),
            certificates: machine.certificates,
            is_same_version: glance.version.as_deref().is_none_or(|version| version == env!("CARGO_PKG_VERSION")),
            version: glance.version.clone().unwrap_or_default(),
        }
    }
}

/// Where a listening agent is dialled; empty if it dials itself.
pub(super) fn dialled_at(agent: &Agent) -> String {
    match &agent.dialling {
        Dialling::Polling => String::new(),
        Dialling::Listening(address) => address.to_string(),
    }
}

/// How an agent is, as a mark and in a few words.
pub(in crate::portal) fn health(
    health: AgentHealth,
    is_linked: bool,
    last_heard: Option<Timestamp>,
    now: Timestamp,
) -> (Mark, String) {
    match (health, is_linked) {
        (AgentHealth::Healthy, true) => (Mark::Ok, "Connected".to_owned()),
        (AgentHealth::HasWarnings, true) => (Mark::Warn, "Connected, has warnings".to_owned()),
        (AgentHealth::Unhealthy, true) => (Mark::Bad, "Connected, unhealthy".to_owned()),
        (AgentHealth::Unhealthy, false) => (Mark::Bad, "Unhealthy".to_owned()),
        (AgentHealth::Unavailable | AgentHealth::Unknown, true) => (Mark::Run, "Connected, being asked".to_owned()),
        (_, false) => match last_heard {
            Some(at) => (Mark::Unknown, format!("Not reached for {}", span(now.since(at).as_secs()))),
            None => (Mark::Unknown, "Never heard".to_owned()),
        },
    }
}
