//! The bytes under an HTTP/2 connection to an upstream: noticed as they come in, held together as they go out.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::stream::Stream;

/// Is the crate's end of a stream.
pub(super) struct Wire(Rc<Line>);

/// Is the connection task's end of it; each borrows the stream for one call.
pub(super) struct Line {
    stream: RefCell<Stream>,
    /// Whether frames wait for [`Line::poll_flush`]; the crate flushes after each of them.
    corked: Cell<bool>,
    /// When a byte came in last.
    heard: Cell<Instant>,
    /// What came in first, as far as it is what HTTP/1 begins with.
    greeting: Cell<Greeting>,
}

/// Says what an upstream began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeting {
    /// So many bytes of `HTTP/1.` so far.
    Http1(usize),
    Other,
}

impl Line {
    pub(super) fn new(stream: Stream) -> (Wire, Rc<Self>) {
        let line = Rc::new(Self {
            stream: RefCell::new(stream),
            corked: Cell::new(false),
            heard: Cell::new(Instant::now()),
            greeting: Cell::new(Greeting::Http1(0)),
        });
        (Wire(Rc::clone(&line)), line)
    }

    /// From now on frames wait for [`Self::poll_flush`].
    pub(super) fn cork(&self) {
        self.corked.set(true);
    }

    /// Sends what waits.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.borrow_mut().poll_flush(cx)
    }

    /// When a byte came in last.
    pub(super) fn heard(&self) -> Instant {
        self.heard.get()
    }

    /// Whether the upstream answered in HTTP/1, as who does not know HTTP/2 does.
    pub(super) fn is_http1(&self) -> bool {
        self.greeting.get() == Greeting::Http1(HTTP1.len())
    }

    fn note(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.heard.set(Instant::now());
        if let Greeting::Http1(seen) = self.greeting.get()
            && seen < HTTP1.len()
        {
            let rest = &HTTP1[seen..];
            let looked_at = rest.len().min(bytes.len());
            let same = rest[..looked_at] == bytes[..looked_at];
            self.greeting.set(if same { Greeting::Http1(seen + looked_at) } else { Greeting::Other });
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut *self.0.stream.borrow_mut()).poll_read(cx, into))?;
        self.0.note(&into.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.stream.borrow_mut().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.corked.get() {
            return Poll::Ready(Ok(()));
        }
        self.0.stream.borrow_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.stream.borrow_mut().poll_close(cx)
    }
}

/// What a response of HTTP/1 begins with; a frame of HTTP/2 that begins so is over four megabytes long.
const HTTP1: &[u8] = b"HTTP/1.";
