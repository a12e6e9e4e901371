//! Certificate signing requests, and the keys that sign them.

use portward_core::{Chain, Host, HostPattern, acme::KeyAlgorithm};
use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256,
    RsaKeySize, SanType,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use zeroize::Zeroizing;

use crate::{PrivateKey, PrivateKeyError, x509::X509};

/// Says why a key or a request could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CsrError {
    /// `*` is among the names.
    #[error("no CA issues for every host (*)")]
    AnyHost,
    /// The key cannot sign.
    #[error("the private key could not be made or used")]
    Key(#[from] PrivateKeyError),
    /// The library refuses.
    #[error("the certificate signing request could not be made")]
    Sign(#[from] rcgen::Error),
}

/// Makes a private key. RSA takes up to some seconds.
pub fn new_private_key(algorithm: KeyAlgorithm) -> Result<PrivateKey, CsrError> {
    let pair = match algorithm {
        KeyAlgorithm::EcdsaP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
        KeyAlgorithm::EcdsaP384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?,
        KeyAlgorithm::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?,
        KeyAlgorithm::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096)?,
    };
    Ok(PrivateKey::from_pkcs8_der(&Zeroizing::new(pair.serialize_der()))?)
}

/// The SHA-256 of a key authorization, which tls-alpn-01 and dns-01 show instead of it (RFC 8737 section 3, RFC 8555
/// section 8.4).
pub fn key_authorization_digest(key_authorization: &str) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key_authorization.as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

/// Whether a chain has, or ends at, a certificate of that common name: what picks one of several chains.
pub fn leads_to(chain: &Chain, common_name: &str) -> bool {
    let wanted = format!("CN={common_name}");
    let has = |name: &str| name.split(", ").any(|part| part == wanted);
    let issuers = chain.intermediates.iter().chain(&chain.root);
    issuers
        .chain([&chain.leaf])
        .any(|der| X509::read(der).is_ok_and(|x509| has(&x509.issuer_text) || has(&x509.subject_text)))
}

/// Makes the request for the names, in DER, without a common name (RFC 8555 section 7.4).
///
/// The same names and key may give other bytes each time; any of them is good for the same order.
pub fn csr(names: &[HostPattern], key: &PrivateKey) -> Result<Vec<u8>, CsrError> {
    let pair = KeyPair::try_from(&PrivatePkcs8KeyDer::from(key.as_pkcs8_der()))?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for name in names {
        params.subject_alt_names.push(match name {
            HostPattern::Any => return Err(CsrError::AnyHost),
            HostPattern::Exact(Host::Ip(address)) => SanType::IpAddress(*address),
            name => SanType::DnsName(name.to_string().try_into()?),
        });
    }
    Ok(params.serialize_request(&pair)?.der().to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_kind_of_key_signs_a_request() {
        let names = ["shop.test", "*.shop.test", "192.0.2.1"].map(|name| HostPattern::parse(name).unwrap());
        for algorithm in KeyAlgorithm::ALL {
            let key = new_private_key(algorithm).unwrap();
            assert!(csr(&names, &key).unwrap().len() > 100, "{algorithm}");
        }
        let key = new_private_key(KeyAlgorithm::EcdsaP256).unwrap();
        assert!(matches!(csr(&[HostPattern::Any], &key), Err(CsrError::AnyHost)));
    }
}
