//! A key with its certificate, by which one side of a link is known to the other.

use std::{fmt, sync::Arc, time::Duration};

use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_STANDARD};
use portward_core::{Sha1Thumbprint, Thumbprint, Timestamp, Validity};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls::{
    SignatureScheme,
    crypto::aws_lc_rs::sign::any_supported_type,
    sign::{CertifiedKey, SigningKey},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::verify;

/// Holds a private key and the certificate by whose thumbprint it is trusted.
///
/// Nobody asks for the dates of the certificate, nor for its names; they are there because tools expect some.
#[derive(Clone)]
pub struct Identity {
    certificate: CertificateDer<'static>,
    key_der: Arc<Zeroizing<Vec<u8>>>,
    key: Arc<dyn SigningKey>,
    /// Both in the form that rustls presents; every link has the same one.
    certified: Arc<CertifiedKey>,
    thumbprint: Thumbprint,
}

/// Says why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The certificate could not be made.
    #[error("the certificate of the identity could not be made")]
    Make(#[from] rcgen::Error),
    /// The system gave no random bytes.
    #[error("no random bytes could be had from the system")]
    Random,
    /// Its time cannot be written in a certificate.
    #[error("the clock shows {0}, which no certificate can be dated with; set the clock")]
    Clock(Timestamp),
    /// The key is of a kind that TLS 1.3 does not sign with.
    #[error(
        "the private key is of a kind that cannot be used; use ECDSA on P-256 or P-384, Ed25519, or RSA of 2048 bits or more"
    )]
    Key(#[source] rustls::Error),
    /// The certificate cannot be read.
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    /// The key belongs to another certificate.
    #[error("the private key is not the one of the certificate")]
    Mismatch,
    /// The key is too small to be trusted.
    #[error("the RSA key has {0} bits; at least 2048 are needed: portward-agent new-certificate makes a key that is")]
    Weak(usize),
}

/// Shows that somebody has the key of a certificate that is to follow the one of the session.
///
/// The signature is over what only this TLS session knows, so it is of no use in another one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Offer {
    /// The certificate, DER in base64.
    certificate: String,
    /// The signature by its key, in base64.
    signature: String,
    /// How it was made: the number of TLS (RFC 8446 section 4.2.3).
    scheme: u16,
}

/// Says why an offer is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Its parts cannot be read.
    #[error("the offered certificate or its signature cannot be read")]
    Malformed,
    /// Who offers does not have the key.
    #[error("the offered certificate {0} is not proved: the signature is not by its key, or not of this session")]
    NotProved(Thumbprint),
}

impl Identity {
    /// Makes a new identity: ECDSA on P-256, signed by itself. `name` is for people who look at the certificate.
    pub fn new(name: &str, now: Timestamp) -> Result<Self, IdentityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut serial = [0_u8; 16];
        rand::fill(&mut serial).map_err(|_| IdentityError::Random)?;
        serial[0] &= 0x3f;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        // Libraries that read the certificate want a name of version 3; nobody asks for it.
        params.subject_alt_names = vec![SanType::DnsName("agent.invalid".try_into()?)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.not_before = date(now.minus(DAY))?;
        params.not_after = date(now.plus(LIFETIME))?;
        let certificate = params.self_signed(&key)?;
        Self::from_der(certificate.der().to_vec(), Zeroizing::new(key.serialize_der()))
    }

    /// Takes a certificate and its key, PKCS #8, both in DER.
    pub fn from_der(certificate: Vec<u8>, pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, IdentityError> {
        let shown = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.as_slice()));
        let key = any_supported_type(&shown).map_err(IdentityError::Key)?;
        let facts = verify::facts(&certificate).map_err(IdentityError::Certificate)?;
        if let Some(bits) = facts.rsa_bits.filter(|bits| *bits < verify::LEAST_RSA_BITS) {
            return Err(IdentityError::Weak(bits));
        }
        if key.public_key().is_none_or(|public| public.as_ref() != facts.public_key) {
            return Err(IdentityError::Mismatch);
        }
        let thumbprint = Thumbprint::of(&certificate);
        let certificate = CertificateDer::from(certificate);
        let certified = Arc::new(CertifiedKey::new(vec![certificate.clone()], Arc::clone(&key)));
        Ok(Self { certificate, key_der: Arc::new(pkcs8), key, certified, thumbprint })
    }

    /// Who it is.
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// The hash by which old tools know it.
    pub fn sha1(&self) -> Sha1Thumbprint {
        Sha1Thumbprint::of(&self.certificate)
    }

    /// The certificate in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The private key, PKCS #8 in DER.
    pub fn expose_key(&self) -> &Zeroizing<Vec<u8>> {
        &self.key_der
    }

    /// The dates in the certificate, which nobody enforces; none if they cannot be read.
    pub fn validity(&self) -> Option<Validity> {
        verify::facts(&self.certificate).ok().and_then(|facts| facts.validity)
    }

    /// What people find in the certificate as its subject.
    pub fn subject(&self) -> String {
        verify::facts(&self.certificate).map(|facts| facts.subject).unwrap_or_default()
    }

    /// The form that rustls presents.
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    /// Offers this identity in a session that another one has begun; `binding` is what only the session knows.
    pub fn offer(&self, binding: &[u8; 32]) -> Result<Offer, IdentityError> {
        let failed =
            || IdentityError::Key(rustls::Error::General("the key signs with no scheme of TLS 1.3".to_owned()));
        let signer = self.key.choose_scheme(SCHEMES).ok_or_else(failed)?;
        let signature = signer.sign(&offered(&self.certificate, binding)).map_err(IdentityError::Key)?;
        Ok(Offer {
            certificate: BASE64_STANDARD.encode(&self.certificate),
            signature: BASE64_STANDARD.encode(signature),
            scheme: u16::from(signer.scheme()),
        })
    }
}

