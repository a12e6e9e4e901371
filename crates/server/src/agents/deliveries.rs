//! Deliveries: certificates that agents install, brought to what is wanted and kept there.
//!
//! Nothing is told to this by anybody: it compares what is wanted (deliveries, and the versions in use of their
//! certificates) with what is remembered and what agents report, and has one installation run at each agent that needs
//! one. A number that rises with each makes sure that an older one never takes the place of a newer one.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use portward_core::{
    AgentName, CertificateId, CertificateVersion, Delivery, DeliveryId, HostPattern, Source, Thumbprint, Timestamp,
    VersionNumber, wave,
};
use portward_link::{
    CallError, SecretBytes, SecretText,
    message::{Deliver, DeliverReply, Fault, HealthReport, Install, ServedReport, VerifyAt, Withdraw, method},
};
use portward_store::{
    agents::{self, StoredDelivery, open_delivery_password},
    desired::{self, Desired, Stored},
    work::{DeliveryState, DeliveryWork, put_delivery_works},
};

use super::{Agents, Live};
use crate::app::chain_text;

/// Has what is wanted on machines, and what is known of it.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    inside: Mutex<BTreeMap<DeliveryId, Entry>>,
    unwritten: Mutex<HashSet<DeliveryId>>,
}

#[derive(Clone, Debug)]
struct Entry {
    stored: Arc<Stored<StoredDelivery>>,
    work: DeliveryWork,
}

