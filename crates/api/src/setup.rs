//! The first owner, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::SecretText;

/// Creates the first owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupInput {
    /// What the setup link has after `#`; the admin socket needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretText>,
    /// What the owner signs in with.
    pub name: String,
    /// 15 to 128 characters.
    pub password: SecretText,
    /// Address of the owner, kept with the user; notices go to channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// Shows a setup link; it is shown this once, and counts once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SetupLinkView {
    /// The page on this machine itself.
    pub loopback_link: SecretText,
    /// The page for other machines; none where no https binding shows the portal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<SecretText>,
    /// The thumbprint (SHA-256) of the certificate that a browser sees there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbprint: Option<String>,
    /// Until when it counts.
    pub expires: String,
    /// The file that has it too.
    pub file: String,
}
