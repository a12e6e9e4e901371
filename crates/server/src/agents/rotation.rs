//! Portward's identities follow one another with overlap: announce, switch, retire.
//!
//! 1. *Announce.* The next one is stored, and every agent is told to trust it too. When everybody who is linked has
//!    stored that, it is taken into use. Whoever is away is no reason to wait: they are let in by the old one.
//! 2. *Switch.* Agents come by the new one, and are told to forget the old one; only over a link that the new one began.
//! 3. *Retire.* When the last agent has forgotten it, its key is destroyed.
//!
//! Each step is one change of the store, and is found out from what is stored: whoever is killed goes on where it was.

use std::{sync::Arc, time::Duration};

use portward_core::{AgentName, IdentityState, Thumbprint, Timestamp};
use portward_link::Identity;
use portward_store::{
    change::{Change, CommitError, Expected, NewIdentity, commit},
    desired::{Desired, Stored, StoredIdentity, StoredTrust},
    sealing::{Sealer, Secret},
};

use super::{Agents, ages::AGENTS};
use crate::app::chain_text;

/// Says how far a rotation is.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    /// Where it is.
    pub(crate) phase: Phase,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Agents there are.
    pub(crate) agents: usize,
    /// Agents that have not done yet what the phase asks of them.
    pub(crate) laggards: Vec<AgentName>,
}

/// Is a phase of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Agents are told of the next identity.
    Announce,
    /// Agents come by the new one, and forget the old one.
    Retire,
}

impl Phase {
    /// The stable word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Announce => "announce",
            Self::Retire => "retire",
        }
    }
}

impl Agents {
    /// How far a rotation is; none if none is under way.
    pub(crate) fn rotation(&self) -> Option<Rotation> {
        let identities = self.identities()?;
        let desired = Arc::clone(&self.parts.served.now().desired);
        let created = |state: IdentityState| {
            let mut of_state = desired.identities.iter().filter(|stored| stored.value.state == state);
            of_state.next().map(|stored| stored.value.created)
        };
        let (phase, since, wanted) = if identities.next.is_some() {
            (Phase::Announce, created(IdentityState::Next), identities.mark)
        } else if identities.old.is_empty() {
            return None;
        } else {
            (Phase::Retire, created(IdentityState::Current), identities.retired_mark())
        };
        let names: Vec<AgentName> = self.roster.all().iter().map(|stored| stored.value.name.clone()).collect();
        let agents = names.len();
        let laggards = names.into_iter().filter(|name| self.remember.trust(name).0 < wanted).collect();
        Some(Rotation { phase, since: since.unwrap_or_else(|| self.now()), agents, laggards })
    }

    /// Takes the next step of a rotation, if it is time for it.
    pub(super) async fn go_on_rotating(self: &Arc<Self>) {
        let Some(rotation) = self.rotation() else { return };
        let Some(identities) = self.identities() else { return };
        let desired = Arc::clone(&self.parts.served.now().desired);
        if !identities.are_of(&desired) {
            return;
        }
        let change = match rotation.phase {
            Phase::Announce if rotation.laggards.iter().all(|name| self.link(name).is_none()) => {
                self.switch(&desired, &rotation)
            }
            Phase::Retire => self.retire(&desired, &rotation),
            Phase::Announce => None,
        };
        let Some(change) = change else { return };
        match commit(&*self.parts.store, change).await {
            Ok(_) | Err(CommitError::Conflict { .. }) => {}
            Err(error) => {
                tracing::warn!(
                    error = chain_text(&error),
                    "a step of the rotation cannot be stored; it is tried again"
                );
            }
        }
    }

    /// Takes the next identity into use.
    fn switch(&self, desired: &Desired, rotation: &Rotation) -> Option<Change> {
        let of = |state| desired.identities.iter().find(|stored| stored.value.state == state);
        let (next, current) = (of(IdentityState::Next)?, of(IdentityState::Current)?);
        let known = rotation.agents - rotation.laggards.len();
        let what = format!(
            "show the identity {} to agents; {known} of {} know it, and {} that are away are let in by the one before",
            next.value.thumbprint,
            rotation.agents,
            rotation.laggards.len()
        );
        let mut change = Change::new(AGENTS, what, self.now());
        put_state(&mut change, next, IdentityState::Current);
        put_state(&mut change, current, IdentityState::Old);
        put_newer_trust(&mut change, desired);
        Some(change)
    }

