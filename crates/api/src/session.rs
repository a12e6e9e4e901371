//! Signing in, and what everybody does with their own account, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::SecretText;

/// Signs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: SecretText,
    /// A code of the second factor, or a recovery code; it is asked for with the code `second-factor-required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<SecretText>,
}

/// Shows who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// Who it is, as the audit names them.
    pub who: String,
    /// The user; none for the admin socket, and for tokens that were made there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The role of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The id of the token, if one was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What is permitted, as in `site:change`.
    pub permissions: Vec<String>,
}

/// Changes one's own password; all other sessions end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The one that counts now.
    pub current: SecretText,
    /// The one that is to count.
    pub new: SecretText,
}

/// Begins to set up one's own second factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondFactorBegin {
    /// The password: whoever finds an open session must not lock its owner out.
    pub password: SecretText,
}

/// Shows a second factor that is being set up; it counts when a code of it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecondFactorBegun {
    /// What an authenticator program is given, in base32 (RFC 4648 section 6).
    pub secret: SecretText,
    /// The same as a URL, `otpauth://totp/...`.
    pub url: SecretText,
}

/// Sends a code of the second factor that is being set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondFactorCode {
    /// Six digits.
    pub code: SecretText,
}

/// Shows the recovery codes of a second factor that counts from now on; they are shown this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecondFactorOn {
    /// Each counts once, in place of a code.
    pub recovery_codes: Vec<SecretText>,
}

/// Ends one's own second factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondFactorEnd {
    /// The password; it must be long enough to be alone.
    pub password: SecretText,
}
