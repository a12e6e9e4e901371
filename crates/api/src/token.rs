//! Tokens on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::SecretText;

/// Shows a token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// Names the token; its text has the id after `ptw_`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it permits, as in `site:change`; of a user's token no more than the user may now.
    pub permissions: Vec<String>,
    /// The user who made it, or who it was on the machine itself.
    pub owner: String,
    /// When it was made.
    pub created: String,
    /// When it ends; none if it does not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Whether it has ended.
    pub expired: bool,
    /// When it was last used, to a minute; none if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
}

/// Asks for a new token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenCreate {
    /// What people call it.
    pub name: String,
    /// What it permits; nothing that who asks may not.
    pub permissions: Vec<String>,
    /// How long it counts, as in `90d`; without, until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// Shows a token that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenCreated {
    /// What programs show: `ptw_...`. It is shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretText>,
    /// The token.
    pub token: TokenView,
}
