//! The loopback listener: the portal and the API, health, readiness and metrics, for browsers and tools on the same
//! machine.
//!
//! It works whatever becomes of the bindings: the way back in for who locked himself out.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

use axum::{Router, body::Body, extract::State, response::Response, routing::get};
use http::{HeaderValue, Request, header};
use portward_proxy::Proxy;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use super::{ACCEPT_PAUSE, CONNECTIONS, metrics};
use crate::{
    app::{App, AppError, right},
    notice::Notices,
    renewals::Engine,
    rest::problem_response,
    served::Served,
    tasks::{Shutdown, notice::RenewalBoard},
    web::{
        Entrance, Way, actor_of,
        connection::{self, Patience},
    },
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

/// Is what is measured.
#[derive(Clone)]
pub(crate) struct Measuring {
    /// What is served.
    pub(crate) served: Arc<Served>,
    /// What went through.
    pub(crate) proxy: Arc<Proxy>,
    /// How renewals stand.
    pub(crate) board: Arc<RenewalBoard>,
    /// What renewals there were.
    pub(crate) engine: Arc<Engine>,
    /// How sending goes.
    pub(crate) notices: Arc<Notices>,
    /// Who came in, and who did not.
    pub(crate) app: Arc<App>,
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

    /// Takes the listener of the process that ran before.
    pub(crate) fn adopt(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener: TcpListener::from_std(listener)?, address })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until shutdown.
    pub(crate) async fn serve(self: Arc<Self>, entrance: Arc<Entrance>, shutdown: Shutdown) {
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
                Ok((stream, peer)) => {
                    let (entrance, shutdown) = (Arc::clone(&entrance), shutdown.clone());
                    connections.spawn(async move {
                        serve_peer(stream, peer, entrance, shutdown).await;
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

impl AsFd for Loopback {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

async fn serve_peer(stream: TcpStream, peer: SocketAddr, entrance: Arc<Entrance>, shutdown: Shutdown) {
    let answer = move |request: Request<Body>| {
        let entrance = Arc::clone(&entrance);
        async move {
            let way = Way::loopback(request.headers(), peer);
            entrance.answer(way, request).await
        }
    };
    connection::serve(stream, Patience::Short, answer, shutdown).await;
}

/// What is on this listener alone: numbers for whoever measures on the same machine.
pub(crate) fn metrics_router(measured: Measuring) -> Router {
    Router::new().route("/metrics", get(measure)).with_state(measured)
}

async fn measure(State(measuring): State<Measuring>, request: Request<Body>) -> Response {
    let answered = permitted(&request).and_then(|()| {
        let (agents, agents_connected) = measuring.app.agents().counts();
        let mut deliveries = std::collections::BTreeMap::new();
        for standing in measuring.app.agents().delivered() {
            *deliveries.entry(standing.state.as_str()).or_default() += 1;
        }
        let measured = metrics::Measured {
            agents,
            agents_connected,
            deliveries,
            served: measuring.served.now(),
            counts: measuring.proxy.counts(),
            access_log: measuring.proxy.access_log_counts(),
            sites: measuring.app.traffic_by_site().into_iter().collect(),
            upstreams: measuring.app.upstreams_by_site(),
            standings: measuring.board.all(),
            attempts: measuring.engine.attempts_ended(),
            turns: measuring.engine.turns(),
            channels: measuring.notices.board().all(),
            sign_ins_refused: measuring.app.sign_ins_refused(),
        };
        let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let form = metrics::Form::accepted(accept);
        let text = metrics::text(measured, form)
            .map_err(|error| AppError::internal("the metrics could not be written", error))?;
        let mut response = Response::new(Body::from(text));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
        Ok(response)
    });
    answered.unwrap_or_else(|error| problem_response(&error, Some("/metrics".to_owned())))
}

/// Whether the numbers are for who asks: they tell of certificates and traffic, and other users of the machine reach the
/// listener too.
fn permitted(request: &Request<Body>) -> Result<(), AppError> {
    actor_of(request)?.may::<right::MetricsView>().map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_core::Permission;

    use super::*;
    use crate::app::Actor;

    #[test]
    fn metrics_are_for_who_may_read_them() {
        let asked = |actor: Option<Actor>| {
            let mut request = Request::new(Body::empty());
            if let Some(actor) = actor {
                request.extensions_mut().insert(actor);
            }
            permitted(&request).map_err(|error| error.code())
        };
        assert_eq!(asked(Some(Actor::with(&[Permission::MetricsView]))), Ok(()));
        assert_eq!(asked(Some(Actor::with(&[Permission::View]))), Err("not-permitted"));
        assert_eq!(asked(None), Err("not-authenticated"));
    }

    #[tokio::test]
    async fn only_a_loopback_address_is_bound() {
        for address in ["0.0.0.0:0", "[::]:0", "10.0.0.1:0", "[::ffff:10.0.0.1]:0"] {
            let bound = Loopback::bind(address.parse().unwrap()).await;
            assert!(matches!(bound, Err(LoopbackError::NotLoopback(_))), "{address}");
        }
        let bound = Loopback::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        assert_ne!(bound.address().port(), 0);
    }
}
