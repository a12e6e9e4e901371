//! Handshakes with upstreams.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::digest;
use portward_core::{Host, Thumbprint, UpstreamAddress, UpstreamTrust};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, InvalidMessage, RootCertStore,
    client::UnbufferedClientConnection,
    crypto::CryptoProvider,
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use tokio::net::TcpStream;

use super::{
    provider::provider,
    server::Protocol,
    verifier::{RefusedCertificate, RefusedReason, UpstreamVerifier},
};
use crate::stream::{BeginError, Session, Stream, begin};

/// Is what the TLS clients of all workers share: the roots of this machine, and a configuration for each trust and offer.
///
/// A configuration has sessions to resume, so that one trust never resumes what another one has verified.
#[derive(Debug)]
pub(crate) struct TlsClient {
    provider: Arc<CryptoProvider>,
    system: Arc<RootCertStore>,
    configurations: Mutex<HashMap<(TrustKey, Offer), Arc<ClientConfig>>>,
}

/// Says which HTTP an upstream is offered by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Offer {
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2, else HTTP/1.1.
    Either,
    /// HTTP/2 alone.
    Http2,
}

/// Says why there is no TLS connection to an upstream.
///
/// Its text and its cause's are for operators: they name what clients are not told.
#[derive(Debug, thiserror::Error)]
#[error("could not make a TLS connection to {upstream}")]
pub(crate) struct UpstreamTlsError {
    /// The upstream, as a URL.
    pub(crate) upstream: String,
    /// What went wrong.
    #[source]
    pub(crate) cause: UpstreamTlsCause,
}

/// Says what went wrong in a handshake with an upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamTlsCause {
    /// Its certificate has expired.
    #[error(
        "its certificate {got} has expired; renew it there, or trust it in spite of its dates with --upstream-pin {got}"
    )]
    Expired {
        /// The leaf.
        got: Thumbprint,
    },
    /// Its certificate is not valid yet.
    #[error("its certificate {got} is not valid yet; check the clocks of both machines")]
    NotYetValid {
        /// The leaf.
        got: Thumbprint,
    },
    /// Its certificate is for other names.
    #[error("its certificate {got} is for other names ({}); use one of them in the upstream's URL, or trust the certificate itself with --upstream-pin {got}", names.join(", "))]
    Name {
        /// The leaf.
        got: Thumbprint,
        /// What it is for.
        names: Vec<String>,
    },
    /// Nobody that is trusted has signed its certificate.
    #[error(
        "its certificate {got} is from an authority that is not trusted; give the authority's certificate with --upstream-ca FILE, or trust this one with --upstream-pin {got}"
    )]
    UnknownIssuer {
        /// The leaf.
        got: Thumbprint,
    },
    /// There is no authority to trust.
    #[error(
        "there is no authority to check its certificate {got} against: this machine has no root certificates (the package ca-certificates), or those that were given cannot be read"
    )]
    NoAuthorities {
        /// The leaf.
        got: Thumbprint,
    },
    /// Its certificate is another one than the pinned one.
    #[error(
        "its certificate is not the pinned one: expected {expected}, got {got}; if it was replaced on purpose, trust the new one with --upstream-pin {got}"
    )]
    Pin {
        /// The pin.
        expected: Thumbprint,
        /// The leaf.
        got: Thumbprint,
    },
    /// Something else is wrong with its certificate.
    #[error("its certificate {got} is not accepted: {error}; trust the certificate itself with --upstream-pin {got}")]
    Certificate {
        /// The leaf.
        got: Thumbprint,
        /// What rustls says.
        error: CertificateError,
    },
    /// It answered with something else than TLS.
    #[error("it does not speak TLS on this port; if it is plain HTTP, begin the upstream's URL with http://")]
    NotTls,
    /// It refused us.
    #[error("it refused the connection with the alert {0:?}")]
    Alert(AlertDescription),
    /// It closed the connection.
    #[error("it closed the connection during the handshake")]
    Closed,
    /// The connection failed.
    #[error("the connection failed during the handshake")]
    Io(#[source] io::Error),
    /// Its host is no name that a certificate can have.
    #[error("its host name cannot stand in a certificate")]
    InvalidName,
    /// It was offered HTTP/2 alone.
    #[error("it does not agree to HTTP/2 (ALPN h2); turn HTTP/2 on there, or let it choose with --upstream-http auto")]
    NoHttp2,
    /// The two sides could not agree, or it broke the protocol.
    #[error("the handshake failed")]
    Tls(#[source] Error),
}

/// Tells one trust from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum TrustKey {
    System,
    /// SHA-256 over the authorities' thumbprints.
    Authorities([u8; 32]),
    Pin(Thumbprint),
    DangerInsecure,
}

