//! Agents: who is trusted, who is linked, how they are.
//!
//! The one thing to know: everything here follows the store. Use cases commit, and then have [`Agents::follow`] look at
//! what was changed; a watch does the same for what others change. What is decided here by itself (an agent's next
//! thumbprint, acknowledgements) is committed before it counts.
//!
//! [`accept`] takes those who dial, [`dial`] dials those who listen; what becomes of a connection is the same for both:
//! [`links`] has one for each agent, and [`converse`] says to each new one what it has to know.

pub(crate) mod accept;
mod addresses;
mod ages;
pub(crate) mod check;
mod converse;
pub(crate) mod deliveries;
mod dial;
mod enrol;
mod glance;
mod health;
pub(crate) mod identities;
mod links;
mod problems;
pub(crate) mod refused;
mod remember;
mod requests;
mod roster;
mod rotation;
pub(crate) mod run;
pub(crate) mod strangers;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use arc_swap::ArcSwapOption;
use portward_core::{AgentHealth, AgentName, Thumbprint, Timestamp};
use portward_link::{
    Instance,
    message::{Rotate, method},
    verify::Shown,
};
use portward_proxy::{Clock, Proxy};
use portward_store::{
    Store,
    sealing::{MasterKey, Sealer},
};
use tokio::sync::{Notify, Semaphore};

pub(crate) use accept::id_of;
pub(crate) use glance::Glance;
pub(crate) use health::{Standing, judge};
pub(crate) use identities::{Identities, SUBJECT};
use links::Links;
pub(crate) use links::Live;
use remember::Remember;
pub(crate) use roster::Roster;
pub(crate) use rotation::{put_follower, put_newer_trust};
pub(crate) use strangers::Strangers;

use crate::{notice::Notices, served::Served};

/// Is what is known of agents; one for each server.
pub(crate) struct Agents {
    parts: AgentsParts,
    /// Which run of Portward this is.
    instance: Instance,
    /// Who is trusted, as the store has it.
    roster: Roster,
    /// By what agents know Portward; none as long as there is no identity.
    identities: ArcSwapOption<Identities>,
    /// Held while they are read, so that nobody puts older ones in the place of newer ones.
    reading_identities: Mutex<()>,
    /// Who is linked now.
    links: Links,
    /// Records of the store that do not count.
    refused: refused::Refused,
    /// Who came and is not trusted.
    strangers: Strangers,
    /// How agents were found.
    remember: Remember,
    /// Handshakes that are done at a time.
    handshakes: Arc<Semaphore>,
    /// Those among whom a handshake is waited for without a place of its own.
    slow: Semaphore,
    /// Calls that are made unasked at a time, so that ten thousand agents that come back are asked one after the other.
    calls: Arc<Semaphore>,
    /// Who was asked for a new identity.
    asked: ages::Asked,
    /// What is wanted on their machines, and what is there.
    deliveries: deliveries::Deliveries,
    /// Who dials agents that listen.
    diallers: dial::Diallers,
    /// Told when something changed that the tasks look after: identities, who listens, what is wanted.
    changed: Notify,
}

/// Is what agents are looked after with.
#[derive(Clone)]
pub(crate) struct AgentsParts {
    /// Who is trusted, and what is remembered.
    pub(crate) store: Arc<dyn Store>,
    /// Opens identities and join strings.
    pub(crate) master: MasterKey,
    /// Where polling agents come in.
    pub(crate) proxy: Arc<Proxy>,
    /// What is served: identities, certificates.
    pub(crate) served: Arc<Served>,
    /// Tells of whom it trusts.
    pub(crate) notices: Arc<Notices>,
    /// The time.
    pub(crate) clock: Clock,
    /// What the machine is called.
    pub(crate) host_name: String,
}

/// Says that nothing can be opened: the store was not read yet, or is nobody's.
#[derive(Debug, thiserror::Error)]
#[error("the store does not say whose it is")]
struct NoCluster;

