//! A link from its beginning to its end: what an agent has to know is said first, then it is asked how it is.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use portward_core::{Agent, AgentName, AgentPins, Thumbprint};
use portward_link::{
    CallError, Caller, Instance, Session,
    message::{Health, HealthReport, IdentityAccepted, Trust, method},
};
use portward_store::{
    agents,
    change::{Change, CommitError, Expected, commit},
    desired::Stored,
};

use super::{Agents, Live, ages::AGENTS};
use crate::app::chain_text;

impl Agents {
    /// Takes a session of a trusted agent for its link, and looks after it in a task of its own.
    pub(super) async fn take(self: &Arc<Self>, name: AgentName, session: Session) {
        let began = Caller::begin(session).await;
        let (caller, run) = match began {
            Ok(begun) => begun,
            Err(error) => {
                tracing::debug!(agent.name = %name, %error, "an agent does not speak HTTP/2");
                return;
            }
        };
        let (live, before) = self.links.put(&name, caller, self.now());
        // Trust may have been taken away meanwhile.
        if self.trusted(live.pin()).as_ref() != Some(&name) {
            self.links.remove(&name, live.id);
            return;
        }
        if let Some(before) = before {
            tokio::spawn(async move {
                // It has what it was asked; the new link is up.
                tokio::time::sleep(FAREWELL).await;
                before.caller.close();
            });
        } else {
            tracing::info!(agent.name = %name, "an agent is connected");
        }
        self.remember.heard(&name, &live, self.now());
        let agents = Arc::clone(self);
        tokio::spawn(async move {
            let talking = tokio::spawn(Arc::clone(&agents).talk(name.clone(), live.clone()));
            let why = run.await;
            talking.abort();
            if agents.links.remove(&name, live.id) {
                agents.remember.left(&name, &why, agents.now());
                tracing::info!(agent.name = %name, reason = why, "an agent is not connected any more");
            }
            agents.changed.notify_one();
        });
        self.changed.notify_one();
    }

    /// Why an agent is not let in that speaks less of the protocol than it ever did, whoever dials, and what to do:
    /// somebody who has its key could have it fall back to what is known to be weak.
    pub(super) async fn went_back(&self, name: &AgentName, newest: u16) -> Option<(String, String)> {
        let (before, is_news) = self.remember.spoke_newer(name, newest)?;
        let message = format!("it speaks version {newest} of the protocol at most, and spoke version {before} before");
        if is_news {
            tracing::warn!(agent.name = %name, "an agent is refused: {message}");
            let what = format!("refuse agent {name}: {message}");
            self.record(what).await;
        }
        let remedy = format!(
            "install the newer portward-agent again; if it was set back on purpose, on the server: portward agent trust {name} --thumbprint SHA256, with its own"
        );
        Some((message, remedy))
    }

    /// Where another run of an agent's program is connected from, if it answers.
    pub(super) async fn other_run(&self, name: &AgentName, instance: &Instance) -> Option<SocketAddr> {
        let live = self.link(name)?;
        if live.caller.peer().hello.instance == *instance {
            return None;
        }
        let answers = live.caller.call::<method::Health>(&Health::default(), STILL_THERE).await;
        match answers {
            Ok(_) | Err(CallError::Fault(_)) => Some(live.caller.peer().address.unwrap_or(NOWHERE)),
            Err(_) => None,
        }
    }

    /// Has an agent whose link has just come up talked to when it is its turn.
    async fn talk(self: Arc<Self>, name: AgentName, live: Live) {
        let Ok(_permit) = self.calls.acquire().await else { return };
        // On the heap, and only now: thousands of them may wait.
        Box::pin(self.say_what_is_new(name, live)).await;
    }

    /// Says to an agent what it has to know, and asks how it is.
    async fn say_what_is_new(self: &Arc<Self>, name: AgentName, live: Live) {
        self.follow_identity(&name, &live).await;
        self.tell_trust(&name, &live).await;
        // What it says, or that it says nothing, is remembered.
        let _ = self.ask_health(&name, &live, false).await;
    }

