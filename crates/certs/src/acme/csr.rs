//! Certificate signing requests, and the keys that sign them.

use portward_core::{Chain, Host, HostPattern, LeafFacts, acme::KeyAlgorithm};
use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256,
    RsaKeySize, SanType,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use zeroize::Zeroizing;

use crate::{
    PrivateKey, PrivateKeyError,
    chain_order::order,
    der::{self, DerError},
    facts, pem,
    x509::{PublicKey, Signature, X509},
};

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

/// Says what is wrong with a signing request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the certificate signing request cannot be used: {0}")]
pub struct RequestError(&'static str);

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

/// Reads the chain in PEM that a CA issued for a signing request (RFC 2986, DER), where the private key is elsewhere: the
/// leaf is the certificate for the key of the request, and the chain is put in order.
///
/// # Errors
///
/// Says what is wrong with the request or the chain.
pub fn issued_for(chain: &str, request: &[u8]) -> Result<(Chain, LeafFacts), RequestError> {
    let key = read_request(request)?;
    let blocks = pem::blocks(chain).map_err(|_| RequestError("what the CA sent is no PEM"))?;
    let ders = blocks.iter().filter(|block| block.label == "CERTIFICATE").map(|block| &block.der);
    let certificates = ders.map(|der| X509::read(der)).collect::<Result<Vec<_>, _>>().map_err(broken)?;
    let all: Vec<&X509> = certificates.iter().collect();
    let leaf = all.iter().position(|certificate| certificate.public_key.is_same(&key));
    let leaf = leaf.ok_or(RequestError("what the CA sent is not for its key"))?;
    let facts = facts::of(all[leaf]).map_err(|_| RequestError("the certificate that the CA sent cannot be used"))?;
    Ok((order(leaf, &all).chain, facts))
}

/// Refuses what is no signing request that its own key has signed.
///
/// # Errors
///
/// Says what is wrong with it.
pub fn check_request(request: &[u8]) -> Result<(), RequestError> {
    read_request(request).map(drop)
}

fn read_request(request: &[u8]) -> Result<PublicKey, RequestError> {
    let whole = der::whole(request).map_err(broken)?;
    let mut parts = whole.inside();
    let signed = parts.expect(der::SEQUENCE, "the signed part is missing").map_err(broken)?;
    let algorithm = parts.expect(der::SEQUENCE, "the algorithm of the signature is missing").map_err(broken)?;
    let bits = parts.expect(der::BIT_STRING, "the signature is missing").map_err(broken)?;
    parts.end().map_err(broken)?;
    let mut fields = signed.inside();
    fields.expect(der::INTEGER, "the version is missing").map_err(broken)?;
    fields.expect(der::SEQUENCE, "the subject is missing").map_err(broken)?;
    let key = fields.expect(der::SEQUENCE, "the public key is missing").map_err(broken)?;
    let key = PublicKey::read(&key).map_err(broken)?;
    let signature = Signature::read(&signed, &algorithm, &bits).map_err(broken)?;
    if signature.is_by(&key) != Some(true) {
        return Err(RequestError("its own key has not signed it"));
    }
    Ok(key)
}

fn broken(DerError(what): DerError) -> RequestError {
    RequestError(what)
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
            let request = csr(&names, &key).unwrap();
            assert_eq!(check_request(&request), Ok(()), "{algorithm}");
            let mut other = request.clone();
            let at = other.len() - 1;
            other[at] ^= 1;
            assert!(check_request(&other).is_err(), "{algorithm}: a flipped bit of the signature");
            assert!((0..request.len()).all(|length| check_request(&request[..length]).is_err()), "{algorithm}");
        }
        let made = |name: &str| {
            let validity = crate::self_signed_validity(portward_core::Timestamp::EPOCH, 10);
            crate::self_signed(&[HostPattern::parse(name).unwrap()], validity).unwrap()
        };
        let (ours, other) = (made("shop.test"), made("other.test"));
        let pem = [&other, &ours].map(|bundle| crate::export_pem(&bundle.chain, &bundle.key).to_string()).concat();
        let request = csr(&names, &ours.key).unwrap();
        let (chain, facts) = issued_for(&pem, &request).unwrap();
        assert_eq!((chain.leaf, facts.thumbprint), (ours.chain.leaf, ours.facts.thumbprint));
        let stranger = csr(&names, &new_private_key(KeyAlgorithm::EcdsaP256).unwrap()).unwrap();
        assert!(issued_for(&pem, &stranger).unwrap_err().to_string().contains("not for its key"));
        let key = new_private_key(KeyAlgorithm::EcdsaP256).unwrap();
        assert!(matches!(csr(&[HostPattern::Any], &key), Err(CsrError::AnyHost)));
    }
}
