//! Use cases of agents: trusting, approving, checking, removing.

mod joins;
mod views;

use std::sync::Arc;

use portward_api::{AgentChecked, AgentTrust, AgentView, AgentsCheck, Removed, StrangerApprove, StrangerView};
use portward_core::{Agent, AgentName, AgentOrigin, AgentPins, DialAddress, Dialling, Thumbprint};
use portward_store::{
    agents::{self, ReadAgentsError},
    change::Expected,
    desired::Stored,
    work,
};

use super::{Allowed, App, AppError, Apply, Precondition, Revised, right};
use crate::agents::{Agents, Glance, id_of, refused::Whose, strangers::Stranger};
use views::{checked_view, stranger_view};

impl App {
    /// Who is trusted, who is linked, how they are.
    pub(crate) fn agents(&self) -> &Arc<Agents> {
        &self.parts.agents
    }

    /// Lists the agents.
    pub(crate) async fn list_agents(&self, _by: &Allowed<right::View>) -> Result<Vec<AgentView>, AppError> {
        let all = self.agents().roster().all();
        let view = |stored: &Arc<Stored<Agent>>| {
            let mut view = self.agent_view(&stored.value);
            // A list of ten thousand is for looking through; one of them is for looking at.
            view.report = None;
            view
        };
        Ok(all.iter().map(view).collect())
    }

    /// Looks at all agents at a glance.
    pub(crate) fn survey_agents(&self, _by: &Allowed<right::View>) -> Vec<Glance> {
        self.agents().glances()
    }

    /// Shows one agent, with all that it said of itself.
    pub(crate) async fn show_agent(
        &self,
        _by: &Allowed<right::View>,
        name: &str,
    ) -> Result<Revised<AgentView>, AppError> {
        let stored = self.find_agent(name)?;
        Ok(Revised { view: self.agent_view(&stored.value), revision: Some(stored.revision) })
    }

    /// Trusts an agent by its thumbprint.
    pub(crate) async fn trust_agent(
        &self,
        by: &Allowed<right::AgentChange>,
        input: &AgentTrust,
        apply: Apply,
    ) -> Result<Revised<AgentView>, AppError> {
        let name = AgentName::parse(&input.name).map_err(|error| AppError::invalid("name", &error))?;
        let thumbprint = self.parse_pin(&input.thumbprint)?;
        let listening = input.listening.as_deref().map(|text| DialAddress::parse(text, Some(LISTENING_PORT)));
        let listening = listening.transpose().map_err(|error| AppError::invalid("listening", &error))?;
        let dialling = listening.map_or(Dialling::Polling, Dialling::Listening);
        self.put_agent(by, &name, thumbprint, Some(dialling), AgentOrigin::Thumbprint, apply).await
    }

    /// Trusts somebody who came.
    pub(crate) async fn approve_stranger(
        &self,
        by: &Allowed<right::AgentChange>,
        id: &str,
        input: &StrangerApprove,
        apply: Apply,
    ) -> Result<Revised<AgentView>, AppError> {
        let stranger = self.find_stranger(id)?;
        let former = stranger.former.as_ref().map(ToString::to_string);
        let said = stranger.shown.subject.strip_prefix("CN=").map(str::to_owned);
        let name = input.name.clone().or(former).or(said).unwrap_or_default();
        let name = AgentName::parse(&name).map_err(|error| {
            AppError::refused(
                "invalid-value",
                format!("name: {error}; say what it is called: portward agent approve {id} --name NAME"),
            )
        })?;
        if self.agents().roster().agent(&name).is_some() && !input.replace {
            let message = format!(
                "there is an agent \"{name}\" already, with another thumbprint; to have this one take its place: portward agent trust {name} --thumbprint {}; or give another name: portward agent approve {id} --name NAME",
                stranger.shown.thumbprint
            );
            return Err(AppError::conflict("already-there", message));
        }
        self.put_agent(by, &name, stranger.shown.thumbprint, None, AgentOrigin::Approved, apply).await
    }

    /// Refuses somebody who came; they are shown again when they come again.
    pub(crate) async fn refuse_stranger(
        &self,
        _by: &Allowed<right::AgentChange>,
        id: &str,
        apply: Apply,
    ) -> Result<Removed, AppError> {
        let stranger = self.find_stranger(id)?;
        if apply == Apply::Now {
            self.agents().strangers().forget(stranger.shown.thumbprint);
        }
        Ok(Removed { id: id_of(stranger.shown.thumbprint), warnings: Vec::new() })
    }

