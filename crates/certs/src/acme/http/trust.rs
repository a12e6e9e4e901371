//! Who vouches for the certificate of a CA's own server, and what is said when nobody does.

use std::{fmt, sync::Arc};

use portward_core::acme::DirectoryTrust;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio_rustls::TlsConnector;

use super::Place;
use crate::x509::X509;

/// Says why nobody can vouch for a directory.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The machine has no list of roots.
    #[error("this machine trusts no certificate authority: no root certificates were found (package ca-certificates)")]
    NoSystemRoots,
    /// A certificate that was given is none.
    #[error("certificate {number} of those that vouch for the directory cannot be read as an authority")]
    BadAuthority {
        /// Counted from 1.
        number: usize,
        /// What is wrong.
        #[source]
        source: Error,
    },
    /// None was given.
    #[error("no certificate was given that vouches for the directory")]
    NoAuthorities,
    /// The library refuses.
    #[error("TLS cannot be set up")]
    Setup(#[source] Error),
}

/// Says why the certificate of a CA's server was refused.
#[derive(Debug)]
pub(super) struct Refused {
    /// Who issued the last certificate that came.
    issuer: String,
    subject: String,
    reason: CertificateError,
}

/// Verifies as webpki does, and remembers whose certificate it refuses.
#[derive(Debug)]
struct Verifier(Arc<WebPkiServerVerifier>);

pub(super) fn connector(trust: &DirectoryTrust) -> Result<TlsConnector, TrustError> {
    let mut roots = RootCertStore::empty();
    match trust {
        DirectoryTrust::System => {
            // Roots that cannot be read vouch for nobody; the others still do.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(TrustError::NoSystemRoots);
            }
        }
        DirectoryTrust::Authorities(given) => {
            for (index, der) in given.iter().enumerate() {
                roots
                    .add(CertificateDer::from(der.to_vec()))
                    .map_err(|source| TrustError::BadAuthority { number: index + 1, source })?;
            }
            if roots.is_empty() {
                return Err(TrustError::NoAuthorities);
            }
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| TrustError::Setup(Error::General(error.to_string())))?;
    let mut configuration = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier(verifier)))
        .with_no_client_auth();
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(configuration)))
}

impl Refused {
    /// Says who was refused, why, and what can be done.
    pub(super) fn told(&self, place: &Place) -> String {
        use CertificateError as E;
        match &self.reason {
            E::UnknownIssuer | E::BadSignature | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => format!(
                "the certificate of {place} is not trusted: it was issued by {}; if that is right, --directory-ca FILE \
                 names its root certificate",
                self.issuer
            ),
            E::Expired | E::ExpiredContext { .. } => {
                format!(
                    "the certificate of {place} ({}) has expired, or the clock of this machine is wrong",
                    self.subject
                )
            }
            E::NotValidYet | E::NotValidYetContext { .. } => format!(
                "the certificate of {place} ({}) is not valid yet, or the clock of this machine is wrong",
                self.subject
            ),
            E::NotValidForName | E::NotValidForNameContext { .. } => {
                format!("the certificate of {place} ({}) is for other names than {}", self.subject, place.host)
            }
            other => format!("the certificate of {place} ({}) is not accepted: {other}", self.subject),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let reason = match self.0.verify_server_cert(leaf, intermediates, name, ocsp, now) {
            Err(Error::InvalidCertificate(reason)) => reason,
            other => return other,
        };
        let read = |der: &CertificateDer<'_>| X509::read(der).ok();
        let last = intermediates.iter().rev().find_map(read).or_else(|| read(leaf));
        let refused = Refused {
            issuer: last.map_or_else(|| "an authority whose name cannot be read".to_owned(), |last| last.issuer_text),
            subject: read(leaf).map_or_else(|| "unreadable".to_owned(), |leaf| leaf.title()),
            reason,
        };
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refused)))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the certificate {} of the issuer {} is refused", self.subject, self.issuer)
    }
}

impl std::error::Error for Refused {}
