//! Bindings on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Shows a binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BindingView {
    /// Names the binding.
    pub id: String,
    /// `http://ADDRESS:PORT`, `https://ADDRESS:PORT` or `tls-passthrough://ADDRESS:PORT`, as it was asked for.
    pub url: String,
    /// Whether connections are accepted there now.
    pub bound: bool,
    /// Why not, if they are not.
    pub problem: Option<String>,
    /// Networks, as in `10.0.0.0/8`: peers from there begin with a header of the PROXY protocol (version 1 or 2), which
    /// says who the client is; whoever of them does not is cut off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept_proxy_from: Vec<String>,
    /// `HOST=ADDRESS:PORT` each: names whose connections are passed through to there as they are, without TLS of
    /// Portward's. For tls-passthrough all that it does, and `*` is whatever has no other target; for https exceptions to
    /// what is served there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
}

/// Asks for a new binding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BindingCreate {
    /// `http://ADDRESS:PORT`, `https://ADDRESS:PORT` or `tls-passthrough://ADDRESS:PORT`.
    pub url: String,
    /// For https: the id of the certificate for clients that name no host, or one that no certificate has.
    ///
    /// Without it, the one that the other https bindings have is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_certificate: Option<String>,
    /// Networks, as in `10.0.0.0/8`: peers from there begin with a header of the PROXY protocol (version 1 or 2), which
    /// says who the client is; whoever of them does not is cut off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept_proxy_from: Vec<String>,
    /// `HOST=ADDRESS:PORT` each: names whose connections are passed through to there as they are, without TLS of
    /// Portward's. For tls-passthrough all that it does, and `*` is whatever has no other target; for https exceptions to
    /// what is served there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
}

/// Changes a binding; what is left out stays. Its scheme, address and port are what it is: for others, add another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BindingUpdate {
    /// For https: the id of the certificate for clients that name no host, or one that no certificate has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_certificate: Option<String>,
    /// Networks, as in `10.0.0.0/8`: peers from there begin with a header of the PROXY protocol (version 1 or 2), which
    /// says who the client is; whoever of them does not is cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_proxy_from: Option<Vec<String>>,
    /// `HOST=ADDRESS:PORT` each: names whose connections are passed through to there as they are, without TLS of
    /// Portward's. For tls-passthrough all that it does, and `*` is whatever has no other target; for https exceptions to
    /// what is served there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Vec<String>>,
}