    /// Takes note of which of its identities an agent shows and offers.
    pub(super) async fn follow_identity(&self, name: &AgentName, live: &Live) {
        let peer = live.caller.peer();
        let (shown, offered) = (peer.shown.thumbprint, peer.next);
        let edited = self.edit_agent(name, |agent, now| {
            let pins = &mut agent.pins;
            let before = pins.clone();
            if pins.next == Some(shown) {
                *pins = AgentPins { current: shown, next: None, previous: Some((before.current, now.plus(OVERLAP))) };
            }
            if offered.is_some() && offered != Some(pins.current) {
                pins.next = offered;
            }
            let what = match () {
                () if pins.current != before.current => format!("agent {name} is known by {shown} from now on"),
                () => format!("agent {name} will be known by {} next", offered.unwrap_or(shown)),
            };
            (*pins != before).then_some(what)
        });
        if let Err(error) = edited.await {
            tracing::warn!(agent.name = %name, error, "the identity of an agent cannot be stored; it keeps the one before");
            return;
        }
        let Some(offered) = offered else { return };
        let accepted = IdentityAccepted { thumbprint: offered.to_string() };
        match live.caller.call::<method::IdentityAccepted>(&accepted, CALL).await {
            Ok(_) => {
                tracing::info!(agent.name = %name, thumbprint = %offered, "an agent follows its new identity");
                // It is shown on the next link.
                self.diallers.dial_anew(name);
            }
            Err(error) => tracing::warn!(agent.name = %name, %error, "an agent cannot follow its new identity yet"),
        }
    }

    /// Tells an agent the newest state of trust, if it has an older one; whether it has it now.
    pub(super) async fn tell_trust(&self, name: &AgentName, live: &Live) -> bool {
        let Some(identities) = self.identities() else { return false };
        let (mark, pins) = identities.wanted_of(live.ours());
        let known = self.remember.mark(name, live);
        if known >= mark {
            return true;
        }
        let trust = Trust {
            mark,
            pins: pins.iter().map(Thumbprint::to_string).collect(),
            addresses: self.announced(&identities, known).iter().map(ToString::to_string).collect(),
        };
        match live.caller.call::<method::Trust>(&trust, CALL).await {
            Ok(reply) => {
                self.remember.acknowledged(name, reply.mark, live.ours());
                self.changed.notify_one();
                true
            }
            Err(error) => {
                tracing::warn!(agent.name = %name, %error, "an agent does not take the newest state of trust");
                false
            }
        }
    }

    /// Asks an agent how it is, and remembers what it says.
    pub(super) async fn ask_health(
        self: &Arc<Self>,
        name: &AgentName,
        live: &Live,
        look_at_served: bool,
    ) -> Result<HealthReport, CallError> {
        let limit = if look_at_served { LOOKING } else { CALL };
        let answered = live.caller.call::<method::Health>(&Health { look_at_served }, limit).await;
        let standing = match &answered {
            Ok(report) => super::judge(report, live, self.settings().identity_age, self.now()),
            Err(error) => super::Standing::failed(error, self.now()),
        };
        self.remember.found(name, standing);
        if let Ok(report) = &answered {
            self.observe(name, live, report);
        }
        answered
    }

    /// Changes an agent as `edit` says, which also says what it does; none if there is nothing to do.
    async fn edit_agent(
        &self,
        name: &AgentName,
        mut edit: impl FnMut(&mut Agent, portward_core::Timestamp) -> Option<String>,
    ) -> Result<(), String> {
        let store = &*self.parts.store;
        let sealer = self.sealer().map_err(|error| error.to_string())?;
        for _ in 0..ATTEMPTS {
            let found = agents::agent(store, &sealer, name).await.map_err(|error| chain_text(&error))?;
            let Some(Stored { value: mut agent, revision }) = found else { return Err("it was removed".to_owned()) };
            let Some(what) = edit(&mut agent, self.now()) else { return Ok(()) };
            let mut change = Change::new(AGENTS, what, self.now());
            change.put_agent(&agent, &sealer, Expected::At(revision));
            match commit(store, change).await {
                Ok(_) => {
                    self.follow(name).await;
                    return Ok(());
                }
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(chain_text(&error)),
            }
        }
        Err("others change it at the same time".to_owned())
    }
}

/// A link that another one has replaced is let finish what it does.
const FAREWELL: Duration = Duration::from_secs(30);
/// How long an agent has to show that it is still there, when another one says to be it.
const STILL_THERE: Duration = Duration::from_secs(5);
/// Small calls.
pub(super) const CALL: Duration = Duration::from_secs(10);
/// An agent that looks at what is served connects to several programs.
const LOOKING: Duration = Duration::from_secs(40);
/// How long the identity before still counts: a machine may come back from a snapshot.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);
const ATTEMPTS: usize = 4;
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
