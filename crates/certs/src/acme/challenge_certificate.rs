//! The certificate that answers a tls-alpn-01 challenge.

use portward_core::Host;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, SanType};
use zeroize::Zeroizing;

/// Is a certificate that is shown to a CA in a handshake for `acme-tls/1`, and to nobody else.
pub struct ChallengeCertificate {
    /// The certificate, DER.
    pub leaf: Vec<u8>,
    /// Its private key, PKCS #8 in DER.
    pub key_pkcs8: Zeroizing<Vec<u8>>,
}

/// Says why a challenge certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the certificate for a tls-alpn-01 challenge could not be made")]
pub struct ChallengeCertificateError(#[from] rcgen::Error);

/// Makes the certificate for a host and the SHA-256 of its key authorization (RFC 8737 section 3).
///
/// It has one name, the host, and the critical extension `id-pe-acmeIdentifier`.
pub fn challenge_certificate(
    host: &Host,
    digest: &[u8; 32],
) -> Result<ChallengeCertificate, ChallengeCertificateError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![match host {
        Host::Ip(address) => SanType::IpAddress(*address),
        Host::Name(name) => SanType::DnsName(name.as_str().to_owned().try_into()?),
    }];
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&pair)?;
    Ok(ChallengeCertificate { leaf: certificate.der().to_vec(), key_pkcs8: Zeroizing::new(pair.serialize_der()) })
}

impl std::fmt::Debug for ChallengeCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChallengeCertificate").field("leaf_bytes", &self.leaf.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use portward_core::HostPattern;

    use crate::facts;

    #[test]
    fn a_challenge_certificate_has_the_host_alone_and_the_digest() {
        for host in ["shop.test", "192.0.2.1", "2001:db8::1"] {
            let host = Host::parse(host).unwrap();
            let digest = [7; 32];
            let made = challenge_certificate(&host, &digest).unwrap();
            let names = facts(&made.leaf).unwrap().names;
            assert_eq!(*names, [HostPattern::Exact(host)]);
            // An OCTET STRING with the digest as its content.
            let inner = [&[4, 32][..], &digest].concat();
            assert!(made.leaf.windows(inner.len()).any(|window| window == inner));
        }
    }
}
