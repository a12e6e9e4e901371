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
}

/// Changes what applies to the whole server; what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsUpdate {
    /// `off`, `browsers` or `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_https: Option<String>,
    /// From 1 to 365.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::option")]
    #[schema(minimum = 1, maximum = 365)]
    pub warning_days: Option<u32>,
}
