//! Users on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::SecretText;

/// Shows a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserView {
    /// What they sign in with; it is their id as well.
    pub name: String,
    /// `viewer`, `operator`, `administrator` or `owner`.
    pub role: String,
    /// Where they are notified, if anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether they may not sign in for now.
    pub disabled: bool,
    /// Whether a code is asked for beside the password.
    pub second_factor: bool,
    /// Where they sign in, if not here: the issuer of their OpenID provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Who they are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Since when there is such a user.
    pub created: String,
    /// When they last signed in; none if they never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sign_in: Option<String>,
}

/// Asks for a new user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserCreate {
    /// What they sign in with.
    pub name: String,
    /// `viewer`, `operator`, `administrator` or `owner`.
    pub role: String,
    /// 15 to 128 characters.
    pub password: SecretText,
    /// Where they are notified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// Changes a user; what is left out stays as it is. Another role or password, and disabling, ends their sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserUpdate {
    /// `viewer`, `operator`, `administrator` or `owner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Whether they may not sign in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// A password for somebody who forgot theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretText>,
    /// Where they are notified; empty for nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `false` for somebody who lost their second factor. Only they themselves set one up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_factor: Option<bool>,
}
