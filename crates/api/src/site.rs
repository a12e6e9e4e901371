//! Sites on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Shows a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteView {
    /// Names the site.
    pub id: String,
    /// Host names, `*.name` for those one label below, `*` for all that no other site has.
    pub names: Vec<String>,
    /// URLs of the application; or `portal`, alone, for the portal and the API.
    pub upstreams: Vec<String>,
    /// `off`, `browsers` or `all`, the server's default already applied.
    pub force_https: String,
    /// `off`, or seconds and directives, as in `31536000,includeSubDomains`.
    pub hsts: String,
    /// `auto`, or the id of the certificate that is presented for its names.
    pub certificate: String,
    /// How an https upstream is trusted, where it is not by the authorities that the machine trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_trust: Option<String>,
}

/// Asks for a new site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteCreate {
    /// Host names; at least one, and none that another site has.
    pub names: Vec<String>,
    /// URLs of the application, at least one; or `portal`, alone.
    pub upstreams: Vec<String>,
    /// `off`, `browsers` or `all`; the server's default if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_https: Option<String>,
    /// `off`, or a duration and directives, as in `1y,includeSubDomains`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hsts: Option<String>,
    /// `auto`, or the id of a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Which certificate of an https upstream is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_trust: Option<UpstreamTrustInput>,
}

/// Changes a site; what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteUpdate {
    /// All its host names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
    /// All URLs of its application; or `portal`, alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstreams: Option<Vec<String>>,
    /// `off`, `browsers` or `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_https: Option<String>,
    /// `off`, or a duration and directives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hsts: Option<String>,
    /// `auto`, or the id of a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Which certificate of an https upstream is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_trust: Option<UpstreamTrustInput>,
}

/// Says which certificate of an https upstream is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamTrustInput {
    /// One for its name, from an authority that the machine trusts.
    System,
    /// One for its name, from one of these authorities: certificates in PEM.
    Authorities(String),
    /// The one with this thumbprint (SHA-256).
    Pin(String),
    /// Any.
    DangerInsecure,
}
