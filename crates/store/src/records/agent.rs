//! The records of agents, of what is delivered to them, and of the joins that make them.

use std::sync::Arc;

use portward_core::{
    Agent, AgentName, AgentOrigin, AgentPins, CertificateId, Delivery, DeliveryFormat, DeliveryId, DeliveryPath,
    DialAddress, Dialling, FileMode, FileOwner, ProfileName, Thumbprint, Timestamp, Verify,
};
use serde::{Deserialize, Serialize};

use super::{Authentic, Record, RecordError, text};
use crate::{
    agents::{JoinToken, StoredDelivery, StoredJoin},
    sealing::{Mac, Sealed},
};

/// Is `agents/<name>`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentRecord {
    v: u32,
    /// Where it listens; none for one that dials.
    #[serde(with = "text::option")]
    listens: Option<DialAddress>,
    #[serde(with = "text")]
    current: Thumbprint,
    #[serde(with = "text::option")]
    next: Option<Thumbprint>,
    previous: Option<PreviousRecord>,
    #[serde(with = "text")]
    trusted: Timestamp,
    #[serde(with = "text")]
    origin: AgentOrigin,
    mac: Option<Mac>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PreviousRecord {
    #[serde(with = "text")]
    pin: Thumbprint,
    #[serde(with = "text")]
    until: Timestamp,
}

/// Is `deliveries/<id>`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveryRecord {
    v: u32,
    #[serde(with = "text")]
    agent: AgentName,
    #[serde(with = "text")]
    certificate: CertificateId,
    #[serde(with = "text")]
    format: DeliveryFormat,
    #[serde(with = "text::list")]
    to: Vec<DeliveryPath>,
    /// None where nothing is said.
    #[serde(with = "text::option")]
    owner: Option<FileOwner>,
    #[serde(with = "text")]
    mode: FileMode,
    #[serde(with = "text::option")]
    reload: Option<ProfileName>,
    #[serde(with = "text::option")]
    verify: Option<Verify>,
    /// Sealed for `generation`; none for a format without one.
    password: Option<Sealed>,
    /// Counts how often the record was written.
    generation: u64,
    mac: Option<Mac>,
}

/// Is `joins/<token>`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JoinRecord {
    v: u32,
    #[serde(with = "text")]
    agent: AgentName,
    secret: Sealed,
    #[serde(with = "text")]
    created: Timestamp,
    #[serde(with = "text")]
    expires: Timestamp,
    used: Option<UsedRecord>,
    mac: Option<Mac>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UsedRecord {
    #[serde(with = "text")]
    at: Timestamp,
    #[serde(with = "text")]
    by: Thumbprint,
}

impl Record for AgentRecord {
    const VERSION: u32 = 1;
}

impl Record for DeliveryRecord {
    const VERSION: u32 = 1;
}

impl Record for JoinRecord {
    const VERSION: u32 = 1;
}

impl Authentic for AgentRecord {
    fn mac(&mut self) -> &mut Option<Mac> {
        &mut self.mac
    }
}

impl Authentic for DeliveryRecord {
    fn mac(&mut self) -> &mut Option<Mac> {
        &mut self.mac
    }
}

impl Authentic for JoinRecord {
    fn mac(&mut self) -> &mut Option<Mac> {
        &mut self.mac
    }
}

impl From<&Agent> for AgentRecord {
    fn from(agent: &Agent) -> Self {
        let Agent { name: _, dialling, pins, trusted, origin } = agent;
        Self {
            v: Self::VERSION,
            listens: match dialling {
                Dialling::Polling => None,
                Dialling::Listening(address) => Some(address.clone()),
            },
            current: pins.current,
            next: pins.next,
            previous: pins.previous.map(|(pin, until)| PreviousRecord { pin, until }),
            trusted: *trusted,
            origin: *origin,
            mac: None,
        }
    }
}

impl AgentRecord {
    /// Makes the agent of that name.
    pub(crate) fn into_agent(self, name: AgentName) -> Agent {
        let previous = self.previous.map(|PreviousRecord { pin, until }| (pin, until));
        Agent {
            name,
            dialling: self.listens.map_or(Dialling::Polling, Dialling::Listening),
            pins: AgentPins { current: self.current, next: self.next, previous },
            trusted: self.trusted,
            origin: self.origin,
        }
    }
}

impl DeliveryRecord {
    /// Makes the record.
    pub(crate) fn new(stored: &StoredDelivery, password: Option<Sealed>) -> Self {
        let Delivery { id: _, agent, certificate, format, to, owner, mode, reload, verify } = &stored.delivery;
        Self {
            v: Self::VERSION,
            agent: agent.clone(),
            certificate: certificate.clone(),
            format: *format,
            to: to.clone(),
            owner: Some(owner.clone()).filter(|owner| !owner.is_unsaid()),
            mode: *mode,
            reload: reload.clone(),
            verify: verify.clone(),
            password,
            generation: stored.generation,
            mac: None,
        }
    }

    /// Makes the delivery of that id.
    pub(crate) fn into_delivery(self, id: DeliveryId) -> Result<StoredDelivery, RecordError> {
        let Self { v: _, agent, certificate, format, to, owner, mode, reload, verify, password, generation, mac: _ } =
            self;
        format.check_paths(&to).map_err(|error| RecordError::invalid("to", error))?;
        let owner = owner.unwrap_or_default();
        let delivery = Delivery { id, agent, certificate, format, to, owner, mode, reload, verify };
        Ok(StoredDelivery { delivery, password: password.map(Arc::new), generation })
    }
}

impl JoinRecord {
    /// Makes the record of a join that was not used.
    pub(crate) fn new(agent: AgentName, secret: Sealed, created: Timestamp, expires: Timestamp) -> Self {
        Self { v: Self::VERSION, agent, secret, created, expires, used: None, mac: None }
    }

    /// Makes the join of that token.
    pub(crate) fn into_join(self, token: JoinToken) -> StoredJoin {
        let used = self.used.map(|UsedRecord { at, by }| (at, by));
        let Self { agent, secret, created, expires, .. } = self;
        StoredJoin { token, agent, secret: Arc::new(secret), created, expires, used }
    }
}

impl From<&StoredJoin> for JoinRecord {
    fn from(join: &StoredJoin) -> Self {
        Self {
            used: join.used.map(|(at, by)| UsedRecord { at, by }),
            ..Self::new(join.agent.clone(), Sealed::clone(&join.secret), join.created, join.expires)
        }
    }
}
