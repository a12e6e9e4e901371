//! The server's identity on the wire: what agents know it by.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{SecretBytes, SecretText};

/// Shows the identity by which agents know the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IdentityView {
    /// SHA-256 of the certificate that is in use.
    pub thumbprint: String,
    /// Its SHA-1, for look-up in old tools.
    pub sha1: String,
    /// What the certificate says of itself.
    pub subject: String,
    /// Since when it is used.
    pub since: String,
    /// Where agents dial, `HOST:PORT` each.
    pub addresses: Vec<String>,
    /// Where agents are let in and nobody else, beside every https binding, `ADDRESS:PORT` each.
    pub bindings: Vec<String>,
    /// All identities that count, the one in use among them.
    pub identities: Vec<IdentityStateView>,
    /// How far a rotation is; none if none is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationView>,
}

/// Shows one identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IdentityStateView {
    /// SHA-256 of its certificate.
    pub thumbprint: String,
    /// `next` (announced), `current` (in use), `old` (for agents that know no other one yet) or `compromised` (for a minute).
    pub state: String,
    /// Since when there is such an identity.
    pub created: String,
}

/// Shows how far a rotation of the server's identity is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationView {
    /// `announce` (agents are told of the next identity) or `retire` (they come by it, and forget the old one).
    pub phase: String,
    /// Since when.
    pub since: String,
    /// Agents there are.
    pub agents: usize,
    /// Agents that have done what the phase asks of them.
    pub acknowledged: usize,
    /// Agents that have not, at most 100 of them, with when they were last heard.
    pub laggards: Vec<LaggardView>,
}

/// Shows an agent that has not followed a rotation yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LaggardView {
    /// Which agent.
    pub name: String,
    /// When it was last heard; none if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard: Option<String>,
}

/// Changes where agents find the server; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityUpdate {
    /// Where agents dial, `HOST:PORT` each; none for where the bindings are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
    /// Where agents are let in and nobody else, `ADDRESS:PORT` each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bindings: Option<Vec<String>>,
}

/// Asks for a new identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityRotate {
    /// The key of the one in use is in other hands: it counts no more, at once; agents that are away have to join anew.
    #[serde(default)]
    pub compromised: bool,
}

/// Asks for an identity to be taken in place of the one in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityImport {
    /// A PFX, or PEM with certificate and key.
    pub file: SecretBytes,
    /// What it is called, for messages.
    #[serde(default)]
    pub file_name: String,
    /// Its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretText>,
}

/// Asks for the identity with its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityExport {
    /// Protects the PFX.
    pub password: SecretText,
    /// Whether a new identity is made for it, which is not taken into use.
    #[serde(default)]
    pub new: bool,
}

/// Shows an exported identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IdentityExported {
    /// The PFX.
    pub pfx: SecretBytes,
    /// SHA-256 of its certificate.
    pub thumbprint: String,
}

/// Shows what became of the identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IdentityChanged {
    /// What the certificate in use says of itself.
    pub subject: String,
    /// SHA-256 of the one in use before.
    pub old_thumbprint: String,
    /// SHA-256 of the one that is in use, or will be once agents have acknowledged it.
    pub new_thumbprint: String,
    /// How far the rotation is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationView>,
}
