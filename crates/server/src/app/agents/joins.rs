//! Use cases of join strings: the one line by which an agent joins.

use std::time::Duration;

use portward_api::{AgentJoinCreate, AgentJoinCreated, AgentJoinView, Removed, SecretText};
use portward_core::{AgentName, DialAddress, Timestamp, parse_duration};
use portward_link::{JoinSecret, JoinString};
use portward_store::{
    agents::{self, JoinToken, ReadAgentsError},
    change::{Expected, NewJoin},
    desired::Stored,
    sealing::Secret,
};

use super::{
    super::{Allowed, App, AppError, Apply, Draft, random_hex, right},
    parse_addresses,
};

impl App {
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

    /// Takes join strings away that do not count any more.
    async fn forget_joins(&self, change: &mut Draft, now: Timestamp) -> Result<(), AppError> {
        let joins = agents::joins(&*self.parts.store, &self.sealer_now()?).await?;
        let is_over = |stored: &&Stored<agents::StoredJoin>| now.since(stored.value.expires) > JOIN_KEPT;
        for stored in joins.iter().filter(is_over).take(FORGOTTEN_AT_ONCE) {
            change.remove_join(&stored.value.token, Expected::At(stored.revision));
        }
        Ok(())
    }
}

fn parse_ttl(text: Option<&str>) -> Result<Duration, AppError> {
    let Some(text) = text else { return Ok(JOIN_COUNTS) };
    let span = parse_duration(text).filter(|span| *span >= Duration::from_secs(1) && *span <= LONGEST_JOIN);
    span.ok_or_else(|| {
        AppError::refused("invalid-value", format!("ttl: \"{text}\" is not a time from 1s to 30d, as in 30m"))
    })
}

/// How long a join string counts where nothing is said.
const JOIN_COUNTS: Duration = Duration::from_secs(30 * 60);
/// A secret in a script is not kept for longer.
const LONGEST_JOIN: Duration = Duration::from_secs(30 * 24 * 3600);
/// So long an agent whose answer was lost may ask again.
const JOIN_KEPT: Duration = Duration::from_secs(24 * 3600);
const FORGOTTEN_AT_ONCE: usize = 20;
