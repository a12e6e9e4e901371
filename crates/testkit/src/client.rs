//! An HTTP/1.1 client for tests that shows everything: the leaf it was given, the bytes that came.

use std::{net::SocketAddr, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Is an open connection to a binding, plain or TLS.
pub struct Connection {
    stream: Box<dyn Stream>,
    pending: Vec<u8>,
    /// The leaf that the server presented, in DER; none on a plain connection.
    pub leaf: Option<Vec<u8>>,
}

/// Is an answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Status line and header lines.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Connection {
    /// Connects in the clear.
    pub async fn plain(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: Box::new(stream), pending: Vec::new(), leaf: None })
    }

    /// Connects by TLS and takes any certificate, which the test then looks at.
    pub async fn tls(address: SocketAddr, name: &str) -> std::io::Result<Self> {
        let stream = tls_stream(address, name, b"http/1.1").await?;
        let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.to_vec());
        Ok(Self { stream: Box::new(stream), pending: Vec::new(), leaf })
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Reads one response; its length comes from `content-length`, `transfer-encoding` or the end of the connection.
    pub async fn response(&mut self) -> std::io::Result<Response> {
        let end = loop {
            if let Some(at) = self.pending.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more().await?;
        };
        let head: Vec<u8> = self.pending.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        let mut response = Response { status, head, body: Vec::new() };
        if (100..200).contains(&status) || matches!(status, 204 | 304) {
            return Ok(response);
        }
        if response.header("transfer-encoding").is_some() {
            response.body = self.chunks().await?;
        } else if let Some(length) = response.header("content-length") {
            let length: usize = length.parse().unwrap();
            while self.pending.len() < length {
                self.read_more().await?;
            }
            response.body = self.pending.drain(..length).collect();
        } else {
            while self.read_more().await.is_ok() {}
            response.body = std::mem::take(&mut self.pending);
        }
        Ok(response)
    }

    /// Sends a request without a body and reads its response.
    pub async fn request(&mut self, method: &str, host: &str, path: &str, headers: &str) -> std::io::Result<Response> {
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").as_bytes()).await?;
        self.response().await
    }

    /// Reads until a text has come, and leaves off behind it.
    pub async fn until(&mut self, text: &str) {
        loop {
            if let Some(at) = self.pending.windows(text.len()).position(|window| window == text.as_bytes()) {
                self.pending.drain(..at + text.len());
                return;
            }
            self.read_more().await.unwrap();
        }
    }

    /// Reads until a text has come; whatever comes instead, up to the end of the connection, is an error.
    pub(crate) async fn comes(&mut self, text: &str) -> std::io::Result<()> {
        while self.pending.len() < text.len() {
            self.read_more().await?;
        }
        match self.pending.drain(..text.len()).eq(text.bytes()) {
            true => Ok(()),
            false => Err(std::io::Error::other("something else came")),
        }
    }

    /// Whether something has come that was not read as a response.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether the server closes the connection without sending anything more.
    pub async fn is_closed(&mut self) -> bool {
        self.pending.is_empty() && self.read_more().await.is_err()
    }

    async fn chunks(&mut self) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or("").trim(), 16).unwrap();
            while self.pending.len() < size {
                self.read_more().await?;
            }
            body.extend(self.pending.drain(..size));
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            self.line().await?;
        }
    }

    async fn line(&mut self) -> std::io::Result<String> {
        loop {
            if let Some(at) = self.pending.windows(2).position(|window| window == b"\r\n") {
                let line: Vec<u8> = self.pending.drain(..at + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> std::io::Result<()> {
        if self.stream.read_buf(&mut self.pending).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

impl Response {
    /// The value of a header; the first one if there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Does a TLS handshake with that name and gives the leaf that was presented, in DER.
pub async fn handshake(address: SocketAddr, name: &str) -> Vec<u8> {
    Connection::tls(address, name).await.unwrap().leaf.unwrap()
}

/// Does a TLS handshake without SNI and gives the leaf that was presented, in DER.
pub async fn handshake_without_name(address: SocketAddr) -> Vec<u8> {
    handshake(address, "127.0.0.1").await
}

/// Gets a path in the clear on a connection of its own.
pub async fn get(address: SocketAddr, host: &str, path: &str, headers: &str) -> Response {
    request(address, "GET", host, path, headers).await
}

/// Makes a request without a body in the clear, on a connection of its own.
pub async fn request(address: SocketAddr, method: &str, host: &str, path: &str, headers: &str) -> Response {
    Connection::plain(address).await.unwrap().request(method, host, path, headers).await.unwrap()
}

/// Connects by TLS with one protocol to choose, and takes any certificate.
pub(crate) async fn tls_stream(address: SocketAddr, name: &str, alpn: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    TlsConnector::from(Arc::new(config(alpn))).connect(name, stream).await
}

fn config(alpn: &[u8]) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    // A resumed session would show no certificate.
    config.resumption = Resumption::disabled();
    config
}

/// Takes any certificate, but checks for real that the server has its key.
#[derive(Debug)]
struct AnyCertificate(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
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
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, leaf, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, leaf, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
