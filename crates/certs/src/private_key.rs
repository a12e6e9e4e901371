//! The private key of a leaf: PKCS #8 in DER, wiped when dropped, never shown.

mod parse;

use std::fmt;

use portward_core::KeyType;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use crate::{
    der::DerError,
    x509::{PublicKey, X509},
};

/// Holds a private key that TLS can serve with.
///
/// It has been taken over by the TLS library once, so that its parts are known to agree.
#[derive(Clone)]
pub struct PrivateKey {
    pkcs8: Zeroizing<Vec<u8>>,
    key_type: KeyType,
    public: PublicKey,
}

/// Says why a private key is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrivateKeyError {
    /// The bytes are not what they claim to be, or the parts of the key contradict one another.
    #[error("the private key is damaged: {0}")]
    Broken(&'static str),
    /// The algorithm or curve is not served.
    #[error("the private key has the algorithm {0}, which is not served")]
    Unsupported(String),
    /// The modulus of RSA is too short; its bits are given.
    #[error("the private key is RSA with {0} bits; at least {MIN_RSA_BITS} are needed")]
    Weak(u32),
}

impl PrivateKey {
    /// Reads a key in PKCS #8 DER (RFC 5958), as [`PrivateKey::as_pkcs8_der`] gives it.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, PrivateKeyError> {
        parse::pkcs8(der)
    }

    /// Reads an `RSAPrivateKey` of PKCS #1 (RFC 8017 appendix A.1.2).
    pub(crate) fn from_pkcs1_der(der: &[u8]) -> Result<Self, PrivateKeyError> {
        parse::pkcs1(der)
    }

    /// Reads an `ECPrivateKey` of SEC 1 (RFC 5915), with the curve from elsewhere where it names none.
    pub(crate) fn from_sec1_der(der: &[u8], curve: Option<&str>) -> Result<Self, PrivateKeyError> {
        parse::sec1(der, curve)
    }

    /// PKCS #8 DER of version 1, without attributes.
    pub fn as_pkcs8_der(&self) -> &[u8] {
        &self.pkcs8
    }

    /// Algorithm and size.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// Whether the key belongs to a certificate in DER: the public keys are compared.
    pub fn fits(&self, certificate: &[u8]) -> bool {
        X509::read(certificate).is_ok_and(|certificate| self.is_of(&certificate))
    }

    /// Whether the key belongs to the certificate.
    pub(crate) fn is_of(&self, certificate: &X509) -> bool {
        self.public.is_same(&certificate.public_key)
    }

    /// Whether both are the same key.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.public.is_same(&other.public)
    }

    /// The key in the form that rustls takes.
    pub fn to_pki_types(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8.to_vec()))
    }
}

impl From<DerError> for PrivateKeyError {
    fn from(error: DerError) -> Self {
        Self::Broken(error.0)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.key_type)
    }
}

/// Below it, browsers and the TLS library refuse (CA/Browser Forum Baseline Requirements section 6.1.5).
pub(crate) const MIN_RSA_BITS: u32 = 2048;

#[cfg(test)]
mod tests;
