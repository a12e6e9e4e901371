//! What is known of how agents are: in memory for who asks, and in the store for the next start.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
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
    /// The newest version of the protocol that it ever spoke.
    protocol: u16,
    /// The version that it was refused with, if it was.
    refused_with: Option<u16>,
    /// When a copy of it came last, and where from.
    copy: Option<(Timestamp, Option<SocketAddr>)>,
    /// What the store has of it, and since when.
    written: Option<(Essence, Timestamp)>,
}

/// Stands for what is known of an agent without what changes with each look at it.
type Essence = u64;

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

    /// What is to be written now, if something is; it counts as written from then on.
    fn write_due(&mut self, now: Timestamp) -> Option<AgentWork> {
        let work = AgentWork::from(&*self);
        let essence = essence(&work);
        if self.written.is_some_and(|(written, at)| written == essence && now.since(at) < REWRITTEN) {
            return None;
        }
        self.written = Some((essence, now));
        Some(work)
    }
}

impl Remember {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, inside: Mutex::default() }
    }

    /// Looks through what is known, without a copy of it.
    pub(super) fn each(&self, mut look: impl FnMut(&AgentName, &Standing)) {
        for (name, known) in &self.lock().known {
            look(name, &known.standing);
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
            known.protocol = known.protocol.max(peer.hello.protocols.1);
            known.refused_with = None;
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

    /// An agent has stored a state of trust, as it said in a session.
    pub(super) fn acknowledged(&self, name: &AgentName, mark: TrustMark, session: Thumbprint) {
        self.edit(name, |known| {
            // An answer on a link that another one has replaced may come last, and says less.
            if known.session == Some(session) {
                known.mark = known.mark.max(mark);
            }
        });
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

    /// The newest version of the protocol that an agent ever spoke, if that is newer than this one; and whether this is
    /// news.
    pub(super) fn spoke_newer(&self, name: &AgentName, newest: u16) -> Option<(u16, bool)> {
        let mut inside = self.lock();
        let known = inside.known.get_mut(name).filter(|known| newest < known.protocol)?;
        let is_news = known.refused_with.replace(newest) != Some(newest);
        Some((known.protocol, is_news))
    }

    /// Forgets which version of the protocol an agent spoke.
    pub(super) fn begin_anew(&self, name: &AgentName) {
        self.edit(name, |known| known.protocol = 0);
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

    /// Writes what is not written yet: some at a time, as what is written is there twice meanwhile. An agent of which
    /// nothing is new but when it was asked is written [now and then](REWRITTEN): it is asked anew after a start anyway.
    pub(super) async fn write(&self, now: Timestamp) {
        let names: Vec<AgentName> = std::mem::take(&mut self.lock().unwritten).into_iter().collect();
        let mut works: Vec<(AgentName, AgentWork)> = Vec::new();
        for name in names {
            if let Some(work) = self.lock().known.get_mut(&name).and_then(|known| known.write_due(now)) {
                works.push((name, work));
            }
            if works.len() >= WRITTEN_AT_ONCE {
                self.put(&std::mem::take(&mut works)).await;
            }
        }
        self.put(&works).await;
    }

    async fn put(&self, works: &[(AgentName, AgentWork)]) {
        if works.is_empty() {
            return;
        }
        if let Err(error) = put_agent_works(&*self.store, works).await {
            tracing::warn!(error = chain_text(&error), "how agents are cannot be stored; it is tried again");
            let mut inside = self.lock();
            for (name, _) in works {
                if let Some(known) = inside.known.get_mut(name) {
                    known.written = None;
                    inside.unwritten.insert(name.clone());
                }
            }
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
        let written = Some((essence(&work), work.checked.unwrap_or(Timestamp::EPOCH)));
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
            protocol: work.protocol,
            refused_with: None,
            copy: None,
            written,
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
            protocol: known.protocol,
            last_heard: standing.last_heard,
            address: standing.address.clone(),
            checked: standing.checked,
            health: standing.health,
            reasons: standing.reasons.clone(),
            report: standing.report.as_ref().and_then(|report| serde_json::to_value(report).ok()),
        }
    }
}

/// Leaves out when it was, and how much room there was.
fn essence(work: &AgentWork) -> Essence {
    let mut work = AgentWork { checked: None, last_heard: None, ..work.clone() };
    if let Some(report) = work.report.as_mut().and_then(serde_json::Value::as_object_mut) {
        report.remove("now");
        let disks = report.get_mut("disks").and_then(serde_json::Value::as_array_mut);
        for disk in disks.into_iter().flatten().filter_map(serde_json::Value::as_object_mut) {
            disk.remove("free");
        }
    }
    let mut hasher = DefaultHasher::new();
    serde_json::to_vec(&work).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

/// When an agent was asked is in the store at most so much too early after a crash. Ten thousand agents that are asked
/// every ten minutes would have 20 GB written each day, and the log of the store would hold little else.
const REWRITTEN: Duration = Duration::from_secs(3600);
/// One change of the store takes a hundred operations; of an agent it needs two, and a few of its own.
const WRITTEN_AT_ONCE: usize = 48;
/// How long it is told that a copy came.
const COPY_TOLD: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_store::memory::MemoryStore;

    use super::*;

    fn mark(seq: u64) -> TrustMark {
        TrustMark { generation: 1, seq }
    }

    #[test]
    fn a_late_answer_on_a_link_that_was_replaced_takes_nothing_back() {
        let remember = Remember::new(Arc::new(MemoryStore::new()));
        let name = AgentName::parse("web-03").unwrap();
        let (old, new) = (Thumbprint::of(b"old"), Thumbprint::of(b"new"));
        remember.edit(&name, |known| known.session = Some(new));
        remember.acknowledged(&name, mark(5), new);
        remember.acknowledged(&name, mark(4), old);
        assert_eq!(remember.trust(&name), (mark(5), Some(new)));
        remember.acknowledged(&name, mark(3), new);
        assert_eq!(remember.trust(&name), (mark(5), Some(new)));
    }

    #[test]
    fn what_is_known_is_written_when_it_has_changed_and_now_and_then() {
        let start = Timestamp::parse("2026-11-26T12:00:00Z").unwrap();
        let mut known = Known::default();
        assert!(known.write_due(start).is_some());
        known.standing.checked = Some(start);
        assert!(known.write_due(start.plus(Duration::from_secs(600))).is_none());
        assert!(known.write_due(start.plus(REWRITTEN)).is_some());
        known.standing.health = AgentHealth::Healthy;
        assert!(known.write_due(start.plus(REWRITTEN)).is_some());
        let mut read = Known::from(AgentWork::from(&known));
        assert!(read.write_due(start.plus(Duration::from_secs(60))).is_none(), "a start writes nothing that is there");
    }
}
