//! The agent's side of a link: it is called.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};

use bytes::{Bytes, BytesMut};
use h2::{RecvStream, SendStream, server::SendResponse};
use http::{Method, Request, Response, StatusCode};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use zeroize::Zeroizing;

use crate::{
    Session,
    call::{HEADERS, MAX_BYTES},
    liveness,
    message::{Call, Fault, Line, ProgressLine, Reply},
};

/// Does what a server asks.
pub trait Handler: Send + Sync + 'static {
    /// Does one thing, and tells how it goes. It runs to its end also when the link is lost.
    fn handle(&self, call: Call, progress: Progress) -> impl Future<Output = Result<Reply, Fault>> + Send;
}

/// Tells the server how it goes.
#[derive(Clone, Debug)]
pub struct Progress {
    lines: mpsc::UnboundedSender<ProgressLine>,
}

impl Progress {
    /// Tells, if anybody still listens.
    pub fn tell(&self, stage: &str, message: impl Into<String>) {
        let _ = self.lines.send(ProgressLine { stage: stage.to_owned(), message: message.into() });
    }

    /// Tells nobody.
    pub fn to_nobody() -> Self {
        Self { lines: mpsc::unbounded_channel().0 }
    }
}

/// Serves a link until it ends, or until `until` resolves, after which calls that run are finished; gives the reason.
pub async fn serve<H: Handler>(session: Session, handler: Arc<H>, until: impl Future<Output = ()> + Send) -> String {
    let handshake = h2::server::Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADERS)
        .max_concurrent_streams(STREAMS)
        .max_concurrent_reset_streams(8)
        .handshake::<_, Bytes>(session.stream);
    let mut connection = match timeout(HANDSHAKE, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return error.to_string(),
        Err(_) => return "the server does not speak HTTP/2".to_owned(),
    };
    let mut lost = Box::pin(liveness::lost(connection.ping_pong()));
    let mut until: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(until);
    // Answers are sent by tasks of the link; what is done goes on without it.
    let mut answers = JoinSet::new();
    let mut ends = false;
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    while answers.try_join_next().is_some() {}
                    answers.spawn(answer(request, respond, Arc::clone(&handler)));
                }
                Some(Err(error)) => return error.to_string(),
                None if ends => return "it was closed here".to_owned(),
                None => return "the server closed it".to_owned(),
            },
            () = &mut lost => return "the server does not answer pings".to_owned(),
            () = &mut until => {
                if std::mem::replace(&mut ends, true) {
                    return "it was closed here".to_owned();
                }
                connection.graceful_shutdown();
                until = Box::pin(sleep(FAREWELL));
            }
        }
    }
}

async fn answer<H: Handler>(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, handler: Arc<H>) {
    let path = request.uri().path().to_owned();
    let is_call = request.method() == Method::POST;
    let name = path.strip_prefix("/v1/").filter(|_| is_call).map(str::to_owned);
    let body = read(request.into_body()).await;
    let status = if name.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let mut response = Response::new(());
    *response.status_mut() = status;
    let Ok(mut stream) = respond.send_response(response, name.is_none()) else { return };
    let Some(name) = name else { return };
    let (lines, mut told) = mpsc::unbounded_channel();
    let mut done = tokio::spawn(async move {
        let call = Call::read(&name, &body?)?;
        handler.handle(call, Progress { lines }).await
    });
    let outcome = loop {
        tokio::select! {
            Some(line) = told.recv() => {
                let json = serde_json::to_vec(&Line::<()>::Progress(line)).unwrap_or_default();
                if send(&mut stream, json, false).await.is_none() {
                    return;
                }
            }
            outcome = &mut done => break outcome,
        }
    };
    while let Ok(line) = told.try_recv() {
        let json = serde_json::to_vec(&Line::<()>::Progress(line)).unwrap_or_default();
        if send(&mut stream, json, false).await.is_none() {
            return;
        }
    }
    let outcome = outcome.unwrap_or_else(|_| Err(Fault::new("panicked", "the agent failed inside; see its log")));
    let line = match &outcome {
        Ok(reply) => reply.line(),
        Err(fault) => serde_json::to_vec(&Line::<()>::Fault(fault.clone())),
    };
    let _ = send(&mut stream, line.unwrap_or_default(), true).await;
}

/// Sends one line as fast as it is taken.
async fn send(stream: &mut SendStream<Bytes>, mut line: Vec<u8>, is_last: bool) -> Option<()> {
    line.push(b'\n');
    let mut line = Bytes::from(line);
    while !line.is_empty() {
        stream.reserve_capacity(line.len());
        let granted = poll_fn(|cx| match stream.poll_capacity(cx) {
            Poll::Ready(Some(Ok(granted))) if granted > 0 => Poll::Ready(Some(granted)),
            Poll::Ready(Some(Ok(_))) => Poll::Pending,
            Poll::Ready(Some(Err(_)) | None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await?;
        let part = line.split_to(granted.min(line.len()));
        let ends = is_last && line.is_empty();
        stream.send_data(part, ends).ok()?;
    }
    Some(())
}

async fn read(mut body: RecvStream) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let unreadable = |error: h2::Error| Fault::new("unreadable", format!("the call cannot be read: {error}"));
    let mut bytes = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(unreadable)?;
        let _ = body.flow_control().release_capacity(data.len());
        if bytes.len() + data.len() > MAX_BYTES {
            return Err(Fault::new("too-large", format!("the call has more than {MAX_BYTES} bytes")));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Zeroizing::new(bytes.into()))
}

const WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
const STREAMS: u32 = 32;
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a link that ends waits for the calls that run.
const FAREWELL: Duration = Duration::from_secs(60);
