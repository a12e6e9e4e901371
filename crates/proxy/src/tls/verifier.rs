//! Which certificate of an upstream is accepted.

use std::{fmt, sync::Arc};

use portward_core::{Thumbprint, UpstreamTrust};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// Accepts what a site's [`UpstreamTrust`] says.
#[derive(Debug)]
pub(super) struct UpstreamVerifier {
    provider: Arc<CryptoProvider>,
    accepts: Accepts,
}

#[derive(Debug)]
enum Accepts {
    /// A certificate for the name, in force, from one of these authorities; none if there are no authorities at all.
    Authorities(Option<Arc<WebPkiServerVerifier>>),
    /// That leaf. Dates and name do not matter, and neither does what it was sent with.
    Pin(Thumbprint),
    /// Anything, from anybody.
    DangerAnything,
}

/// Says why a certificate was refused, and which one it was.
#[derive(Clone, Debug)]
pub(super) struct RefusedCertificate {
    /// The leaf that the upstream presented.
    pub(super) got: Thumbprint,
    /// What is wrong with it.
    pub(super) reason: RefusedReason,
}

#[derive(Clone, Debug)]
pub(super) enum RefusedReason {
    Pin { expected: Thumbprint },
    NoAuthorities,
    Certificate(CertificateError),
}

impl UpstreamVerifier {
    /// Makes the verifier of a trust; `system` are the roots of this machine.
    pub(super) fn new(provider: Arc<CryptoProvider>, trust: &UpstreamTrust, system: &Arc<RootCertStore>) -> Self {
        let authorities = |roots: Arc<RootCertStore>| {
            let builder = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
            Accepts::Authorities(builder.build().ok())
        };
        let accepts = match trust {
            UpstreamTrust::System => authorities(Arc::clone(system)),
            UpstreamTrust::Authorities(given) => {
                let mut roots = RootCertStore::empty();
                // One that cannot be read vouches for nobody; the others still do.
                roots.add_parsable_certificates(given.iter().map(|der| CertificateDer::from(der.to_vec())));
                authorities(Arc::new(roots))
            }
            UpstreamTrust::Pin(thumbprint) => Accepts::Pin(**thumbprint),
            UpstreamTrust::DangerInsecure => Accepts::DangerAnything,
        };
        Self { provider, accepts }
    }
}

impl ServerCertVerifier for UpstreamVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let reason = match &self.accepts {
            Accepts::DangerAnything => return Ok(ServerCertVerified::assertion()),
            Accepts::Pin(expected) if Thumbprint::of(leaf) == *expected => return Ok(ServerCertVerified::assertion()),
            Accepts::Pin(expected) => RefusedReason::Pin { expected: *expected },
            Accepts::Authorities(None) => RefusedReason::NoAuthorities,
            Accepts::Authorities(Some(webpki)) => {
                match webpki.verify_server_cert(leaf, intermediates, name, ocsp, now) {
                    Err(Error::InvalidCertificate(error)) => RefusedReason::Certificate(error),
                    other => return other,
                }
            }
        };
        let refused = RefusedCertificate { got: Thumbprint::of(leaf), reason };
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refused)))))
    }

    // A pin says which key is meant; that the peer has it is what these two prove. They are never left out for a pin.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.accepts {
            Accepts::DangerAnything => Ok(HandshakeSignatureValid::assertion()),
            _ => verify_tls12_signature(message, leaf, signature, &self.provider.signature_verification_algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.accepts {
            Accepts::DangerAnything => Ok(HandshakeSignatureValid::assertion()),
            _ => verify_tls13_signature(message, leaf, signature, &self.provider.signature_verification_algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Display for RefusedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the certificate {} is not accepted", self.got)
    }
}

impl std::error::Error for RefusedCertificate {}