/// Is what is wanted of one delivery, by the newest desired state.
struct Wanted<'a> {
    version: &'a CertificateVersion,
    /// Tells one wish from another.
    digest: String,
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
        self.lock().values().cloned().collect()
    }

    /// Takes a delivery as it is stored now, or that it is there no more.
    fn set(
        &self,
        id: &DeliveryId,
        stored: Option<Stored<StoredDelivery>>,
        work: Option<DeliveryWork>,
    ) -> Option<Entry> {
        let mut inside = self.lock();
        let Some(stored) = stored else { return inside.remove(id) };
        let known = inside.get(id).map(|entry| entry.work.clone());
        let entry = Entry { stored: Arc::new(stored), work: known.or(work).unwrap_or_default() };
        inside.insert(id.clone(), entry)
    }

    fn edit(&self, id: &DeliveryId, edit: impl FnOnce(&mut DeliveryWork)) -> Option<DeliveryWork> {
        let mut inside = self.lock();
        let entry = inside.get_mut(id)?;
        edit(&mut entry.work);
        let work = entry.work.clone();
        drop(inside);
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        Some(work)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DeliveryId, Entry>> {
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

    /// Looks at a delivery in the store anew; its agent is told if it is not to look after it any more.
    pub(crate) async fn follow_delivery(self: &Arc<Self>, id: &DeliveryId) {
        match agents::delivery(&*self.parts.store, id).await {
            Ok(stored) => {
                let is_gone = stored.is_none();
                let before = self.deliveries.set(id, stored, None);
                if let (true, Some(before)) = (is_gone, before) {
                    self.withdraw(&before.stored.value.delivery.agent, id);
                }
                self.changed.notify_one();
            }
            Err(error) => tracing::warn!(delivery.id = %id, error = chain_text(&error), "a delivery cannot be read"),
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
                if drift(&entry.work, wanted.version.facts.thumbprint).is_some() {
                    State::Drifted
                } else if is_linked {
                    State::Installed
                } else {
                    State::Unreachable
                }
            }
            (Some(_), DeliveryState::Failed) if is_current => State::Failed,
            (Some(_), _) if !is_linked => State::Unreachable,
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
            let counts = of_certificate.entry(&delivery.certificate).or_default();
            let (total, installed, running) = *counts;
            let is_retried = entry.work.state == DeliveryState::Failed && entry.work.wanted == wanted.digest;
            let is_known_to_work = entry.work.thumbprint == Some(wanted.version.facts.thumbprint)
                && entry.work.state == DeliveryState::Installed;
            let is_stopped = stopped.contains(&delivery.certificate) && !is_retried;
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
            work.generation = work.generation.max(entry.stored.value.generation) + 1;
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
                    work.seen = Some(now);
                    (work.stage, work.message, work.output) = (None, None, None);
                    (work.tries, work.next_try) = (0, None);
                }
                // The agent goes on without a link, and tells what came of it when it is back.
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

    /// Takes note of what an agent says that is on its machine.
    pub(super) fn observe(self: &Arc<Self>, agent: &AgentName, report: &HealthReport) {
        let now = self.now();
        let mut known: HashSet<DeliveryId> = HashSet::new();
        let mut is_changed = false;
        for entry in self.deliveries.all().iter().filter(|entry| entry.stored.value.delivery.agent == *agent) {
            let id = &entry.stored.value.delivery.id;
            known.insert(id.clone());
            let installed = report.installed.iter().find(|installed| installed.delivery == id.as_str());
            if entry.work.state == DeliveryState::Running {
                continue;
            }
            self.deliveries.edit(id, |work| {
                match installed {
                    Some(installed) => {
                        work.stored = Some(installed.stored.clone().unwrap_or_else(|| NOTHING.to_owned()));
                        work.generation = work.generation.max(installed.generation);
                        if let Some(ServedReport::Thumbprint(served)) = &installed.served {
                            work.served = Some(served.clone());
                        }
                    }
                    // It was set up anew, and knows nothing of it.
                    None if work.state == DeliveryState::Installed => work.stored = Some(NOTHING.to_owned()),
                    None => {}
                }
                work.seen = Some(now);
                is_changed = true;
            });
        }
        for installed in &report.installed {
            if let Ok(id) = DeliveryId::parse(&installed.delivery)
                && !known.contains(&id)
            {
                self.withdraw(agent, &id);
            }
        }
        if is_changed {
            self.changed.notify_one();
        }
    }

    /// Has a delivery tried now that failed, or anew that is there.
    pub(crate) fn retry_delivery(&self, id: &DeliveryId) {
        self.deliveries.edit(id, |work| {
            if work.state != DeliveryState::Running {
                work.next_try = None;
                work.state = DeliveryState::Pending;
            }
        });
        self.changed.notify_one();
    }

    /// Whether time alone has made a delivery due since it was looked last: one that is tried again, or one that may be
    /// mended if something else is there than was installed.
    pub(super) fn became_due(&self, looked_at: &mut Timestamp) -> bool {
        let (before, now) = (*looked_at, self.now());
        *looked_at = now;
        let is_due = |at: Timestamp| before < at && at <= now;
        let all = self.deliveries.lock();
        all.values().any(|Entry { work, .. }| {
            work.next_try.is_some_and(is_due) || work.at.is_some_and(|at| is_due(at.plus(MENDING)))
        })
    }

    /// Writes what is not written yet.
    pub(super) async fn write_deliveries(&self) {
        let ids = std::mem::take(&mut *self.deliveries.unwritten.lock().unwrap_or_else(PoisonError::into_inner));
        let works: Vec<(DeliveryId, DeliveryWork)> = {
            let inside = self.deliveries.lock();
            ids.into_iter().filter_map(|id| inside.get(&id).map(|entry| (id.clone(), entry.work.clone()))).collect()
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

    fn call_for(
        &self,
        stored: &StoredDelivery,
        wanted: &Wanted<'_>,
        desired: &Desired,
        generation: u64,
    ) -> Result<Deliver, String> {
        let delivery = &stored.delivery;
        let sealer = self.sealer().ok_or("the store does not say whose it is")?;
        let sealed = desired.keys.get(&wanted.version.key).ok_or("the private key of the certificate is missing")?;
        let key = desired::open_private_key(&sealer, &wanted.version.key, sealed).map_err(|error| error.to_string())?;
        let password = open_delivery_password(&sealer, stored).map_err(|error| error.to_string())?;
        let password = password.map(|password| String::from_utf8_lossy(password.expose()).into_owned());
        let name = |pattern: &HostPattern| match pattern {
            HostPattern::Exact(host) => Some(host.to_string()),
            // Any name below it will do.
            HostPattern::Wildcard(name) => Some(format!("www.{name}")),
            HostPattern::Any => None,
        };
        let first = wanted.version.facts.names.iter().find_map(name).unwrap_or_default();
        let verify = delivery.verify.as_ref().map(|verify| VerifyAt {
            address: verify.address.to_string(),
            name: verify.name.as_ref().map_or_else(|| first.clone(), ToString::to_string),
        });
        Ok(Deliver {
            delivery: delivery.id.to_string(),
            generation,
            install: Install {
                format: delivery.format.to_string(),
                to: delivery.to.iter().map(ToString::to_string).collect(),
                owner: delivery.owner.to_string(),
                mode: delivery.mode.to_string(),
                reload: delivery.reload.as_ref().map(ToString::to_string),
                verify,
                friendly_name: delivery.certificate.to_string(),
            },
            chain: wanted.version.chain.sent().map(|der| BASE64_STANDARD.encode(der)).collect(),
            key: SecretBytes::new(key.expose().to_vec()),
            password: password.map(SecretText::new),
        })
    }
}

/// What is wanted of a delivery; none while there is nothing to deliver.
fn wanted<'a>(stored: &StoredDelivery, desired: &'a Desired) -> Option<Wanted<'a>> {
    let certificate = desired.certificate(&stored.delivery.certificate)?;
    let version = certificate.value.current_version()?;
    // What bridges the time until the CA has issued is for handshakes of Portward itself.
    if certificate.value.management.managed().is_some() && version.source == Source::SelfSigned {
        return None;
    }
    let Delivery { id, agent, certificate, format, to, owner, mode, reload, verify } = &stored.delivery;
    let mut parts: Vec<String> = vec![
        id.to_string(),
        agent.to_string(),
        certificate.to_string(),
        format.to_string(),
        owner.to_string(),
        mode.to_string(),
        reload.as_ref().map(ToString::to_string).unwrap_or_default(),
        verify.as_ref().map(ToString::to_string).unwrap_or_default(),
        // The password is sealed for it.
        stored.generation.to_string(),
        version.facts.thumbprint.to_string(),
    ];
    parts.extend(to.iter().map(ToString::to_string));
    // None of them has a line end.
    Some(Wanted { version, digest: Thumbprint::of(parts.join("\n").as_bytes()).to_string() })
}

/// Certificates whose newest version did not work on some machine that was told of it.
fn stopped(all: &[Entry], desired: &Desired) -> HashSet<CertificateId> {
    let did_not_work = |entry: &&Entry| {
        let stage = entry.work.stage.as_deref();
        entry.work.state == DeliveryState::Failed
            && stage.is_some_and(|stage| matches!(stage, "test" | "reload" | "verify"))
            && wanted(&entry.stored.value, desired).is_some_and(|wanted| wanted.digest == entry.work.wanted)
    };
    all.iter().filter(did_not_work).map(|entry| entry.stored.value.delivery.certificate.clone()).collect()
}

fn is_due(work: &DeliveryWork, wanted: &Wanted<'_>, now: Timestamp) -> bool {
    let is_current = work.wanted == wanted.digest;
    let may_be_tried = work.next_try.is_none_or(|at| at <= now);
    match work.state {
        DeliveryState::Running => false,
        DeliveryState::Installed if is_current => {
            drift(work, wanted.version.facts.thumbprint).is_some() && work.at.is_none_or(|at| now.since(at) >= MENDING)
        }
        DeliveryState::Pending | DeliveryState::Failed if is_current => may_be_tried,
        _ => true,
    }
}

/// What is there in place of what was installed.
pub(crate) fn drift(work: &DeliveryWork, wanted: Thumbprint) -> Option<String> {
    let wanted = wanted.to_string();
    match (&work.stored, &work.served) {
        (Some(stored), _) if *stored != wanted => Some(stored.clone()),
        (_, Some(served)) if *served != wanted => Some(served.clone()),
        _ => None,
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
/// An agent runs a test, a reload, and looks for half a minute; twice if it goes back.
const INSTALLING: Duration = Duration::from_secs(240);
const WITHDRAWING: Duration = Duration::from_secs(10);
/// The agent comes back, and what it did meanwhile is asked for first.
const AFTER_LOSS: Duration = Duration::from_secs(5);
/// What differs right after an installation is mended after a moment: a program may still have the old one.
const MENDING: Duration = Duration::from_secs(20);
