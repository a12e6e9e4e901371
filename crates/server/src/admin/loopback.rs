//! The loopback listener: health, readiness, metrics and a status page, for tools and browsers on the same machine.
//!
//! It changes nothing and shows no secret. A name that a page elsewhere made point at this machine is refused,
//! so that the page cannot read what is here (DNS rebinding).

use std::{io, net::SocketAddr, sync::Arc};

use axum::{Router, body::Body, extract::State, response::Response, routing::get};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use portward_core::{Authority, Host};
use portward_proxy::{Clock, Proxy};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tower_service::Service;

use super::{ACCEPT_PAUSE, CONNECTIONS, metrics, page, serve_connection};
use crate::{
    renewals::Engine,
    served::Served,
    tasks::{Shutdown, notice::RenewalBoard},
};

/// Is the bound listener.
#[derive(Debug)]
pub(crate) struct Loopback {
    listener: TcpListener,
    address: SocketAddr,
}

/// Says why the listener is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoopbackError {
    /// Others would reach it.
    #[error(
        "--admin {0} is not a loopback address, so other machines would reach the admin listener; give one like 127.0.0.1:{port}", port = .0.port()
    )]
    NotLoopback(SocketAddr),
    /// The operating system refuses.
    #[error("the admin listener cannot have {address}; give another address with --admin ADDR:PORT")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Is what the pages show.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// What is served.
    pub(crate) served: Arc<Served>,
    /// Whether it goes on being served.
    pub(crate) proxy: Arc<Proxy>,
    /// How renewals stand.
    pub(crate) board: Arc<RenewalBoard>,
    /// What renewals there were.
    pub(crate) engine: Arc<Engine>,
    /// The time.
    pub(crate) clock: Clock,
}

impl Loopback {
    /// Binds a loopback address; port 0 takes any free port.
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, LoopbackError> {
        if !address.ip().to_canonical().is_loopback() {
            return Err(LoopbackError::NotLoopback(address));
        }
        let failed = |source| LoopbackError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until shutdown.
    pub(crate) async fn serve(self: Arc<Self>, shown: Shown, shutdown: Shutdown) {
        let router = router(shown);
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { break };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = shutdown.pulled() => break,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => {
                    let (router, shutdown) = (router.clone(), shutdown.clone());
                    connections.spawn(async move {
                        serve_peer(stream, router, shutdown).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin listener cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        while connections.join_next().await.is_some() {}
    }
}

async fn serve_peer(stream: TcpStream, router: Router, shutdown: Shutdown) {
    let answer = move |request: Request<Body>| {
        let mut router = router.clone();
        async move {
            if !names_this_machine(request.headers()) {
                let text = "This listener answers to localhost, 127.0.0.1 and [::1] only.\n";
                return response(StatusCode::MISDIRECTED_REQUEST, "text/plain; charset=utf-8", text.to_owned());
            }
            match router.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    };
    serve_connection(stream, answer, shutdown).await;
}

fn router(shown: Shown) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .route("/metrics", get(measure))
        .route("/", get(status))
        .with_state(shown)
}

/// The process lives and answers.
async fn health() -> Response {
    response(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".to_owned())
}

/// Everything that is wanted is bound and served, or why not.
async fn readiness(State(shown): State<Shown>) -> Response {
    let mut reasons = shown.served.now().unready();
    if shown.proxy.is_draining() {
        reasons.push("the server is ending".to_owned());
    }
    if reasons.is_empty() {
        return response(StatusCode::OK, "text/plain; charset=utf-8", "ready\n".to_owned());
    }
    let text = format!("not ready\n{}\n", reasons.join("\n"));
    response(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", text)
}

async fn measure(State(shown): State<Shown>) -> Response {
    let text = metrics::text(&metrics::Measured {
        served: &shown.served.now(),
        counts: shown.proxy.counts(),
        standings: shown.board.all(),
        attempts: shown.engine.attempts_ended(),
        turns: shown.engine.turns(),
    });
    response(StatusCode::OK, metrics::MEDIA_TYPE, text)
}

async fn status(State(shown): State<Shown>) -> Response {
    let text = page::status(&shown.served.now(), shown.clock.now());
    let mut response = response(StatusCode::OK, "text/html; charset=utf-8", text);
    if let Ok(value) = HeaderValue::try_from(page::content_security_policy()) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, value);
    }
    response
}

fn response(status: StatusCode, media_type: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    response
}

/// Whether the request was meant for this machine by one of the names that only it can have.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Some(Ok(authority)) = host.to_str().ok().map(Authority::parse) else { return false };
    match authority.host {
        Host::Ip(address) => address.is_loopback(),
        Host::Name(name) => name.as_str() == "localhost",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn only_a_loopback_address_is_bound() {
        for address in ["0.0.0.0:0", "[::]:0", "10.0.0.1:0", "[::ffff:10.0.0.1]:0"] {
            let bound = Loopback::bind(address.parse().unwrap()).await;
            assert!(matches!(bound, Err(LoopbackError::NotLoopback(_))), "{address}");
        }
        let bound = Loopback::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        assert_ne!(bound.address().port(), 0);
    }

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for (hosts, expected) in [
            (&["localhost"][..], true),
            (&["LOCALHOST.:8442"], true),
            (&["127.0.0.1:8442"], true),
            (&["127.1.2.3"], true),
            (&["[::1]:8442"], true),
            (&["evil.example"], false),
            (&["localhost.evil.example"], false),
            (&["10.0.0.1"], false),
            (&["127.0.0.1.evil.example:80"], false),
            (&["localhost:x"], false),
            (&["user@localhost"], false),
            (&[""], false),
            (&[], false),
            (&["localhost", "evil.example"], false),
        ] {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, host.parse().unwrap());
            }
            assert_eq!(names_this_machine(&headers), expected, "{hosts:?}");
        }
    }
}
