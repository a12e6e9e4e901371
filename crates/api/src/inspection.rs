//! Files looked at before an import.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{CertificateTaken, FindingView};

/// Shows what is in files, and what importing them would come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InspectionView {
    /// The files, in the order in which they were given.
    pub files: Vec<InspectedFileView>,
    /// The private key; none if there is none.
    pub key: Option<InspectedKeyView>,
    /// The chain as far as it goes, leaf first; without a leaf where nobody gave one.
    pub chain: Vec<InspectedCertificateView>,
    /// The issuer that nobody gave; none if the chain is whole as far as clients need it.
    pub missing: Option<MissingIssuerView>,
    /// What an import would do; none if it would be refused.
    pub taken: Option<CertificateTaken>,
    /// Why an import would be refused; none if it would not.
    pub refusal: Option<RefusalView>,
}

/// Shows what is in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InspectedFileView {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub pieces: Vec<InspectedPieceView>,
    /// What else is in it, and of no use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_over: Vec<String>,
    /// Whether the password opened something in it.
    pub opened: bool,
    /// Ciphers in it that protect nothing any more, as in `RC2-40`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old_ciphers: Vec<String>,
    /// Why it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<RefusalView>,
}

/// Shows one thing in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InspectedPieceView {
    /// `private-key`, `certificate`, `intermediate` or `root`.
    pub kind: String,
    /// `used`, `repeated` or `unused`.
    pub fate: String,
}

/// Shows the private key; never the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InspectedKeyView {
    /// The file it was in.
    pub file: String,
    /// As in `RSA 3072`.
    pub key_type: String,
    /// Whether it is the leaf's.
    pub fits: bool,
}

/// Shows one certificate of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InspectedCertificateView {
    /// The file it was in.
    pub file: String,
    /// `leaf`, `intermediate` or `root`.
    pub role: String,
    /// Distinguished name.
    pub subject: String,
    /// DNS names and IP addresses.
    pub names: Vec<String>,
    /// First second of validity.
    pub not_before: String,
    /// Last second of validity.
    pub not_after: String,
    /// Algorithm of its key, as in `RSA 3072`.
    pub key: String,
    /// Algorithm of the signature on it.
    pub signature: String,
    /// Whether it is signed by its own key.
    pub self_signed: bool,
    /// SHA-256.
    pub thumbprint: String,
    /// SHA-1, to find it in other tools.
    pub sha1: String,
}

/// Shows the issuer that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissingIssuerView {
    /// Distinguished name.
    pub subject: String,
    /// Where the authority publishes it.
    pub url: Option<String>,
}

/// Says why something would be refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusalView {
    /// The stable word for programs.
    pub code: String,
    /// The message for an operator.
    pub message: String,
    /// What was found about the certificate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingView>,
}
