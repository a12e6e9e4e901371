//! Making a certificate and its key ready for handshakes.

use std::sync::Arc;

use portward_core::{CertificateId, CertificateStatus, Chain, Thumbprint};
use rustls::{
    InconsistentKeys, RootCertStore,
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SigningKey},
};

use super::served_key::ServedKey;
use crate::snapshot::ServedCertificate;

/// Says why a certificate and a key cannot be served together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key is damaged or of an algorithm that TLS has no use for.
    #[error(
        "the private key cannot be used: it is damaged or of another kind than RSA, ECDSA on P-256, P-384 or P-521, or Ed25519"
    )]
    Unusable,
    /// The public key of the leaf is another one.
    #[error("the private key does not fit the certificate {thumbprint}: it belongs to another one")]
    DoesNotFit {
        /// The certificate, by its SHA-256 thumbprint.
        thumbprint: Thumbprint,
    },
    /// The leaf is no certificate that TLS can present.
    #[error("the certificate cannot be read as X.509")]
    Certificate,
}

impl ServedCertificate {
    /// Puts a chain and its key together and checks that they fit.
    ///
    /// The key is PKCS #8 in DER: RSA, ECDSA on P-256, P-384 or P-521, or Ed25519.
    /// It is copied into the crypto library; the caller's bytes are not kept.
    pub fn new(
        id: CertificateId,
        chain: &Chain,
        key_pkcs8_der: &[u8],
        self_signed: bool,
        status: CertificateStatus,
    ) -> Result<Self, KeyError> {
        let key = ServedKey::ready(certified_key(chain, key_pkcs8_der)?);
        Ok(Self { id, thumbprint: chain.thumbprint(), self_signed, status, key })
    }
}

/// Puts a chain and its key together for handshakes, and checks that they fit; see [`ServedCertificate::new`].
pub fn certified_key(chain: &Chain, key_pkcs8_der: &[u8]) -> Result<Arc<CertifiedKey>, KeyError> {
    let key = signing_key(key_pkcs8_der)?;
    let sent = chain.sent().map(|der| CertificateDer::from(der.to_vec())).collect();
    let certified = CertifiedKey::new(sent, key);
    match certified.keys_match() {
        Ok(()) => Ok(Arc::new(certified)),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(KeyError::DoesNotFit { thumbprint: chain.thumbprint() })
        }
        Err(_) => Err(KeyError::Certificate),
    }
}

/// Puts the certificate that answers a tls-alpn-01 challenge and its key together, and checks that they fit.
///
/// Both are DER, the key PKCS #8 as in [`ServedCertificate::new`]; dates and names are not looked at.
pub fn challenge_key(leaf_der: &[u8], key_pkcs8: &[u8]) -> Result<Arc<CertifiedKey>, KeyError> {
    let key = signing_key(key_pkcs8)?;
    let leaf = CertificateDer::from(leaf_der.to_vec());
    // The reader for leaves refuses critical extensions that it does not know, and such a certificate has one
    // (RFC 8737 section 3); the one for roots takes them. Nothing is trusted here.
    let mut read = RootCertStore::empty();
    read.add(leaf.clone()).map_err(|_| KeyError::Certificate)?;
    let of_leaf = read.roots.first().ok_or(KeyError::Certificate)?.subject_public_key_info.as_ref();
    // What was read is without tag and length.
    let of_key = key.public_key().ok_or(KeyError::Unusable)?;
    if !of_key.ends_with(of_leaf) {
        return Err(KeyError::DoesNotFit { thumbprint: Thumbprint::of(leaf_der) });
    }
    Ok(Arc::new(CertifiedKey::new(vec![leaf], key)))
}

fn signing_key(pkcs8_der: &[u8]) -> Result<Arc<dyn SigningKey>, KeyError> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8_der));
    any_supported_type(&key).map_err(|_| KeyError::Unusable)
}