impl TlsClient {
    /// Makes the shared part and reads the roots that this machine trusts.
    pub(crate) fn new() -> Self {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(error = error as &dyn std::error::Error, "some root certificates cannot be read");
        }
        let mut system = RootCertStore::empty();
        let (taken, _) = system.add_parsable_certificates(found.certs);
        tracing::debug!(roots = taken, "root certificates of this machine read");
        Self { provider: Arc::new(provider()), system: Arc::new(system), configurations: Mutex::default() }
    }

    /// Does the handshake with an upstream, and tells what is spoken after it. The caller limits its time.
    pub(crate) async fn connect(
        &self,
        tcp: TcpStream,
        upstream: &UpstreamAddress,
        trust: &UpstreamTrust,
        offer: Offer,
    ) -> Result<(Stream, Protocol), UpstreamTlsError> {
        let failed = |cause| UpstreamTlsError { upstream: upstream.to_string(), cause };
        let name = server_name(&upstream.host).ok_or_else(|| failed(UpstreamTlsCause::InvalidName))?;
        let configuration = self.configuration(trust, offer).map_err(|error| failed(UpstreamTlsCause::Tls(error)))?;
        let session = UnbufferedClientConnection::new(configuration, name)
            .map_err(|error| failed(UpstreamTlsCause::Tls(error)))?;
        let begun = match begin(tcp, Vec::new(), Session::Client(session), None).await {
            Ok(begun) => begun,
            Err(BeginError::Tls(Error::AlertReceived(AlertDescription::NoApplicationProtocol)))
                if offer == Offer::Http2 =>
            {
                return Err(failed(UpstreamTlsCause::NoHttp2));
            }
            Err(error) => return Err(failed(UpstreamTlsCause::from(error))),
        };
        let agreed = match begun.session().facts().alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ if offer == Offer::Http2 => return Err(failed(UpstreamTlsCause::NoHttp2)),
            _ => Protocol::Http1,
        };
        Ok((Stream::tls(begun), agreed))
    }

    fn configuration(&self, trust: &UpstreamTrust, offer: Offer) -> Result<Arc<ClientConfig>, Error> {
        let key = (TrustKey::of(trust), offer);
        let mut configurations = self.configurations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(configuration) = configurations.get(&key) {
            return Ok(Arc::clone(configuration));
        }
        let verifier = UpstreamVerifier::new(Arc::clone(&self.provider), trust, &self.system);
        let mut configuration = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let protocols: &[&[u8]] = match offer {
            Offer::Http1 => &[b"http/1.1"],
            Offer::Either => &[b"h2", b"http/1.1"],
            Offer::Http2 => &[b"h2"],
        };
        configuration.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let configuration = Arc::new(configuration);
        if configurations.len() >= CONFIGURATIONS {
            configurations.clear();
        }
        configurations.insert(key, Arc::clone(&configuration));
        Ok(configuration)
    }
}

impl TrustKey {
    fn of(trust: &UpstreamTrust) -> Self {
        match trust {
            UpstreamTrust::System => Self::System,
            UpstreamTrust::Authorities(authorities) => {
                let mut hash = digest::Context::new(&digest::SHA256);
                for authority in authorities.iter() {
                    hash.update(Thumbprint::of(authority).as_bytes());
                }
                let mut bytes = [0; 32];
                bytes.copy_from_slice(hash.finish().as_ref());
                Self::Authorities(bytes)
            }
            UpstreamTrust::Pin(thumbprint) => Self::Pin(**thumbprint),
            UpstreamTrust::DangerInsecure => Self::DangerInsecure,
        }
    }
}

impl From<BeginError> for UpstreamTlsCause {
    fn from(error: BeginError) -> Self {
        let error = match error {
            BeginError::Closed => return Self::Closed,
            BeginError::Http(_) => return Self::NotTls,
            BeginError::Io(error) => return Self::Io(error),
            BeginError::Tls(error) => error,
        };
        match error {
            Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
                Self::NotTls
            }
            Error::AlertReceived(alert) => Self::Alert(alert),
            Error::InvalidCertificate(CertificateError::Other(other)) => {
                match other.0.downcast_ref::<RefusedCertificate>() {
                    Some(refused) => Self::from(refused.clone()),
                    None => Self::Tls(Error::InvalidCertificate(CertificateError::Other(other))),
                }
            }
            other => Self::Tls(other),
        }
    }
}

impl From<RefusedCertificate> for UpstreamTlsCause {
    fn from(refused: RefusedCertificate) -> Self {
        use CertificateError as E;
        let got = refused.got;
        match refused.reason {
            RefusedReason::Pin { expected } => Self::Pin { expected, got },
            RefusedReason::NoAuthorities => Self::NoAuthorities { got },
            RefusedReason::Certificate(E::Expired | E::ExpiredContext { .. }) => Self::Expired { got },
            RefusedReason::Certificate(E::NotValidYet | E::NotValidYetContext { .. }) => Self::NotYetValid { got },
            RefusedReason::Certificate(E::NotValidForNameContext { presented, .. }) => {
                Self::Name { got, names: presented }
            }
            RefusedReason::Certificate(E::NotValidForName) => Self::Name { got, names: Vec::new() },
            // An authority of the right name and another key, or another kind of key, has not signed it either.
            RefusedReason::Certificate(
                E::UnknownIssuer | E::BadSignature | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
            ) => Self::UnknownIssuer { got },
            RefusedReason::Certificate(error) => Self::Certificate { got, error },
        }
    }
}

/// The name that the certificate must have; an address is not sent as SNI.
fn server_name(host: &Host) -> Option<ServerName<'static>> {
    match host {
        Host::Name(name) => ServerName::try_from(name.as_str().to_owned()).ok(),
        Host::Ip(address) => Some(ServerName::IpAddress((*address).into())),
    }
}

/// Trusts that are kept at once; thousands of sites mostly share a few.
const CONFIGURATIONS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// A self-signed upstream called localhost was told of in Rust's words where a root of that name was installed.
    #[test]
    fn an_authority_of_the_same_name_with_another_kind_of_key_is_no_authority_of_it() {
        let error = CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id: Vec::new(),
            public_key_algorithm_id: Vec::new(),
        };
        let refused = RefusedCertificate { got: Thumbprint::of(b""), reason: RefusedReason::Certificate(error) };
        assert!(matches!(UpstreamTlsCause::from(refused), UpstreamTlsCause::UnknownIssuer { .. }));
    }
}