    /// Destroys old identities: when nobody needs them any more, and a compromised one as soon as may be.
    fn retire(&self, desired: &Desired, rotation: &Rotation) -> Option<Change> {
        let now = self.now();
        let in_use = desired.identities.iter().find(|stored| stored.value.state == IdentityState::Current)?;
        let is_over = |stored: &Stored<StoredIdentity>| match stored.value.state {
            IdentityState::Old => rotation.laggards.is_empty(),
            IdentityState::Compromised => rotation.laggards.is_empty() || now.since(in_use.value.created) > LEAVING,
            IdentityState::Next | IdentityState::Current => false,
        };
        let over: Vec<&Stored<StoredIdentity>> = desired.identities.iter().filter(|stored| is_over(stored)).collect();
        let list: Vec<String> = over.iter().map(|stored| stored.value.thumbprint.to_string()).collect();
        if list.is_empty() {
            return None;
        }
        let mut change = Change::new(AGENTS, format!("destroy the identity {}", list.join(", ")), now);
        for stored in over {
            change.remove_identity(stored.value.seq, Expected::At(stored.revision));
        }
        if !rotation.laggards.is_empty() {
            // They know it still, and hear that it counts no more when they come by the one in use.
            put_newer_trust(&mut change, desired);
        }
        Some(change)
    }

    /// Ends links that were begun with an identity that is no more.
    pub(super) fn close_without_identity(&self) {
        let identities = self.identities();
        let is_known = |pin: Thumbprint| identities.as_ref().is_some_and(|identities| identities.of(pin).is_some());
        for (_, live) in self.links.all() {
            if !is_known(live.ours()) {
                live.caller.close();
            }
        }
    }
}

/// Writes an identity that follows the one in use: at once, when that one becomes `old_becomes`, or
/// announced first if nothing is said of it.
pub(crate) fn put_follower(
    change: &mut Change,
    sealer: &Sealer,
    desired: &Desired,
    new: &Identity,
    old_becomes: Option<IdentityState>,
    now: Timestamp,
) {
    for stored in &desired.identities {
        match stored.value.state {
            // It was announced to some: it is one that they know, and nobody needs it any more.
            IdentityState::Next => change.remove_identity(stored.value.seq, Expected::At(stored.revision)),
            IdentityState::Current => {
                if let Some(old_becomes) = old_becomes {
                    put_state(change, stored, old_becomes);
                }
            }
            IdentityState::Old | IdentityState::Compromised => {}
        }
    }
    let seq = desired.identities.iter().map(|stored| stored.value.seq).max().unwrap_or(0) + 1;
    let state = if old_becomes.is_none() { IdentityState::Next } else { IdentityState::Current };
    let key = Secret::copy_of(new.expose_key());
    let new = NewIdentity { seq, certificate: new.certificate().into(), key: &key, state, created: now };
    change.add_identity(new, sealer);
}

/// Writes an identity with another state.
fn put_state(change: &mut Change, stored: &Stored<StoredIdentity>, state: IdentityState) {
    change.put_identity(&StoredIdentity { state, ..stored.value.clone() }, Expected::At(stored.revision));
}

/// Makes the state of trust a newer one.
pub(crate) fn put_newer_trust(change: &mut Change, desired: &Desired) {
    let (newer, expected) = match &desired.trust {
        Some(stored) => (stored.value.clone().newer(), Expected::At(stored.revision)),
        None => (StoredTrust::FIRST, Expected::Absent),
    };
    change.put_trust(&newer, expected);
}

/// How long those who are connected may take to leave a compromised identity.
const LEAVING: Duration = Duration::from_secs(60);
