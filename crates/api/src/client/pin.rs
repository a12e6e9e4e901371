//! A server that is known by the thumbprint of its certificate, as one is whose certificate is signed by its own key.

use std::sync::Arc;

use portward_core::Thumbprint;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// Accepts the one certificate with that SHA-256; its name and dates do not matter, that the server has its key does.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) thumbprint: Thumbprint,
    pub(super) provider: Arc<CryptoProvider>,
}

/// Says that another certificate was presented.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the server presents the certificate {got}, and {expected} is the one that was named; if its certificate was replaced, name the new one, else somebody else answers"
)]
struct AnotherCertificate {
    got: Thumbprint,
    expected: Thumbprint,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let got = Thumbprint::of(end_entity);
        if got == self.thumbprint {
            return Ok(ServerCertVerified::assertion());
        }
        let error = AnotherCertificate { got, expected: self.thumbprint };
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error)))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
