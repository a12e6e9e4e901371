//! The desired state as one document: what `portward export` writes and `portward apply` reads.
//!
//! A kind of thing that is left out is left alone; one that is there, even if it is empty, is told in full.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{HeaderSet, SecretText, SettingsUpdate, SiteRoute};

/// Declares what is to be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DesiredState {
    /// What applies to the whole server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<SettingsUpdate>,
    /// Whom certificates are asked of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuers: Option<Vec<IssuerDeclared>>,
    /// Who writes TXT records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_providers: Option<Vec<DnsProviderDeclared>>,
    /// Certificates: those that are managed, and which others there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Vec<CertificateDeclared>>,
    /// Where connections are accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bindings: Option<Vec<BindingDeclared>>,
    /// What is served for which host names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sites: Option<Vec<SiteDeclared>>,
}

/// Declares a binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BindingDeclared {
    /// Names the binding.
    pub id: String,
    /// `http://ADDRESS:PORT`, `https://ADDRESS:PORT` or `tls-passthrough://ADDRESS:PORT`.
    pub url: String,
    /// For https: the certificate for clients that name no host that one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_certificate: Option<String>,
    /// Networks of proxies that say who the client is, by the PROXY protocol.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept_proxy_from: Vec<String>,
    /// Names whose connections are passed through, as in `polling.example.org=127.0.0.1:10943`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
}

/// Declares a site; what is left out is as in a new site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteDeclared {
    /// Names the site.
    pub id: String,
    /// Host names.
    pub names: Vec<String>,
    /// The application: URLs, and `unix:/PATH` for a Unix socket; or `portal`, alone.
    pub upstreams: Vec<String>,
    /// Which certificate of an https upstream is accepted; one of an authority of the machine if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_trust: Option<UpstreamTrustDeclared>,
    /// `off`, `browsers` or `all`; the server's default if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_https: Option<String>,
    /// A duration and directives, as in `1y,includeSubDomains`; off if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hsts: Option<String>,
    /// Id of a certificate; the best one if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The most that the body of a request may have, as in `10GiB`; no limit if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body: Option<String>,
    /// How long the upstream may take to begin its answer, as in `20m`; the server's own limit if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_timeout: Option<String>,
    /// How long nothing may come in a body or an upgraded connection; the server's own limit if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<String>,
    /// Headers that each response has, in the place of the application's of the same name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_headers: Vec<HeaderSet>,
    /// Headers that no response has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove_headers: Vec<String>,
    /// `round-robin`, `least-connections` or `sticky`; `round-robin` if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<String>,
    /// What upstreams are asked for to find out whether they are well; they are not asked if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_path: Option<String>,
    /// `off`, `v1` or `v2`; `off` if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<String>,
    /// `1`, `2` or `auto`; `auto` if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_http: Option<String>,
    /// Paths that go to other upstreams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<SiteRoute>,
    /// The preset that it was made with: its name alone, which changes nothing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
}

/// Declares which certificate of an https upstream is accepted: one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTrustDeclared {
    /// One of these authorities: certificates in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
    /// The one with this thumbprint (SHA-256).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Any.
    #[serde(default, skip_serializing_if = "is_false")]
    pub danger_insecure: bool,
}

/// Declares a certificate: how it is managed, or else which one it is.
///
/// Private keys are never in it: one that is not managed is imported first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateDeclared {
    /// Names the certificate.
    pub id: String,
    /// What people call it; its id if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is asked of a CA, if Portward is to renew it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedDeclared>,
    /// SHA-256 of the leaf, if the operator renews it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbprint: Option<String>,
}

/// Declares what is asked of a CA.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ManagedDeclared {
    /// DNS names, `*.name` and IP addresses.
    pub names: Vec<String>,
    /// Issuers, asked one after another; may be left out if there is only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<String>,
    /// `http-01`, `tls-alpn-01` or `dns-01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
    /// A profile of the CA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Id of the DNS provider that writes TXT records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<String>,
    /// `ecdsa-p256`, `ecdsa-p384`, `rsa-2048` or `rsa-4096`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Keeps the private key when it is renewed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reuse_key: bool,
    /// The agent on whose machine the private key is made and stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_on: Option<String>,
    /// Days before its end at which it is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::option")]
    #[schema(minimum = 1, maximum = 365)]
    pub renew_days_before: Option<u32>,
}

/// Declares an issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerDeclared {
    /// Names the issuer.
    pub id: String,
    /// `letsencrypt`, `letsencrypt-staging`, or the https URL of a directory.
    pub directory: String,
    /// Authorities that vouch for the directory, PEM; the machine's if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_ca: Option<String>,
    /// E-mail addresses or `mailto:` URLs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    /// Whether the operator agrees to the CA's terms of service.
    #[serde(default, skip_serializing_if = "is_false")]
    pub accept_terms: bool,
    /// The account with the CA that this one belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eab: Option<EabDeclared>,
    /// Profile that is asked for where a certificate does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Challenge where a certificate does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
    /// Common name that picks one of several chains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_chain: Option<String>,
    /// Where the CA looks for http-01 answers; 80 if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::option")]
    #[schema(minimum = 1, maximum = 65535)]
    pub http_port: Option<u16>,
    /// Where the CA looks for tls-alpn-01 answers; 443 if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::option")]
    #[schema(minimum = 1, maximum = 65535)]
    pub tls_port: Option<u16>,
    /// Resolvers that see DNS as the CA does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolvers: Vec<String>,
}

/// Declares an external account binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EabDeclared {
    /// What the CA calls the key.
    pub key_id: String,
    /// The MAC key in base64url.
    pub mac_key: SecretDeclared,
}

/// Declares a DNS provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsProviderDeclared {
    /// Names the provider.
    pub id: String,
    /// As in `cloudflare`, `rfc2136`, `exec`.
    pub kind: String,
    /// Settings that everybody may see.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// Settings that nobody may see.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretDeclared>,
}

/// Says where a secret is, so that it need not be in the document: one of these.
///
/// The command line puts in the value before it asks the server.
/// Where it does not, the server goes on with the secret that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretDeclared {
    /// In an environment variable of `portward apply`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// In a file on the machine of `portward apply`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The secret itself; only on the way to the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<SecretText>,
}

/// Asks that the desired state be as declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DesiredStateApply {
    /// What is to be there.
    pub state: DesiredState,
    /// Whether things of a declared kind that are not declared are removed.
    #[serde(default)]
    pub prune: bool,
}

/// Tells what was changed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// One for each thing that differs, in the order of kinds and ids.
    pub steps: Vec<AppliedStep>,
    /// What is to be known about it.
    pub notes: Vec<String>,
    /// The change that all of it is; null if there is none.
    pub revision: Option<u64>,
}

/// Tells what becomes of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppliedStep {
    /// What is done.
    pub action: AppliedAction,
    /// The kind of thing, as in `site`.
    pub kind: String,
    /// Its name; empty for the settings.
    pub id: String,
    /// The fields that differ, as in `force_https: off -> browsers`.
    pub changes: Vec<String>,
}

/// Says what is done with a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AppliedAction {
    /// It is new.
    Add,
    /// It becomes another.
    Edit,
    /// It goes.
    Remove,
}

fn is_false(value: &bool) -> bool {
    !value
}
