//! Notification channels on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::SecretText;

/// Shows a notification channel; its secrets are never shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelView {
    /// Names the channel.
    pub id: String,
    /// As in `email`, `webhook`, `slack`.
    pub kind: String,
    /// Where its messages go; of a URL the host, as the rest is secret.
    pub target: String,
    /// Settings; those that are secret have no value.
    pub settings: BTreeMap<String, Option<String>>,
    /// The events it gets; `all` stands for all, those of later versions included.
    pub events: Vec<String>,
    /// Whether anything is sent.
    pub enabled: bool,
    /// How sending goes.
    pub sending: SendingView,
}

/// Shows how sending on a channel goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SendingView {
    /// Notices that wait to be sent.
    pub waiting: usize,
    /// How many failed in a row.
    pub failures: u32,
    /// When it is tried again after a failure, RFC 3339.
    pub retry_at: Option<String>,
    /// What came of the last one.
    pub last: Option<SentView>,
}

/// Shows what came of sending a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SentView {
    /// When, RFC 3339.
    pub at: String,
    /// Whether the other side took the message.
    pub sent: bool,
    /// What the other side said, or why it could not be asked.
    pub said: String,
}

/// Asks for a new channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelCreate {
    /// Names the channel; its kind if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// As in `email`, `webhook`, `slack`.
    pub kind: String,
    /// Settings by name.
    #[serde(default)]
    pub settings: BTreeMap<String, SecretText>,
    /// The events it gets; all if they are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// Whether anything is sent; it is if this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Changes a channel; what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelUpdate {
    /// Settings that change, by name; none takes a setting away, and those not named stay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    pub settings: BTreeMap<String, Option<SecretText>>,
    /// The events it gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// Whether anything is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Shows a kind of channel and its settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelKindView {
    /// The word for it.
    pub kind: String,
    /// What it is.
    pub about: String,
    /// What it needs and takes.
    pub settings: Vec<ChannelSettingView>,
}

/// Shows one setting of a kind of channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelSettingView {
    /// Its name.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it is never shown.
    pub secret: bool,
}
