//! The record of a notification channel, with its secrets sealed inside.

use std::{collections::BTreeMap, sync::Arc};

use portward_core::{ChannelId, Wanted};
use serde::{Deserialize, Serialize};

use super::{Record, RecordError};
use crate::{desired::StoredChannel, sealing::Sealed};

/// Is `notifications/<id>`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelRecord {
    v: u32,
    kind: String,
    target: String,
    settings: BTreeMap<String, String>,
    /// Names of the settings that are in `secrets`.
    secret_names: Vec<String>,
    /// A JSON object of text, sealed.
    secrets: Option<Sealed>,
    /// Counts how often the secrets were written; they are sealed for that number.
    generation: u64,
    /// `all`, or the words of kinds.
    events: Vec<String>,
    enabled: bool,
}

impl Record for ChannelRecord {
    const VERSION: u32 = 1;
}

impl ChannelRecord {
    /// Makes the record.
    pub(crate) fn new(channel: &StoredChannel, secret_names: Vec<String>, secrets: Option<Sealed>) -> Self {
        Self {
            v: Self::VERSION,
            kind: channel.kind.clone(),
            target: channel.target.clone(),
            settings: channel.settings.clone(),
            secret_names,
            secrets,
            generation: channel.generation,
            events: channel.wanted.words(),
            enabled: channel.enabled,
        }
    }

    /// Makes the channel of that id.
    pub(crate) fn into_channel(self, id: ChannelId) -> Result<StoredChannel, RecordError> {
        Ok(StoredChannel {
            id,
            kind: self.kind,
            target: self.target,
            settings: self.settings,
            secret_names: self.secret_names,
            secrets: self.secrets.map(Arc::new),
            generation: self.generation,
            wanted: Wanted::parse(&self.events).map_err(|error| RecordError::invalid("events", error))?,
            enabled: self.enabled,
        })
    }
}
