//! What is remembered of agents: how they were last, and what they know of this server.

use portward_core::{AgentHealth, AgentName, DeliveryId, Thumbprint, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{AGENTS, AT_ONCE, ReadWorkError, WorkPlace, decode, read, read_all};
use crate::{
    Key, Read, Store, StoreError,
    change::{Change, CommitError, Expected, commit},
    place::Place,
    records::text,
};

/// Is what is remembered of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentWork {
    /// The generation of the state of trust that it acknowledged last.
    pub trust_generation: u64,
    /// The number of that state.
    pub trust_seq: u64,
    /// The identity of the server that its last session was begun with.
    #[serde(with = "text::option")]
    pub session_pin: Option<Thumbprint>,
    /// The newest version of the protocol that it ever spoke.
    pub protocol: u16,
    /// When it was last heard of.
    #[serde(with = "text::option")]
    pub last_heard: Option<Timestamp>,
    /// From where it called, or where it was reached.
    pub address: Option<String>,
    /// When its health was last asked for.
    #[serde(with = "text::option")]
    pub checked: Option<Timestamp>,
    /// How it was then.
    #[serde(with = "text")]
    pub health: AgentHealth,
    /// Why it was so.
    pub reasons: Vec<String>,
    /// What it said of itself; left out if it is longer than [`AgentWork::MAX_REPORT_BYTES`].
    pub report: Option<serde_json::Value>,
}

