//! Moving in: what other programs have on disk.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::SecretBytes;

/// Gives the files of another program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForeignImport {
    /// `certbot`, `acme.sh`, `caddy` or `traefik`.
    pub kind: String,
    /// Its files, with paths relative to its directory.
    pub files: Vec<ForeignFile>,
}

/// Is one file of another program.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForeignFile {
    /// Path relative to the directory, with `/`.
    pub path: String,
    /// The content.
    pub data: SecretBytes,
}

/// Tells what became of them, or would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForeignImported {
    /// Certificates, with what was done with each.
    pub certificates: Vec<ForeignCertificateView>,
    /// Accounts, with what was done with each.
    pub accounts: Vec<ForeignAccountView>,
    /// What was left out or should be looked at.
    pub notes: Vec<String>,
}

/// Shows a certificate that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForeignCertificateView {
    /// Where it was.
    pub path: String,
    /// Its id here.
    pub id: String,
    /// What it is valid for.
    pub names: Vec<String>,
    /// Last second of validity.
    pub not_after: String,
    /// `created`, `new-version`, `unchanged` or `left-out`.
    pub outcome: String,
    /// Issuer that will renew it; none if it stays unmanaged.
    pub issuer: Option<String>,
    /// What is to be known about it.
    pub notes: Vec<String>,
}

/// Shows an account that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForeignAccountView {
    /// Where it was.
    pub path: String,
    /// The directory.
    pub directory: String,
    /// The issuer here.
    pub issuer: Option<String>,
    /// What was done with it, and why.
    pub outcome: String,
}

impl fmt::Debug for ForeignFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForeignFile({}, {} bytes)", self.path, self.data.expose().len())
    }
}
