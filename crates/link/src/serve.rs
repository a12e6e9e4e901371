//! The agent's side of a link: it is called.

use std::{future::poll_fn, pin::Pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use h2::{RecvStream, SendStream, server::SendResponse};
use http::{Method, Request, Response, StatusCode};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::{sleep, timeout},
};
use zeroize::Zeroizing;

use crate::{
    Session,
    call::{HEADERS, MAX_BYTES, MAX_PROGRESS, RESET_STREAMS, STREAMS},
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
    lines: mpsc::Sender<ProgressLine>,
}

impl Progress {
    /// Tells, if anybody still listens and takes it: what is done does not wait for who looks on.
    pub fn tell(&self, stage: &str, message: impl Into<String>) {
        let line = ProgressLine { stage: stage.to_owned(), message: message.into() };
        let _ = self.lines.try_send(line.plain());
    }

    /// Tells nobody.
    pub fn to_nobody() -> Self {
        Self { lines: mpsc::channel(1).0 }
    }
}

/// Serves a link until it ends, or until `until` resolves, after which calls that run are finished; gives the reason.
pub async fn serve<H: Handler>(session: Session, handler: Arc<H>, until: impl Future<Output = ()> + Send) -> String {
    let handshake = h2::server::Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADERS)
        .header_table_size(0)
        .max_concurrent_streams(STREAMS)
        .max_concurrent_reset_streams(RESET_STREAMS)
        .handshake::<_, Bytes>(session.stream);
    let mut connection = match timeout(HANDSHAKE, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return liveness::why(&error, "the server"),
        Err(_) => return "the server does not speak HTTP/2".to_owned(),
    };
    let mut lost = Box::pin(liveness::lost(connection.ping_pong()));
    let mut until: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(until);
    // Answers are sent by tasks of the link; what is done goes on without it.
    let mut answers = JoinSet::new();
    // A call that was given up still runs, so the streams of HTTP/2 do not limit how many do.
    let running = Arc::new(Semaphore::new(RUNNING));
    let mut ends = false;
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    while answers.try_join_next().is_some() {}
                    let permit = Arc::clone(&running).try_acquire_owned().ok();
                    answers.spawn(answer(request, respond, Arc::clone(&handler), permit));
                }
                Some(Err(error)) => return liveness::why(&error, "the server"),
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

async fn answer<H: Handler>(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    handler: Arc<H>,
    permit: Option<OwnedSemaphorePermit>,
) {
    let path = request.uri().path().to_owned();
    let is_call = request.method() == Method::POST;
    let name = path.strip_prefix("/v1/").filter(|_| is_call).map(str::to_owned);
    let body = match &permit {
        Some(_) => timeout(BODY, read(request.into_body()))
            .await
            .unwrap_or_else(|_| Err(Fault::new("unreadable", "the call did not come to its end in time"))),
        None => Err(Fault::new("busy", format!("the agent does {RUNNING} things already; call again later"))),
    };
    let status = if name.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let mut response = Response::new(());
    *response.status_mut() = status;
    let Ok(mut stream) = respond.send_response(response, name.is_none()) else { return };
    let Some(name) = name else { return };
    let (lines, mut told) = mpsc::channel(TOLD);
    let mut done = tokio::spawn(async move {
        let call = Call::read(&name, &body?)?;
        let outcome = handler.handle(call, Progress { lines }).await;
        drop(permit);
        outcome
    });
    let mut room = MAX_PROGRESS;
    let mut outcome = None;
    while outcome.is_none() {
        let line = tokio::select! {
            Some(line) = told.recv() => Some(line),
            ended = &mut done => {
                outcome = Some(ended);
                None
            }
        };
        let mut lines: Vec<_> = line.into_iter().collect();
        if outcome.is_some() {
            lines.extend(std::iter::from_fn(|| told.try_recv().ok()));
        }
        for line in lines {
            let json = serde_json::to_vec(&Line::<()>::Progress(line)).unwrap_or_default();
            // More than that is not read; what came of it matters more.
            let Some(rest) = room.checked_sub(json.len() + 1) else { continue };
            room = rest;
            if send(&mut stream, json, false).await.is_none() {
                return;
            }
        }
    }
    let Some(outcome) = outcome else { return };
    let outcome = outcome.unwrap_or_else(|_| Err(Fault::new("panicked", "the agent failed inside; see its log")));
    let line = match &outcome {
        Ok(reply) => reply.line(),
        Err(fault) => serde_json::to_vec(&Line::<()>::Fault(fault.clone().plain())),
    };
    let line = line.map(|line| if line.len() < MAX_BYTES { line } else { too_long() });
    let _ = send(&mut stream, line.unwrap_or_default(), true).await;
}

/// Sends one line as fast as it is taken.
async fn send(stream: &mut SendStream<Bytes>, mut line: Vec<u8>, is_last: bool) -> Option<()> {
    line.push(b'\n');
    let mut line = Bytes::from(line);
    while !line.is_empty() {
        stream.reserve_capacity(line.len());
        let granted = poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?;
        let part = line.split_to(granted.min(line.len()));
        let ends = is_last && line.is_empty();
        stream.send_data(part, ends).ok()?;
    }
    Some(())
}

fn too_long() -> Vec<u8> {
    let fault = Fault::new("too-large", format!("it is done, but its answer has more than {MAX_BYTES} bytes"));
    serde_json::to_vec(&Line::<()>::Fault(fault)).unwrap_or_default()
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
/// More than streams, so that a few that were given up do not count.
const RUNNING: usize = 64;
/// So many lines wait for who looks on.
const TOLD: usize = 256;
/// From the head of a call to its end.
const BODY: Duration = Duration::from_secs(20);
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a link that ends waits for the calls that run.
const FAREWELL: Duration = Duration::from_secs(60);
