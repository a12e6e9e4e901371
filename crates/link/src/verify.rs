//! Who the peer is: the thumbprint of the one certificate that it shows, and proof that it has the key.
//!
//! What is asked for, in this order:
//! 1. for the side that dials, its thumbprint is one of the expected ones;
//! 2. one certificate and no other: a pinned certificate in a chain proves nothing;
//! 3. the handshake is signed by its key, with TLS 1.3.
//!
//! Names, dates, issuers and extensions are not looked at. The side that is dialled takes any certificate here and judges
//! after the handshake, so that it can say in words what it does not trust (in TLS 1.3 the dialler has finished by then,
//! and would see a read error).

use std::sync::Arc;

use portward_core::{Sha1Thumbprint, Thumbprint, Timestamp, Validity};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};

use crate::tls::provider;

/// Says what a peer showed, for people who look for the reason why it is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// SHA-256 of its certificate.
    pub thumbprint: Thumbprint,
    /// The hash by which old tools know it.
    pub sha1: Sha1Thumbprint,
    /// As in `CN=web-03`.
    pub subject: String,
    /// Who signed it: of a proxy that looks into TLS this says whose it is.
    pub issuer: String,
}

/// Says that a peer showed another certificate than was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the thumbprint {}, and {} came{}", list(.expected), .shown.thumbprint, .shown.names())]
pub struct Mismatch {
    /// What was expected.
    pub expected: Vec<Thumbprint>,
    /// What came.
    pub shown: Shown,
}

/// Says that a peer showed more than one certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer showed {0} certificates; an identity is one, without issuers")]
pub struct Chain(pub usize);

/// Says that the key of a peer is too small to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer showed an RSA key of {0} bits; at least {LEAST_RSA_BITS} are needed: it needs another identity")]
pub struct Weak(pub usize);

/// Says that the certificate of a peer cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer showed a certificate that cannot be read: {0}")]
pub struct Unreadable(pub String);

/// What is read of a certificate that is known by its thumbprint.
pub(crate) struct Facts {
    /// `SubjectPublicKeyInfo` in DER.
    pub(crate) public_key: Vec<u8>,
    pub(crate) subject: String,
    pub(crate) issuer: String,
    /// None if it has dates that cannot be written otherwise; nobody enforces them.
    pub(crate) validity: Option<Validity>,
    /// None if it is no RSA key.
    pub(crate) rsa_bits: Option<usize>,
}

/// Expects a server with one of some thumbprints.
#[derive(Debug)]
pub(crate) struct Pinned {
    pins: Vec<Thumbprint>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Takes any client that has the key of what it shows; who it is, is judged after the handshake.
#[derive(Debug)]
pub(crate) struct AnyClient {
    algorithms: WebPkiSupportedAlgorithms,
}

impl Shown {
    /// Describes a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        let (subject, issuer) = match facts(certificate) {
            Ok(facts) => (facts.subject, facts.issuer),
            Err(_) => (String::new(), String::new()),
        };
        Self { thumbprint: Thumbprint::of(certificate), sha1: Sha1Thumbprint::of(certificate), subject, issuer }
    }

    /// Its names as they follow a thumbprint in a sentence; none if there are none.
    fn names(&self) -> String {
        match (self.subject.as_str(), self.issuer.as_str()) {
            ("", "") => String::new(),
            (subject, issuer) if subject == issuer => format!(" (of {subject:?}, signed by itself)"),
            (subject, issuer) => format!(" (of {subject:?}, issued by {issuer:?})"),
        }
    }
}

impl Pinned {
    pub(crate) fn new(pins: Vec<Thumbprint>) -> Self {
        Self { pins, algorithms: provider().signature_verification_algorithms }
    }
}

