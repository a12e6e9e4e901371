//! What goes on with agents by itself: following the store, asking how they are, writing down what was found.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use portward_core::{AgentName, DeliveryId};
use portward_link::opening::TrustMark;
use portward_store::{
    Key, WatchStream,
    agents::{self, ReadAgentsError},
    sealing::Sealer,
};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout},
};

use super::{
    Agents, Live, NoCluster, identities,
    refused::{Record, Whose},
};
use crate::{
    app::chain_text,
    tasks::{Shutdown, watched::touched},
};

/// Follows the store until shutdown, and asks agents how they are.
pub(crate) async fn run(these: Arc<Agents>, shutdown: Shutdown) {
    let mut watch: Option<WatchStream> = None;
    let mut is_loaded = false;
    // Told once a second at most: there may be thousands of agents.
    let mut is_news = false;
    let mut served = these.parts.served.subscribe();
    let begun = Instant::now();
    let mut writing = interval_at(begun + WRITING, WRITING);
    let mut looking = interval_at(begun + PERIOD, PERIOD);
    let (mut next_sweep, mut sweeping, mut renewing) = (begun + FIRST_SWEEP, None, None);
    let mut settings = these.settings();
    for interval in [&mut writing, &mut looking] {
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    these.follow_identities();
    // The newest state of trust that everybody was told: a use case may have taken its identities before this looks.
    let mut told = these.mark();
    // Until when it was looked whether a delivery is due by time alone.
    let mut looked_at = these.now();
    loop {
        if !is_loaded {
            watch = these.load().await;
            is_loaded = watch.is_some();
            these.look_after_dialling(&shutdown);
        }
        tokio::select! {
            () = shutdown.pulled() => break,
            touched = touched(&mut watch) => match touched {
                Some(keys) => these.follow_keys(&keys).await,
                None => is_loaded = false,
            },
            changed = served.changed() => {
                if changed.is_ok() {
                    these.follow_identities();
                }
                if told != these.mark() {
                    told = these.mark();
                    these.tell_everybody();
                }
                if settings != these.settings() {
                    let before = std::mem::replace(&mut settings, these.settings());
                    if sweeping.is_some() {
                        next_sweep = moved(next_sweep, before.check_every, settings.check_every);
                    }
                    these.look_at_ages_in(&mut renewing);
                }
                these.reconcile();
            }
            () = these.changed.notified() => {
                // Thousands of agents may come or answer at the same moment: they are looked at together.
                sleep(TOGETHER).await;
                these.look_after_dialling(&shutdown);
                these.go_on_rotating().await;
                these.reconcile();
                is_news = true;
            }
            _ = writing.tick() => {
                if these.became_due(&mut looked_at) {
                    these.reconcile();
                }
                if std::mem::take(&mut is_news) {
                    these.tell_problems();
                }
                these.remember.write(these.now()).await;
                these.write_deliveries().await;
            }
            () = sleep_until(next_sweep) => {
                next_sweep = Instant::now() + settings.check_every;
                // One that takes longer than that is waited for.
                if sweeping.as_ref().is_none_or(JoinHandle::is_finished) {
                    let these = Arc::clone(&these);
                    sweeping = Some(tokio::spawn(async move { these.sweep().await }));
                }
            }
            _ = looking.tick() => {
                is_loaded &= watch.is_some();
                // Whoever could not take it may have made room meanwhile.
                these.tell_everybody();
                these.go_on_rotating().await;
                these.look_at_ages_in(&mut renewing);
                these.tell_problems();
            }
        }
    }
    these.remember.write(these.now()).await;
    these.write_deliveries().await;
}

impl Agents {
    /// Looks at the ages of identities in a task, unless the last look is not over.
    fn look_at_ages_in(self: &Arc<Self>, task: &mut Option<JoinHandle<()>>) {
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            let these = Arc::clone(self);
            *task = Some(tokio::spawn(async move { these.look_at_ages().await }));
        }
    }

    /// Reads everything, and watches for what comes after it; none if the store fails.
    async fn load(&self) -> Option<WatchStream> {
        let read = async {
            self.remember.load().await.map_err(|error| chain_text(&error))?;
            let sealer = self.first_sealer().await.map_err(|error| error.to_string())?;
            let fleet = agents::read_all(&*self.parts.store, &sealer).await.map_err(|error| chain_text(&error))?;
            for bad in &fleet.bad {
                tracing::error!(key = %bad.key, error = chain_text(&*bad.reason), "an agent or a delivery is left out");
            }
            let refused = fleet.bad.iter().filter_map(|bad| {
                Some((whose(&bad.key)?, Record { key: bad.key.clone(), reason: chain_text(&*bad.reason) }))
            });
            self.refused.replace(refused);
            let gone: Vec<AgentName> = {
                let known = self.roster.all();
                let names = known.iter().map(|stored| stored.value.name.clone());
                names.filter(|name| fleet.agent(name).is_none()).collect()
            };
            for stored in fleet.agents {
                let name = stored.value.name.clone();
                self.roster.set(&name, Some(stored));
            }
            for name in gone {
                self.roster.set(&name, None);
            }
            self.load_deliveries(fleet.deliveries).await?;
            self.close_untrusted();
            let watch = self.parts.store.watch(&agents::prefixes(), fleet.revision).await;
            watch.map_err(|error| chain_text(&error))
        };
        match read.await {
            Ok(watch) => Some(watch),
            Err(error) => {
                tracing::warn!(error, "agents cannot be read; those that are known go on");
                sleep(RETRY).await;
                None
            }
        }
    }

    /// What tells our records from others: at a start the store is being read by who serves, and says whose it is soon.
    async fn first_sealer(&self) -> Result<Sealer, NoCluster> {
        let mut served = self.parts.served.subscribe();
        let says = served.wait_for(|served| served.desired.cluster.is_some());
        let _ = timeout(RETRY, says).await;
        self.sealer()
    }

    /// Follows what was changed below the watched prefixes.
    async fn follow_keys(self: &Arc<Self>, keys: &[Key]) {
        for key in keys {
            match whose(key) {
                Some(Whose::Agent(name)) => self.follow(&name).await,
                Some(Whose::Delivery(id)) => self.follow_delivery(&id).await,
                None => {}
            }
        }
    }

    /// Looks at an agent in the store anew, and ends its link if it is not trusted any more.
    pub(crate) async fn follow(&self, name: &AgentName) {
        let Ok(sealer) = self.sealer() else { return };
        match agents::agent(&*self.parts.store, &sealer, name).await {
            Ok(stored) => {
                let is_gone = stored.is_none();
                self.refused.note(Whose::Agent(name.clone()), None);
                self.roster.set(name, stored);
                if is_gone {
                    self.remember.forget(name);
                }
            }
            Err(error @ ReadAgentsError::Store(_)) => {
                tracing::warn!(agent.name = %name, error = chain_text(&error), "an agent cannot be read");
                return;
            }
            Err(ReadAgentsError::Record { key, source }) => {
                tracing::error!(%key, error = chain_text(&source), "an agent is not trusted any more");
                self.refused.note(Whose::Agent(name.clone()), Some(Record { key, reason: chain_text(&source) }));
                self.roster.set(name, None);
            }
        }
        self.close_untrusted();
        self.changed.notify_one();
    }

    fn close_untrusted(&self) {
        self.links.close_unless(|name, pin| self.trusted(pin).as_ref() == Some(name));
    }

    /// Takes the identities of the desired state that is served.
    pub(crate) fn follow_identities(&self) {
        let _reading = self.reading_identities.lock().unwrap_or_else(PoisonError::into_inner);
        let served = self.parts.served.now();
        let Ok(sealer) = self.sealer() else { return };
        let before = self.identities.load_full();
        match identities::newest(before.clone(), &served.desired, &sealer) {
            Ok(now) => {
                let is_same = match (&before, &now) {
                    (Some(before), Some(now)) => Arc::ptr_eq(before, now),
                    (None, None) => true,
                    _ => false,
                };
                self.identities.store(now);
                if !is_same {
                    self.close_without_identity();
                    self.changed.notify_one();
                }
            }
            Err(error) => tracing::error!(%error, "the identity for agents cannot be used; the one before is shown"),
        }
    }

    fn mark(&self) -> Option<TrustMark> {
        self.identities().map(|identities| identities.mark)
    }

    /// Tells the newest state of trust to everybody who is linked and does not know it.
    fn tell_everybody(self: &Arc<Self>) {
        let Some(identities) = self.identities() else { return };
        let is_behind =
            |(name, live): &(AgentName, Live)| self.remember.mark(name, live) < identities.wanted_of(live.ours()).0;
        let told: Vec<AgentName> = self.links.all().into_iter().filter(is_behind).map(|(name, _)| name).collect();
        let agents = Arc::clone(self);
        tokio::spawn(async move {
            let mut telling = JoinSet::new();
            for name in told {
                while telling.try_join_next().is_some() {}
                let Ok(permit) = Arc::clone(&agents.calls).acquire_owned().await else { return };
                // Meanwhile it may have come by another link, on which it is told by itself.
                let Some(live) = agents.link(&name) else { continue };
                let agents = Arc::clone(&agents);
                telling.spawn(async move {
                    agents.tell_trust(&name, &live).await;
                    drop(permit);
                });
            }
            telling.join_all().await;
        });
        self.changed.notify_one();
    }
}

