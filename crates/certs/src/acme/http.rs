//! HTTPS to a CA: connections that are kept, time-outs, a limit for bodies, and failures in words for people.
//!
//! Redirects are not followed, and anything but https is refused: each URL is one that the CA named.

mod answer;
mod failure;
mod trust;

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use portward_core::acme::DirectoryTrust;
use rustls::pki_types::ServerName;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub(super) use answer::Answer;
pub(super) use failure::Failure;
pub use trust::TrustError;

/// Says how long a CA may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpTimeouts {
    /// For name resolution, connection and TLS handshake together.
    pub connect: Duration,
    /// For one request from its start to the end of its answer.
    pub request: Duration,
}

/// Sends requests; shared by all calls of a directory.
pub(super) struct HttpsClient {
    tls: TlsConnector,
    timeouts: HttpTimeouts,
    idle: Mutex<Vec<Idle>>,
}

/// Is a connection that waits for its next request.
struct Idle {
    place: Place,
    sender: SendRequest<Full<Bytes>>,
    since: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    host: String,
    port: u16,
}

impl HttpsClient {
    pub(super) fn new(trust: &DirectoryTrust, timeouts: HttpTimeouts) -> Result<Self, TrustError> {
        Ok(Self { tls: trust::connector(trust)?, timeouts, idle: Mutex::default() })
    }

    /// Sends a request and reads the whole answer, whatever its status.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Answer, Failure> {
        timeout(self.timeouts.request, self.exchange(request)).await.unwrap_or(Err(Failure::TimedOut))
    }

    async fn exchange(&self, mut request: Request<Bytes>) -> Result<Answer, Failure> {
        let (method, url) = (request.method().clone(), request.uri().to_string());
        let place = Place::of(request.uri())?;
        let host = request.uri().authority().map_or_else(String::new, ToString::to_string);
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse().map_err(|_| Failure::BadUrl)?;
        let ours = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let agent = match ours {
            Some(library) => HeaderValue::try_from(format!("{USER_AGENT} {library}")),
            None => HeaderValue::try_from(USER_AGENT),
        };
        request.headers_mut().insert(header::USER_AGENT, agent.map_err(|_| Failure::BadUrl)?);
        request.headers_mut().insert(header::HOST, HeaderValue::try_from(host).map_err(|_| Failure::BadUrl)?);

        let (sender, response) = self.respond(&place, request.map(Full::new)).await?;
        let (parts, body) = response.into_parts();
        // An answer to HEAD has no body, whatever its length says.
        let body = match method {
            Method::HEAD => Bytes::new(),
            _ => Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|error| Failure::body(&*error))?.to_bytes(),
        };
        self.keep(place, sender);
        Ok(Answer { method, url, status: parts.status, headers: parts.headers, body })
    }

    /// Sends the request over a connection that is there, or over a new one.
    async fn respond(
        &self,
        place: &Place,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(SendRequest<Full<Bytes>>, http::Response<hyper::body::Incoming>), Failure> {
        while let Some(mut sender) = self.take(place) {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((sender, response)),
                // The CA closed the connection before anything was sent; only then may the request be sent again.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Failure::exchange(&error.into_error())),
                },
            }
        }
        let stream = timeout(self.timeouts.connect, self.connect(place));
        let stream = stream.await.unwrap_or_else(|_| Err(Failure::silent(place, self.timeouts.connect)))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| Failure::exchange(&error))?;
        tokio::spawn(async move {
            // What ends a connection is told to the request on it.
            let _ = connection.await;
        });
        let response = sender.send_request(request).await.map_err(|error| Failure::exchange(&error))?;
        Ok((sender, response))
    }

    async fn connect(&self, place: &Place) -> Result<TlsStream<TcpStream>, Failure> {
        let found = tokio::net::lookup_host((place.host.as_str(), place.port)).await;
        let addresses: Vec<SocketAddr> = match found {
            Ok(addresses) => addresses.collect(),
            Err(error) => return Err(Failure::unresolved(place, &error)),
        };
        // One address that swallows packets leaves time for the others.
        let share = self.timeouts.connect / u32::try_from(addresses.len().max(1)).unwrap_or(1);
        let mut refused = Vec::new();
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => {
                    let _ = tcp.set_nodelay(true);
                    let name = ServerName::try_from(place.host.clone()).map_err(|_| Failure::BadUrl)?;
                    return self.tls.connect(name, tcp).await.map_err(|error| Failure::tls(place, &error));
                }
                Ok(Err(error)) => refused.push((address, Some(error))),
                Err(_) => refused.push((address, None)),
            }
        }
        Err(Failure::unconnected(place, &refused))
    }

    fn take(&self, place: &Place) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| idle.since.elapsed() < KEEP && !idle.sender.is_closed());
        let at = idle.iter().rposition(|idle| idle.place == *place)?;
        Some(idle.swap_remove(at).sender)
    }

    fn keep(&self, place: Place, sender: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE && !sender.is_closed() {
            idle.push(Idle { place, sender, since: Instant::now() });
        }
    }
}

impl Place {
    fn of(url: &Uri) -> Result<Self, Failure> {
        if url.scheme() != Some(&http::uri::Scheme::HTTPS) {
            return Err(Failure::NotHttps);
        }
        let host = url.host().filter(|host| !host.is_empty()).ok_or(Failure::BadUrl)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Ok(Self { host: host.to_owned(), port: url.port_u16().unwrap_or(443) })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Default for HttpTimeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), request: Duration::from_secs(30) }
    }
}

impl std::fmt::Debug for HttpsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpsClient").field("timeouts", &self.timeouts).finish_non_exhaustive()
    }
}

const USER_AGENT: &str = concat!("portward/", env!("CARGO_PKG_VERSION"));
/// Chains of certificates are some kilobytes; no answer of a CA comes near.
pub(super) const MAX_BODY_BYTES: usize = 1 << 20;
/// Shorter than the time after which front ends of CAs close an idle connection, which is a minute or more.
const KEEP: Duration = Duration::from_secs(20);
/// Calls run one after the other, but for several certificates at once.
const MAX_IDLE: usize = 8;

#[cfg(test)]
pub(super) mod test_server;
#[cfg(test)]
mod tests;
