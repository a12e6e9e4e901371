//! Holds a client to a budget of frames that make work and carry nothing.
//!
//! The h2 crate answers any number of PING, SETTINGS and PRIORITY frames, and streams that are begun and reset one at a
//! time. This looks at the headers of the frames as they come in (RFC 9113 section 4.1) and cuts who overspends.

use std::{
    cell::{Cell, RefCell},
    io,
    net::IpAddr,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{
    frames::{ACK, CONTINUATION, DATA, Frame, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE},
    incoming::{Incoming, Seen},
};
use crate::{
    forward::Deadline,
    served::{Client, Served},
    stream::Stream,
    worker::give_way,
};

/// Is a stream whose incoming frames are counted, and whose outgoing ones are collected.
///
/// The crate flushes after every frame of data. Once [`Cork`] is in, that does nothing: frames leave together, in as few
/// records as can be, when the connection's task says so.
pub(super) struct Metered {
    wire: Rc<Wire>,
    incoming: Incoming,
    seen: Rc<Seen>,
    begun: bool,
    budget: Budget,
    resets: Resets,
    turn: Turn,
    /// Once our side is closed: how long and how much the client may still send.
    linger: Option<(Deadline, usize)>,
}

/// Holds frames back until [`Cork::poll_flush`]; a connection that closes sends what is held.
pub(super) struct Cork(Rc<Wire>);

/// Is what both of them share; each borrows it for one call.
struct Wire {
    stream: RefCell<Stream>,
    corked: Cell<bool>,
    moved: Cell<Moved>,
}

/// Is how many bytes came of the client, and how many went to it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moved {
    pub(super) came: u64,
    pub(super) went: u64,
}

impl Wire {
    fn moved(&self, came: usize, went: usize) {
        let before = self.moved.get();
        self.moved.set(Moved { came: before.came + came as u64, went: before.went + went as u64 });
    }
}

impl Metered {
    /// Wraps a stream; what matters of its frames for requests is noted in `seen`.
    pub(super) fn new(stream: Stream, seen: Rc<Seen>, client: &Client) -> (Self, Cork) {
        let wire = Rc::new(Wire { stream: RefCell::new(stream), corked: Cell::new(false), moved: Cell::default() });
        let budget = Budget { left: BURST, since: Instant::now() };
        let resets = Resets { served: Arc::clone(&client.served), peer: client.peer.ip(), unpaid: 0 };
        let cork = Cork(Rc::clone(&wire));
        (
            Self {
                wire,
                incoming: Incoming::default(),
                seen,
                begun: false,
                budget,
                resets,
                turn: Turn { bytes: 0, frames: 0, is_dense: true },
                linger: None,
            },
            cork,
        )
    }
}

impl Cork {
    /// From now on frames wait for [`Cork::poll_flush`].
    pub(super) fn put_in(&self) {
        self.0.corked.set(true);
    }

    /// Sends what waits.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.stream.borrow_mut().poll_flush(cx)
    }

    /// What came and went so far.
    pub(super) fn moved(&self) -> Moved {
        self.0.moved.get()
    }
}

impl AsyncRead for Metered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        if me.turn.is_over() {
            // A socket that is always full would have the worker for itself.
            me.turn.end();
            give_way(cx);
            return Poll::Pending;
        }
        let before = into.filled().len();
        let read = me.turn.poll_read(cx, &mut me.wire.stream.borrow_mut(), into);
        if read.is_pending() {
            me.turn.end();
        }
        ready!(read)?;
        let turn = &mut me.turn;
        turn.bytes += into.filled().len() - before;
        me.wire.moved(into.filled().len() - before, 0);
        let frames = turn.frames;
        let (begun, budget, resets) = (&mut me.begun, &mut me.budget, &mut me.resets);
        let within = me.incoming.pass(&into.filled()[before..], &me.seen, |Frame { kind, flags, .. }| {
            turn.frames += 1;
            // SETTINGS comes first (RFC 9113 section 3.4), which the crate does not ask for.
            *begun |= kind == SETTINGS && flags & ACK == 0;
            *begun && budget.pay(kind, flags) && (kind != RST_STREAM || resets.pay())
        });
        turn.is_dense = (turn.frames - frames) * DENSE > into.filled().len() - before;
        Poll::Ready(if within { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidData, OverBudget)) })
    }
}

