//! Managed certificates: asking for one, renewing, revoking.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AttemptView;
use crate::CertificateView;

/// Asks for a managed certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateRequestCreate {
    /// DNS names, `*.name` and IP addresses.
    pub names: Vec<String>,
    /// Issuers, asked one after another; may be left out if there is only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<String>,
    /// What people call it; the first name if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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
    #[serde(default)]
    pub reuse_key: bool,
    /// The agent on whose machine the private key is made and stays; Portward then serves nothing with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_on: Option<String>,
    /// Days before its end at which it is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::option")]
    #[schema(minimum = 1, maximum = 365)]
    pub renew_days_before: Option<u32>,
    /// Id of a certificate that becomes managed, with these names; a new one is made if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<String>,
}

/// Tells that a certificate is being ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Requested {
    /// The certificate; self-signed until the CA has issued.
    pub certificate: CertificateView,
    /// How it is renewed.
    pub renewal: RenewalView,
}

/// Shows how a certificate is managed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ManagedView {
    /// What is asked for.
    pub names: Vec<String>,
    /// Who is asked, one after another.
    pub issuers: Vec<String>,
    /// The only challenge that is taken.
    pub challenge: Option<String>,
    /// The profile that is asked for.
    pub profile: Option<String>,
    /// The DNS provider.
    pub dns: Option<String>,
    /// Kind of private key.
    pub key: String,
    /// Whether the private key is kept.
    pub reuse_key: bool,
    /// The agent on whose machine the private key is.
    pub key_on: Option<String>,
    /// Days before its end at which it is renewed.
    pub renew_days_before: Option<u32>,
}

/// Shows when a managed certificate is renewed, and what is going on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RenewalView {
    /// The certificate.
    pub certificate: String,
    /// How it is managed.
    pub managed: ManagedView,
    /// When it was last renewed; none if a CA never issued it.
    pub last_renewed: Option<String>,
    /// Last second of validity of the version that is served.
    pub expires: Option<String>,
    /// When it is looked at next.
    pub next_check: Option<String>,
    /// When it will be renewed.
    pub next_renewal: Option<String>,
    /// Why then.
    pub why: String,
    /// Attempts that failed since the last success.
    pub failures: u32,
    /// How far the attempt under way is; none if there is none.
    pub stage: Option<String>,
    /// For a challenge by hand: what to place, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to_place: Vec<String>,
    /// The newest attempt, ended or not.
    pub attempt: Option<AttemptView>,
}

/// Asks for a renewal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateRenew {
    /// Now, although it is not due or a retry is waited for; never against what the CA told to wait.
    #[serde(default)]
    pub force: bool,
    /// Goes on with a challenge by hand: what was to be placed is in its place.
    #[serde(default)]
    pub placed: bool,
}

/// Asks for a revocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateRevoke {
    /// `unspecified`, `key-compromise`, `superseded` or `cessation-of-operation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Tells of a revocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revoked {
    /// The certificate.
    pub certificate: String,
    /// The version that is revoked.
    pub version: u32,
    /// SHA-256 of its leaf.
    pub thumbprint: String,
    /// What happens next.
    pub message: String,
}
