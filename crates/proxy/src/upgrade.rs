//! Tunnels: what becomes of a connection after a 101, WebSocket first of all; of an HTTP/2 client it is one stream.
//!
//! Bytes go both ways unread. When one side ends its sending, the other is told, and may go on sending.
//! A drain does not end a tunnel: the worker cuts it when the time for draining is over.

use std::{
    future::poll_fn,
    io,
    task::{Context, Poll, ready},
    time::Duration,
};

use crate::{
    access_log::Logged,
    forward::Deadline,
    stream::{Stream, buffer},
    worker::give_way,
};

/// Is one end of a tunnel; it belongs to one task, which a `Pending` wakes.
pub(crate) trait Mouth {
    /// Appends what has come in to `buffer`, up to `at_most` bytes; 0 is the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<u8>, at_most: usize) -> Poll<io::Result<usize>>;

    /// Takes bytes to be sent and tells how many: at least one.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Sends what was taken.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Tells the other side that nothing more comes.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Mouth for Stream {
    fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<u8>, at_most: usize) -> Poll<io::Result<usize>> {
        Self::poll_fill(self, cx, buffer, at_most)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_write(self, cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_flush(self, cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_close(self, cx)
    }
}

/// Moves bytes both ways until both sides have ended, one has failed, or nothing moved for `idle`.
///
/// `from_client` and `from_upstream` are what was read behind the heads.
pub(crate) async fn tunnel(
    client: &mut impl Mouth,
    from_client: Vec<u8>,
    mut upstream: Stream,
    from_upstream: Vec<u8>,
    idle: Duration,
    deadline: &mut Deadline,
    log: Logged,
) {
    let mut tunnel = Tunnel { up: Direction::new(from_client), down: Direction::new(from_upstream), log };
    let Tunnel { up, down, .. } = &mut tunnel;
    deadline.put_off(idle);
    poll_fn(|cx| {
        let moved = match (up.poll_move(cx, client, &mut upstream), down.poll_move(cx, &mut upstream, client)) {
            (Err(_), _) | (_, Err(_)) => return Poll::Ready(()),
            (Ok(up), Ok(down)) => up || down,
        };
        if up.state == State::Closed && down.state == State::Closed {
            return Poll::Ready(());
        }
        if moved {
            deadline.put_off(idle);
        }
        deadline.poll(cx)
    })
    .await;
}

/// Is a tunnel while it lives; whichever way it ends, what went through is written down.
struct Tunnel {
    up: Direction,
    down: Direction,
    log: Logged,
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.log.moved(self.up.moved, self.down.moved);
        // Each side has had what the other one sent.
        if self.up.state == State::Closed && self.down.state == State::Closed {
            self.log.complete();
        }
    }
}

/// Is one direction of a tunnel.
struct Direction {
    buffer: Vec<u8>,
    sent: usize,
    /// Bytes that have gone through.
    moved: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The one side has ended; the other is to be told.
    Ending,
    Closed,
}

impl Direction {
    fn new(early: Vec<u8>) -> Self {
        Self { buffer: early, sent: 0, moved: 0, state: State::Open }
    }

    /// Moves what can be moved and tells whether that was anything.
    fn poll_move(&mut self, cx: &mut Context<'_>, from: &mut impl Mouth, to: &mut impl Mouth) -> io::Result<bool> {
        let mut moved = false;
        for _ in 0..TURNS {
            match self.poll_step(cx, from, to) {
                Poll::Ready(Ok(())) if self.state == State::Closed => return Ok(true),
                Poll::Ready(Ok(())) => moved = true,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(moved),
            }
        }
        give_way(cx);
        Ok(moved)
    }

    fn poll_step(&mut self, cx: &mut Context<'_>, from: &mut impl Mouth, to: &mut impl Mouth) -> Poll<io::Result<()>> {
        if self.sent < self.buffer.len() {
            let sent = ready!(to.poll_write(cx, &self.buffer[self.sent..]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
            self.moved += sent as u64;
            return Poll::Ready(Ok(()));
        }
        match self.state {
            State::Closed => return Poll::Pending,
            State::Ending => {
                ready!(to.poll_close(cx))?;
                self.state = State::Closed;
                return Poll::Ready(Ok(()));
            }
            State::Open => {}
        }
        self.buffer.clear();
        self.sent = 0;
        match from.poll_fill(cx, &mut self.buffer, buffer::BUFFER_BYTES) {
            Poll::Ready(Ok(0)) => self.state = State::Ending,
            Poll::Ready(read) => {
                read?;
            }
            Poll::Pending => {
                buffer::give_if_empty(&mut self.buffer);
                ready!(to.poll_flush(cx))?;
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Direction {
    fn drop(&mut self) {
        buffer::give(std::mem::take(&mut self.buffer));
    }
}

/// How often one direction moves something before the other has its turn.
const TURNS: usize = 16;
