//! Agents, what is delivered to them, and the joins that make them.
//!
//! They are read when somebody asks, and not with the desired state: a change of them wakes nobody who serves.
//! Of an agent only thumbprints are kept; the passwords of deliveries and the secrets of joins are sealed.
//! All of them carry a MAC: who can write the store, and does not have the master key, makes nobody trusted.

use std::{fmt, sync::Arc};

use portward_core::{Agent, AgentName, Delivery, DeliveryId, Revision, Thumbprint, Timestamp, TokenId};

use crate::{
    Key, Kv, Page, Prefix, Read, Store, StoreError,
    desired::{BadRecord, Stored},
    place::{AGENTS, DELIVERIES, JOINS, Place},
    records::{AgentRecord, DeliveryRecord, JoinRecord, RecordError, decode_authentic},
    sealing::{Sealed, Sealer, Secret, UnsealError},
};

/// Holds all agents and deliveries at one revision.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// The revision at which everything was read.
    pub revision: Revision,
    /// In the order of their names.
    pub agents: Vec<Stored<Agent>>,
    /// In the order of their ids; those to an agent that is missing are here too.
    pub deliveries: Vec<Stored<StoredDelivery>>,
    /// What could not be read, and is left out; and deliveries to an agent that is missing or left out.
    pub bad: Vec<BadRecord>,
}

/// Is a delivery, with the password of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDelivery {
    /// The delivery.
    pub delivery: Delivery,
    /// The password of a PFX or key store; [`open_delivery_password`] opens it.
    pub password: Option<Arc<Sealed>>,
    /// Rises with each that is written under this id, so that an older password cannot be put back, and that an agent
    /// which remembers one that was removed takes this one for newer.
    pub generation: u64,
}

/// Is a join: what one agent can be made with, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredJoin {
    /// Names it.
    pub token: JoinToken,
    /// The agent that it makes.
    pub agent: AgentName,
    /// What only the join string says (32 bytes); [`open_join_secret`] opens it.
    pub secret: Arc<Sealed>,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it can be used.
    pub expires: Timestamp,
    /// When it was used, and by whom.
    pub used: Option<(Timestamp, Thumbprint)>,
}

/// Names a join: 1 to 64 characters of `a-z`, `0-9` and `-`, as ids have them. It is no secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JoinToken(TokenId);

/// Says why something of an agent could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadAgentsError {
    /// The store fails.
    #[error("cannot read agents and deliveries")]
    Store(#[from] StoreError),
    /// The record is of a newer Portward, or damaged.
    #[error("cannot read \"{key}\" of the store")]
    Record {
        /// Where it is.
        key: Key,
        /// Why not.
        #[source]
        source: RecordError,
    },
}

impl Fleet {
    /// The agent of that name.
    pub fn agent(&self, name: &AgentName) -> Option<&Stored<Agent>> {
        let index = self.agents.binary_search_by(|stored| stored.value.name.cmp(name)).ok()?;
        self.agents.get(index)
    }

    /// The delivery of that id.
    pub fn delivery(&self, id: &DeliveryId) -> Option<&Stored<StoredDelivery>> {
        let index = self.deliveries.binary_search_by(|stored| stored.value.delivery.id.cmp(id)).ok()?;
        self.deliveries.get(index)
    }

    /// The deliveries to an agent, which go with it.
    pub fn deliveries_of(&self, name: &AgentName) -> impl Iterator<Item = &Stored<StoredDelivery>> {
        self.deliveries.iter().filter(move |stored| stored.value.delivery.agent == *name)
    }

    fn take(&mut self, kv: &Kv, sealer: &Sealer) -> Result<(), RecordError> {
        match Place::of(&kv.key) {
            Some(Place::Agent(name)) => self.agents.push(read_agent(kv, sealer, name)?),
            Some(Place::Delivery(id)) => self.deliveries.push(read_delivery(kv, sealer, id)?),
            _ => return Err(RecordError::UnknownKey),
        }
        Ok(())
    }

    fn tell_of_missing_agents(&mut self) {
        for stored in &self.deliveries {
            let Delivery { id, agent, .. } = &stored.value.delivery;
            if self.agent(agent).is_none() {
                let missing = RecordError::Dangling(Place::Agent(agent.clone()).key());
                let key = Place::Delivery(id.clone()).key();
                self.bad.push(BadRecord { key, reason: Arc::new(missing) });
            }
        }
    }
}

impl JoinToken {
    /// Reads a token; none if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        TokenId::parse(text).ok().map(Self)
    }

    /// The token as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The prefixes below which agents and deliveries lie, for a watch.
pub fn prefixes() -> [Prefix; 2] {
    [AGENTS, DELIVERIES].map(|text| Prefix::of_checked(text.to_owned()))
}

/// Reads all agents and deliveries at one revision. A bad record never makes it fail.
pub async fn read_all(store: &dyn Store, sealer: &Sealer) -> Result<Fleet, StoreError> {
    let mut attempts = 0;
    loop {
        let revision = store.revision().await?;
        match read_at(store, sealer, revision).await {
            // More happened while we read than the store remembers: begin again with what is there now.
            Err(StoreError::Compacted { .. }) if attempts < MAX_ATTEMPTS => attempts += 1,
            read => return read,
        }
    }
}

/// Reads one agent.
pub async fn agent(
    store: &dyn Store,
    sealer: &Sealer,
    name: &AgentName,
) -> Result<Option<Stored<Agent>>, ReadAgentsError> {
    one(store, &Place::Agent(name.clone()), |kv| read_agent(kv, sealer, name.clone())).await
}

/// Reads one delivery.
pub async fn delivery(
    store: &dyn Store,
    sealer: &Sealer,
    id: &DeliveryId,
) -> Result<Option<Stored<StoredDelivery>>, ReadAgentsError> {
    one(store, &Place::Delivery(id.clone()), |kv| read_delivery(kv, sealer, id.clone())).await
}

