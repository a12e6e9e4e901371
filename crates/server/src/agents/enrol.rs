//! Joining: somebody shows that they have a join string, and is an agent from then on.

use portward_core::{Agent, AgentName, AgentOrigin, AgentPins, Dialling, Thumbprint};
use portward_link::{EnrolAnswer, Enrolled, Guest, JoinSecret, opening::RefusalCode};
use portward_store::{
    agents::{self, JoinToken, StoredJoin},
    change::{Change, CommitError, Expected, commit},
    desired::Stored,
    sealing::Sealer,
};

use super::{Agents, Identities};
use crate::app::chain_text;

/// Says why somebody does not join.
enum Refused {
    /// It is used up, expired, or was never made; or they do not know its secret. Who asks is not told which.
    JoinString,
    /// Another agent has this very thumbprint.
    InUse(AgentName),
    /// The store fails.
    Store(String),
}

impl Agents {
    /// Receives somebody who wants to join.
    pub(super) async fn enrol(&self, mut guest: Guest, identities: &Identities) {
        let Ok((enrol, proof)) = guest.read_enrol().await else { return };
        let shown = guest.shown().thumbprint;
        let joined = match JoinToken::parse(&enrol.token) {
            Some(token) => self.join(&token, shown, |secret| proof.is(&enrol.proof, secret)).await,
            None => Err(Refused::JoinString),
        };
        let answered = match joined {
            Ok(name) => {
                tracing::info!(agent.name = %name, thumbprint = %shown, "an agent has joined");
                let enrolled = Enrolled {
                    name: name.to_string(),
                    addresses: Vec::new(),
                    pins: identities.pins(true).iter().map(Thumbprint::to_string).collect(),
                    trust: identities.mark,
                };
                guest.answer_enrol(&EnrolAnswer::Enrolled(enrolled)).await
            }
            Err(refused) => {
                let peer = guest.address();
                let (message, remedy) = match refused {
                    Refused::JoinString => (
                        "this join string does not count: it was used, it has expired, or the server never made it"
                            .to_owned(),
                        "on the server: portward agent add NAME makes another one".to_owned(),
                    ),
                    Refused::InUse(other) => (
                        format!("the thumbprint {shown} is that of agent \"{other}\" already; a machine has one name"),
                        format!(
                            "on the server: portward agent remove {other}, and then join again; if this is a copy of its machine: portward-agent new-certificate --now here, and then join again"
                        ),
                    ),
                    Refused::Store(error) => (
                        format!("the server cannot store that you join: {error}"),
                        "on the server: portward status says what is wrong; then join again".to_owned(),
                    ),
                };
                tracing::warn!(client.peer = ?peer, thumbprint = %shown, "somebody may not join: {message}");
                let refusal = guest.refusal(RefusalCode::JoinString, message, remedy);
                guest.refuse(refusal).await;
                return;
            }
        };
        if let Err(error) = answered {
            tracing::debug!(%error, "an agent went away while it joined");
        }
    }

    /// Spends a join string, if the secret is known: the agent is stored in the same transaction, so it counts once.
    async fn join(
        &self,
        token: &JoinToken,
        shown: Thumbprint,
        knows: impl Fn(&JoinSecret) -> bool,
    ) -> Result<AgentName, Refused> {
        let store = &*self.parts.store;
        let failed = |error: &dyn std::error::Error| Refused::Store(chain_text(error));
        let sealer = self.sealer().map_err(|error| failed(&error))?;
        let found = agents::join(store, &sealer, token).await.map_err(|error| failed(&error))?;
        let Stored { value: join, revision } = found.ok_or(Refused::JoinString)?;
        let secret = secret(&sealer, &join).ok_or(Refused::JoinString)?;
        let now = self.now();
        if !knows(&secret) {
            return Err(Refused::JoinString);
        }
        if let Some((_, by)) = join.used {
            // The answer was lost, and the same agent asks again; one that was removed since is not let in by it.
            let joined = agents::agent(store, &sealer, &join.agent).await.map_err(|error| failed(&error))?;
            let is_there = joined.is_some_and(|agent| agent.value.pins.trusted(now).any(|pin| pin == shown));
            return if by == shown && is_there { Ok(join.agent) } else { Err(Refused::JoinString) };
        }
        if join.expires <= now {
            return Err(Refused::JoinString);
        }
        if let Some(other) = self.roster.owner(shown).filter(|other| *other != join.agent) {
            return Err(Refused::InUse(other));
        }
        let agent = Agent {
            name: join.agent.clone(),
            dialling: Dialling::Polling,
            pins: AgentPins::of(shown),
            trusted: now,
            origin: AgentOrigin::Joined,
        };
        let known = agents::agent(store, &sealer, &agent.name).await.map_err(|error| failed(&error))?;
        let mut change = Change::new("portward (join)", format!("agent {} joins with {shown}", agent.name), now);
        change.put_agent(&agent, &sealer, known.map_or(Expected::Absent, |stored| Expected::At(stored.revision)));
        change.put_join(&StoredJoin { used: Some((now, shown)), ..join }, &sealer, Expected::At(revision));
        let notice = self.parts.notices.trust_changes(&mut change);
        match commit(store, change).await {
            Ok(_) => notice.log(),
            // Somebody else spends it at the same moment.
            Err(CommitError::Conflict { .. }) => return Err(Refused::JoinString),
            Err(error) => return Err(failed(&error)),
        }
        self.strangers.forget(shown);
        self.follow(&agent.name).await;
        Ok(agent.name)
    }
}

fn secret(sealer: &Sealer, join: &StoredJoin) -> Option<JoinSecret> {
    let opened = agents::open_join_secret(sealer, join).ok()?;
    Some(JoinSecret::from_bytes(opened.expose().try_into().ok()?))
}
