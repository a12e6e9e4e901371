//! Deliveries: certificates that agents install, brought to what is wanted and kept there.
//!
//! Nothing is told to this by anybody: it compares what is wanted (deliveries, and the versions in use of their
//! certificates) with what is remembered and what agents report, and has one installation run at each agent that needs
//! one. A number that rises with each makes sure that an older one never takes the place of a newer one.

mod observed;
mod sent;
mod wanted;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use portward_core::{AgentName, CertificateId, Delivery, DeliveryId, Thumbprint, Timestamp, VersionNumber, wave};
use portward_link::{
    CallError,
    message::{Deliver, DeliverReply, Fault, Withdraw, method},
};
use portward_store::{
    agents::{self, ReadAgentsError, StoredDelivery},
    desired::{Desired, Stored},
    work::{DeliveryState, DeliveryWork, put_delivery_works},
};

use self::wanted::{MENDING, Wanted, has_drifted, is_due, is_in_doubt, is_retried, stopped, wanted};
use super::{
    Agents, Live,
    refused::{Record, Whose},
};
use crate::app::chain_text;

/// Has what is wanted on machines, and what is known of it.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    inside: Mutex<Inside>,
    unwritten: Mutex<HashSet<DeliveryId>>,
}

#[derive(Debug, Default)]
struct Inside {
    by_id: BTreeMap<DeliveryId, Entry>,
    /// An agent that reports is asked of its own ones alone.
    by_agent: HashMap<AgentName, BTreeSet<DeliveryId>>,
    /// On which of its links an agent has said last what is on its machine.
    reported: HashMap<AgentName, u64>,
}

#[derive(Clone, Debug)]
struct Entry {
    stored: Arc<Stored<StoredDelivery>>,
    work: DeliveryWork,
}

/// Shows a delivery with what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// What is wanted.
    pub(crate) stored: Arc<Stored<StoredDelivery>>,
    /// What is known of it.
    pub(crate) work: DeliveryWork,
    /// How it is, in one word.
    pub(crate) state: State,
    /// The version that is wanted.
    pub(crate) wanted: Option<VersionNumber>,
}

/// Says how a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing keeps it; it comes.
    Pending,
    /// Its certificate has nothing yet that could be delivered.
    NoVersion,
    /// The agent is at it.
    Running,
    /// As wanted, as far as can be seen.
    Installed,
    /// It did not work.
    Failed,
    /// It was as wanted, and something else is there now.
    Drifted,
    /// It waits until the new version was seen to work elsewhere, or until it does where it did not.
    Paused,
    /// Its agent is not connected.
    Unreachable,
}

impl State {
    /// The stable word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending | Self::NoVersion => "pending",
            Self::Running => "running",
            Self::Installed => "installed",
            Self::Failed => "failed",
            Self::Drifted => "drifted",
            Self::Paused => "paused",
            Self::Unreachable => "unreachable",
        }
    }
}

impl Deliveries {
    /// All of them, by their ids.
    fn all(&self) -> Vec<Entry> {
        self.lock().by_id.values().cloned().collect()
    }

    /// Those of one agent.
    fn of(&self, agent: &AgentName) -> Vec<Entry> {
        let inside = self.lock();
        let ids = inside.by_agent.get(agent).into_iter().flatten();
        ids.filter_map(|id| inside.by_id.get(id)).cloned().collect()
    }

    /// Takes a delivery as it is stored now, or that it is there no more.
    fn set(
        &self,
        id: &DeliveryId,
        stored: Option<Stored<StoredDelivery>>,
        work: Option<DeliveryWork>,
    ) -> Option<Entry> {
        let mut inside = self.lock();
        let before = inside.by_id.remove(id);
        if let Some(ids) =
            before.as_ref().and_then(|before| inside.by_agent.get_mut(&before.stored.value.delivery.agent))
        {
            ids.remove(id);
        }
        if let Some(stored) = stored {
            let known = before.as_ref().map(|before| before.work.clone());
            inside.by_agent.entry(stored.value.delivery.agent.clone()).or_default().insert(id.clone());
            let entry = Entry { stored: Arc::new(stored), work: known.or(work).unwrap_or_default() };
            inside.by_id.insert(id.clone(), entry);
        }
        before
    }

