//! Certificates on the wire.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{SecretBytes, SecretText};

/// Shows a certificate: the version of it that is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateView {
    /// Names the certificate through all its versions.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `imported`, `self-signed` or `acme`.
    pub source: String,
    /// Whether Portward renews it.
    pub managed: bool,
    /// DNS names and IP addresses that it is valid for.
    pub names: Vec<String>,
    /// SHA-256 of the leaf.
    pub thumbprint: String,
    /// SHA-1 of the leaf, to find it in other tools.
    pub sha1: String,
    /// Serial number in hexadecimal digits.
    pub serial: String,
    /// Distinguished name of the issuer.
    pub issuer: String,
    /// Distinguished name of the subject.
    pub subject: String,
    /// First second of validity.
    pub not_before: String,
    /// Last second of validity.
    pub not_after: String,
    /// As in `ECDSA P-256` or `RSA 2048`.
    pub key_type: String,
    /// The leaf, its issuers in order, and the root if it was given.
    pub chain: Vec<ChainLink>,
    /// The version that is served; they count from 1.
    pub version: u32,
    /// `valid`, `expires-soon`, `not-yet-valid` or `expired`.
    pub status: String,
    /// Sites that it is presented for, as they name it or it is the best one for a name of theirs.
    #[serde(default)]
    pub sites: Vec<String>,
    /// Bindings that present it to clients that name no host, or one that no certificate has.
    #[serde(default)]
    pub bindings: Vec<String>,
}

/// Shows one certificate of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChainLink {
    /// Distinguished name.
    pub subject: String,
    /// SHA-256.
    pub thumbprint: String,
    /// Last second of validity; none if it could not be read.
    pub not_after: Option<String>,
}

/// Shows one version of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateVersionView {
    /// They count from 1.
    pub version: u32,
    /// Whether it is the one that is served.
    pub current: bool,
    /// `imported`, `self-signed` or `acme`.
    pub source: String,
    /// When it came.
    pub added: String,
    /// DNS names and IP addresses that it is valid for.
    pub names: Vec<String>,
    /// SHA-256 of the leaf.
    pub thumbprint: String,
    /// First second of validity.
    pub not_before: String,
    /// Last second of validity.
    pub not_after: String,
    /// `valid`, `expires-soon`, `not-yet-valid` or `expired`.
    pub status: String,
}

/// Gives a certificate with its key and chain, in one file or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateImport {
    /// PFX, PEM, DER and PKCS #7, in any order.
    pub files: Vec<CertificateFile>,
    /// Opens what is encrypted in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretText>,
    /// What people call it; the first name that it is valid for if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The id of the certificate of which this is a new version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<String>,
    /// Takes it although its time is over or has not come.
    #[serde(default)]
    pub allow_expired: bool,
}

/// Is one file of an import.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateFile {
    /// Name for messages.
    pub name: String,
    /// The content.
    pub data: SecretBytes,
}

/// Asks for a certificate that is signed by its own key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SelfSignedCreate {
    /// DNS names, `*.name` and IP addresses.
    pub names: Vec<String>,
    /// How long it is valid.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::option")]
    #[schema(minimum = 1, maximum = 36500)]
    pub days: Option<u32>,
}

/// Tells what became of an import, of the making of a self-signed one, or of going back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateTaken {
    /// The certificate, as it is now or, in a dry run, as it would be.
    pub certificate: CertificateView,
    /// What was done, or would have been.
    pub outcome: CertificateOutcome,
    /// What an operator should know about it.
    pub findings: Vec<FindingView>,
}

/// Says what was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateOutcome {
    /// A certificate came to the library.
    Created,
    /// Another version than before is served: a new one, or the older one that was gone back to.
    NewVersion,
    /// The leaf is already the version that is served; nothing was changed.
    Unchanged,
}

/// Shows what was found about a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingView {
    /// The stable word for programs, in kebab case.
    pub code: String,
    /// Whether it stops an import.
    pub weight: FindingWeight,
    /// The message for an operator.
    pub message: String,
}

/// Says whether a finding stops an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingWeight {
    /// It does.
    Refuses,
    /// It does not.
    Warns,
}

/// Asks for a certificate with its private key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateExport {
    /// How it is written; the answer is the file itself.
    pub format: ExportFormat,
    /// Protects a PFX, which needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretText>,
}

/// Names a format of a certificate with its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExportFormat {
    /// Chain and unprotected key in PEM.
    Pem,
    /// PKCS #12, protected by a password.
    Pfx,
}

/// Goes back to the version before the one that is served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateRollback {
    /// Goes back although that version's time is over or has not come.
    #[serde(default)]
    pub allow_expired: bool,
}

impl fmt::Debug for CertificateFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateFile({}, {} bytes)", self.name, self.data.expose().len())
    }
}
