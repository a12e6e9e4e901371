//! Portward's side of a link: it calls.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{Method as HttpMethod, Request, StatusCode};
use tokio::{sync::Notify, time::timeout};

use crate::{
    Peer, Session, liveness,
    message::{Fault, Line, Method, ProgressLine},
};

/// Calls an agent. Clones call the same one.
#[derive(Clone)]
pub struct Caller {
    requests: SendRequest<Bytes>,
    peer: Arc<Peer>,
    closing: Arc<Notify>,
    /// Why the link ended, once it has.
    ended: Arc<OnceLock<String>>,
}

/// Says why a call has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The agent says why it did not do it.
    #[error(transparent)]
    Fault(Fault),
    /// No answer came in time.
    #[error("the agent did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The link is gone.
    #[error("the link to the agent was lost: {0}")]
    Lost(String),
    /// What came cannot be read.
    #[error("the answer of the agent cannot be read: {0}")]
    Garbled(String),
}

impl Caller {
    /// Begins HTTP/2 on a session; the future runs the link, and resolves with the reason when it has ended.
    pub async fn begin(session: Session) -> Result<(Self, impl Future<Output = String> + Send), h2::Error> {
        let Session { stream, peer } = session;
        let (requests, connection) = h2::client::Builder::new()
            .enable_push(false)
            .initial_window_size(WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEADERS)
            .header_table_size(0)
            .max_concurrent_reset_streams(RESET_STREAMS)
            // What more there is waits, and is not refused, also before the agent has said how many it takes.
            .initial_max_send_streams(STREAMS as usize)
            .max_send_buffer_size(MAX_BYTES)
            .handshake(stream)
            .await?;
        let closing = Arc::new(Notify::new());
        let ended = Arc::new(OnceLock::new());
        let caller = Self { requests, peer: Arc::new(peer), closing: Arc::clone(&closing), ended: Arc::clone(&ended) };
        // Both are dropped with the future, so that a lost link leaves nothing behind.
        let mut connection = Box::pin(connection);
        let run = async move {
            let lost = liveness::lost(connection.ping_pong());
            let reason = tokio::select! {
                ended = &mut connection => match ended {
                    Ok(()) => "the agent closed it".to_owned(),
                    Err(error) => liveness::why(&error, "the agent"),
                },
                () = lost => "the agent does not answer pings".to_owned(),
                () = closing.notified() => "it was closed here".to_owned(),
            };
            // The calls that wait are woken when the connection is dropped, and look here why.
            let _ = ended.set(reason.clone());
            reason
        };
        Ok((caller, run))
    }

    /// Who is there.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Ends the link.
    pub fn close(&self) {
        self.closing.notify_one();
    }

    /// Calls, and waits for the answer so long.
    pub async fn call<M: Method>(&self, request: &M::Request, limit: Duration) -> Result<M::Reply, CallError> {
        self.call_telling::<M>(request, limit, |_| ()).await
    }

    /// Calls, and tells how it goes.
    pub async fn call_telling<M: Method>(
        &self,
        request: &M::Request,
        limit: Duration,
        tell: impl FnMut(ProgressLine) + Send,
    ) -> Result<M::Reply, CallError> {
        match timeout(limit, self.exchange::<M>(request, tell)).await {
            Ok(answered) => answered,
            Err(_) => Err(CallError::TimedOut(limit)),
        }
    }

    async fn exchange<M: Method>(
        &self,
        request: &M::Request,
        mut tell: impl FnMut(ProgressLine) + Send,
    ) -> Result<M::Reply, CallError> {
        let lost = |error: h2::Error| {
            if error.is_reset() {
                let whose = if error.is_remote() { "the agent broke it off" } else { "it was broken off here" };
                let reason = error.reason().map_or_else(String::new, |reason| format!(": {}", reason.description()));
                return CallError::Garbled(format!("{whose}{reason}"));
            }
            let reason = self.ended.get().cloned();
            CallError::Lost(reason.unwrap_or_else(|| liveness::why(&error, "the agent")))
        };
        let garbled = |error: &dyn std::fmt::Display| CallError::Garbled(error.to_string());
        let body = serde_json::to_vec(request).map_err(|error| garbled(&error))?;
        if body.len() > MAX_BYTES {
            let fault = format!("the call has {} bytes, and no agent reads more than {MAX_BYTES}", body.len());
            return Err(CallError::Fault(Fault::new("too-large", fault)));
        }
        let head = Request::builder()
            .method(HttpMethod::POST)
            .uri(format!("https://agent.invalid/v1/{}", M::NAME))
            .body(())
            .map_err(|error| garbled(&error))?;
        let mut ready = self.requests.clone().ready().await.map_err(lost)?;
        let (response, mut sending) = ready.send_request(head, false).map_err(lost)?;
        sending.send_data(body.into(), true).map_err(lost)?;
        let response = response.await.map_err(lost)?;
        if response.status() != StatusCode::OK {
            return Err(garbled(&format!("status {}", response.status())));
        }
        let mut incoming = response.into_body();
        let mut lines = Lines::default();
        let mut told = 0;
        while let Some(data) = incoming.data().await {
            let data = data.map_err(lost)?;
            let _ = incoming.flow_control().release_capacity(data.len());
            lines.push(&data)?;
            while let Some(line) = lines.next() {
                match serde_json::from_slice::<Line<M::Reply>>(&line).map_err(|error| garbled(&error))? {
                    Line::Progress(progress) => {
                        told += line.len() + 1;
                        if told > MAX_PROGRESS {
                            return Err(garbled(&format!("how it goes has more than {MAX_PROGRESS} bytes")));
                        }
                        tell(progress.plain());
                    }
                    Line::Done(reply) => return Ok(reply),
                    Line::Fault(fault) => return Err(CallError::Fault(fault.plain())),
                }
            }
        }
        Err(garbled(&"it ended before the answer was there"))
    }
}

/// Takes lines out of what comes in.
#[derive(Default)]
struct Lines {
    bytes: BytesMut,
    /// So many have no line end in them: what comes in crumbs is looked at once.
    seen: usize,
}

impl Lines {
    fn push(&mut self, data: &[u8]) -> Result<(), CallError> {
        if self.bytes.len() + data.len() > MAX_BYTES {
            return Err(CallError::Garbled(format!("it has more than {MAX_BYTES} bytes")));
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    fn next(&mut self) -> Option<BytesMut> {
        let Some(end) = self.bytes[self.seen..].iter().position(|byte| *byte == b'\n') else {
            self.seen = self.bytes.len();
            return None;
        };
        let end = std::mem::take(&mut self.seen) + end;
        let line = self.bytes.split_to(end);
        self.bytes.advance(1);
        Some(line)
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// Longest call and longest answer.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;
/// All that an agent tells of how one call goes.
pub(crate) const MAX_PROGRESS: usize = 1024 * 1024;
/// So many calls that were given up are remembered.
pub(crate) const RESET_STREAMS: usize = 8;
/// So many calls are open at once.
pub(crate) const STREAMS: u32 = 32;
const WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Calls have few headers, and none that anybody chooses.
pub(crate) const HEADERS: u32 = 4 * 1024;
