//! One HTTP/2 connection to an upstream: its streams are counted, and a task of its own moves its frames.

use std::{
    cell::Cell,
    fmt,
    future::{Future as _, poll_fn},
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Ping, PingPong, SendStream,
    client::{Builder, ResponseFuture, SendRequest},
};
use portward_core::Scheme;
use tokio::{task::spawn_local, time::Instant};

use super::{
    Shelves,
    wire::{Line, Wire},
};
use crate::{forward::Deadline, h1::limits::HEAD_BYTES, limits::Limits, stream::Stream};

#[cfg(test)]
mod tests;

/// Is a connection as those see it who have requests for it.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Bytes>,
    scheme: Scheme,
    vitals: Rc<Vitals>,
}

/// Is room for one request on a connection.
#[derive(Debug)]
pub(crate) struct Seat {
    connection: Rc<Connection>,
}

/// Says why a fresh connection carries no request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    /// It answered in HTTP/1.
    #[error(
        "it answers in HTTP/1.1 where HTTP/2 was expected; turn HTTP/2 without TLS (h2c) on there, or speak HTTP/1.1 to it with --upstream-http 1"
    )]
    Http1,
    /// The connection ended or failed before it was agreed on.
    #[error("HTTP/2 could not be begun on the connection")]
    Failed(#[source] h2::Error),
    /// The connection ended.
    #[error("it closed the connection when HTTP/2 was to begin")]
    Closed,
}

/// Is what the two sides of a connection know of each other.
struct Vitals {
    stage: Cell<Stage>,
    seats: Cell<usize>,
    /// When a seat was taken or left last.
    moved: Cell<Instant>,
    /// When the first request was sent since the upstream said something last: who comes or goes after it changes nothing.
    owes: Cell<Instant>,
    line: Rc<Line>,
}

/// Says whether a connection takes new requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// It ends after the requests that it has.
    Leaving,
    /// The upstream says nothing, and does not answer a PING.
    Silent,
    Ended,
}

/// Begins a connection, up to the upstream's first SETTINGS: it tells how much room there is.
pub(super) async fn begin(
    stream: Stream,
    scheme: Scheme,
    limits: &Limits,
    shelves: Weak<Shelves>,
) -> Result<Rc<Connection>, BeginError> {
    let (wire, line) = Line::new(stream);
    let (sender, mut connection) = builder().handshake::<_, Bytes>(wire).await.map_err(BeginError::Failed)?;
    let begun = poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err(BeginError::Closed)),
        Poll::Ready(Err(error)) => Poll::Ready(Err(BeginError::Failed(error))),
        Poll::Pending if connection.max_concurrent_send_streams() > 0 => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    })
    .await;
    if line.is_http1() {
        return Err(BeginError::Http1);
    }
    begun?;
    line.cork();
    let now = Cell::new(Instant::now());
    let vitals =
        Rc::new(Vitals { stage: Cell::new(Stage::Open), seats: Cell::new(0), moved: now.clone(), owes: now, line });
    let idle = limits.upstream_idle;
    let driver = Driver {
        pings: connection.ping_pong(),
        connection,
        vitals: Rc::clone(&vitals),
        shelves,
        idle,
        deadline: Deadline::after(idle.min(SILENCE)),
        pinged: None,
        awaits_pong: false,
    };
    spawn_local(driver.run());
    Ok(Rc::new(Connection { sender, scheme, vitals }))
}

impl Connection {
    /// Whether new requests may come.
    pub(super) fn is_open(&self) -> bool {
        if self.vitals.stage.get() != Stage::Open {
            return false;
        }
        // The crate tells of a GOAWAY when it is asked for a new stream.
        let mut sender = self.sender.clone();
        let gone = matches!(sender.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)));
        if gone {
            self.vitals.leave();
        }
        !gone
    }

    /// Whether another request may be sent now.
    pub(super) fn has_room(&self) -> bool {
        self.vitals.seats.get() < self.sender.current_max_send_streams().min(STREAMS)
    }
}

impl Seat {
    pub(super) fn on(connection: &Rc<Connection>) -> Self {
        let (vitals, now) = (&connection.vitals, Instant::now());
        if vitals.seats.get() == 0 && !vitals.owes_still() {
            vitals.owes.set(now);
        }
        vitals.seats.set(vitals.seats.get() + 1);
        vitals.moved.set(now);
        Self { connection: Rc::clone(connection) }
    }

    /// The scheme of what is asked for on the connection.
    pub(crate) fn scheme(&self) -> Scheme {
        self.connection.scheme
    }

    /// Sends a request's head. An error says that nothing was sent, and the connection is not used again.
    pub(crate) fn send(
        &self,
        request: http::Request<()>,
        end_of_stream: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let sent = self.connection.sender.clone().send_request(request, end_of_stream);
        if sent.is_err() {
            self.leave();
        }
        sent
    }

    /// Nothing new is sent on the connection from now on.
    pub(crate) fn leave(&self) {
        self.connection.vitals.leave();
    }

