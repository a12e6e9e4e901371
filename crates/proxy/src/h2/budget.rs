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
    fragment::{Blocks, Fragments},
    window::{Settings, Window},
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
    frames: Frames,
    begun: bool,
    budget: Budget,
    resets: Resets,
    blocks: Blocks,
    fragments: Rc<Fragments>,
    settings: Settings,
    window: Rc<Window>,
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
}

impl Metered {
    /// Wraps a stream; requests with a fragment in their path are noted in `fragments`, and what the client takes of its
    /// responses in `window`.
    pub(super) fn new(stream: Stream, fragments: Rc<Fragments>, window: Rc<Window>, client: &Client) -> (Self, Cork) {
        let wire = Rc::new(Wire { stream: RefCell::new(stream), corked: Cell::new(false) });
        let budget = Budget { left: BURST, since: Instant::now() };
        let resets = Resets { served: Arc::clone(&client.served), peer: client.peer.ip(), unpaid: 0 };
        let cork = Cork(Rc::clone(&wire));
        (
            Self {
                wire,
                frames: Frames::new(),
                begun: false,
                budget,
                resets,
                blocks: Blocks::default(),
                fragments,
                settings: Settings::default(),
                window,
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
        let frames = turn.frames;
        let (begun, budget, resets) = (&mut me.begun, &mut me.budget, &mut me.resets);
        let (blocks, fragments) = (&mut me.blocks, &*me.fragments);
        let (settings, window) = (&mut me.settings, &*me.window);
        let within = me.frames.pass(&into.filled()[before..], |piece| match piece {
            Piece::Header { kind, flags, stream } => {
                turn.frames += 1;
                // SETTINGS comes first (RFC 9113 section 3.4), which the crate does not ask for.
                *begun |= kind == SETTINGS && flags & ACK == 0;
                blocks.begin(kind, flags, stream);
                settings.begin(kind, flags);
                *begun && budget.pay(kind, flags) && (kind != RST_STREAM || resets.pay())
            }
            Piece::Payload(bytes) => {
                blocks.payload(bytes, fragments);
                settings.payload(bytes, window);
                true
            }
            Piece::End => {
                blocks.end(fragments);
                true
            }
        });
        turn.is_dense = (turn.frames - frames) * DENSE > into.filled().len() - before;
        Poll::Ready(if within { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidData, OverBudget)) })
    }
}

impl AsyncWrite for Metered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wire.stream.borrow_mut().poll_write(cx, bytes)
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
        // Closing while a WINDOW_UPDATE is on its way would reset the connection, and what was sent last be lost with it.
        let mut sink = [0; 1024];
        while *left > 0 {
            let mut into = ReadBuf::new(&mut sink);
            match Pin::new(&mut *stream).poll_read(cx, &mut into) {
                Poll::Ready(Ok(())) if !into.filled().is_empty() => *left = left.saturating_sub(into.filled().len()),
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

/// Walks over frames that come in pieces.
struct Frames {
    /// Bytes to be passed over: the preface first, then payloads.
    skip: usize,
    header: [u8; HEADER_BYTES],
    have: usize,
}

/// Is a piece of a frame.
enum Piece<'a> {
    /// It begins.
    Header { kind: u8, flags: u8, stream: u32 },
    /// Some of its payload, or of what comes before the first frame.
    Payload(&'a [u8]),
    /// It ends.
    End,
}

impl Frames {
    fn new() -> Self {
        Self { skip: PREFACE_BYTES, header: [0; HEADER_BYTES], have: 0 }
    }

    /// Calls `each` with every piece as it comes; ends with `false` when `each` does.
    fn pass(&mut self, mut bytes: &[u8], mut each: impl FnMut(Piece<'_>) -> bool) -> bool {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let (payload, rest) = bytes.split_at(self.skip.min(bytes.len()));
                self.skip -= payload.len();
                bytes = rest;
                if !each(Piece::Payload(payload)) || (self.skip == 0 && !each(Piece::End)) {
                    return false;
                }
                continue;
            }
            let taken = (HEADER_BYTES - self.have).min(bytes.len());
            self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEADER_BYTES {
                self.have = 0;
                let [a, b, c, kind, flags, stream @ ..] = self.header;
                self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
                if !each(Piece::Header { kind, flags, stream }) || (self.skip == 0 && !each(Piece::End)) {
                    return false;
                }
            }
        }
        true
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

/// How long a client has to close its side after ours; as on HTTP/1.1 connections.
const LINGER: Duration = Duration::from_secs(5);

/// What is read of it meanwhile.
const LINGER_BYTES: usize = 256 * 1024;

const PREFACE_BYTES: usize = 24;
const HEADER_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
pub(super) const ACK: u8 = 1;

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

    fn frame(length: u32, kind: u8, flags: u8) -> Vec<u8> {
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
        frame.resize(HEADER_BYTES + length as usize, 0xff);
        frame
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let expected = [(SETTINGS, 0), (HEADERS, 5), (PING, 1), (DATA, 1)];
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        for (length, (kind, flags)) in [18, 300, 8, 0].into_iter().zip(expected) {
            bytes.extend(frame(length, kind, flags));
        }
        for size in 1..bytes.len() {
            let (mut frames, mut found) = (Frames::new(), Vec::new());
            for piece in bytes.chunks(size) {
                assert!(frames.pass(piece, |piece| {
                    if let Piece::Header { kind, flags, stream: 1 } = piece {
                        found.push((kind, flags));
                    }
                    true
                }));
            }
            assert_eq!(found, expected, "pieces of {size}");
        }
    }

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