/// Of what a record of the store is.
fn whose(key: &Key) -> Option<Whose> {
    let mut segments = key.segments();
    match (segments.next()?, segments.next()?, segments.next()) {
        ("agents", name, None) => AgentName::parse(name).ok().map(Whose::Agent),
        ("deliveries", id, None) => DeliveryId::parse(id).ok().map(Whose::Delivery),
        _ => None,
    }
}

/// When the next sweep is, as if it had always been every so often: counted from the sweep before.
fn moved(next: Instant, before: Duration, after: Duration) -> Instant {
    next.checked_sub(before).map_or(next, |swept| swept + after)
}

/// How long what was found may be lost in a crash.
const WRITING: Duration = Duration::from_secs(1);
/// How long is waited for others when something changed.
const TOGETHER: Duration = Duration::from_millis(20);
/// Steps that wait for time.
const PERIOD: Duration = Duration::from_secs(30);
/// By then those are back who come back after a restart.
const FIRST_SWEEP: Duration = Duration::from_secs(90);
/// After the store could not be read.
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn another_period_counts_from_the_sweep_before() {
        let (swept, minute) = (Instant::now(), Duration::from_secs(60));
        let next = swept + 10 * minute;
        assert_eq!(moved(next, 10 * minute, 3 * minute), swept + 3 * minute);
        assert_eq!(moved(next, 10 * minute, 60 * minute), swept + 60 * minute);
    }
}
