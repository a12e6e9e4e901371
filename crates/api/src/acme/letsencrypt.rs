//! Let's Encrypt as Octopus has it: one name, one button.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RenewalView;

/// Asks for a certificate for the server's own name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LetsEncryptConfigure {
    /// The host name, without scheme.
    pub dns_name: String,
    /// Contact address for the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the operator agrees to the CA's terms of service.
    #[serde(default)]
    pub accept_terms: bool,
    /// Port of the https binding; those that exist if it is left out, else 443.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::option")]
    #[schema(minimum = 1, maximum = 65535)]
    pub https_port: Option<u16>,
    /// Address of the https binding; all addresses if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
    /// Uses Let's Encrypt's staging environment.
    #[serde(default)]
    pub staging: bool,
    /// URL of another CA's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Authorities that vouch for the directory, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_ca: Option<String>,
    /// Days before its end at which the certificate is renewed; 21 is Octopus's.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::option")]
    #[schema(minimum = 1, maximum = 365)]
    pub renew_days_before: Option<u32>,
}

/// Shows what is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LetsEncryptStatus {
    /// Whether it is.
    pub enabled: bool,
    /// The host name.
    pub dns_name: Option<String>,
    /// The issuer.
    pub issuer: Option<String>,
    /// SHA-256 of the certificate that is served.
    pub thumbprint: Option<String>,
    /// When it is renewed, and what is going on.
    pub renewal: Option<RenewalView>,
}
