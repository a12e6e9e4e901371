//! Records of agents and deliveries that do not count: damaged ones, and those that Portward did not write.
//!
//! Nobody is trusted by such a record, also who was until it was changed. It stays until somebody removes it, or writes
//! it anew.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use portward_core::{AgentName, DeliveryId};
use portward_store::Key;

use super::Agents;
use crate::problem::{Problem, Subject};

/// Says of what a record is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    /// An agent.
    Agent(AgentName),
    /// A delivery.
    Delivery(DeliveryId),
}

/// Is a record that does not count.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Where it is in the store.
    pub(super) key: Key,
    /// Why it does not count.
    pub(super) reason: String,
}

/// Has the records that do not count, with the reasons.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    records: Mutex<BTreeMap<Whose, Record>>,
}

impl Refused {
    /// Whether there is a record, and it does not count.
    pub(crate) fn has(&self, whose: &Whose) -> bool {
        self.lock().contains_key(whose)
    }

    /// Takes those that were found when everything was read.
    pub(super) fn replace(&self, found: impl Iterator<Item = (Whose, Record)>) {
        *self.lock() = found.collect();
    }

    /// Takes what was found when one was read: that it does not count, or that it does or is gone.
    pub(super) fn note(&self, whose: Whose, refused: Option<Record>) {
        let mut records = self.lock();
        match refused {
            Some(record) => records.insert(whose, record),
            None => records.remove(&whose),
        };
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Whose, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agents {
    /// Records that do not count.
    pub(crate) fn refused(&self) -> &Refused {
        &self.refused
    }

    /// What is to be told of them.
    pub(super) fn refused_records(&self) -> Vec<Problem> {
        let told = |(whose, Record { key, reason }): (&Whose, &Record)| match whose {
            Whose::Agent(name) => {
                let message =
                    format!("What is stored of the agent {name} cannot be used, and it is not trusted: {reason}.");
                let remedy = format!(
                    "find out who can write the store; then portward agent trust {name} --thumbprint SHA256, or portward agent remove {name}"
                );
                Problem::error("agent-refused", Subject::Record(key.clone()), message, remedy)
            }
            Whose::Delivery(id) => {
                let message = format!(
                    "What is stored of the delivery {id} cannot be used, and nothing is installed by it: {reason}."
                );
                let remedy =
                    format!("find out who can write the store; then portward delivery remove {id}, and add it again");
                Problem::error("delivery-refused", Subject::Record(key.clone()), message, remedy)
            }
        };
        self.refused.lock().iter().map(told).collect()
    }
}