    fn edit(&self, id: &DeliveryId, edit: impl FnOnce(&mut DeliveryWork)) -> Option<DeliveryWork> {
        let mut inside = self.lock();
        let entry = inside.by_id.get_mut(id)?;
        edit(&mut entry.work);
        let work = entry.work.clone();
        drop(inside);
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        Some(work)
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agents {
    /// Reads all deliveries, and what an earlier run knew of them.
    pub(super) async fn load_deliveries(&self, stored: Vec<Stored<StoredDelivery>>) -> Result<(), String> {
        let works = DeliveryWork::read_all(&*self.parts.store).await.map_err(|error| chain_text(&error))?;
        let mut works: HashMap<DeliveryId, DeliveryWork> = works.into_iter().collect();
        let ids: HashSet<DeliveryId> = stored.iter().map(|stored| stored.value.delivery.id.clone()).collect();
        for entry in self.deliveries.all() {
            if !ids.contains(&entry.stored.value.delivery.id) {
                self.deliveries.set(&entry.stored.value.delivery.id, None, None);
            }
        }
        for one in stored {
            let id = one.value.delivery.id.clone();
            let mut work = works.remove(&id);
            // Whoever was at it is gone; what became of it the agent tells.
            if let Some(work) = work.as_mut().filter(|work| work.state == DeliveryState::Running) {
                work.state = DeliveryState::Pending;
            }
            self.deliveries.set(&id, Some(one), work);
        }
        Ok(())
    }

    /// How many certificates are delivered to an agent.
    pub(crate) fn deliveries_to(&self, agent: &AgentName) -> usize {
        self.deliveries.lock().by_agent.get(agent).map_or(0, BTreeSet::len)
    }

    /// Looks at a delivery in the store anew; its agent is told if it is not to look after it any more.
    pub(crate) async fn follow_delivery(self: &Arc<Self>, id: &DeliveryId) {
        let Ok(sealer) = self.sealer() else { return };
        match agents::delivery(&*self.parts.store, &sealer, id).await {
            Ok(stored) => {
                let is_gone = stored.is_none();
                self.refused.note(Whose::Delivery(id.clone()), None);
                let before = self.deliveries.set(id, stored, None);
                if let (true, Some(before)) = (is_gone, before) {
                    self.withdraw(&before.stored.value.delivery.agent, id);
                }
                self.changed.notify_one();
            }
            Err(error @ ReadAgentsError::Store(_)) => {
                tracing::warn!(delivery.id = %id, error = chain_text(&error), "a delivery cannot be read");
            }
            Err(ReadAgentsError::Record { key, source }) => {
                tracing::error!(%key, error = chain_text(&source), "nothing is installed by a delivery any more");
                self.refused.note(Whose::Delivery(id.clone()), Some(Record { key, reason: chain_text(&source) }));
                self.deliveries.set(id, None, None);
                self.changed.notify_one();
            }
        }
    }

    fn withdraw(self: &Arc<Self>, agent: &AgentName, id: &DeliveryId) {
        let Some(live) = self.link(agent) else { return };
        let (agent, id) = (agent.clone(), id.clone());
        tokio::spawn(async move {
            let withdraw = Withdraw { delivery: id.to_string() };
            if let Err(error) = live.caller.call::<method::Withdraw>(&withdraw, WITHDRAWING).await {
                tracing::warn!(agent.name = %agent, delivery.id = %id, %error, "an agent was not told of a delivery that is gone");
            }
        });
    }

    /// All deliveries with what is known of them.
    pub(crate) fn delivered(&self) -> Vec<Standing> {
        let desired = Arc::clone(&self.parts.served.now().desired);
        let all = self.deliveries.all();
        let stopped = stopped(&all, &desired);
        all.into_iter().map(|entry| self.standing_of(entry, &desired, &stopped)).collect()
    }

    fn standing_of(&self, entry: Entry, desired: &Desired, stopped: &HashSet<CertificateId>) -> Standing {
        let delivery = &entry.stored.value.delivery;
        let wanted = wanted(&entry.stored.value, desired);
        let is_current = wanted.as_ref().is_some_and(|wanted| wanted.digest == entry.work.wanted);
        let is_linked = self.links.of(&delivery.agent).is_some();
        let state = match (&wanted, entry.work.state) {
            (None, _) => State::NoVersion,
            (Some(_), DeliveryState::Running) => State::Running,
            (Some(wanted), DeliveryState::Installed) if is_current => {
                if has_drifted(&entry.work, wanted.version.facts.thumbprint) {
                    State::Drifted
                } else if is_linked {
                    State::Installed
                } else {
                    State::Unreachable
                }
            }
            (Some(_), DeliveryState::Failed) if is_current => State::Failed,
            (Some(_), _) if !is_linked => State::Unreachable,
            (Some(wanted), _) if is_retried(&entry.work, wanted) => State::Pending,
            (Some(_), _) if stopped.contains(&delivery.certificate) => State::Paused,
            (Some(_), _) => State::Pending,
        };
        let number = wanted.map(|wanted| wanted.version.number);
        Standing { stored: Arc::clone(&entry.stored), work: entry.work, state, wanted: number }
    }

    /// Has an installation run wherever one is needed and may be.
    pub(super) fn reconcile(self: &Arc<Self>) {
        let desired = Arc::clone(&self.parts.served.now().desired);
        let all = self.deliveries.all();
        let now = self.now();
        let stopped = stopped(&all, &desired);
        let mut busy: HashSet<AgentName> = HashSet::new();
        let mut of_certificate: BTreeMap<&CertificateId, (usize, usize, usize)> = BTreeMap::new();
        for entry in &all {
            let delivery = &entry.stored.value.delivery;
            let Some(wanted) = wanted(&entry.stored.value, &desired) else { continue };
            let (total, installed, running) = of_certificate.entry(&delivery.certificate).or_default();
            *total += 1;
            match entry.work.state {
                DeliveryState::Running => {
                    *running += 1;
                    busy.insert(delivery.agent.clone());
                }
                // Where only the place changed, the version is known to work.
                DeliveryState::Installed if entry.work.thumbprint == Some(wanted.version.facts.thumbprint) => {
                    *installed += 1;
                }
                _ => {}
            }
        }
        for entry in &all {
            let delivery = &entry.stored.value.delivery;
            let Some(wanted) = wanted(&entry.stored.value, &desired) else { continue };
            if busy.contains(&delivery.agent) || !is_due(&entry.work, &wanted, now) {
                continue;
            }
            let Some(live) = self.links.of(&delivery.agent) else { continue };
            if is_in_doubt(&entry.work, &wanted) && !self.deliveries.has_reported(&delivery.agent, live.id) {
                continue;
            }
            let counts = of_certificate.entry(&delivery.certificate).or_default();
            let (total, installed, running) = *counts;
            let is_known_to_work = entry.work.thumbprint == Some(wanted.version.facts.thumbprint)
                && entry.work.state == DeliveryState::Installed;
            let is_stopped = stopped.contains(&delivery.certificate) && !is_retried(&entry.work, &wanted);
            if !is_known_to_work && wave(total, installed, running, is_stopped) == 0 {
                continue;
            }
            counts.2 += 1;
            busy.insert(delivery.agent.clone());
            self.begin(entry, &wanted, &desired, live);
        }
    }

    fn begin(self: &Arc<Self>, entry: &Entry, wanted: &Wanted<'_>, desired: &Arc<Desired>, live: Live) {
        let id = entry.stored.value.delivery.id.clone();
        let now = self.now();
        let work = self.deliveries.edit(&id, |work| {
            if work.wanted != wanted.digest {
                (work.tries, work.next_try) = (0, None);
            }
            work.generation = work.generation.max(entry.stored.value.generation).saturating_add(1);
            work.wanted = wanted.digest.clone();
            work.state = DeliveryState::Running;
            work.version = Some(wanted.version.number);
            (work.stage, work.message, work.output, work.at) = (None, None, None, Some(now));
        });
        let Some(work) = work else { return };
        let call = self.call_for(&entry.stored.value, wanted, desired, work.generation);
        let thumbprint = wanted.version.facts.thumbprint;
        let these = Arc::clone(self);
        tokio::spawn(async move {
            // The number is stored before it is used, so that none is used twice.
            these.write_deliveries().await;
            let came = match call {
                Ok(call) => these.install(&id, &live, &call).await,
                Err(message) => Err(Fault::new("not-sent", message)),
            };
            these.came_of(&id, thumbprint, came);
            these.changed.notify_one();
        });
    }

    async fn install(&self, id: &DeliveryId, live: &Live, call: &Deliver) -> Result<DeliverReply, Fault> {
        let tell = |line: portward_link::message::ProgressLine| {
            tracing::debug!(delivery.id = %id, stage = line.stage, "{}", line.message);
            self.deliveries.edit(id, |work| (work.stage, work.message) = (Some(line.stage), Some(line.message)));
        };
        match live.caller.call_telling::<method::Deliver>(call, INSTALLING, tell).await {
            Ok(reply) => Ok(reply),
            Err(CallError::Fault(fault)) => Err(fault),
            Err(error) => Err(Fault::new("link-lost", error.to_string())),
        }
    }

    fn came_of(&self, id: &DeliveryId, thumbprint: Thumbprint, came: Result<DeliverReply, Fault>) {
        let now = self.now();
        let work = self.deliveries.edit(id, |work| {
            work.at = Some(now);
            match &came {
                Ok(reply) => {
                    work.state = DeliveryState::Installed;
                    work.thumbprint = Some(thumbprint);
                    work.stored = Some(reply.thumbprint.clone());
                    work.served = reply.verified.filter(|seen| *seen).map(|_| reply.thumbprint.clone());
                    (work.stage, work.message, work.output) = (None, None, None);
                    (work.tries, work.next_try) = (0, None);
                }
                // The agent goes on without a link, and tells what came of it when it is back: before that it is not sent.
                Err(fault) if fault.code == "link-lost" => {
                    work.state = DeliveryState::Pending;
                    work.message = Some(fault.message.clone());
                    work.next_try = Some(now.plus(AFTER_LOSS));
                }
                Err(fault) => {
                    work.state = DeliveryState::Failed;
                    work.stage = fault.stage.clone().or_else(|| work.stage.take());
                    work.message = Some(fault.message.clone());
                    work.output = fault.output.clone();
                    work.tries += 1;
                    work.next_try = Some(now.plus(again_after(work.tries)));
                    // The next one is newer than what the agent remembers.
                    work.generation = work.generation.max(fault.generation.unwrap_or_default());
                }
            }
        });
        match (came, work) {
            (Ok(_), _) => {
                tracing::info!(delivery.id = %id, thumbprint = %thumbprint, "a certificate was installed on its machine")
            }
            (Err(fault), work) => {
                let stage = work.and_then(|work| work.stage).unwrap_or_default();
                tracing::warn!(delivery.id = %id, code = fault.code, stage, "a certificate was not installed: {}", fault.message);
            }
        }
    }

    /// Has a delivery tried now that failed, or anew that is there.
    pub(crate) fn retry_delivery(&self, id: &DeliveryId) {
        self.deliveries.edit(id, |work| match work.state {
            DeliveryState::Running => {}
            // One that failed stays one until it works, so that the version goes to no other machine meanwhile.
            DeliveryState::Failed | DeliveryState::Pending => work.next_try = None,
            DeliveryState::Installed => work.wanted.clear(),
        });
        self.changed.notify_one();
    }

    /// Whether time alone has made a delivery due since it was looked last: one that is tried again, or one that may be
    /// mended if something else is there than was installed.
    pub(super) fn became_due(&self, looked_at: &mut Timestamp) -> bool {
        let (before, now) = (*looked_at, self.now());
        *looked_at = now;
        // What was to be tried after a time that lies ahead again is looked at now.
        if now < before {
            return true;
        }
        let is_due = |at: Timestamp| before < at && at <= now;
        let all = self.deliveries.lock();
        all.by_id.values().any(|Entry { work, .. }| {
            work.next_try.is_some_and(is_due) || work.at.is_some_and(|at| is_due(at.plus(MENDING)))
        })
    }

    /// Writes what is not written yet.
    pub(super) async fn write_deliveries(&self) {
        let ids = std::mem::take(&mut *self.deliveries.unwritten.lock().unwrap_or_else(PoisonError::into_inner));
        let works: Vec<(DeliveryId, DeliveryWork)> = {
            let inside = self.deliveries.lock();
            ids.into_iter()
                .filter_map(|id| inside.by_id.get(&id).map(|entry| (id.clone(), entry.work.clone())))
                .collect()
        };
        if works.is_empty() {
            return;
        }
        if let Err(error) = put_delivery_works(&*self.parts.store, &works).await {
            tracing::warn!(
                error = chain_text(&error),
                "what is known of deliveries cannot be stored; it is tried again"
            );
            let mut unwritten = self.deliveries.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
            unwritten.extend(works.into_iter().map(|(id, _)| id));
        }
    }
}

/// How long after so many failures it is tried again: soon at first, as somebody may be mending it.
fn again_after(tries: u32) -> Duration {
    let minutes = match tries {
        0 | 1 => 1,
        2 => 5,
        3 => 15,
        _ => 60,
    };
    Duration::from_secs(minutes * 60)
}

/// What stands for files that are not there.
pub(crate) const NOTHING: &str = "nothing";
/// An agent that is asked brings to an end first what was broken off. Who gives up before that has it all done once more;
/// whether the agent is still there is seen by pings.
const INSTALLING: Duration = Duration::from_secs(2 * Delivery::LONGEST.as_secs());
const WITHDRAWING: Duration = Duration::from_secs(10);
/// The agent comes back by then if only its link was lost.
const AFTER_LOSS: Duration = Duration::from_secs(5);
