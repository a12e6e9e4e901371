//! The CA over HTTPS, on loopback.

mod jws;
mod routes;
mod shapes;

use std::{
    collections::HashSet,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use portward_core::Timestamp;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;
use time::format_description::well_known::Rfc2822;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use super::{FaultCa, direct::html, perform::Failure};
use crate::Authority;

/// Is a [`FaultCa`] that is asked over HTTPS; dropping it ends the server, not the CA.
pub struct FaultCaServer {
    address: SocketAddr,
    root_pem: String,
    accepting: JoinHandle<()>,
}

/// Is what all connections share.
struct Web {
    ca: FaultCa,
    base: String,
    nonces: Mutex<HashSet<String>>,
}

/// Is a request, read to its end.
struct Asked {
    method: http::Method,
    /// Path and query.
    path: String,
    content_type: Option<String>,
    has_user_agent: bool,
    body: Bytes,
}

/// Is an answer on its way.
struct Reply {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
    headers: Vec<(HeaderName, String)>,
    nonce: Nonce,
}

/// Says whether an answer brings a nonce.
#[derive(Clone, Copy, PartialEq)]
enum Nonce {
    Fresh,
    None,
}

impl FaultCaServer {
    /// Starts to listen on a port that the system chooses.
    pub async fn start(ca: FaultCa) -> Self {
        let authority = Authority::new();
        // Clients look at it by the machine's clock, whatever the CA's clock says.
        let (from, until) = ("2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z");
        let [from, until] = [from, until].map(|text| Timestamp::parse(text).unwrap());
        let issued = authority.issue_between(&["localhost", "127.0.0.1"], from, until);
        let chain = CertificateDer::pem_slice_iter(issued.chain_pem.as_bytes()).collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let base = format!("https://localhost:{}", address.port());
        let web = Arc::new(Web { ca, base, nonces: Mutex::default() });
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (web, acceptor) = (Arc::clone(&web), acceptor.clone());
                connections.spawn(async move { serve(stream, acceptor, web).await });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, root_pem: authority.root_pem(), accepting }
    }

    /// URL of the directory; its host is `localhost`.
    pub fn directory_url(&self) -> String {
        format!("https://localhost:{}/directory", self.address.port())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The root that vouches for the server itself; certificates that it issues come from
    /// [`FaultCa::issuing_root_pem`].
    pub fn root_pem(&self) -> String {
        self.root_pem.clone()
    }
}

impl Drop for FaultCaServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, web: Arc<Web>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(|request| answer(Arc::clone(&web), request));
    // It ends with an error where a fault says so.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Answers a request; an error closes the connection.
async fn answer(web: Arc<Web>, request: Request<Incoming>) -> std::io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let asked = Asked {
        path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        content_type: content_type.map(str::to_owned),
        has_user_agent: head.headers.contains_key(header::USER_AGENT),
        method: head.method,
        body: body.collect().await.map_err(std::io::Error::other)?.to_bytes(),
    };
    let reply = match web.route(&asked) {
        Ok(reply) => reply,
        Err(Failure::Refused(refusal)) => {
            let mut reply = Reply::json(refusal.status, &shapes::problem(&refusal.problem));
            reply.content_type = "application/problem+json";
            if let Some(wait) = refusal.retry_after {
                reply.headers.push((header::RETRY_AFTER, wait.as_secs().to_string()));
            }
            // What is too busy to work does not count nonces either.
            reply.nonce = if refusal.status == 503 { Nonce::None } else { Nonce::Fresh };
            reply
        }
        Err(Failure::Html(status)) => {
            let body = html(status).into_bytes();
            Reply { status, content_type: "text/html", body, headers: Vec::new(), nonce: Nonce::None }
        }
        Err(Failure::Hang) => match std::future::pending::<Infallible>().await {},
        Err(Failure::Closed) => return Err(std::io::ErrorKind::ConnectionAborted.into()),
    };
    Ok(web.finish(reply))
}

impl Web {
    fn finish(&self, reply: Reply) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(reply.body)));
        *response.status_mut() = http::StatusCode::from_u16(reply.status).unwrap();
        let headers = response.headers_mut();
        let text = |text: &str| HeaderValue::from_str(text).unwrap();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=0, no-cache"));
        let now = self.ca.now();
        headers.insert(header::DATE, text(&date(now)));
        headers.append(header::LINK, text(&format!("<{}/directory>;rel=\"index\"", self.base)));
        let has_dates = self.ca.lock().config.retry_after_dates;
        for (name, value) in reply.headers {
            let wait = value.parse().ok().filter(|_| has_dates && name == header::RETRY_AFTER);
            let value = wait.map_or(value, |seconds| date(now.plus(Duration::from_secs(seconds))));
            headers.append(name, text(&value));
        }
        if reply.nonce == Nonce::Fresh {
            headers.insert("replay-nonce", text(&self.new_nonce()));
        }
        response
    }

    fn new_nonce(&self) -> String {
        let nonce = super::base64url(self.ca.lock().dice.bytes::<16>());
        self.nonces.lock().unwrap().insert(nonce.clone());
        nonce
    }
}

impl Reply {
    fn json(status: u16, body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        Self { status, content_type: "application/json", body, headers: Vec::new(), nonce: Nonce::Fresh }
    }

    fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A date as in headers of HTTP (RFC 9110 section 5.6.7).
fn date(at: Timestamp) -> String {
    let date = time::OffsetDateTime::from_unix_timestamp(at.unix()).unwrap();
    date.format(&Rfc2822).unwrap().replace("+0000", "GMT")
}
