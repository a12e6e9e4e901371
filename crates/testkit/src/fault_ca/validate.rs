//! Looks at challenges for real, on loopback.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::digest;
use portward_core::{
    Host, HostPattern,
    acme::{AcmeProblem, ChallengeKind},
};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    version::TLS13,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{FaultCa, Look, Validation, Verdict, perform::problem};
use crate::Connection;

impl FaultCa {
    /// Begins to look; the verdict comes later.
    pub(super) fn look_for_real(&self, validation: &Validation, id: u64, look: Look) {
        let Validation::Real { http_port, tls_port } = *validation else { return };
        let ca = self.clone();
        tokio::spawn(async move {
            let looking = async {
                match look.kind {
                    ChallengeKind::Http01 => http_01(&look, http_port).await,
                    ChallengeKind::TlsAlpn01 => tls_alpn_01(&look, tls_port).await,
                    ChallengeKind::Dns01 => Ok(()),
                }
            };
            let late = || Err(problem("connection", 400, format!("{}: Timeout during connect", look.name)));
            let seen = tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| late());
            let verdict = seen.map_or_else(Verdict::Invalid, |()| Verdict::Valid);
            let now = ca.now();
            ca.lock().decide(id, look.kind, verdict, now);
        });
    }
}

/// RFC 8555 section 8.3, without redirects.
async fn http_01(look: &Look, port: u16) -> Result<(), AcmeProblem> {
    let connection = |error: std::io::Error| problem("connection", 400, format!("{}: Fetching: {error}", look.name));
    let host = match &look.name {
        HostPattern::Exact(host) => host.to_string(),
        other => other.to_string(),
    };
    let path = format!("/.well-known/acme-challenge/{}", look.token);
    let mut stream = Connection::plain(loopback(port)).await.map_err(connection)?;
    let headers = "User-Agent: fault-ca\r\nAccept: */*\r\nConnection: close\r\n";
    let response = stream.request("GET", &host, &path, headers).await.map_err(connection)?;
    if response.status != 200 {
        let detail = format!("Invalid response from http://{host}{path}: {}", response.status);
        return Err(problem("unauthorized", 403, detail));
    }
    let body = response.text();
    if body.trim_end() != look.key_authorization {
        let detail = format!(
            "The key authorization file from the server did not match this challenge \"{}\" != \"{}\"",
            look.key_authorization,
            body.trim_end()
        );
        return Err(problem("unauthorized", 403, detail));
    }
    Ok(())
}

/// RFC 8737 section 3; for addresses RFC 8738 section 6.
async fn tls_alpn_01(look: &Look, port: u16) -> Result<(), AcmeProblem> {
    let connection = |error: std::io::Error| problem("connection", 400, format!("{}: {error}", look.name));
    let wrong = |why: &str| {
        problem("unauthorized", 403, format!("Incorrect validation certificate for tls-alpn-01 challenge. {why}"))
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&[&TLS13]);
    let config = config.unwrap().dangerous().with_custom_certificate_verifier(Arc::new(AnyChallenge(provider)));
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let stream = TcpStream::connect(loopback(port)).await.map_err(connection)?;
    let name = ServerName::try_from(sni(&look.name)).map_err(|_| wrong("The name cannot be asked for"))?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let stream = stream.map_err(|error| problem("tls", 400, format!("{}: {error}", look.name)))?;
    let session = stream.get_ref().1;
    if session.alpn_protocol() != Some(b"acme-tls/1") {
        return Err(wrong("Cannot negotiate ALPN protocol \"acme-tls/1\""));
    }
    let leaf =
        session.peer_certificates().and_then(<[CertificateDer<'_>]>::first).ok_or_else(|| wrong("There is none"))?;
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| wrong("It cannot be read"))?;
    let names = leaf.subject_alternative_name().ok().flatten();
    let is_alone = names.is_some_and(|names| match (names.value.general_names.as_slice(), &look.name) {
        ([GeneralName::DNSName(dns)], HostPattern::Exact(Host::Name(name))) => dns.eq_ignore_ascii_case(name.as_str()),
        ([GeneralName::IPAddress(bytes)], HostPattern::Exact(Host::Ip(IpAddr::V4(ip)))) => **bytes == ip.octets(),
        ([GeneralName::IPAddress(bytes)], HostPattern::Exact(Host::Ip(IpAddr::V6(ip)))) => **bytes == ip.octets(),
        _ => false,
    });
    if !is_alone {
        return Err(wrong("Its only subjectAltName must be the identifier"));
    }
    let identifier = leaf.iter_extensions().find(|one| one.oid.to_id_string() == ACME_IDENTIFIER && one.critical);
    let identifier = identifier.ok_or_else(|| wrong("It has no critical acmeIdentifier"))?;
    let wanted = digest::digest(&digest::SHA256, look.key_authorization.as_bytes());
    // An OCTET STRING of 32 bytes.
    if identifier.value != [&[4, 32], wanted.as_ref()].concat() {
        return Err(wrong("Its acmeIdentifier is not the SHA-256 of the key authorization"));
    }
    Ok(())
}

/// Takes any certificate, which is looked at later, but checks that the server has its key.
///
/// The checks of rustls refuse the critical acmeIdentifier, so that the key is taken out first; that goes for TLS 1.3.
#[derive(Debug)]
struct AnyChallenge(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyChallenge {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| CertificateError::BadEncoding)?;
        let key = SubjectPublicKeyInfoDer::from(leaf.public_key().raw);
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What is asked for in the handshake: the name, or for an address its reverse name.
fn sni(name: &HostPattern) -> String {
    match name {
        HostPattern::Exact(Host::Ip(IpAddr::V4(ip))) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        HostPattern::Exact(Host::Ip(IpAddr::V6(ip))) => {
            let nibbles = ip.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
            let labels: Vec<_> = nibbles.map(|nibble| format!("{nibble:x}")).collect();
            format!("{}.ip6.arpa", labels.join("."))
        }
        name => name.to_string(),
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// As long as Boulder waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// `id-pe-acmeIdentifier`.
const ACME_IDENTIFIER: &str = "1.3.6.1.5.5.7.1.31";
