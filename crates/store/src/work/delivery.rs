//! What is remembered of deliveries: what came of them, and what is on the machine.

use std::fmt;

use portward_core::{DeliveryId, Thumbprint, Timestamp, VersionNumber};
use serde::{Deserialize, Serialize};

use super::{
    DELIVERIES, ReadWorkError, WorkPlace,
    agent::{EditWorkError, edit_work, put_many},
    read, read_all,
};
use crate::{
    Key, Store,
    change::{Change, CommitError},
    place::Place,
    records::text,
};

/// Is what is remembered of a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeliveryWork {
    /// The number under which the agent was last asked to install; it rises with each that is wanted anew.
    pub generation: u64,
    /// A digest of what is wanted: the delivery, and the version of its certificate.
    pub wanted: String,
    /// The version that was sent last.
    #[serde(with = "text::option")]
    pub version: Option<VersionNumber>,
    /// Its leaf.
    #[serde(with = "text::option")]
    pub thumbprint: Option<Thumbprint>,
    /// How far it is.
    #[serde(with = "text")]
    pub state: DeliveryState,
    /// The stage that it is in, or failed in.
    pub stage: Option<String>,
    /// What the agent said of it.
    pub message: Option<String>,
    /// What a command of the machine said.
    pub output: Option<String>,
    /// Since when it is so.
    #[serde(with = "text::option")]
    pub at: Option<Timestamp>,
    /// How often it was tried.
    pub tries: u32,
    /// Not before this after a failure.
    #[serde(with = "text::option")]
    pub next_try: Option<Timestamp>,
    /// What is in the files, as the agent saw it last.
    pub stored: Option<String>,
    /// What is served, as the agent saw it last.
    pub served: Option<String>,
}

/// Says how far a delivery is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryState {
    /// It waits for its agent, or for the next try.
    #[default]
    Pending,
    /// The agent is at it.
    Running,
    /// What is wanted is on the machine.
    Installed,
    /// The last try failed.
    Failed,
}

impl DeliveryWork {
    /// Reads what is remembered of a delivery.
    pub async fn read(store: &dyn Store, delivery: &DeliveryId) -> Result<Option<Self>, ReadWorkError> {
        read(store, &WorkPlace::Delivery(delivery)).await
    }

    /// Reads what is remembered of all deliveries.
    pub async fn read_all(store: &dyn Store) -> Result<Vec<(DeliveryId, Self)>, ReadWorkError> {
        let all = read_all(store, DELIVERIES).await?;
        let id = |key: &Key| DeliveryId::parse(key.as_str().strip_prefix(DELIVERIES)?).ok();
        Ok(all.into_iter().filter_map(|(key, work)| Some((id(&key)?, work))).collect())
    }
}

impl DeliveryState {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Running, Self::Installed, Self::Failed];

    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Installed => "installed",
            Self::Failed => "failed",
        }
    }

    /// Reads the stable word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl text::Text for DeliveryState {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

/// Writes what is remembered of deliveries, whatever was there, in as few changes as it fits into.
///
/// Nothing is written of a delivery that is removed.
pub async fn put_delivery_works(store: &dyn Store, works: &[(DeliveryId, DeliveryWork)]) -> Result<(), CommitError> {
    put_many(store, works, |change, (delivery, work)| change.put_delivery_work(delivery, work)).await
}

/// Edits what is remembered of a delivery as it is now, and gives what is remembered then; nothing if the delivery is
/// gone. Whoever is overtaken edits again.
pub async fn edit_delivery_work(
    store: &dyn Store,
    delivery: &DeliveryId,
    edit: impl Fn(&mut DeliveryWork),
) -> Result<Option<DeliveryWork>, EditWorkError> {
    let owner = Place::Delivery(delivery.clone()).key();
    edit_work(store, &WorkPlace::Delivery(delivery), &owner, edit, |change, work, expected| {
        change.put_work_if(&WorkPlace::Delivery(delivery), work, expected);
        change.require_delivery(delivery);
    })
    .await
}

impl Change {
    /// Writes what is remembered of a delivery, whatever was there; refused if the delivery is gone.
    pub fn put_delivery_work(&mut self, delivery: &DeliveryId, work: &DeliveryWork) {
        self.put_work(&WorkPlace::Delivery(delivery), work);
        self.require_delivery(delivery);
    }

    /// Forgets what is remembered of a delivery.
    pub fn forget_delivery_work(&mut self, delivery: &DeliveryId) {
        self.delete_work(&WorkPlace::Delivery(delivery));
    }
}