    /// Lists those who came and are not trusted.
    pub(crate) fn list_strangers(&self, _by: &Allowed<right::View>) -> Vec<StrangerView> {
        self.agents().strangers().all(self.now()).iter().map(stranger_view).collect()
    }

    /// Trusts an agent no more, and forgets its deliveries; its link ends at once.
    pub(crate) async fn remove_agent(
        &self,
        by: &Allowed<right::AgentChange>,
        name: &str,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Removed, AppError> {
        let _deciding = self.decide().await;
        let (name, pin, expected) = match self.find_agent(name) {
            Ok(stored) => {
                precondition.check("agent", name, stored.revision)?;
                (stored.value.name.clone(), stored.value.pins.current.to_string(), Expected::At(stored.revision))
            }
            // What does not count can be removed too.
            Err(missing) => {
                let name = AgentName::parse(name).ok();
                let refused = name.filter(|name| self.agents().refused().has(&Whose::Agent(name.clone())));
                (refused.ok_or(missing)?, "cannot be read".to_owned(), Expected::Any)
            }
        };
        let name = &name;
        let deliveries = agents::deliveries_of(&*self.parts.store, &self.sealer_now()?, name).await?;
        let mut warnings = Vec::new();
        if !deliveries.is_empty() {
            warnings.push(format!(
                "{} stay on its machine as they are, and are not renewed there any more",
                match deliveries.len() {
                    1 => "the files of 1 certificate".to_owned(),
                    count => format!("the files of {count} certificates"),
                }
            ));
        }
        let desired = self.desired().await?;
        for stored in desired.certificates.iter().filter(|stored| stored.value.key_on() == Some(name)) {
            warnings.push(format!(
                "the private key of certificate {} is on its machine, so that it cannot be renewed any more; portward certificate remove {}, or keep the agent",
                stored.value.id, stored.value.id
            ));
        }
        if apply == Apply::Now {
            let mut change = self.change(by, format!("remove agent {name} ({pin})"));
            change.remove_agent(name, expected);
            let mut ids = Vec::new();
            for delivery in &deliveries {
                change.remove_delivery(&delivery.value.delivery.id, Expected::At(delivery.revision));
                ids.push(delivery.value.delivery.id.clone());
            }
            self.commit_trust(change).await?;
            self.agents().follow(name).await;
            if let Err(error) = work::forget_agent(&*self.parts.store, name, &ids).await {
                tracing::warn!(%error, "what was remembered of a removed agent stays in the store");
            }
        }
        Ok(Removed { id: name.to_string(), warnings })
    }

    /// Asks agents how they are, now.
    pub(crate) async fn check_agents(
        &self,
        _by: &Allowed<right::AgentCheck>,
        input: &AgentsCheck,
    ) -> Result<Vec<AgentChecked>, AppError> {
        let names: Vec<AgentName> = if input.names.is_empty() {
            self.agents().roster().all().iter().map(|stored| stored.value.name.clone()).collect()
        } else {
            let find = |name: &String| self.find_agent(name).map(|stored| stored.value.name.clone());
            input.names.iter().map(find).collect::<Result<_, _>>()?
        };
        Ok(self.agents().check(names).await.iter().map(checked_view).collect())
    }

    /// Has an agent make a new identity, which takes the place of its own by itself.
    pub(crate) async fn rotate_agent(
        &self,
        by: &Allowed<right::AgentChange>,
        name: &str,
    ) -> Result<AgentView, AppError> {
        let stored = self.find_agent(name)?;
        let rotated = self.agents().rotate_agent(&stored.value.name).await;
        let thumbprint = rotated.map_err(|error| {
            AppError::conflict("agent-unreachable", format!("the agent \"{name}\" keeps its identity: {error}"))
        })?;
        let what = format!("have agent {name} follow its identity {} by {thumbprint}", stored.value.pins.current);
        self.commit_trust(self.change(by, what).for_good()).await?;
        Ok(self.agent_view(&stored.value))
    }

    async fn put_agent(
        &self,
        by: &Allowed<right::AgentChange>,
        name: &AgentName,
        thumbprint: Thumbprint,
        dialling: Option<Dialling>,
        origin: AgentOrigin,
        apply: Apply,
    ) -> Result<Revised<AgentView>, AppError> {
        if apply != Apply::DryRun {
            self.identities_for(by.actor()).await?;
        }
        if self.agents().identities().is_some_and(|identities| identities.of(thumbprint).is_some()) {
            let message = format!(
                "{thumbprint} is the thumbprint of this server; give the one of the agent, which portward-agent show-thumbprint prints there"
            );
            return Err(AppError::refused("own-thumbprint", message));
        }
        let _deciding = self.decide().await;
        if let Some(other) = self.agents().roster().owner(thumbprint).filter(|other| other != name) {
            let message = format!(
                "the thumbprint {thumbprint} is that of agent \"{other}\"; a machine has one name. Remove that one first (portward agent remove {other}); if this is a copy of its machine, run portward-agent new-certificate --now there"
            );
            return Err(AppError::conflict("thumbprint-in-use", message));
        }
        let before = self.agents().roster().agent(name);
        let before_pin = before.as_ref().map(|before| before.value.pins.current);
        let agent = match &before {
            Some(before) => Agent {
                dialling: dialling.unwrap_or_else(|| before.value.dialling.clone()),
                pins: AgentPins::of(thumbprint),
                ..before.value.clone()
            },
            None => Agent {
                name: name.clone(),
                dialling: dialling.unwrap_or(Dialling::Polling),
                pins: AgentPins::of(thumbprint),
                trusted: self.now(),
                origin,
            },
        };
        if apply == Apply::DryRun {
            return Ok(Revised { view: self.agent_view(&agent), revision: None });
        }
        let mut change = self.change(by, format!("trust agent {name} with {thumbprint}"));
        let expected = match before {
            Some(before) => Expected::At(before.revision),
            None if self.agents().refused().has(&Whose::Agent(name.clone())) => Expected::Any,
            None => Expected::Absent,
        };
        change.put_agent(&agent, &self.sealer_now()?, expected);
        let revision = self.commit_trust(change).await?;
        self.agents().strangers().forget(thumbprint);
        self.agents().begin_anew(name);
        if before_pin != Some(thumbprint) {
            self.agents().forget_standing(name);
            if let Some(before) = before_pin {
                self.agents().strangers().was(before, name);
            }
        }
        self.agents().follow(name).await;
        Ok(Revised { view: self.agent_view(&agent), revision: Some(revision) })
    }

    /// Reads a thumbprint; of a SHA-1 one it says which SHA-256 to give, if somebody with it is known.
    fn parse_pin(&self, text: &str) -> Result<Thumbprint, AppError> {
        Thumbprint::parse(text).map_err(|error| {
            let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_uppercase();
            match self.agents().seen_with_sha1(&digits) {
                Some(thumbprint) => AppError::refused(
                    "invalid-value",
                    format!("thumbprint: {error}. The one with that SHA-1 has the SHA-256 {thumbprint}"),
                ),
                None => AppError::invalid("thumbprint", &error),
            }
        })
    }

    pub(super) fn find_agent(&self, name: &str) -> Result<Arc<Stored<Agent>>, AppError> {
        let missing = || AppError::not_found("agent", name);
        let parsed = AgentName::parse(name).map_err(|_| missing())?;
        self.agents().roster().agent(&parsed).ok_or_else(missing)
    }

    fn find_stranger(&self, id: &str) -> Result<Stranger, AppError> {
        let wanted = id.trim().to_ascii_lowercase();
        let mut found = self.agents().strangers().all(self.now()).into_iter();
        let is_it = |stranger: &Stranger| {
            let thumbprint = stranger.shown.thumbprint.to_string();
            wanted == id_of(stranger.shown.thumbprint)
                || Thumbprint::parse(&wanted).is_ok_and(|wanted| wanted.to_string() == thumbprint)
        };
        found.find(is_it).ok_or_else(|| {
            let message = format!(
                "nobody with \"{id}\" waits to be approved; portward agent list shows who does, and an agent tries again within a minute"
            );
            AppError::new(http::StatusCode::NOT_FOUND, "not-found", message)
        })
    }
}

impl From<ReadAgentsError> for AppError {
    fn from(error: ReadAgentsError) -> Self {
        match error {
            ReadAgentsError::Store(error) => error.into(),
            other => Self::internal("what is stored of agents cannot be read", other),
        }
    }
}

pub(super) fn parse_addresses(texts: &[String]) -> Result<Vec<DialAddress>, AppError> {
    let parse = |text: &String| DialAddress::parse(text, Some(443));
    texts.iter().map(parse).collect::<Result<_, _>>().map_err(|error| AppError::invalid("addresses", &error))
}

/// Where agents listen, as Octopus's do.
const LISTENING_PORT: u16 = 10933;
