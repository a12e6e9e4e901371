//! HTTP/1.1 on one connection, whoever made it.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, HttpBody},
    response::Response,
};
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{app::AppError, rest::problem_response, tasks::Shutdown};

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
    R: Future<Output = Response> + Send + 'static,
{
    let service = service_fn(|request: Request<Incoming>| {
        let is_safe = request.method().is_safe();
        let (parts, body) = request.into_parts();
        let lent = Lent(Arc::new(Mutex::new(body)));
        let answered = answer(Request::from_parts(parts, Body::new(lent.clone())));
        async move {
            let response = if is_safe { answered.await } else { to_the_end(answered).await };
            lent.read_rest().await;
            Ok::<_, Infallible>(response)
        }
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

/// Has what was begun done to its end, also if the client goes away meanwhile: a change that is stored is tried too,
/// and goes back if it does not work.
async fn to_the_end(answered: impl Future<Output = Response> + Send + 'static) -> Response {
    tokio::spawn(answered).await.unwrap_or_else(|error| {
        let message = "the request was not answered; look at what is there, then repeat it";
        problem_response(&AppError::internal(message, error), None)
    })
}

/// Is the body of a request, of which the rest is read when the request is answered.
///
/// What is refused before it was read would otherwise end the connection while its client still sends,
/// and the client would see a broken connection in place of the reason.
#[derive(Clone)]
struct Lent(Arc<Mutex<Incoming>>);

impl Lent {
    async fn read_rest(mut self) {
        let mut left = REST;
        let reading = async {
            while let Some(Ok(frame)) = self.frame().await {
                let length = frame.data_ref().map_or(0, Bytes::len);
                let Some(rest) = left.checked_sub(length) else { break };
                left = rest;
            }
        };
        // Who sends slower than that has its connection closed.
        let _ = tokio::time::timeout(REST_TIME, reading).await;
    }

    fn body(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *self.body()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}

const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a request may still take at shutdown.
const LAST_REQUEST: Duration = Duration::from_secs(5);
/// How much of a body that nobody wants is read, so that its client sees the answer.
const REST: usize = 1024 * 1024;
/// For how long.
const REST_TIME: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use http::StatusCode;
    use tokio::{io::AsyncWriteExt, sync::mpsc};

    use super::*;

    /// What becomes of a request whose client leaves while it is worked on: whether it came to its end.
    async fn left_alone(method: &str) -> bool {
        let (mut client, server) = tokio::io::duplex(1024);
        let (begun, mut has_begun) = mpsc::unbounded_channel();
        let (ended, mut has_ended) = mpsc::unbounded_channel();
        let (leave, left) = tokio::sync::watch::channel(false);
        let answer = move |_: Request<Body>| {
            let (begun, ended, mut left) = (begun.clone(), ended.clone(), left.clone());
            async move {
                begun.send(()).unwrap();
                left.wait_for(|left| *left).await.unwrap();
                ended.send(()).unwrap();
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
        };
        let (_trigger, shutdown) = crate::tasks::shutdown();
        let serving = tokio::spawn(serve(server, Patience::Endless, answer, shutdown));
        client
            .write_all(format!("{method} / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").as_bytes())
            .await
            .unwrap();
        has_begun.recv().await.unwrap();
        drop(client);
        serving.await.unwrap();
        leave.send(true).ok();
        has_ended.recv().await.is_some()
    }

    #[tokio::test]
    async fn a_change_comes_to_its_end_when_its_client_leaves_and_what_only_reads_does_not() {
        assert!(left_alone("POST").await);
        assert!(!left_alone("GET").await);
    }
}