impl Offer {
    /// The thumbprint of what is offered, if it is proved that who offers has its key.
    pub fn accept(&self, binding: &[u8; 32]) -> Result<Thumbprint, OfferError> {
        let certificate = BASE64_STANDARD.decode(&self.certificate).map_err(|_| OfferError::Malformed)?;
        let signature = BASE64_STANDARD.decode(&self.signature).map_err(|_| OfferError::Malformed)?;
        let thumbprint = Thumbprint::of(&certificate);
        let scheme = SignatureScheme::from(self.scheme);
        verify::signature(&certificate, &offered(&certificate, binding), scheme, &signature)
            .map_err(|_| OfferError::NotProved(thumbprint))?;
        Ok(thumbprint)
    }
}

/// What is signed: 64 spaces and a text of its own before it, as TLS does, so that it can be no other signature.
fn offered(certificate: &[u8], binding: &[u8; 32]) -> Vec<u8> {
    let mut message = vec![b' '; 64];
    message.extend_from_slice(b"portward-agent/1, identity that follows\0");
    message.extend_from_slice(binding);
    message.extend_from_slice(certificate);
    message
}

fn date(at: Timestamp) -> Result<OffsetDateTime, IdentityError> {
    OffsetDateTime::from_unix_timestamp(at.unix()).map_err(|_| IdentityError::Clock(at))
}

/// The thumbprint; the key is nobody's business.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}

const SCHEMES: &[SignatureScheme] = &[
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
];
const DAY: Duration = Duration::from_secs(24 * 3600);
/// As long as Octopus's: identities are replaced by age, not by the dates in them.
const LIFETIME: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2026-11-26T12:00:00Z").unwrap()
    }

    #[test]
    fn an_identity_is_read_as_it_was_made() {
        let made = Identity::new("web-03", now()).unwrap();
        let read = Identity::from_der(made.certificate().to_vec(), made.expose_key().clone()).unwrap();
        assert_eq!(read.thumbprint(), made.thumbprint());
        assert_eq!(read.thumbprint(), Thumbprint::of(made.certificate()));
        assert_eq!(read.subject(), "CN=web-03");
        let validity = read.validity().unwrap();
        assert_eq!(validity.not_before, now().minus(DAY));
        assert!(format!("{made:?}").len() < 120, "{made:?}");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, other) = (Identity::new("a", now()).unwrap(), Identity::new("a", now()).unwrap());
        let mixed = Identity::from_der(one.certificate().to_vec(), other.expose_key().clone());
        assert!(matches!(mixed, Err(IdentityError::Mismatch)));
        let broken = Identity::from_der(vec![1, 2, 3], one.expose_key().clone());
        assert!(matches!(broken, Err(IdentityError::Certificate(_))));
    }

    #[test]
    fn an_offer_counts_in_its_session_and_for_its_certificate_only() {
        let (one, other) = (Identity::new("a", now()).unwrap(), Identity::new("b", now()).unwrap());
        let offer = one.offer(&[7; 32]).unwrap();
        assert_eq!(offer.accept(&[7; 32]), Ok(one.thumbprint()));
        assert_eq!(offer.accept(&[8; 32]), Err(OfferError::NotProved(one.thumbprint())));
        let swapped = Offer { certificate: BASE64_STANDARD.encode(other.certificate()), ..offer.clone() };
        assert_eq!(swapped.accept(&[7; 32]), Err(OfferError::NotProved(other.thumbprint())));
        let scheme = Offer { scheme: 0x0401, ..offer.clone() };
        assert_eq!(scheme.accept(&[7; 32]), Err(OfferError::NotProved(one.thumbprint())));
        let torn = Offer { signature: "?".to_owned(), ..offer };
        assert_eq!(torn.accept(&[7; 32]), Err(OfferError::Malformed));
    }
}
