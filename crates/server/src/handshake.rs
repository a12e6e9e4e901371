//! Looking at what a handshake presents, and whether anything answers behind it, as a client would.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use portward_core::{Binding, Host, Thumbprint};
use portward_proxy::proxy_header::LOCAL_HEADER;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::explain::Trust;

/// Says how who is on this machine begins a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// As everybody does.
    #[default]
    Nothing,
    /// As a proxy that speaks for itself: with a header of the PROXY protocol.
    ProxyHeader,
}

impl Greeting {
    /// How a binding has to be greeted at an address of this machine.
    pub(crate) fn of(binding: &Binding, address: SocketAddr) -> Self {
        // Who connects to an address of this machine from this machine comes from that address.
        let is_proxy = binding.accept_proxy_from.iter().any(|network| network.contains(address.ip()));
        if is_proxy { Self::ProxyHeader } else { Self::Nothing }
    }

    /// What is sent first.
    pub(crate) fn opening(self) -> &'static [u8] {
        match self {
            Self::Nothing => b"",
            Self::ProxyHeader => LOCAL_HEADER,
        }
    }

    /// Connects, and greets.
    async fn connect(self, address: SocketAddr) -> std::io::Result<TcpStream> {
        let mut tcp = TcpStream::connect(address).await?;
        tcp.write_all(self.opening()).await?;
        Ok(tcp)
    }
}

/// Is a handshake that was done.
pub(crate) struct Handshake {
    /// What was presented, the leaf first; never empty.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// As in `TLS 1.3`.
    pub(crate) version: &'static str,
    stream: TlsStream<TcpStream>,
}

/// Says how far a handshake came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// Nobody takes the connection.
    #[error("{0}")]
    Tcp(String),
    /// Somebody takes it, and does not do TLS with it.
    #[error("{0}")]
    Tls(String),
}

/// Does a handshake at an address as a client that asks for a host.
///
/// Nothing is believed: whether somebody would trust the certificate is a question of its own ([`is_trusted`]).
pub(crate) async fn shake_hands(
    address: SocketAddr,
    greeting: Greeting,
    host: &Host,
) -> Result<Handshake, HandshakeError> {
    let tls = |error: String| HandshakeError::Tls(error);
    let name = server_name(host).ok_or_else(|| tls(format!("{host} cannot be asked for")))?;
    let config = looking_config(&[]).map_err(|error| tls(error.to_string()))?;
    let tcp = connect(address, greeting).await?;
    let shaking = timeout(LIMIT, TlsConnector::from(config).connect(name, tcp));
    let stream = shaking.await.map_err(|_| tls(TOO_SLOW.to_owned()))?.map_err(|error| tls(error.to_string()))?;
    let (_, connection) = stream.get_ref();
    let chain: Vec<CertificateDer<'static>> =
        connection.peer_certificates().unwrap_or_default().iter().map(|der| der.clone().into_owned()).collect();
    if chain.is_empty() {
        return Err(tls("no certificate was presented".to_owned()));
    }
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    };
    Ok(Handshake { chain, version, stream })
}

/// The leaf that is presented at an address to a client that asks for a host.
///
/// # Errors
///
/// Says what went wrong.
pub(crate) async fn presented(address: SocketAddr, greeting: Greeting, host: &Host) -> Result<Thumbprint, String> {
    let handshake = shake_hands(address, greeting, host).await.map_err(|error| error.to_string())?;
    Ok(handshake.leaf())
}

/// The status that a plain HTTP request for `/` of a host gets.
pub(crate) async fn plain_answer(address: SocketAddr, greeting: Greeting, host: &Host) -> Result<u16, HandshakeError> {
    let stream = connect(address, greeting).await?;
    ask(stream, host).await.map_err(HandshakeError::Tls)
}

/// Whether this machine's own authorities vouch for a chain and a host; says why not.
pub(crate) fn is_trusted(chain: &[CertificateDer<'_>], host: &Host, now: UnixTime) -> Result<(), String> {
    let name = server_name(host).ok_or_else(|| format!("{host} cannot be asked for"))?;
    Trust::of_this_machine_at(now).judge(chain, &name)
}

impl Handshake {
    /// The leaf that was presented.
    pub(crate) fn leaf(&self) -> Thumbprint {
        self.chain.first().map(|leaf| Thumbprint::of(leaf)).unwrap_or_else(|| Thumbprint::of(&[]))
    }

    /// The status that a request for `/` of a host gets.
    pub(crate) async fn answer(self, host: &Host) -> Result<u16, String> {
        ask(self.stream, host).await
    }
}

/// Connects, and greets.
pub(crate) async fn connect(address: SocketAddr, greeting: Greeting) -> Result<TcpStream, HandshakeError> {
    let connecting = timeout(LIMIT, greeting.connect(address)).await;
    let connected = connecting.map_err(|_| HandshakeError::Tcp("nobody took the connection in time".to_owned()))?;
    connected.map_err(|error| HandshakeError::Tcp(error.to_string()))
}

/// Asks for `/` and reads the status line (RFC 9112 section 4).
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &Host) -> Result<u16, String> {
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
    let asking = async {
        stream.write_all(request.as_bytes()).await?;
        let mut line = Vec::with_capacity(STATUS_LINE);
        while line.len() < STATUS_LINE && stream.read_buf(&mut line).await? > 0 {}
        Ok::<_, std::io::Error>(line)
    };
    let line = timeout(LIMIT, asking).await.map_err(|_| "no answer came in time".to_owned())?;
    let line = line.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&line);
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    status.ok_or_else(|| "what answered does not speak HTTP/1.1".to_owned())
}

fn server_name(host: &Host) -> Option<ServerName<'static>> {
    match host {
        Host::Name(name) => ServerName::try_from(name.as_str().to_owned()).ok(),
        Host::Ip(ip) => Some(ServerName::IpAddress((*ip).into())),
    }
}

/// The configuration of a client that only looks, and says that it speaks that; no session is resumed.
pub(crate) fn looking_config(alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(OnlyLooking(provider)))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|spoken| spoken.to_vec()).collect();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// Accepts every certificate, as nothing secret is sent to whoever has it; that they have its key is checked.
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
const TOO_SLOW: &str = "the handshake was not done in time";
/// `HTTP/1.1 200` and a space.
const STATUS_LINE: usize = 13;