/// Says why what is remembered of an agent or a delivery could not be edited.
#[derive(Debug, thiserror::Error)]
pub enum EditWorkError {
    /// It cannot be read.
    #[error("what is remembered of an agent cannot be read")]
    Read(#[from] ReadWorkError),
    /// It cannot be written.
    #[error("what is remembered of an agent cannot be written")]
    Commit(#[from] CommitError),
}

impl AgentWork {
    /// The longest report that is kept: that of an agent with a few hundred deliveries, and no more than a quarter of a
    /// value of the store.
    pub const MAX_REPORT_BYTES: usize = 64 * 1024;

    /// Reads what is remembered of an agent.
    pub async fn read(store: &dyn Store, agent: &AgentName) -> Result<Option<Self>, ReadWorkError> {
        read(store, &WorkPlace::Agent(agent)).await
    }

    /// Reads what is remembered of all agents.
    pub async fn read_all(store: &dyn Store) -> Result<Vec<(AgentName, Self)>, ReadWorkError> {
        let all = read_all(store, AGENTS).await?;
        let name = |key: &Key| AgentName::parse(key.as_str().strip_prefix(AGENTS)?).ok();
        Ok(all.into_iter().filter_map(|(key, work)| Some((name(&key)?, work))).collect())
    }

    fn bounded(&self) -> Self {
        let length = |report: &serde_json::Value| report.to_string().len();
        let report = self.report.clone().filter(|report| length(report) <= Self::MAX_REPORT_BYTES);
        Self { report, ..self.clone() }
    }
}

/// Nothing is known of an agent.
impl Default for AgentWork {
    fn default() -> Self {
        Self {
            trust_generation: 0,
            trust_seq: 0,
            session_pin: None,
            protocol: 0,
            last_heard: None,
            address: None,
            checked: None,
            health: AgentHealth::Unknown,
            reasons: Vec::new(),
            report: None,
        }
    }
}

/// Writes what is remembered of agents, whatever was there, in as few changes as it fits into.
///
/// Nothing is written of an agent that is removed: another one of its name begins anew.
pub async fn put_agent_works(store: &dyn Store, works: &[(AgentName, AgentWork)]) -> Result<(), CommitError> {
    put_many(store, works, |change, (agent, work)| change.put_agent_work(agent, work)).await
}

/// Edits what is remembered of an agent as it is now, and gives what is remembered then; nothing if the agent is gone.
/// Whoever is overtaken edits again.
pub async fn edit_agent_work(
    store: &dyn Store,
    agent: &AgentName,
    edit: impl Fn(&mut AgentWork),
) -> Result<Option<AgentWork>, EditWorkError> {
    let owner = Place::Agent(agent.clone()).key();
    edit_work(store, &WorkPlace::Agent(agent), &owner, edit, |change, work, expected| {
        change.put_work_if(&WorkPlace::Agent(agent), &work.bounded(), expected);
        change.require_agent(agent);
    })
    .await
}

/// Forgets what is remembered of an agent that is removed, and of its deliveries.
pub async fn forget_agent(store: &dyn Store, agent: &AgentName, deliveries: &[DeliveryId]) -> Result<(), CommitError> {
    let mut change = Change::of_work();
    change.forget_agent_work(agent);
    commit(store, change).await?;
    for some in deliveries.chunks(AT_ONCE) {
        let mut change = Change::of_work();
        some.iter().for_each(|id| change.forget_delivery_work(id));
        commit(store, change).await?;
    }
    Ok(())
}

impl Change {
    /// Writes what is remembered of an agent, whatever was there; refused if the agent is gone.
    pub fn put_agent_work(&mut self, agent: &AgentName, work: &AgentWork) {
        self.put_work(&WorkPlace::Agent(agent), &work.bounded());
        self.require_agent(agent);
    }

    /// Forgets what is remembered of an agent.
    pub fn forget_agent_work(&mut self, agent: &AgentName) {
        self.delete_work(&WorkPlace::Agent(agent));
    }
}

/// Writes many records in as few changes as they fit into; those of things that are gone are passed over, and one that
/// is refused stands in the way of no other.
pub(super) async fn put_many<T>(
    store: &dyn Store,
    records: &[T],
    put: impl Fn(&mut Change, &T),
) -> Result<(), CommitError> {
    let change_of = |record: &T| {
        let mut change = Change::of_work();
        put(&mut change, record);
        change
    };
    let mut rest = records;
    let mut failed = None;
    while !rest.is_empty() {
        let mut together = Change::of_work();
        let mut taken = 0;
        for record in rest {
            let one = change_of(record);
            // One that fits into no transaction is refused by the store, by itself.
            if taken > 0 && !together.has_room_for(&one) {
                break;
            }
            together.absorb(one);
            taken += 1;
        }
        let (now, later) = rest.split_at(taken);
        match commit(store, together).await {
            Ok(_) => {}
            // Some of them are gone, or one is too long: the others are written one by one.
            Err(CommitError::Conflict { .. } | CommitError::Store(StoreError::LimitExceeded(_))) => {
                for record in now {
                    match commit(store, change_of(record)).await {
                        Ok(_) => {}
                        Err(CommitError::Conflict { key, seen: None, .. }) if !is_work(&key) => {}
                        Err(error) => failed = failed.or(Some(error)),
                    }
                }
            }
            Err(error) => return Err(error),
        }
        rest = later;
    }
    failed.map_or(Ok(()), Err)
}

/// Edits one record of work, as long as what it is about is there.
pub(super) async fn edit_work<T: Default + DeserializeOwned>(
    store: &dyn Store,
    place: &WorkPlace<'_>,
    owner: &Key,
    edit: impl Fn(&mut T),
    put: impl Fn(&mut Change, &T, Expected),
) -> Result<Option<T>, EditWorkError> {
    let mut tries = 1;
    loop {
        if store.get(owner, Read::Linearizable).await.map_err(ReadWorkError::from)?.0.is_none() {
            return Ok(None);
        }
        let (kv, _) = store.get(&place.key(), Read::Linearizable).await.map_err(ReadWorkError::from)?;
        let expected = kv.as_ref().map_or(Expected::Absent, |kv| Expected::At(kv.mod_revision));
        let mut work = kv.map(|kv| decode(&kv.key, &kv.value)).transpose()?.unwrap_or_default();
        edit(&mut work);
        let mut change = Change::of_work();
        put(&mut change, &work, expected);
        match commit(store, change).await {
            Ok(_) => return Ok(Some(work)),
            Err(CommitError::Conflict { .. }) if tries < MOST_TRIES => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_work(key: &Key) -> bool {
    key.segments().next() == Some("work")
}

/// Few write at the same time: whoever talks with the agent, and whoever asks for its health or delivers.
const MOST_TRIES: usize = 10;

#[cfg(test)]
mod tests;
