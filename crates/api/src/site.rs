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
    /// The application: URLs, and `unix:/PATH` for a Unix socket; or `portal`, alone, for the portal and the API.
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
    /// The most that the body of a request may have, as in `10GiB`; left out where there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body: Option<String>,
    /// How long the upstream may take to begin its answer, as in `20m`; left out for the server's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_timeout: Option<String>,
    /// How long nothing may come in a body or an upgraded connection; left out for the server's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<String>,
    /// Headers that each response has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_headers: Vec<HeaderSet>,
    /// Headers that no response has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove_headers: Vec<String>,
    /// Which of several upstreams takes a request: `round-robin`, `least-connections` or `sticky`; left out for the
    /// portal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<String>,
    /// What upstreams are asked for to find out whether they are well; left out where they are not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_path: Option<String>,
    /// Whether upstreams are told the client's address by the PROXY protocol: `off`, `v1` or `v2`; left out for the
    /// portal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<String>,
    /// Which HTTP upstreams are spoken to in: `1`, `2` or `auto`; left out for the portal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_http: Option<String>,
    /// Paths that go to other upstreams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<SiteRoute>,
    /// The preset that it was made with; what it brought is in the other fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
}

/// Asks for a new site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteCreate {
    /// Host names; at least one, and none that another site has.
    pub names: Vec<String>,
    /// The application, at least once if no preset is named: URLs, and `unix:/PATH` for a Unix socket; or `portal`,
    /// alone.
    #[serde(default)]
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
    /// The most that the body of a request may have, as in `10GiB`, or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body: Option<String>,
    /// How long the upstream may take to begin its answer, as in `20m`, or `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_timeout: Option<String>,
    /// How long nothing may come in a body or an upgraded connection, as in `20m`, or `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<String>,
    /// All headers that each response has, in the place of the application's of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_headers: Option<Vec<HeaderSet>>,
    /// All headers that no response has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove_headers: Option<Vec<String>>,
    /// Which of several upstreams takes a request: `round-robin` (each in turn), `least-connections` (the one that
    /// answers the fewest requests now) or `sticky` (the one that answered this client before, told by a cookie).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<String>,
    /// What upstreams are asked for by `GET` to find out whether they are well (200 to 399), as in `/health`; `none`
    /// to learn it from requests alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_path: Option<String>,
    /// Whether upstreams are told the client's address at the beginning of each connection, by the PROXY protocol:
    /// `off`, `v1` or `v2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<String>,
    /// Which HTTP upstreams are spoken to in: `1`; `2`, in the clear with prior knowledge (h2c); or `auto`, which is
    /// HTTP/2 where an https upstream agrees to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_http: Option<String>,
    /// All paths that go to other upstreams; of those that fit the longest counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<SiteRoute>>,
    /// Fills in what is left out, the upstream too, as the application of that name wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
}

/// Changes a site; what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteUpdate {
    /// All its host names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
    /// All of its application: URLs, and `unix:/PATH` for a Unix socket; or `portal`, alone.
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
    /// The most that the body of a request may have, as in `10GiB`, or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body: Option<String>,
    /// How long the upstream may take to begin its answer, as in `20m`, or `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_timeout: Option<String>,
    /// How long nothing may come in a body or an upgraded connection, as in `20m`, or `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<String>,
    /// All headers that each response has, in the place of the application's of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_headers: Option<Vec<HeaderSet>>,
    /// All headers that no response has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove_headers: Option<Vec<String>>,
    /// Which of several upstreams takes a request: `round-robin` (each in turn), `least-connections` (the one that
    /// answers the fewest requests now) or `sticky` (the one that answered this client before, told by a cookie).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<String>,
    /// What upstreams are asked for by `GET` to find out whether they are well (200 to 399), as in `/health`; `none`
    /// to learn it from requests alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_path: Option<String>,
    /// Whether upstreams are told the client's address at the beginning of each connection, by the PROXY protocol:
    /// `off`, `v1` or `v2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<String>,
    /// Which HTTP upstreams are spoken to in: `1`; `2`, in the clear with prior knowledge (h2c); or `auto`, which is
    /// HTTP/2 where an https upstream agrees to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_http: Option<String>,
    /// All paths that go to other upstreams; of those that fit the longest counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<SiteRoute>>,
}

/// Is a header of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderSet {
    /// As in `X-Frame-Options`; what frames a message or belongs to a connection is refused.
    pub name: String,
    /// As in `DENY`.
    pub value: String,
}

/// Sends paths to upstreams of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteRoute {
    /// What the paths begin with, in whole segments: `/api` has `/api` and `/api/users`, and not `/apis`. None is there
    /// twice.
    pub prefix: String,
    /// Where they go, at least one; never the portal.
    pub upstreams: Vec<String>,
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
