//! HTTP to others: one request, one answer, over https by authorities that are named or the machine's.
//!
//! Redirects are not followed: what is sent is for the place that an operator named. Plain http reaches this machine
//! and private networks alone, and only where an operator allows it for the channel.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::reach::refusal_of_message;

/// Says why a request was not answered, or not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{said}")]
pub(crate) struct SendError {
    /// What the other side said, or why it could not be asked; without secrets.
    pub(crate) said: String,
    /// How long it asked to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

/// Is where requests go, and who vouches for it.
#[derive(Clone)]
pub(crate) struct Address {
    url: Uri,
    authorities: Option<Vec<CertificateDer<'static>>>,
}

/// Is a request that is to be sent.
pub(crate) struct Outgoing<'a> {
    address: &'a Address,
    method: Method,
    content_type: Option<&'static str>,
    /// What it says beside its type and length.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
    most: usize,
}

/// Is what came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl SendError {
    pub(crate) fn new(said: impl Into<String>) -> Self {
        Self { said: said.into(), retry_after: None }
    }
}

impl Address {
    /// Reads a URL. The error names the setting that is bad, none for the URL itself, and what it must be.
    pub(crate) fn parse(
        text: &str,
        may_be_plain: bool,
        authority: Option<&str>,
    ) -> Result<Self, (Option<&'static str>, &'static str)> {
        let url: Uri = text.parse().map_err(|_| (None, "a URL like https://hooks.example/path"))?;
        let has_host = url.host().is_some_and(|host| !host.is_empty());
        let has_user = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
        let port = url.authority().and_then(|authority| {
            let (_, after) = authority.as_str().rsplit_once(':')?;
            (!after.contains(']')).then(|| after.to_owned())
        });
        match url.scheme_str() {
            _ if !has_host => return Err((None, "a URL like https://hooks.example/path")),
            _ if has_user => return Err((None, "a URL without user and password in it")),
            _ if port.is_some_and(|port| port.parse::<u16>().is_err()) => {
                return Err((None, "a URL with a number as its port"));
            }
            Some("https") => {}
            Some("http") if may_be_plain => {}
            Some("http") => {
                return Err((
                    None,
                    "an https URL, as everybody on the way would read along; for this machine or a private network, set plain_http to private",
                ));
            }
            Some(_) => return Err((None, "an https URL")),
            None => return Err((None, "a URL like https://hooks.example/path")),
        }
        let authorities = match authority {
            None => None,
            Some(pem) => {
                let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
                let all = all.ok().filter(|all| !all.is_empty()).ok_or((Some("authority"), "a certificate in PEM"))?;
                let mut roots = RootCertStore::empty();
                for der in &all {
                    roots.add(der.clone()).map_err(|_| (Some("authority"), "the certificate of an authority"))?;
                }
                Some(all)
            }
        };
        Ok(Self { url, authorities })
    }

    /// The same server, with that path after the one that is there.
    pub(crate) fn below(mut self, path: &str) -> Self {
        let before = self.url.path().trim_end_matches('/');
        let mut parts = self.url.clone().into_parts();
        // Callers check what they put in, so that it is always a path.
        if let Ok(path) = format!("{before}{path}").parse() {
            parts.path_and_query = Some(path);
            if let Ok(url) = Uri::from_parts(parts) {
                self.url = url;
            }
        }
        self
    }

    /// Host and port, which everybody may see.
    pub(crate) fn place(&self) -> String {
        let host = self.url.host().unwrap_or_default();
        match self.url.port_u16() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    fn is_plain(&self) -> bool {
        self.url.scheme_str() == Some("http")
    }

    fn host(&self) -> &str {
        let host = self.url.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    async fn connect(&self) -> Result<TcpStream, SendError> {
        let port = self.url.port_u16().unwrap_or_else(|| if self.is_plain() { 80 } else { 443 });
        let host = self.host();
        let found = tokio::net::lookup_host((host, port)).await;
        let found = found.map_err(|error| SendError::new(format!("the name {host} does not resolve: {error}")))?;
        let mut told = format!("the name {host} has no address");
        for address in found {
            if let Some(why) = refusal_of_message(address.ip(), self.is_plain()) {
                told = format!("{host} is at {}, {why}", address.ip());
                continue;
            }
            match connect_to(address).await {
                Ok(stream) => return Ok(stream),
                Err(why) => told = why,
            }
        }
        Err(SendError::new(told))
    }

    async fn encrypted(&self, tcp: TcpStream) -> Result<tokio_rustls::client::TlsStream<TcpStream>, SendError> {
        let mut roots = RootCertStore::empty();
        match &self.authorities {
            Some(authorities) => {
                roots.add_parsable_certificates(authorities.iter().cloned());
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    return Err(SendError::new(
                        "this machine trusts no authority; install the package ca-certificates",
                    ));
                }
            }
        }
        let unusable = |error: rustls::Error| SendError::new(format!("TLS cannot be set up: {error}"));
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(self.host().to_owned())
            .map_err(|_| SendError::new(format!("{} is no host name", self.host())))?;
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(|error| {
            let mut said = format!("TLS with {} fails: {error}", self.place());
            if said.contains("UnknownIssuer") {
                said.push_str(
                    "; if that is the right server, give the certificate of its authority as the setting authority",
                );
            }
            SendError::new(said)
        })
    }
}

impl<'a> Outgoing<'a> {
    /// Posts JSON.
    pub(crate) fn json(address: &'a Address, body: Vec<u8>) -> Self {
        Self::new(address, Method::POST, Some("application/json"), body)
    }

