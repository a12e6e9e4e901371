//! Identities are followed by new ones when they are old enough: those of agents, and the server's own.
//!
//! It is looked for now and then, and whatever did not work is tried again: who is away is asked after coming back. An
//! agent that has ten years behind it when that begins to count is one of many, so only some are asked at each look.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use portward_core::{AgentName, AgentSettings, IdentityState, Thumbprint, Timestamp};
use portward_link::{Identity, message::HealthReport};
use portward_store::change::{Change, CommitError, commit};
use tokio::task::JoinSet;

use super::{Agents, Live, SUBJECT, rotation};
use crate::app::chain_text;

/// Is which agents were asked for a new identity, and when they may be asked again.
#[derive(Debug, Default)]
pub(super) struct Asked {
    again: Mutex<HashMap<AgentName, (Timestamp, Timestamp)>>,
}

/// How long an agent has its identity: by its own clock at the time when it said so, and by this one since then, so that
/// a clock that is years off makes nobody old.
pub(super) fn age(report: &HealthReport, checked: Timestamp, now: Timestamp) -> Duration {
    let then = u64::try_from(report.now.saturating_sub(report.identity.since)).unwrap_or(0);
    Duration::from_secs(then).saturating_add(now.since(checked))
}

impl Agents {
    /// What is done with agents by itself, and when.
    pub(super) fn settings(&self) -> AgentSettings {
        self.parts.served.now().desired.settings.agents
    }

    /// Has the identities followed by new ones that have reached their age; of agents those that are linked, some at a
    /// time.
    pub(super) async fn look_at_ages(self: &Arc<Self>) {
        self.renew_own_identity().await;
        let Some(limit) = self.settings().identity_age else { return };
        let mut asking = JoinSet::new();
        for (name, live, age) in self.of_age(limit) {
            let Ok(permit) = Arc::clone(&self.calls).acquire_owned().await else { return };
            let agents = Arc::clone(self);
            asking.spawn(async move {
                agents.renew_identity(&name, &live, age).await;
                drop(permit);
            });
        }
        asking.join_all().await;
    }

    /// Agents whose identity is to be followed by a new one now, the oldest first, with its age.
    fn of_age(&self, limit: Duration) -> Vec<(AgentName, Live, Duration)> {
        let now = self.now();
        let mut old: Vec<(AgentName, String, Duration)> = Vec::new();
        self.remember.each(|name, standing| {
            let (Some(report), Some(checked)) = (&standing.report, standing.checked) else { return };
            let (age, shown) = (age(report, checked, now), &report.identity.thumbprint);
            if age >= AgentSettings::identity_ends(limit, name.as_str(), shown) {
                old.push((name.clone(), shown.clone(), age));
            }
        });
        old.retain(|(name, _, _)| self.asked.may_be_asked(name, now));
        old.sort_by_key(|(_, _, age)| std::cmp::Reverse(*age));
        let ready = old.into_iter().filter_map(|(name, shown, age)| {
            let live = self.link(&name)?;
            // An agent that shows each server what that one knows may tell of an identity that is over here.
            (live.pin().to_string() == shown).then_some((name, live, age))
        });
        ready.take(AT_A_LOOK).collect()
    }

    /// Has one agent make a new identity, or takes the one that it offers already.
    async fn renew_identity(self: &Arc<Self>, name: &AgentName, live: &Live, age: Duration) {
        let now = self.now();
        self.asked.was_asked(name, now, now.plus(self.settings().check_every));
        if live.caller.peer().next.is_some() {
            self.follow_identity(name, live).await;
            return;
        }
        match self.rotate_agent(name).await {
            Ok(thumbprint) => {
                self.asked.was_asked(name, now, now.plus(DAY));
                let before = live.pin();
                self.record(format!(
                    "have agent {name} follow its identity {before} by {thumbprint}, as it is {} days old",
                    age.as_secs() / DAY.as_secs()
                ))
                .await;
            }
            Err(error) => {
                tracing::warn!(agent.name = %name, error, "the old identity of an agent is not followed by a new one; it is tried again");
            }
        }
    }

    /// Has the server's own identity followed by a new one, if that is wanted by itself and it is old enough.
    async fn renew_own_identity(&self) {
        let (now, desired) = (self.now(), Arc::clone(&self.parts.served.now().desired));
        let of = |state| desired.identities.iter().find(|stored| stored.value.state == state);
        let Some(current) = of(IdentityState::Current).map(|stored| &stored.value) else { return };
        let ends = desired.settings.agents.server_identity_ends(current.created);
        if ends.is_none_or(|ends| now < ends) || of(IdentityState::Next).is_some() {
            return;
        }
        let Ok(sealer) = self.sealer() else { return };
        let made = match Identity::new(SUBJECT, now) {
            Ok(made) => made,
            Err(error) => return tracing::warn!(%error, "no identity could be made in place of the old one"),
        };
        let days = now.since(current.created).as_secs() / DAY.as_secs();
        let what = format!(
            "have the identity {} followed by {}, as it is {days} days old",
            current.thumbprint,
            made.thumbprint()
        );
        let mut change = Change::new(AGENTS, what, now);
        let old_becomes = (self.roster.len() == 0).then_some(IdentityState::Old);
        rotation::put_follower(&mut change, &sealer, &desired, &made, old_becomes, now);
        rotation::put_newer_trust(&mut change, &desired);
        match commit(&*self.parts.store, change).await {
            Ok(_) => {
                tracing::info!(thumbprint = %made.thumbprint(), "the server's identity is followed by a new one, as it is old")
            }
            // Somebody else was first.
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => {
                let error = chain_text(&error);
                tracing::warn!(error, "the server's old identity cannot be followed by a new one; it is tried again");
            }
        }
    }

    /// Since when the server has its identity, and which, if an operator should be told that it is old.
    pub(super) fn old_identity(&self) -> Option<(Thumbprint, Timestamp)> {
        let desired = Arc::clone(&self.parts.served.now().desired);
        let mut in_use = desired.identities.iter().filter(|stored| stored.value.state == IdentityState::Current);
        let current = &in_use.next()?.value;
        let is_old =
            AgentSettings::is_overdue(self.now().since(current.created), desired.settings.agents.server_identity_age);
        is_old.then_some((current.thumbprint, current.created))
    }

    /// Writes into the audit what was done by itself and changed nothing that is stored.
    pub(super) async fn record(&self, what: String) {
        let change = Change::new(AGENTS, what, self.now());
        if let Err(error) = commit(&*self.parts.store, change).await {
            tracing::warn!(error = chain_text(&error), "what was done with an agent could not be recorded");
        }
    }
}

impl Asked {
    fn may_be_asked(&self, name: &AgentName, now: Timestamp) -> bool {
        let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back does not make anybody wait.
        let is_over = again.get(name).is_some_and(|(asked, again)| now >= *again || now < *asked);
        if is_over {
            again.remove(name);
        }
        !again.contains_key(name)
    }

    fn was_asked(&self, name: &AgentName, now: Timestamp, until: Timestamp) {
        self.again.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), (now, until));
    }
}

/// Who does this, in the audit.
pub(super) const AGENTS: &str = "portward (agents)";
/// With a look every half a minute ten thousand that are old when it begins are new two hours later. Each costs a
/// handshake, and a change or two of the store.
const AT_A_LOOK: usize = 50;
/// An agent that has made a new identity and still shows the old one is not asked for another one at once.
const DAY: Duration = Duration::from_secs(24 * 3600);
