//! What is known of how agents are: in memory for who asks, and in the store for the next start.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use portward_core::{AgentHealth, AgentName, Thumbprint, Timestamp};
use portward_link::{message::HealthReport, opening::TrustMark};
use portward_store::{
    Store,
    work::{AgentWork, ReadWorkError, put_agent_works},
};

use super::{Glance, Live, Standing};
use crate::app::chain_text;

/// Remembers how agents were found; what changes is written soon, many at a time.
pub(crate) struct Remember {
    store: Arc<dyn Store>,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    known: HashMap<AgentName, Known>,
    unwritten: HashSet<AgentName>,
}

/// Is what is known of one agent.
#[derive(Clone, Debug, Default)]
struct Known {
    standing: Standing,
    /// The newest state of trust that it has stored.
    mark: TrustMark,
    /// By what it knew Portward when it was linked last.
    session: Option<Thumbprint>,
    /// When a copy of it came last, and where from.
    copy: Option<(Timestamp, Option<SocketAddr>)>,
}

impl Known {
    /// How it is, with what was seen of copies of it lately.
    fn standing(&self, now: Timestamp) -> Standing {
        let mut standing = self.standing.clone();
        if let Some((at, address)) = self.copy.filter(|(at, _)| now.since(*at) < COPY_TOLD) {
            let from = address.map_or_else(String::new, |address| format!(" from {address}"));
            standing.reasons.insert(0, format!(
                "A copy of this machine came{from} at {at} with the same identity, and was refused; run portward-agent new-certificate --now on the copy."
            ));
            standing.health = standing.health.max(AgentHealth::Unhealthy);
        }
        standing
    }
}