impl Agents {
    /// Begins with nobody.
    pub(crate) fn new(parts: AgentsParts) -> Self {
        let remember = Remember::new(Arc::clone(&parts.store));
        Self {
            parts,
            instance: Instance::new(),
            roster: Roster::default(),
            identities: ArcSwapOption::empty(),
            reading_identities: Mutex::default(),
            links: Links::default(),
            refused: refused::Refused::default(),
            strangers: Strangers::default(),
            remember,
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_AT_ONCE)),
            slow: Semaphore::new(SLOW_AT_ONCE),
            calls: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
            asked: ages::Asked::default(),
            deliveries: deliveries::Deliveries::default(),
            diallers: dial::Diallers::default(),
            changed: Notify::new(),
        }
    }

    /// The time.
    fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// Who is trusted.
    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Who came and is not trusted.
    pub(crate) fn strangers(&self) -> &Strangers {
        &self.strangers
    }

    /// By what agents know Portward; none if there is no identity yet.
    pub(crate) fn identities(&self) -> Option<Arc<Identities>> {
        self.identities.load_full()
    }

    /// The link to an agent.
    pub(crate) fn link(&self, name: &AgentName) -> Option<Live> {
        self.links.of(name)
    }

    /// How an agent was found last.
    pub(crate) fn standing(&self, name: &AgentName) -> Standing {
        self.remember.standing(name, self.now())
    }

    /// How many agents there are, by how they are; and how many are linked.
    pub(crate) fn counts(&self) -> (BTreeMap<AgentHealth, usize>, usize) {
        let mut counts = BTreeMap::new();
        let mut known = 0;
        self.remember.each(|name, standing| {
            if self.roster.agent(name).is_some() {
                *counts.entry(standing.health).or_default() += 1;
                known += 1;
            }
        });
        let unknown = self.roster.len().saturating_sub(known);
        if unknown > 0 {
            *counts.entry(AgentHealth::Unknown).or_default() += unknown;
        }
        (counts, self.links.len())
    }

    /// Whether an agent has taken the newest state of trust.
    pub(crate) fn trust_is_newest(&self, name: &AgentName) -> bool {
        let (mark, session) = self.remember.trust(name);
        match (self.identities(), session) {
            (Some(identities), Some(session)) => mark >= identities.wanted_of(session).0,
            _ => false,
        }
    }

    /// The thumbprint of somebody who came, trusted or not, with that SHA-1.
    pub(crate) fn seen_with_sha1(&self, sha1: &str) -> Option<Thumbprint> {
        let is_it = |shown: &Shown| shown.sha1.to_string() == sha1;
        let strangers = self.strangers.all(self.now());
        let stranger = strangers.iter().map(|stranger| &stranger.shown).find(|shown| is_it(shown));
        let linked = || self.links.all().into_iter().map(|(_, live)| live.caller.peer().shown.clone()).find(is_it);
        stranger.cloned().or_else(linked).map(|shown| shown.thumbprint)
    }

    /// Lets an agent speak an older version of the protocol than it did before.
    pub(crate) fn begin_anew(&self, name: &AgentName) {
        self.remember.begin_anew(name);
    }

    /// Forgets how an agent was found: it is another machine now.
    pub(crate) fn forget_standing(&self, name: &AgentName) {
        self.remember.forget(name);
    }

    /// Has an agent make a new identity, and tells which; it offers it from its next link on.
    pub(crate) async fn rotate_agent(&self, name: &AgentName) -> Result<String, String> {
        let live = self.link(name).ok_or("it is not connected; portward agent check says why")?;
        let asked = live.caller.call::<method::Rotate>(&Rotate::default(), converse::CALL).await;
        let reply = asked.map_err(|error| error.to_string())?;
        // Only with a link of its own can the new one be offered: who polls makes one, the others are dialled.
        self.diallers.dial_anew(name);
        Ok(reply.thumbprint)
    }

    /// What opens and seals, and tells our records from others.
    fn sealer(&self) -> Result<Sealer, NoCluster> {
        let served = self.parts.served.now();
        let cluster = served.desired.cluster.as_ref().ok_or(NoCluster)?;
        Ok(Sealer::new(cluster.id.clone(), self.parts.master.clone()))
    }

    /// Whether a thumbprint is trusted, and whose it is.
    fn trusted(&self, thumbprint: Thumbprint) -> Option<AgentName> {
        self.roster.trusted(thumbprint, self.now())
    }
}

impl std::fmt::Debug for Agents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agents").field("instance", &self.instance).finish_non_exhaustive()
    }
}

/// About what two cores do in a third of a second.
const HANDSHAKES_AT_ONCE: usize = 100;
/// Each costs about 30 KiB, for 10 s.
const SLOW_AT_ONCE: usize = 16 * 1024;
/// Calls that nobody waits for.
const CALLS_AT_ONCE: usize = 100;

#[cfg(test)]
mod tests;