    /// Posts the fields of a form.
    pub(crate) fn form(address: &'a Address, body: String) -> Self {
        Self::new(address, Method::POST, Some("application/x-www-form-urlencoded"), body.into_bytes())
    }

    /// Asks for what is there.
    pub(crate) fn get(address: &'a Address) -> Self {
        Self::new(address, Method::GET, None, Vec::new())
    }

    fn new(address: &'a Address, method: Method, content_type: Option<&'static str>, body: Vec<u8>) -> Self {
        Self { address, method, content_type, headers: Vec::new(), body, most: MAX_ANSWER }
    }

    /// Reads that many bytes of the answer.
    pub(crate) fn at_most(self, bytes: usize) -> Self {
        Self { most: bytes, ..self }
    }

    /// Sends it and reads the whole answer, whatever its status.
    pub(crate) async fn send(self) -> Result<Answer, SendError> {
        let place = self.address.place();
        let sent = timeout(REQUEST, self.exchange()).await;
        sent.unwrap_or_else(|_| Err(SendError::new(format!("{place} gave no answer within {} s", REQUEST.as_secs()))))
    }

    async fn exchange(self) -> Result<Answer, SendError> {
        let address = self.address;
        let connected = timeout(CONNECT, async {
            let tcp = address.connect().await?;
            let _ = tcp.set_nodelay(true);
            let stream: Box<dyn Stream> = match address.is_plain() {
                true => Box::new(tcp),
                false => Box::new(address.encrypted(tcp).await?),
            };
            Ok(stream)
        });
        let stream = connected.await.unwrap_or_else(|_| {
            Err(SendError::new(format!("nobody answers at {} within {} s", address.place(), CONNECT.as_secs())))
        })?;
        let broke =
            |error: hyper::Error| SendError::new(format!("the connection to {} broke: {error}", address.place()));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
        let path = address.url.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder()
            .method(self.method)
            .uri(path)
            .header(header::HOST, address.place())
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::CONNECTION, "close");
        if let Some(content_type) = self.content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(Bytes::from(self.body)))
            .map_err(|_| SendError::new("the request cannot be written"))?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(broke)?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, self.most).collect().await;
            // What came counts, even if its end is missing or too long: the status says whether it was taken.
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        tokio::pin!(exchange, connection);
        tokio::select! {
            answer = &mut exchange => answer,
            ended = &mut connection => match ended {
                Err(error) => Err(broke(error)),
                Ok(()) => exchange.await,
            },
        }
    }
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// What the other side said, if it took the message; else why it did not.
    pub(crate) fn accepted(&self) -> Result<String, SendError> {
        let text = String::from_utf8_lossy(&self.body);
        let text = shortened(text.trim(), MAX_SAID);
        let said = match text.as_str() {
            "" => self.status.to_string(),
            text => format!("{}: {text}", self.status),
        };
        if self.is_success() {
            return Ok(said);
        }
        if self.status.is_redirection() {
            return Err(SendError::new(format!(
                "{}: the server sends elsewhere, and redirects are not followed; give the URL that it leads to",
                self.status
            )));
        }
        let seconds = self.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Err(SendError { said, retry_after: seconds.map(Duration::from_secs) })
    }
}

/// Cuts a text to that many characters, with a mark where something is missing.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Is a connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn connect_to(address: SocketAddr) -> Result<TcpStream, String> {
    match timeout(CONNECT / 2, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("no connection to {address}: {error}")),
        Err(_) => Err(format!("nobody answers at {address}")),
    }
}

const USER_AGENT: &str = concat!("portward/", env!("CARGO_PKG_VERSION"));
/// For name resolution, connection and TLS handshake together.
const CONNECT: Duration = Duration::from_secs(10);
/// For one request from its start to the end of its answer.
const REQUEST: Duration = Duration::from_secs(30);
/// Answers are short; more is not read.
const MAX_ANSWER: usize = 64 * 1024;
const MAX_SAID: usize = 300;
