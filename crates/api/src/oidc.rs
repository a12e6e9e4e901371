//! Signing in at an OpenID provider, on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::SecretText;

/// Shows the OpenID provider at which users sign in; the client's secret is never shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OidcView {
    /// The provider, as it names itself.
    pub issuer: String,
    /// How the provider knows this server.
    pub client_id: String,
    /// Whether there is a secret of the client.
    pub client_secret: bool,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The claim with the groups.
    pub groups_claim: String,
    /// The claim that names a new user.
    pub name_claim: String,
    /// Role by group; the highest one of a user's groups counts.
    pub roles: BTreeMap<String, String>,
    /// Who vouches for the provider, in PEM; none for the authorities of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// What the button says after "Sign in with".
    pub label: String,
}

/// Says at which OpenID provider users sign in; it replaces what was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcSet {
    /// The provider, as it names itself, as in `https://login.shop.example/realms/main`.
    pub issuer: String,
    /// How the provider knows this server.
    pub client_id: String,
    /// By what this server proves that. Left out, the one that is there stays, of the same issuer and client alone;
    /// empty, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretText>,
    /// What is asked for; `openid` and `profile` if they are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// The claim with the groups; `groups` if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_claim: Option<String>,
    /// The claim that names a new user; `preferred_username` if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_claim: Option<String>,
    /// Role (`viewer`, `operator`, `administrator`, `owner`) by group; the highest one of a user's groups counts, and
    /// whoever has none of them is not let in.
    pub roles: BTreeMap<String, String>,
    /// Certificates of the authorities that vouch for the provider, in PEM; left out, those of the machine do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// What the button says after "Sign in with"; the host of the provider if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// Shows what a provider says of itself, as far as signing in needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OidcTested {
    /// The provider, as it names itself.
    pub issuer: String,
    /// Where browsers are sent.
    pub authorization_endpoint: String,
    /// Where codes are redeemed.
    pub token_endpoint: String,
    /// Where more is said of a user; none if nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_endpoint: Option<String>,
    /// Keys by which its signatures can be checked here, as in `RS256 1a2b`.
    pub keys: Vec<String>,
    /// What the provider must be told of this server, for each of its names that is known.
    pub redirect_uris: Vec<String>,
    /// What may be in the way.
    pub warnings: Vec<String>,
}