impl AsyncWrite for Metered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(self.wire.stream.borrow_mut().poll_write(cx, bytes))?;
        self.wire.moved(0, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.wire.corked.get() {
            return Poll::Ready(Ok(()));
        }
        self.wire.stream.borrow_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let stream = &mut *me.wire.stream.borrow_mut();
        let (deadline, left) = match &mut me.linger {
            Some(linger) => linger,
            None => {
                ready!(stream.poll_close(cx))?;
                me.linger.insert((Deadline::after(LINGER), LINGER_BYTES))
            }
        };
        // Closing while a WINDOW_UPDATE is on its way would reset the connection, and what was sent last be lost with it. Each
        // one says that the client is still taking it.
        let mut sink = [0; 1024];
        while *left > 0 {
            let mut into = ReadBuf::new(&mut sink);
            match Pin::new(&mut *stream).poll_read(cx, &mut into) {
                Poll::Ready(Ok(())) if !into.filled().is_empty() => {
                    *left = left.saturating_sub(into.filled().len());
                    deadline.put_off(LINGER);
                }
                Poll::Ready(_) => break,
                Poll::Pending => return deadline.poll(cx).map(Ok),
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the client sends more frames without use than it may, or begins with another one than SETTINGS")]
struct OverBudget;

/// Is what was read of a connection since others of its worker had their turn.
struct Turn {
    bytes: usize,
    frames: usize,
    /// Whether what was read last was mostly small frames, as a connection begins: a record can have a thousand requests.
    is_dense: bool,
}

impl Turn {
    fn is_over(&self) -> bool {
        self.bytes >= TURN_BYTES || self.frames >= TURN_FRAMES
    }

    fn end(&mut self) {
        (self.bytes, self.frames) = (0, 0);
    }

    /// Reads as much as may be worked on in one go.
    fn poll_read(&self, cx: &mut Context<'_>, stream: &mut Stream, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.is_dense {
            return Pin::new(stream).poll_read(cx, into);
        }
        let mut part = ReadBuf::new(into.initialize_unfilled_to(DENSE_BYTES.min(into.remaining())));
        ready!(Pin::new(stream).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        into.advance(read);
        Poll::Ready(Ok(()))
    }
}

/// Is what is left to spend, in halves of a frame.
struct Budget {
    left: u32,
    since: Instant,
}

impl Budget {
    fn pay(&mut self, kind: u8, flags: u8) -> bool {
        let price = match kind {
            HEADERS => {
                self.left = (self.left + FOR_A_REQUEST).min(BURST);
                return true;
            }
            // Carried by windows and the crate's own limits, or an answer to a frame of ours.
            DATA | WINDOW_UPDATE | CONTINUATION => return true,
            PING | SETTINGS if flags & ACK != 0 => return true,
            _ => PRICE,
        };
        if self.left < price {
            let now = Instant::now();
            let earned = now.duration_since(self.since).as_millis() * u128::from(PER_SECOND) / 1000;
            self.left = self.left.saturating_add(u32::try_from(earned).unwrap_or(BURST)).min(BURST);
            self.since = now;
        }
        match self.left.checked_sub(price) {
            Some(left) => self.left = left,
            None => return false,
        }
        true
    }
}

/// Counts the streams that a client resets; those of all its connections are paid together, for who is cut here comes again.
struct Resets {
    served: Arc<Served>,
    peer: IpAddr,
    unpaid: u32,
}

impl Resets {
    fn pay(&mut self) -> bool {
        self.unpaid += 1;
        if self.unpaid < RESETS {
            return true;
        }
        self.unpaid = 0;
        self.served.clients.may_reset(self.peer, RESETS)
    }
}

/// Two of the largest frames that a client may send.
const TURN_BYTES: usize = 32 * 1024;

/// A request takes two microseconds before anybody works on it: a turn is a tenth of a millisecond, and no more.
const TURN_FRAMES: usize = 64;

/// Frames of fewer bytes than these are small ones: about a request.
const DENSE: usize = 128;

/// What is read of small frames in one piece; fewer than a turn has.
const DENSE_BYTES: usize = 1024;

/// How long a client has to close its side after ours, or to send something: what the kernel holds may take that long.
const LINGER: Duration = Duration::from_secs(15);

/// What is read of it meanwhile.
const LINGER_BYTES: usize = 256 * 1024;

/// So many resets are paid at a time: all workers pay in one place.
const RESETS: u32 = 16;

/// One frame, in halves.
const PRICE: u32 = 2;

/// A client that cancels every other request never pays; one that cancels all of them pays half.
const FOR_A_REQUEST: u32 = 1;

/// 512 frames: old Firefox sends six PRIORITY frames at once, gRPC a PING for each round trip while data flows.
const BURST: u32 = 512 * PRICE;

/// 50 frames a second, which is a PING for each round trip of 20 ms.
const PER_SECOND: u32 = 50 * PRICE;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn useless_frames_are_paid_for_and_requests_earn_half_a_one() {
        let mut budget = Budget { left: BURST, since: Instant::now() };
        let spend = |budget: &mut Budget, kind, flags| (0..100_000).take_while(|_| budget.pay(kind, flags)).count();
        assert_eq!(spend(&mut budget, PING, 0), 512);
        assert_eq!(spend(&mut budget, PING, ACK), 100_000);
        assert_eq!(spend(&mut budget, WINDOW_UPDATE, 0), 100_000);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(spend(&mut budget, SETTINGS, 0), 100);
        assert_eq!((0..300).filter(|_| budget.pay(HEADERS, 4)).count(), 300);
        assert_eq!(spend(&mut budget, 3, 0), 150, "RST_STREAM");
    }
}
