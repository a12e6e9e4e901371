//! Certificates, and TLS clients that keep no secrets, for the tests of this crate.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{net::SocketAddr, sync::Arc};

use portward_core::{BindingId, BindingProtocol, CertificateId, CertificateStatus, Chain, HostPattern, Thumbprint};
use rcgen::{CertificateParams, CustomExtension, Issuer, KeyPair, SignatureAlgorithm};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::CertifiedKey,
};
use tokio::net::TcpStream;

use super::{Accepted, HandshakeError, TlsServer, challenge_key};
use crate::{
    limits::Limits,
    snapshot::{ServedBinding, ServedCertificate, Snapshot},
    worker::Turns,
};

/// A chain, and its key in PKCS #8.
pub(crate) struct Issued {
    pub(crate) chain: Chain,
    pub(crate) key: Vec<u8>,
}

impl Issued {
    /// Self-signed.
    pub(crate) fn new(names: &[&str], algorithm: &'static SignatureAlgorithm) -> Self {
        Self::with(names, algorithm, |_| {})
    }

    /// Self-signed, changed before it is signed.
    pub(crate) fn with(
        names: &[&str],
        algorithm: &'static SignatureAlgorithm,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        change(&mut params);
        let leaf = params.self_signed(&key).unwrap();
        Self { chain: Chain::of_leaf(Arc::from(leaf.der().as_ref())), key: key.serialize_der() }
    }

    pub(crate) fn served(&self, id: &str) -> Arc<ServedCertificate> {
        let id = CertificateId::parse(id).unwrap();
        Arc::new(ServedCertificate::new(id, &self.chain, &self.key, true, CertificateStatus::Valid).unwrap())
    }

    pub(crate) fn thumbprint(&self) -> Thumbprint {
        self.chain.thumbprint()
    }
}

/// An authority that issues.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) der: Arc<[u8]>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Portward tests");
        let der = Arc::from(params.self_signed(&key).unwrap().der().as_ref());
        Self { issuer: Issuer::new(params, key), der }
    }

    pub(crate) fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, names[0]);
        change(&mut params);
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Issued { chain: Chain::of_leaf(Arc::from(leaf.der().as_ref())), key: key.serialize_der() }
    }
}

/// A self-signed certificate on P-256 that is ready to be served.
pub(crate) fn certificate(id: &str, names: &[&str]) -> Arc<ServedCertificate> {
    Issued::new(names, &rcgen::PKCS_ECDSA_P256_SHA256).served(id)
}

/// A certificate that answers a tls-alpn-01 challenge for the host, and nothing that anybody would take for a site's.
pub(crate) fn challenge(host: &str) -> Arc<CertifiedKey> {
    let issued = issued_for_challenge(host);
    challenge_key(&issued.chain.leaf, &issued.key).unwrap()
}

pub(crate) fn issued_for_challenge(host: &str) -> Issued {
    Issued::with(&[host], &rcgen::PKCS_ECDSA_P256_SHA256, |params| {
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(&[7; 32])];
    })
}

/// A snapshot without sites; a certificate for each pattern.
pub(crate) fn snapshot(certificates: &[(&str, &Arc<ServedCertificate>)]) -> Arc<Snapshot> {
    let mut snapshot = Snapshot::default();
    for (pattern, certificate) in certificates {
        snapshot.certificates.insert(&HostPattern::parse(pattern).unwrap(), Arc::clone(certificate));
    }
    Arc::new(snapshot)
}

pub(crate) fn binding(default: Option<&Arc<ServedCertificate>>) -> Arc<ServedBinding> {
    let id = BindingId::parse("front").unwrap();
    let binding = ServedBinding::new(id, BindingProtocol::Https, SocketAddr::from(([127, 0, 0, 1], 0)));
    Arc::new(ServedBinding { default_certificate: default.cloned(), ..binding })
}

impl TlsServer {
    /// Listens to a client, and does the handshake with it.
    pub(crate) async fn accept_from(
        &self,
        tcp: TcpStream,
        snapshot: &Arc<Snapshot>,
        binding: &Arc<ServedBinding>,
    ) -> Result<Accepted, HandshakeError> {
        let (local, limit) = (tcp.local_addr().unwrap(), Limits::default().handshake);
        let caller = Self::listen(tcp, limit).await?;
        self.accept(caller, snapshot, binding, local, limit, alone()).await
    }
}

/// A client that believes everybody, offers what `change` leaves of everything, and `alpn`.
pub(crate) fn client(alpn: &[&str], change: impl FnOnce(&mut CryptoProvider)) -> ClientConfig {
    let mut provider = aws_lc_rs::default_provider();
    change(&mut provider);
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        or_challenge(rustls::crypto::verify_tls12_signature(message, leaf, signature, &algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        or_challenge(rustls::crypto::verify_tls13_signature(message, leaf, signature, &algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// rustls does not read a leaf that answers a challenge, so its signature is left to openssl.
fn or_challenge(verified: Result<HandshakeSignatureValid, Error>) -> Result<HandshakeSignatureValid, Error> {
    match verified {
        Err(Error::InvalidCertificate(CertificateError::Other(other)))
            if other.to_string().contains("UnsupportedCriticalExtension") =>
        {
            Ok(HandshakeSignatureValid::assertion())
        }
        verified => verified,
    }
}

/// Turns for a handshake beside which there is no other.
pub(crate) fn alone() -> &'static Turns {
    Box::leak(Box::new(Turns::new()))
}
