//! What a certificate says, as people read it.

use portward_core::{LeafFacts, Sha1Thumbprint};

use crate::x509::X509;

/// Says why the facts of a certificate could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    /// It is not a certificate of RFC 5280.
    #[error("the certificate is damaged: {0}")]
    Broken(String),
    /// Its key is of an algorithm that is not served.
    #[error("the certificate {subject} has a key of the algorithm {algorithm}, which is not served")]
    UnsupportedKey {
        /// Whose key.
        subject: String,
        /// Name or object identifier.
        algorithm: String,
    },
}

/// Reads what a leaf certificate in DER says.
///
/// Odd subjectAltName entries are passed over, never an error; the common name is no name.
pub fn facts(leaf: &[u8]) -> Result<LeafFacts, FactsError> {
    of(&X509::read(leaf).map_err(|error| FactsError::Broken(error.0.to_owned()))?)
}

/// The facts of a certificate that has been read.
pub(crate) fn of(leaf: &X509) -> Result<LeafFacts, FactsError> {
    let key_type = leaf
        .public_key
        .key_type()
        .map_err(|algorithm| FactsError::UnsupportedKey { subject: leaf.title(), algorithm })?;
    Ok(LeafFacts {
        names: leaf.extensions.names.as_slice().into(),
        thumbprint: leaf.thumbprint(),
        sha1: Sha1Thumbprint::of(&leaf.der),
        serial: leaf.serial.as_str().into(),
        issuer: leaf.issuer_text.as_str().into(),
        subject: leaf.subject_text.as_str().into(),
        self_signed: leaf.is_self_signed(),
        validity: leaf.validity,
        key_type,
    })
}
