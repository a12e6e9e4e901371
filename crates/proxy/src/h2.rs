//! Serves HTTP/2 clients by the `h2` crate: one task for the connection, one for each stream.
//!
//! The crate keeps the protocol (RFC 9113) and its own limits against resets, CONTINUATION and empty DATA frames; what
//! it does not limit, `budget` does. A request becomes HTTP/1.1 only after [`crate::h1::downgrade`] has checked it.
//!
//! A WebSocket (RFC 8441) is one stream, and an upgraded HTTP/1.1 connection to the upstream: `websocket`.

mod budget;
mod fragment;
mod frames;
pub mod incoming;
mod request;
mod stream_side;
mod streams;
mod websocket;
mod window;

#[cfg(test)]
mod tests;

use std::{
    cell::Cell,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::server::{Builder, Connection};
use tokio::time::{Instant, timeout};

use self::{
    budget::{Cork, Metered, Moved},
    incoming::Seen,
    streams::Streams,
};
use crate::{
    forward::Deadline,
    h1::limits::HEAD_BYTES,
    limits::Limits,
    served::Client,
    stream::Stream,
    tls::TlsFacts,
    worker::{DrainWatch, give_way},
};

/// Is what all streams of a connection share.
pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) tls: TlsFacts,
    seen: Rc<Seen>,
    /// Bytes of bodies that streams have taken.
    moved: Cell<u64>,
    /// Whether the connection ends after the answers to what was asked so far.
    is_outdated: Cell<bool>,
}

/// Serves a connection to its end; `stream` is past its handshake, in which HTTP/2 was agreed on.
pub(crate) async fn serve_h2(stream: Stream, client: Client, tls: TlsFacts) {
    let limits = &client.served.limits;
    let seen = Rc::<Seen>::default();
    let (metered, cork) = Metered::new(stream, Rc::clone(&seen), &client);
    let Ok(Ok(connection)) = timeout(limits.head, builder(limits).handshake(metered)).await else { return };
    cork.put_in();
    let mut serving = Serving {
        connection,
        cork,
        streams: Streams::new(),
        deadline: Deadline::after(limits.idle),
        idle: Some(Idle { since: Instant::now(), moved: Moved::default() }),
        stage: Stage::Open,
        drain: client.drain.clone(),
        shared: Rc::new(Shared { client, tls, seen, moved: Cell::new(0), is_outdated: Cell::new(false) }),
    };
    poll_fn(|cx| serving.poll(cx)).await;
}

/// Is a connection while it is served; its streams end with it.
struct Serving {
    connection: Connection<Metered, Bytes>,
    cork: Cork,
    streams: Streams,
    /// While no stream is open: when that has been long enough.
    deadline: Deadline,
    idle: Option<Idle>,
    stage: Stage,
    drain: DrainWatch,
    shared: Rc<Shared>,
}

/// Is a connection without a stream. The last bytes may still be on their way.
struct Idle {
    since: Instant,
    /// What had come and gone when it was looked at last.
    moved: Moved,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// `GOAWAY` is on its way: no stream is taken that the client began after it.
    Leaving,
}

impl Serving {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.streams.watch(cx);
        if self.stage == Stage::Open && (self.shared.is_outdated.get() || self.drain.poll_ending(cx).is_ready()) {
            self.leave();
        }
        let mut taken = 0;
        loop {
            if taken == AT_ONCE {
                // Who resets what it asks for can ask without end; others of the worker have their turn first.
                give_way(cx);
                break;
            }
            taken += 1;
            match self.connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, mut respond)))) => {
                    self.shared.client.worker.counts().requests.up();
                    let shared = Rc::clone(&self.shared);
                    if respond.poll_reset(cx).is_ready() {
                        request::forget(request, &respond, &shared);
                    } else if self.streams.len() >= 2 * self.shared.client.served.limits.h2_streams as usize {
                        // More than the client may have open: it resets them faster than their work can be ended.
                        request::refuse(request, respond, &shared);
                    } else {
                        self.streams.spawn(request::serve(request, respond, shared));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(client.peer = %self.shared.client.peer, %error, "HTTP/2 connection ended");
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        let flushed = self.cork.poll_flush(cx);
        if let Poll::Ready(Err(error)) = &flushed {
            tracing::debug!(client.peer = %self.shared.client.peer, %error, "HTTP/2 connection ended");
            return Poll::Ready(());
        }
        if self.streams.len() > 0 {
            self.idle = None;
            return Poll::Pending;
        }
        if self.idle.is_none() {
            self.idle = Some(Idle { since: Instant::now(), moved: self.cork.moved() });
            let wait = if self.stage == Stage::Open { self.shared.client.served.limits.idle } else { TAKING };
            self.deadline.put_off(wait);
        }
        while self.deadline.poll(cx).is_ready() {
            if let Some(wait) = self.still_taken(flushed.is_pending()) {
                self.deadline.put_off(wait);
                continue;
            }
            if self.stage == Stage::Leaving {
                return Poll::Ready(());
            }
            self.leave();
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn leave(&mut self) {
        self.stage = Stage::Leaving;
        let quiet = self.idle.as_ref().map_or(Duration::ZERO, |idle| idle.since.elapsed());
        self.deadline.put_off(TAKING.saturating_sub(quiet).max(GOODBYE));
        self.connection.graceful_shutdown();
    }

    /// How much longer the client has, as it still takes what answers had at their end; none if it does not.
    fn still_taken(&mut self, held: bool) -> Option<Duration> {
        let limits = &self.shared.client.served.limits;
        let idle = self.idle.as_mut()?;
        let before = std::mem::replace(&mut idle.moved, self.cork.moved());
        let (says, takes) = (idle.moved.came > before.came, idle.moved.went > before.went);
        // What is held here is seen to go; that what the kernel holds is taken shows in what the client says of its windows.
        let is_held = held || self.connection.has_streams();
        match self.stage {
            _ if is_held && (says || takes) => Some(limits.pace.stall),
            Stage::Leaving if says => Some(TAKING),
            Stage::Open | Stage::Leaving => None,
        }
    }
}

fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(limits.h2_streams)
        // As much as an HTTP/1.1 head may have. Together with the table of 4 KiB it bounds what one request can unpack to.
        .max_header_list_size(HEAD_BYTES as u32)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BYTES)
        .max_local_error_reset_streams(Some(ERRORS))
        .enable_connect_protocol();
    // The crate's other limits of resets stay as they are: they have held against every flood that was tried.
    builder
}

/// What a client may send of one body before the upstream has taken any of it: 40 Mbit/s over a round trip of 100 ms.
const STREAM_WINDOW: u32 = 512 * 1024;

/// The same for all bodies of a connection together, so that is what one connection can make us hold; four streams whose
/// upstreams do not read leave room for none of the others.
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;

/// What is held of one response while the client does not take it: four frames.
const SEND_BYTES: usize = 64 * 1024;

/// Streams of a connection that the client makes the crate reset or refuse before it is cut. A quarter of what the crate
/// has by itself: who asks for three hundred things at once before it has read our SETTINGS is not cut, and a flood takes
/// less than a millisecond.
const ERRORS: usize = 256;

/// Requests that are taken of one connection before others of its worker have their turn; a browser has no more at once.
const AT_ONCE: u32 = 32;
/// How long a client has to close after `GOAWAY`, if no stream has been open for a while.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long it has after its last stream, or after it sent or took something: the end of an answer may be in the kernel yet,
/// and closing would have it lost.
const TAKING: Duration = Duration::from_secs(15);
