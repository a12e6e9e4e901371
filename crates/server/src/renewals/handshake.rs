//! Looking at what a handshake presents, as a client would.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use portward_core::{Host, Thumbprint};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

/// The leaf that is presented at an address to a client that asks for a host.
///
/// Nothing is sent, and nothing is believed: whether somebody would trust the certificate is not the question.
///
/// # Errors
///
/// Says what went wrong.
pub(super) async fn presented(address: SocketAddr, host: &Host) -> Result<Thumbprint, String> {
    let name = match host {
        Host::Name(name) => {
            ServerName::try_from(name.as_str().to_owned()).map_err(|_| format!("{name} cannot be asked for"))?
        }
        Host::Ip(ip) => ServerName::IpAddress((*ip).into()),
    };
    let config = config().map_err(|error| error.to_string())?;
    let handshake = async {
        let tcp = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let tls = TlsConnector::from(config).connect(name, tcp).await.map_err(|error| error.to_string())?;
        let (_, connection) = tls.get_ref();
        let leaf = connection.peer_certificates().and_then(|chain| chain.first());
        leaf.map(|leaf| Thumbprint::of(leaf)).ok_or_else(|| "no certificate was presented".to_owned())
    };
    timeout(LIMIT, handshake).await.unwrap_or_else(|_| Err("the handshake was not done in time".to_owned()))
}

fn config() -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(OnlyLooking(provider)))
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// Accepts every certificate, as nothing is sent to whoever has it; that they have its key is checked.
#[derive(Debug)]
struct OnlyLooking(Arc<CryptoProvider>);

impl ServerCertVerifier for OnlyLooking {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// It is on this machine.
const LIMIT: Duration = Duration::from_secs(5);
