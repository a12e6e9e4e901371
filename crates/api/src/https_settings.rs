//! How the portal is reached over HTTPS, on the wire: certificate, port and redirect in one.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{CertificateFile, CertificateView, Impact, SecretText};

/// Shows how the portal is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HttpsSettingsView {
    /// The name by which the portal is known.
    pub host: String,
    /// Where it is over https; none if there is no https binding.
    pub url: Option<String>,
    /// The port of it.
    pub port: Option<u16>,
    /// The https binding.
    pub binding: Option<String>,
    /// What is presented there to clients that ask for the host.
    pub certificate: Option<CertificateView>,
    /// What happens to plain HTTP: `off`, `browsers` or `all`; none while no site leads to the portal.
    pub force_https: Option<String>,
    /// The sites that lead to the portal.
    pub sites: Vec<String>,
    /// What would break, and what would not, if the certificate were removed.
    pub removal: Vec<Impact>,
}

/// Changes how the portal is reached, all at once; what is left out stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpsSettingsUpdate {
    /// Certificate, key and issuers: PEM, DER or PFX, in any order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<CertificateFile>,
    /// Opens the PFX, or the encrypted key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretText>,
    /// The port for https.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::option")]
    #[schema(minimum = 1, maximum = 65535)]
    pub port: Option<u16>,
    /// What happens to plain HTTP: `off`, `browsers` or `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_https: Option<String>,
}
