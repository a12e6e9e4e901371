//! The ways in for operators on the same machine: the socket in the data directory, and the loopback listener.
//!
//! The API is on the socket alone, where the operating system says who asks.
//! The loopback listener, which every user and every browser of the machine reaches, shows status and nothing else.

pub(crate) mod loopback;
mod metrics;
mod page;
pub(crate) mod socket;
mod user;

pub(crate) use user::local_actor;

use std::{convert::Infallible, future::Future, time::Duration};

use axum::{body::Body, response::Response};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::tasks::Shutdown;

/// Serves HTTP/1.1 on one connection until it ends; at shutdown its request is finished first.
async fn serve_connection<I, F, R>(io: I, answer: F, shutdown: Shutdown)
where
    I: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<Body>) -> R,
    R: Future<Output = Response>,
{
    let service = service_fn(|request: Request<Incoming>| {
        let answered = answer(request.map(Body::new));
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    let connection = builder.serve_connection(TokioIo::new(io), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.pulled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(LAST_REQUEST, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an admin connection broke");
    }
}

/// Operators' tools send their heads at once.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a request may still take at shutdown.
const LAST_REQUEST: Duration = Duration::from_secs(5);
/// Connections at a time, of each listener: a handful of tools, not more.
const CONNECTIONS: usize = 64;
/// After an accept that failed, as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