impl AnyClient {
    pub(crate) fn new() -> Self {
        Self { algorithms: provider().signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Thumbprint::of(end_entity);
        if !self.pins.contains(&shown) {
            return Err(because(Mismatch { expected: self.pins.clone(), shown: Shown::of(end_entity) }));
        }
        alone(intermediates)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        has_key(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        alone(intermediates)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        has_key(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Reads a certificate as far as a pinned one is read.
pub(crate) fn facts(certificate: &[u8]) -> Result<Facts, String> {
    let (rest, read) = X509Certificate::from_der(certificate).map_err(|error| error.to_string())?;
    if !rest.is_empty() {
        return Err("there is something after its end".to_owned());
    }
    let date = |seconds| Timestamp::from_unix(seconds).ok();
    let dates = read.validity();
    let dates = date(dates.not_before.timestamp()).zip(date(dates.not_after.timestamp()));
    let rsa_bits = match read.public_key().parsed() {
        Ok(x509_parser::public_key::PublicKey::RSA(key)) => Some(key.key_size()),
        _ => None,
    };
    Ok(Facts {
        public_key: read.public_key().raw.to_vec(),
        subject: plain(&read.subject().to_string(), LONGEST_NAME),
        issuer: plain(&read.issuer().to_string(), LONGEST_NAME),
        validity: dates.map(|(not_before, not_after)| Validity { not_before, not_after }),
        rsa_bits,
    })
}

/// Verifies a signature that is no part of a handshake by the key of a certificate.
pub(crate) fn signature(
    certificate: &[u8],
    message: &[u8],
    scheme: SignatureScheme,
    signature: &[u8],
) -> Result<(), Error> {
    let strong = facts(certificate).map_err(|error| because(Unreadable(error)))?.strong()?;
    let (_, key) = SubjectPublicKeyInfo::from_der(&strong.public_key).map_err(|_| bad_encoding())?;
    let algorithms = provider().signature_verification_algorithms;
    let of_scheme = algorithms.mapping.iter().find(|(known, _)| *known == scheme).map_or(&[][..], |(_, all)| *all);
    // The identifier of the key's algorithm is all of what stands before the key, without its own header.
    let key_algorithm = key.algorithm.algorithm.to_string();
    let is_verified = of_scheme.iter().any(|algorithm| {
        verifies_with(algorithm.public_key_alg_id().as_ref(), &key_algorithm)
            && algorithm.verify_signature(key.subject_public_key.as_ref(), message, signature).is_ok()
    });
    if is_verified { Ok(()) } else { Err(Error::InvalidCertificate(CertificateError::BadSignature)) }
}

/// Whether an `AlgorithmIdentifier` (its content in DER) begins with that object identifier.
fn verifies_with(identifier: &[u8], oid: &str) -> bool {
    x509_parser::der_parser::oid::Oid::from_der(identifier).is_ok_and(|(_, read)| read.to_id_string() == oid)
}

fn has_key(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    // By the key alone: the certificate is known by its hash, and webpki would ask more of it than we do.
    let facts = facts(certificate).map_err(|error| because(Unreadable(error)))?.strong()?;
    let key = SubjectPublicKeyInfoDer::from(facts.public_key);
    verify_tls13_signature_with_raw_key(message, &key, dss, algorithms)
}

impl Facts {
    fn strong(self) -> Result<Self, Error> {
        match self.rsa_bits {
            Some(bits) if bits < LEAST_RSA_BITS => Err(because(Weak(bits))),
            _ => Ok(self),
        }
    }
}

/// A text of somebody else as it can be shown and logged: on one line, and not longer than that.
pub(crate) fn plain(text: &str, longest: usize) -> String {
    let is_shown = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().filter(is_shown).take(longest).collect()
}

fn alone(intermediates: &[CertificateDer<'_>]) -> Result<(), Error> {
    if intermediates.is_empty() { Ok(()) } else { Err(because(Chain(intermediates.len() + 1))) }
}

fn because(reason: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(reason))))
}

fn bad_encoding() -> Error {
    Error::InvalidCertificate(CertificateError::BadEncoding)
}

fn no_tls12() -> Error {
    Error::General("a link is TLS 1.3 only".to_owned())
}

fn list(pins: &[Thumbprint]) -> String {
    pins.iter().map(Thumbprint::to_string).collect::<Vec<_>>().join(" or ")
}

/// Smaller ones can be broken by who has the means.
pub(crate) const LEAST_RSA_BITS: usize = 2048;
const LONGEST_NAME: usize = 256;
