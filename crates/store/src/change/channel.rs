//! Changing notification channels.

use std::collections::BTreeMap;

use portward_core::ChannelId;
use zeroize::Zeroizing;

use super::{Change, Expected};
use crate::{
    Cond,
    desired::StoredChannel,
    place::Place,
    records::ChannelRecord,
    sealing::{Sealer, Secret},
};

impl Change {
    /// Writes a channel with all its secret settings, which are sealed for its generation.
    pub fn put_channel(
        &mut self,
        channel: &StoredChannel,
        secrets: &BTreeMap<String, Zeroizing<String>>,
        sealer: &Sealer,
        expected: Expected,
    ) {
        let place = Place::Channel(channel.id.clone());
        let plain: BTreeMap<&String, &str> = secrets.iter().map(|(name, value)| (name, value.as_str())).collect();
        // A map of text to text can always be written.
        let sealed = (!plain.is_empty()).then(|| {
            let secret = Secret::from(serde_json::to_vec(&plain).unwrap_or_default());
            sealer.seal(&place.key(), channel.generation, &secret)
        });
        let names = secrets.keys().cloned().collect();
        self.put(&place, &ChannelRecord::new(channel, names, sealed), expected);
    }

    /// Makes the change depend on a channel being there, as what is remembered of one does.
    pub(crate) fn require_channel(&mut self, id: &ChannelId) {
        let key = Place::Channel(id.clone()).key();
        self.when.entry(key.clone()).or_insert(Cond::Present(key));
    }

    /// Takes a channel away.
    pub fn remove_channel(&mut self, id: &ChannelId, expected: Expected) {
        self.delete(&Place::Channel(id.clone()), expected);
    }
}
