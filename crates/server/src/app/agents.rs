//! Use cases of agents: joining, trusting, approving, checking, removing.

use std::{sync::Arc, time::Duration};

use portward_api::{
    AgentCheckStep, AgentChecked, AgentDisk, AgentJoinCreate, AgentJoinCreated, AgentJoinView, AgentReport, AgentTrust,
    AgentView, AgentsCheck, Removed, SecretText, StrangerApprove, StrangerView,
};
use portward_core::{
    Agent, AgentName, AgentOrigin, AgentPins, DialAddress, Dialling, Thumbprint, Timestamp, parse_duration,
};
use portward_link::{JoinSecret, JoinString, message::HealthReport};
use portward_store::{
    agents::{self, JoinToken, ReadAgentsError},
    change::{Expected, NewJoin},
    desired::Stored,
    sealing::Secret,
    work,
};

use super::{Allowed, App, AppError, Apply, Precondition, Revised, random_hex, right};
use crate::agents::{Agents, Glance, check::Checked, id_of, refused::Whose, strangers::Stranger};

impl App {
    /// Who is trusted, who is linked, how they are.
    pub(crate) fn agents(&self) -> &Arc<Agents> {
        &self.parts.agents
    }

    /// Lists the agents.
    pub(crate) async fn list_agents(&self, _by: &Allowed<right::View>) -> Result<Vec<AgentView>, AppError> {
        let deliveries = agents::deliveries(&*self.parts.store, &self.sealer_now()?).await?;
        let mut counts: std::collections::HashMap<AgentName, usize> = std::collections::HashMap::new();
        for stored in &deliveries {
            *counts.entry(stored.value.delivery.agent.clone()).or_default() += 1;
        }
        let all = self.agents().roster().all();
        let view = |stored: &Arc<Stored<Agent>>| {
            let count = counts.get(&stored.value.name).copied().unwrap_or_default();
            let mut view = self.agent_view(&stored.value, count);
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
        let deliveries = agents::deliveries_of(&*self.parts.store, &self.sealer_now()?, &stored.value.name).await?;
        let view = self.agent_view(&stored.value, deliveries.len());
        Ok(Revised { view, revision: Some(stored.revision) })
    }

    /// Makes a join string; there is an identity from then on.
    pub(crate) async fn add_agent(
        &self,
        by: &Allowed<right::AgentChange>,
        input: &AgentJoinCreate,
        apply: Apply,
    ) -> Result<AgentJoinCreated, AppError> {
        let name = AgentName::parse(&input.name).map_err(|error| AppError::invalid("name", &error))?;
        let ttl = parse_ttl(input.ttl.as_deref())?;
        let given: Vec<DialAddress> = parse_addresses(&input.addresses)?;
        if self.agents().roster().agent(&name).is_some() {
            let message = format!(
                "there is an agent \"{name}\" already; remove it first (portward agent remove {name}), or give another name"
            );
            return Err(AppError::conflict("already-there", message));
        }
        let addresses = if given.is_empty() { self.agents().addresses() } else { given };
        if addresses.is_empty() {
            let message = "there is no https binding at which the agent could dial; add one (portward binding add https://0.0.0.0:443), or say where it is reached: --address HOST:PORT";
            return Err(AppError::conflict("no-way-in", message));
        }
        let id = random_hex::<8>()?;
        let token = JoinToken::parse(&id).ok_or_else(|| AppError::internal("no join string could be made", "no id"))?;
        let now = self.now();
        let expires = now.plus(ttl);
        let join = AgentJoinView {
            id,
            name: name.to_string(),
            expires: expires.to_string(),
            addresses: addresses.iter().map(ToString::to_string).collect(),
        };
        if apply == Apply::DryRun {
            return Ok(AgentJoinCreated { join_string: None, join });
        }
        let identities = self.identities_for(by.actor()).await?;
        let secret = JoinSecret::new()
            .ok_or_else(|| AppError::internal("no join string could be made", "the system gave no random bytes"))?;
        let _deciding = self.decide().await;
        let mut change = self.change(by, format!("make a join string for agent {name}, until {expires}")).for_good();
        let kept = Secret::copy_of(secret.expose());
        let sealer = self.sealer(&*self.desired().await?)?;
        change.add_join(NewJoin { token: token.clone(), agent: name, secret: &kept, created: now, expires }, &sealer);
        self.forget_joins(&mut change, now).await?;
        self.commit(change).await?;
        let pins = identities.pins(true);
        let string = JoinString { addresses, pins, token: token.as_str().to_owned(), secret };
        Ok(AgentJoinCreated { join_string: Some(SecretText::new(string.expose().to_string())), join })
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

    /// Lists the join strings that count.
    pub(crate) async fn list_joins(&self, _by: &Allowed<right::View>) -> Result<Vec<AgentJoinView>, AppError> {
        let now = self.now();
        let joins = agents::joins(&*self.parts.store, &self.sealer_now()?).await?;
        let counts = joins.into_iter().map(|stored| stored.value);
        let counts = counts.filter(|join| join.used.is_none() && join.expires > now);
        let view = |join: agents::StoredJoin| AgentJoinView {
            id: join.token.as_str().to_owned(),
            name: join.agent.to_string(),
            expires: join.expires.to_string(),
            addresses: Vec::new(),
        };
        Ok(counts.map(view).collect())
    }

    /// Takes a join string back.
    pub(crate) async fn remove_join(
        &self,
        by: &Allowed<right::AgentChange>,
        id: &str,
        apply: Apply,
    ) -> Result<Removed, AppError> {
        let missing =
            || AppError::new(http::StatusCode::NOT_FOUND, "not-found", format!("there is no join string \"{id}\""));
        let token = JoinToken::parse(id).ok_or_else(missing)?;
        let (agent, expected) = match agents::join(&*self.parts.store, &self.sealer_now()?, &token).await {
            Ok(stored) => {
                let stored = stored.ok_or_else(missing)?;
                (stored.value.agent.to_string(), Expected::At(stored.revision))
            }
            // What does not count can be removed too.
            Err(ReadAgentsError::Record { .. }) => ("(cannot be read)".to_owned(), Expected::Any),
            Err(error) => return Err(error.into()),
        };
        if apply == Apply::Now {
            let mut change = self.change(by, format!("take back the join string of agent {agent}")).for_good();
            change.remove_join(&token, expected);
            self.commit(change).await?;
        }
        Ok(Removed { id: id.to_owned(), warnings: Vec::new() })
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
        let managed =
            desired.certificates.iter().filter_map(|stored| Some((stored, stored.value.management.managed()?)));
        for (stored, _) in managed.filter(|(_, managed)| managed.key_on.as_ref() == Some(name)) {
            warnings.push(format!(
                "certificate {} cannot be renewed any more, as its private key is to be made there; portward certificate remove {}, or keep the agent",
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
            self.commit(change).await?;
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
        self.commit(self.change(by, what).for_good()).await?;
        Ok(self.agent_view(&stored.value, 0))
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
            return Ok(Revised { view: self.agent_view(&agent, 0), revision: None });
        }
        let mut change = self.change(by, format!("trust agent {name} with {thumbprint}"));
        let expected = match before {
            Some(before) => Expected::At(before.revision),
            None if self.agents().refused().has(&Whose::Agent(name.clone())) => Expected::Any,
            None => Expected::Absent,
        };
        change.put_agent(&agent, &self.sealer_now()?, expected);
        let revision = self.commit(change).await?;
        self.agents().strangers().forget(thumbprint);
        self.agents().begin_anew(name);
        if before_pin != Some(thumbprint) {
            self.agents().forget_standing(name);
            if let Some(before) = before_pin {
                self.agents().strangers().was(before, name);
            }
        }
        self.agents().follow(name).await;
        Ok(Revised { view: self.agent_view(&agent, 0), revision: Some(revision) })
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

    /// Takes join strings away that do not count any more.
    async fn forget_joins(&self, change: &mut super::Draft, now: Timestamp) -> Result<(), AppError> {
        let joins = agents::joins(&*self.parts.store, &self.sealer_now()?).await?;
        let is_over = |stored: &&Stored<agents::StoredJoin>| now.since(stored.value.expires) > JOIN_KEPT;
        for stored in joins.iter().filter(is_over).take(FORGOTTEN_AT_ONCE) {
            change.remove_join(&stored.value.token, Expected::At(stored.revision));
        }
        Ok(())
    }

    /// What is shown of an agent.
    pub(crate) fn agent_view(&self, agent: &Agent, deliveries: usize) -> AgentView {
        let (agents, now) = (self.agents(), self.now());
        let standing = agents.standing(&agent.name);
        let live = agents.link(&agent.name);
        let report = standing.report.as_ref().map(|report| report_view(report, standing.checked.unwrap_or(now)));
        let previous = agent.pins.previous.filter(|(_, until)| now < *until).map(|(pin, _)| pin.to_string());
        AgentView {
            name: agent.name.to_string(),
            health: standing.health.to_string(),
            reasons: standing.reasons,
            dialling: match agent.dialling {
                Dialling::Polling => "polling".to_owned(),
                Dialling::Listening(_) => "listening".to_owned(),
            },
            listening: match &agent.dialling {
                Dialling::Polling => None,
                Dialling::Listening(address) => Some(address.to_string()),
            },
            thumbprint: agent.pins.current.to_string(),
            next_thumbprint: agent.pins.next.map(|pin| pin.to_string()),
            previous_thumbprint: previous,
            trusted: agent.trusted.to_string(),
            origin: agent.origin.to_string(),
            connected: live.is_some(),
            address: standing.address,
            last_heard: if live.is_some() { Some(now) } else { standing.last_heard }.map(|at| at.to_string()),
            checked: standing.checked.map(|at| at.to_string()),
            version: standing.report.map(|report| report.version),
            deliveries,
            trust_is_newest: agents.trust_is_newest(&agent.name),
            report,
        }
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

fn report_view(report: &HealthReport, checked: Timestamp) -> AgentReport {
    let at = |seconds: i64| Timestamp::from_unix(seconds).map(|at| at.to_string()).unwrap_or_default();
    AgentReport {
        platform: report.platform.clone(),
        host_name: report.host_name.clone(),
        started: at(report.started),
        clock_difference: report.now.saturating_sub(checked.unix()),
        identity_since: at(report.identity.since),
        identity_not_after: at(report.identity.not_after),
        trusts: report.trusts.iter().flat_map(|trust| trust.pins.clone()).collect(),
        disks: report
            .disks
            .iter()
            .map(|disk| AgentDisk { path: disk.path.clone(), free: disk.free, total: disk.total })
            .collect(),
        directories: report.policy.directories.clone(),
        profiles: report.policy.profiles.clone(),
        policy_problem: report.policy.problem.clone(),
    }
}

fn stranger_view(stranger: &Stranger) -> StrangerView {
    StrangerView {
        id: id_of(stranger.shown.thumbprint),
        thumbprint: stranger.shown.thumbprint.to_string(),
        sha1: stranger.shown.sha1.to_string(),
        subject: stranger.shown.subject.clone(),
        address: stranger.address.map(|address| address.to_string()).unwrap_or_default(),
        first_seen: stranger.first_seen.to_string(),
        last_seen: stranger.last_seen.to_string(),
        tries: stranger.tries,
        former: stranger.former.as_ref().map(ToString::to_string),
    }
}

fn checked_view(checked: &Checked) -> AgentChecked {
    let step = |step: &crate::agents::check::Step| AgentCheckStep {
        step: step.step.to_owned(),
        mark: step.mark.as_str().to_owned(),
        message: step.message.clone(),
        remedy: step.remedy.clone(),
    };
    AgentChecked {
        name: checked.name.to_string(),
        health: checked.standing.health.to_string(),
        reasons: checked.standing.reasons.clone(),
        steps: checked.steps.iter().map(step).collect(),
        milliseconds: u64::try_from(checked.took.as_millis()).unwrap_or(u64::MAX),
    }
}

fn parse_ttl(text: Option<&str>) -> Result<Duration, AppError> {
    let Some(text) = text else { return Ok(JOIN_COUNTS) };
    let span = parse_duration(text).filter(|span| *span >= Duration::from_secs(1) && *span <= LONGEST_JOIN);
    span.ok_or_else(|| {
        AppError::refused("invalid-value", format!("ttl: \"{text}\" is not a time from 1s to 30d, as in 30m"))
    })
}

pub(super) fn parse_addresses(texts: &[String]) -> Result<Vec<DialAddress>, AppError> {
    let parse = |text: &String| DialAddress::parse(text, Some(443));
    texts.iter().map(parse).collect::<Result<_, _>>().map_err(|error| AppError::invalid("addresses", &error))
}

/// Where agents listen, as Octopus's do.
const LISTENING_PORT: u16 = 10933;
/// How long a join string counts where nothing is said.
const JOIN_COUNTS: Duration = Duration::from_secs(30 * 60);
/// A secret in a script is not kept for longer.
const LONGEST_JOIN: Duration = Duration::from_secs(30 * 24 * 3600);
/// So long an agent whose answer was lost may ask again.
const JOIN_KEPT: Duration = Duration::from_secs(24 * 3600);
const FORGOTTEN_AT_ONCE: usize = 20;
