//! Bindings on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Shows a binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BindingView {
    /// Names the binding.
    pub id: String,
    /// `http://ADDRESS:PORT` or `https://ADDRESS:PORT`, as it was asked for.
    pub url: String,
    /// Whether connections are accepted there now.
    pub bound: bool,
    /// Why not, if they are not.
    pub problem: Option<String>,
}

/// Asks for a new binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BindingCreate {
    /// `http://ADDRESS:PORT` or `https://ADDRESS:PORT`.
    pub url: String,
    /// For https: the id of the certificate for clients that name no host, or one that no certificate has.
    ///
    /// Without it, the one that the other https bindings have is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_certificate: Option<String>,
}

/// Changes a binding; what is left out stays. Its scheme, address and port are what it is: for others, add another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BindingUpdate {
    /// For https: the id of the certificate for clients that name no host, or one that no certificate has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_certificate: Option<String>,
}
