//! What applies to the whole server, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Shows what applies to the whole server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingsView {
    /// What happens to plain HTTP where a site does not say: `off`, `browsers` or `all`.
    pub force_https: String,
    /// How many days before its end a certificate is warned of; at most a third of its lifetime.
    pub warning_days: u32,
    /// At which age the identity of an agent is followed by a new one, in days; 0 for never.
    pub agent_identity_days: u32,
    /// At which age the server's own identity is followed by a new one, in days; 0 for never.
    pub server_identity_days: u32,
    /// How often agents are asked how they are, in minutes.
    pub agent_check_minutes: u32,
    /// Networks of proxies whose `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `Forwarded` are believed.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
}

/// Changes or declares what applies to the whole server; what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsUpdate {
    /// `off`, `browsers` or `all`, where a site does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_https: Option<String>,
    /// Days before its end from which a certificate is warned of.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::option")]
    #[schema(minimum = 1, maximum = 365)]
    pub warning_days: Option<u32>,
    /// At which age the identity of an agent is followed by a new one, in days; 0 for never.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::option")]
    #[schema(minimum = 0, maximum = 3650)]
    pub agent_identity_days: Option<u32>,
    /// At which age the server's own identity is followed by a new one, in days; 0 for never.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::option")]
    #[schema(minimum = 0, maximum = 3650)]
    pub server_identity_days: Option<u32>,
    /// How often agents are asked how they are, in minutes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::option")]
    #[schema(minimum = 1, maximum = 1440)]
    pub agent_check_minutes: Option<u32>,
    /// Networks of proxies whose `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `Forwarded` are believed, as in
    /// `10.0.0.0/8`; what anybody else says in these headers is taken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_proxies: Option<Vec<String>>,
}