impl Remember {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, inside: Mutex::default() }
    }

    /// Looks through what is known, without a copy of it.
    pub(super) fn each(&self, mut look: impl FnMut(&AgentName, &Standing, TrustMark)) {
        for (name, known) in &self.lock().known {
            look(name, &known.standing, known.mark);
        }
    }

    /// Reads what an earlier run knew.
    pub(super) async fn load(&self) -> Result<(), ReadWorkError> {
        let works = AgentWork::read_all(&*self.store).await?;
        let mut inside = self.lock();
        for (name, work) in works {
            inside.known.entry(name).or_insert_with(|| Known::from(work));
        }
        Ok(())
    }

    /// How an agent was found last.
    pub(crate) fn standing(&self, name: &AgentName, now: Timestamp) -> Standing {
        self.lock().known.get(name).map(|known| known.standing(now)).unwrap_or_default()
    }

    /// Writes into glances what is known of their agents.
    pub(super) fn look(&self, now: Timestamp, glances: &mut [Glance]) {
        let inside = self.lock();
        for glance in glances {
            let Some(known) = inside.known.get(&glance.stored.value.name) else { continue };
            let standing = &known.standing;
            glance.last_heard = glance.last_heard.or(standing.last_heard);
            glance.address = standing.address.clone();
            glance.version = standing.report.as_ref().map(|report| report.version.clone());
            (glance.health, glance.reason) = match &known.copy {
                // Its reasons have one more than what was found.
                Some(_) => {
                    let standing = known.standing(now);
                    (standing.health, standing.reasons.into_iter().next())
                }
                None => (standing.health, standing.reasons.first().cloned()),
            };
        }
    }

    /// The newest state of trust that an agent has stored, and by what it knew Portward when it was linked last.
    pub(crate) fn trust(&self, name: &AgentName) -> (TrustMark, Option<Thumbprint>) {
        self.lock().known.get(name).map(|known| (known.mark, known.session)).unwrap_or_default()
    }

    /// The newest state of trust that the agent at the other end of a link has; it says so itself.
    pub(super) fn mark(&self, name: &AgentName, live: &Live) -> TrustMark {
        let inside = self.lock();
        let known = inside.known.get(name).filter(|known| known.session == Some(live.ours()));
        known.map_or_else(|| live.caller.peer().hello.trust, |known| known.mark)
    }

    /// An agent is linked.
    pub(super) fn heard(&self, name: &AgentName, live: &Live, now: Timestamp) {
        self.edit(name, |known| {
            let peer = live.caller.peer();
            known.standing.last_heard = Some(now);
            known.standing.address = peer.address.map(|address| address.to_string());
            // What it says now counts, also if it is less: its files may be older than what it said before.
            (known.mark, known.session) = (peer.hello.trust, Some(peer.ours));
        });
    }

    /// An agent is not linked any more.
    pub(super) fn left(&self, name: &AgentName, why: &str, now: Timestamp) {
        self.edit(name, |known| {
            known.standing.last_heard = Some(now);
            known.standing.health = AgentHealth::Unavailable;
            known.standing.reasons = vec![format!("Its link ended at {now}: {why}.")];
        });
    }

    /// An agent has stored a state of trust.
    pub(super) fn acknowledged(&self, name: &AgentName, mark: TrustMark, session: Thumbprint) {
        self.edit(name, |known| (known.mark, known.session) = (mark, Some(session)));
    }

    /// An agent was asked how it is.
    pub(super) fn found(&self, name: &AgentName, standing: Standing) {
        self.edit(name, |known| {
            let before = std::mem::replace(&mut known.standing, standing);
            let now = &mut known.standing;
            now.last_heard = now.last_heard.or(before.last_heard);
            now.address = now.address.take().or(before.address);
            now.report = now.report.take().or(before.report);
        });
    }

    /// Another program with the same identity came, and was refused.
    pub(super) fn copied(&self, name: &AgentName, from: Option<SocketAddr>, now: Timestamp) {
        self.lock().known.entry(name.clone()).or_default().copy = Some((now, from));
    }

    /// An agent is removed.
    pub(super) fn forget(&self, name: &AgentName) {
        let mut inside = self.lock();
        inside.known.remove(name);
        inside.unwritten.remove(name);
    }

    /// Writes what is not written yet.
    pub(super) async fn write(&self) {
        let works: Vec<(AgentName, AgentWork)> = {
            let mut inside = self.lock();
            let names = std::mem::take(&mut inside.unwritten);
            let work = |name: AgentName| inside.known.get(&name).map(|known| (name, AgentWork::from(known)));
            names.into_iter().filter_map(work).collect()
        };
        if works.is_empty() {
            return;
        }
        if let Err(error) = put_agent_works(&*self.store, &works).await {
            tracing::warn!(error = chain_text(&error), "how agents are cannot be stored; it is tried again");
            self.lock().unwritten.extend(works.into_iter().map(|(name, _)| name));
        }
    }

    fn edit(&self, name: &AgentName, edit: impl FnOnce(&mut Known)) {
        let mut inside = self.lock();
        edit(inside.known.entry(name.clone()).or_default());
        inside.unwritten.insert(name.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<AgentWork> for Known {
    fn from(work: AgentWork) -> Self {
        let report: Option<HealthReport> = work.report.and_then(|report| serde_json::from_value(report).ok());
        Self {
            standing: Standing {
                health: work.health,
                reasons: work.reasons,
                checked: work.checked,
                last_heard: work.last_heard,
                address: work.address,
                report,
            },
            mark: TrustMark { generation: work.trust_generation, seq: work.trust_seq },
            session: work.session_pin,
            copy: None,
        }
    }
}

impl From<&Known> for AgentWork {
    fn from(known: &Known) -> Self {
        let standing = &known.standing;
        Self {
            trust_generation: known.mark.generation,
            trust_seq: known.mark.seq,
            session_pin: known.session,
            last_heard: standing.last_heard,
            address: standing.address.clone(),
            checked: standing.checked,
            health: standing.health,
            reasons: standing.reasons.clone(),
            report: standing.report.as_ref().and_then(|report| serde_json::to_value(report).ok()),
        }
    }
}

/// How long it is told that a copy came.
const COPY_TOLD: Duration = Duration::from_secs(24 * 3600);
