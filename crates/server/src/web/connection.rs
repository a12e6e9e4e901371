//! HTTP/1.1 on one connection, whoever made it.

use std::{convert::Infallible, future::Future, time::Duration};

use axum::{body::Body, response::Response};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::tasks::Shutdown;

/// Says how long a connection may be silent while a head is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Operators' tools send their heads at once.
    Short,
    /// The data plane keeps connections for the next request, and has read each head before it passes it on.
    Endless,
}

/// Serves a connection until it ends; at shutdown its request is finished first.
pub(crate) async fn serve<I, F, R>(io: I, patience: Patience, answer: F, shutdown: Shutdown)
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
    builder.timer(TokioTimer::new());
    builder.header_read_timeout(match patience {
        Patience::Short => Some(HEAD_TIME),
        Patience::Endless => None,
    });
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
        tracing::debug!(%error, "a connection to the portal or the API broke");
    }
}

const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a request may still take at shutdown.
const LAST_REQUEST: Duration = Duration::from_secs(5);