    /// Nothing new is sent on the connection if nothing at all has come in for so long.
    pub(crate) fn doubt(&self, span: Duration) {
        if self.connection.vitals.line.heard().elapsed() >= span {
            self.leave();
        }
    }

    /// Whether the connection was given up because the upstream does not even answer a PING.
    pub(crate) fn is_silent(&self) -> bool {
        self.connection.vitals.stage.get() == Stage::Silent
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let vitals = &self.connection.vitals;
        vitals.seats.set(vitals.seats.get() - 1);
        vitals.moved.set(Instant::now());
    }
}

impl Vitals {
    /// Whether nothing has come since the first request that was sent.
    fn owes_still(&self) -> bool {
        self.line.heard() < self.owes.get()
    }

    fn leave(&self) {
        if self.stage.get() == Stage::Open {
            self.stage.set(Stage::Leaving);
        }
    }
}

impl fmt::Debug for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vitals").field("stage", &self.stage).field("seats", &self.seats).finish_non_exhaustive()
    }
}

/// Is the task of a connection.
struct Driver {
    connection: h2::client::Connection<Wire, Bytes>,
    pings: Option<PingPong>,
    vitals: Rc<Vitals>,
    shelves: Weak<Shelves>,
    idle: Duration,
    /// When the connection is looked at, whatever happens.
    deadline: Deadline,
    /// When a PING of ours was sent last.
    pinged: Option<Instant>,
    awaits_pong: bool,
}

impl Driver {
    async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
        let silent = self.vitals.stage.get() == Stage::Silent;
        self.retire(if silent { Stage::Silent } else { Stage::Ended });
        // The streams that are left hear of it when the connection is dropped.
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match Pin::new(&mut self.connection).poll(cx) {
            Poll::Ready(ended) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "HTTP/2 connection to an upstream ended");
                }
                return Poll::Ready(());
            }
            Poll::Pending => {}
        }
        // A failure is told by the next read.
        let _ = self.vitals.line.poll_flush(cx);
        if self.awaits_pong
            && let Some(pings) = &mut self.pings
            && let Poll::Ready(_) = pings.poll_pong(cx)
        {
            self.awaits_pong = false;
        }
        while self.deadline.poll(cx).is_ready() {
            if self.look() == Look::Dead {
                return Poll::Ready(());
            }
            // It may have a PING to send, or be without anybody who wants it.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Looks how the connection is, and sets the time for the next look.
    fn look(&mut self) -> Look {
        let now = Instant::now();
        let vitals = &self.vitals;
        let quiet_since = vitals.line.heard().max(vitals.owes.get());
        let is_unused = vitals.seats.get() == 0 && now >= vitals.moved.get() + self.idle;
        if is_unused || vitals.stage.get() != Stage::Open {
            self.retire(Stage::Leaving);
        }
        let is_owed = self.vitals.seats.get() > 0 || self.vitals.owes_still();
        if is_owed && now >= quiet_since + SILENCE {
            match self.pinged {
                Some(at) if self.awaits_pong && now >= at + PONG => {
                    self.retire(Stage::Silent);
                    return Look::Dead;
                }
                Some(at) if now < at + PING_EVERY => {}
                _ => {
                    let sent = self.pings.as_mut().is_some_and(|pings| pings.send_ping(Ping::opaque()).is_ok());
                    if sent {
                        (self.pinged, self.awaits_pong) = (Some(now), true);
                    }
                }
            }
        }
        let next = if self.awaits_pong { PONG } else { SILENCE };
        self.deadline.put_off(self.idle.min(next).max(SHORTEST));
        Look::Alive
    }

    /// Takes the connection off its shelf.
    fn retire(&self, stage: Stage) {
        self.vitals.stage.set(stage);
        if let Some(shelves) = self.shelves.upgrade() {
            shelves.tidy();
        }
    }
}

#[derive(PartialEq, Eq)]
enum Look {
    Alive,
    Dead,
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        // Nothing is sent before the upstream has said how much it takes.
        .initial_max_send_streams(0)
        .max_header_list_size(HEAD_BYTES as u32)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW * STREAMS as u32)
        .max_send_buffer_size(SEND_BYTES);
    builder
}

/// Requests at once on one connection; the next ones get another: what one packet's loss holds up is bounded.
/// It is what servers allow at least by RFC 9113 section 6.5.2, and usually about the most.
const STREAMS: usize = 100;

/// What an upstream may send of one body before the client has taken any of it. The connection's window has room for
/// all streams, so that a client that does not read holds nobody else up.
const STREAM_WINDOW: u32 = 256 * 1024;

/// What is held of one request's body while the upstream does not take it: four frames.
const SEND_BYTES: usize = 64 * 1024;

/// After so long without a byte from an upstream that owes a response, it is asked for a sign of life.
const SILENCE: Duration = Duration::from_secs(30);

/// How long it has for that sign.
const PONG: Duration = Duration::from_secs(15);

/// More often than every five minutes servers of gRPC take a PING for abuse, and close the connection.
const PING_EVERY: Duration = Duration::from_secs(310);

/// The least time between two looks.
const SHORTEST: Duration = Duration::from_millis(25);
