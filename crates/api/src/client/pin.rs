//! A server that is known by the thumbprint of its certificate, as one is whose certificate is signed by its own key.

use std::{io, sync::Arc};

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

/// Says that another certificate was presented; [`another`] finds it, as rustls shows its insides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server presents the certificate {got}, and {expected} is the one that was named")]
pub(super) struct AnotherCertificate {
    pub(super) got: Thumbprint,
    pub(super) expected: Thumbprint,
}

/// What [`Pinned`] said in a handshake that failed; none if it failed otherwise.
pub(super) fn another(failed: &io::Error) -> Option<AnotherCertificate> {
    match failed.get_ref()?.downcast_ref::<Error>()? {
        Error::InvalidCertificate(CertificateError::Other(OtherError(said))) => said.downcast_ref().copied(),
        _ => None,
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use rustls::crypto::aws_lc_rs;

    use super::*;

    #[test]
    fn another_certificate_is_told_of_through_all_that_tls_wraps_it_in() {
        let (expected, got) = (Thumbprint::of(b"named"), Thumbprint::of(b"presented"));
        let pinned = Pinned { thumbprint: expected, provider: Arc::new(aws_lc_rs::default_provider()) };
        let verified = |leaf: &'static [u8]| {
            let name = ServerName::try_from("front.test").unwrap();
            pinned.verify_server_cert(&CertificateDer::from(leaf), &[], &name, &[], UnixTime::now())
        };
        assert!(verified(b"named").is_ok());
        let failed = io::Error::new(io::ErrorKind::InvalidData, verified(b"presented").unwrap_err());
        assert_eq!(another(&failed), Some(AnotherCertificate { got, expected }));
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        for other in [io::Error::from(io::ErrorKind::UnexpectedEof), io::Error::other(unknown)] {
            assert_eq!(another(&other), None, "{other}");
        }
    }
}
