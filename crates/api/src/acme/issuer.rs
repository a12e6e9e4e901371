//! Issuers and DNS providers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::SecretText;

/// Shows an issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuerView {
    /// Names the issuer.
    pub id: String,
    /// URL of its directory.
    pub directory: String,
    /// `system`, or how many authorities vouch for the directory, as in `1 authority of its own`.
    pub trust: String,
    /// Contact URLs, as in `mailto:ops@shop.example`.
    pub contacts: Vec<String>,
    /// Whether the terms of service were agreed to.
    pub terms_agreed: bool,
    /// URL of the account; none before the first order.
    pub account: Option<String>,
    /// Key identifier of the external account binding.
    pub eab_key_id: Option<String>,
    /// Profile that is asked for where a certificate does not say.
    pub profile: Option<String>,
    /// `http-01`, `tls-alpn-01` or `dns-01`, where a certificate does not say.
    pub challenge: Option<String>,
    /// Common name that picks one of several chains.
    pub preferred_chain: Option<String>,
    /// Where the CA looks for http-01 answers.
    pub http_port: u16,
    /// Where the CA looks for tls-alpn-01 answers.
    pub tls_port: u16,
    /// Resolvers that see DNS as the CA does; empty for those of the machine.
    pub resolvers: Vec<String>,
    /// Certificates that are asked of it.
    pub certificates: Vec<String>,
}

/// Asks for a new issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerCreate {
    /// Names the issuer; made of the directory's host if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `letsencrypt`, `letsencrypt-staging`, or the https URL of a directory.
    pub directory: String,
    /// Authorities that vouch for the directory, PEM; the machine's if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_ca: Option<String>,
    /// E-mail addresses or `mailto:` URLs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    /// Whether the operator agrees to the CA's terms of service.
    #[serde(default)]
    pub accept_terms: bool,
    /// The account with the CA that this one belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eab: Option<EabInput>,
    /// Profile that is asked for where a certificate does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// `http-01`, `tls-alpn-01` or `dns-01`, where a certificate does not say.
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
    /// `ADDR:PORT` or `ADDR` of resolvers that see DNS as the CA does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolvers: Vec<String>,
}

/// Gives the key of an external account binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EabInput {
    /// What the CA calls it.
    pub key_id: String,
    /// The MAC key in base64url, as the CA gave it.
    pub mac_key: SecretText,
}

/// Tells that an account has a new key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RolledOver {
    /// The issuer.
    pub issuer: String,
    /// URL of the account, which stays.
    pub account: String,
}

/// Shows a DNS provider; its secrets are never shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsProviderView {
    /// Names the provider.
    pub id: String,
    /// As in `cloudflare`, `rfc2136`, `exec`.
    pub kind: String,
    /// Settings; those that are secret have no value.
    pub settings: BTreeMap<String, Option<String>>,
    /// Certificates for which it writes TXT records.
    pub certificates: Vec<String>,
}

/// Asks for a new DNS provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsProviderCreate {
    /// Names the provider; its kind if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// As in `cloudflare`, `rfc2136`, `exec`.
    pub kind: String,
    /// Settings by name.
    #[serde(default)]
    pub settings: BTreeMap<String, SecretText>,
}

/// Shows a kind of DNS provider and its settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsProviderKindView {
    /// The word for it.
    pub kind: String,
    /// What it is.
    pub about: String,
    /// What it needs and takes.
    pub settings: Vec<DnsSettingView>,
}

/// Shows one setting of a kind of DNS provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsSettingView {
    /// Its name.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it is never shown.
    pub secret: bool,
}
