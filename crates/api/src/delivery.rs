//! Deliveries on the wire: certificates that agents install.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::SecretText;

/// Shows what is wanted of one certificate on one machine, and what is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// Names the delivery.
    pub id: String,
    /// Whose machine it is.
    pub agent: String,
    /// Which certificate.
    pub certificate: String,
    /// `pem`, `pem-combined`, `pfx`, `pkcs12-java` or `der`.
    pub format: String,
    /// The files.
    pub to: Vec<String>,
    /// Who owns them; empty for the agent's own user.
    pub owner: String,
    /// Who may read them, as in `600`.
    pub mode: String,
    /// The profile of the agent's policy that tells the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<String>,
    /// Where it is seen what is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
    /// `pending`, `running`, `installed`, `failed`, `drifted`, `paused` (its wave has not come or was stopped) or
    /// `unreachable`.
    pub state: String,
    /// The version that is wanted; none if the certificate has none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<u32>,
    /// The version that the agent has stored, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<u32>,
    /// The version that is served there, if it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<u32>,
    /// SHA-256 of the leaf that is served there, if it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_thumbprint: Option<String>,
    /// Where it failed: `check`, `stage`, `test`, `swap`, `reload`, `verify`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Why it failed, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What a command on the machine said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// When the last installation ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<String>,
    /// The number of what was sent to the agent last; what is sent later has a higher one.
    pub generation: u64,
}

/// Asks for a certificate to be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryCreate {
    /// Names the delivery; made of agent and certificate if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whose machine it is.
    pub agent: String,
    /// Which certificate.
    pub certificate: String,
    /// `pem`, `pem-combined`, `pfx`, `pkcs12-java` or `der`.
    pub format: String,
    /// As many absolute paths as the format has files.
    pub to: Vec<String>,
    /// `USER`, `USER:GROUP` or `:GROUP`; without, the agent's own user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Three octal digits; `600` without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The profile of the agent's policy that tells the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<String>,
    /// `HOST:PORT` or `NAME@HOST:PORT`, as seen from the agent's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
    /// The password of a PFX or key store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretText>,
}