/// Reads all deliveries, in the order of their ids; one that cannot be read is left out and logged.
async fn deliveries(store: &dyn Store, sealer: &Sealer) -> Result<Vec<Stored<StoredDelivery>>, StoreError> {
    all(store, DELIVERIES, |kv| match Place::of(&kv.key) {
        Some(Place::Delivery(id)) => read_delivery(kv, sealer, id),
        _ => Err(RecordError::UnknownKey),
    })
    .await
}

/// Reads the deliveries to an agent, which go with it; one that cannot be read is left out and logged.
pub async fn deliveries_of(
    store: &dyn Store,
    sealer: &Sealer,
    name: &AgentName,
) -> Result<Vec<Stored<StoredDelivery>>, StoreError> {
    let mut found = deliveries(store, sealer).await?;
    found.retain(|stored| stored.value.delivery.agent == *name);
    Ok(found)
}

/// Reads one join, used or not.
pub async fn join(
    store: &dyn Store,
    sealer: &Sealer,
    token: &JoinToken,
) -> Result<Option<Stored<StoredJoin>>, ReadAgentsError> {
    one(store, &Place::Join(token.clone()), |kv| read_join(kv, sealer, token.clone())).await
}

/// Reads all joins, in the order of their tokens, used ones too; one that cannot be read is left out and logged.
pub async fn joins(store: &dyn Store, sealer: &Sealer) -> Result<Vec<Stored<StoredJoin>>, StoreError> {
    all(store, JOINS, |kv| match Place::of(&kv.key) {
        Some(Place::Join(token)) => read_join(kv, sealer, token),
        _ => Err(RecordError::UnknownKey),
    })
    .await
}

/// Opens the password of a delivery; none if it has none.
pub fn open_delivery_password(sealer: &Sealer, delivery: &StoredDelivery) -> Result<Option<Secret>, UnsealError> {
    let key = Place::Delivery(delivery.delivery.id.clone()).key();
    delivery.password.as_ref().map(|sealed| sealer.open(&key, delivery.generation, sealed)).transpose()
}

/// Opens the secret of a join.
pub fn open_join_secret(sealer: &Sealer, join: &StoredJoin) -> Result<Secret, UnsealError> {
    sealer.open(&Place::Join(join.token.clone()).key(), JOIN_VERSION, &join.secret)
}

async fn read_at(store: &dyn Store, sealer: &Sealer, revision: Revision) -> Result<Fleet, StoreError> {
    let mut fleet = Fleet { revision, ..Fleet::default() };
    for prefix in prefixes() {
        let mut page = Some(Page::first(PAGE_KEYS));
        while let Some(asked) = page {
            let listed = store.list(&prefix, Some(revision), asked).await?;
            for kv in &listed.kvs {
                if let Err(reason) = fleet.take(kv, sealer) {
                    fleet.bad.push(BadRecord { key: kv.key.clone(), reason: Arc::new(reason) });
                }
            }
            page = listed.following(PAGE_KEYS);
        }
    }
    fleet.tell_of_missing_agents();
    Ok(fleet)
}

fn read_agent(kv: &Kv, sealer: &Sealer, name: AgentName) -> Result<Stored<Agent>, RecordError> {
    let value = decode_authentic::<AgentRecord>(&kv.value, &kv.key, sealer)?.into_agent(name);
    Ok(Stored { value, revision: kv.mod_revision })
}

fn read_delivery(kv: &Kv, sealer: &Sealer, id: DeliveryId) -> Result<Stored<StoredDelivery>, RecordError> {
    let value = decode_authentic::<DeliveryRecord>(&kv.value, &kv.key, sealer)?.into_delivery(id)?;
    Ok(Stored { value, revision: kv.mod_revision })
}

fn read_join(kv: &Kv, sealer: &Sealer, token: JoinToken) -> Result<Stored<StoredJoin>, RecordError> {
    let value = decode_authentic::<JoinRecord>(&kv.value, &kv.key, sealer)?.into_join(token);
    Ok(Stored { value, revision: kv.mod_revision })
}

async fn one<T>(
    store: &dyn Store,
    place: &Place,
    read: impl Fn(&Kv) -> Result<Stored<T>, RecordError>,
) -> Result<Option<Stored<T>>, ReadAgentsError> {
    let (kv, _) = store.get(&place.key(), Read::Linearizable).await?;
    let Some(kv) = kv else { return Ok(None) };
    read(&kv).map(Some).map_err(|source| ReadAgentsError::Record { key: kv.key, source })
}

async fn all<T>(
    store: &dyn Store,
    prefix: &str,
    read: impl Fn(&Kv) -> Result<Stored<T>, RecordError>,
) -> Result<Vec<Stored<T>>, StoreError> {
    let prefix = Prefix::of_checked(prefix.to_owned());
    let mut found = Vec::new();
    let mut page = Some(Page::first(PAGE_KEYS));
    while let Some(asked) = page {
        let listed = store.list(&prefix, None, asked).await?;
        for kv in &listed.kvs {
            match read(kv) {
                Ok(stored) => found.push(stored),
                Err(error) => {
                    tracing::error!(key = %kv.key, error = &error as &dyn std::error::Error, "a record is left out");
                }
            }
        }
        page = listed.following(PAGE_KEYS);
    }
    Ok(found)
}

/// The secret of a join is written once; a new join has a new token.
pub(crate) const JOIN_VERSION: u64 = 1;
const PAGE_KEYS: usize = 1000;
/// Then something else is wrong, and the caller should know.
const MAX_ATTEMPTS: u32 = 3;

#[cfg(test)]
mod tests;
