//! A client's connection with what was read and not used, and what was written and not sent.

use std::{
    io,
    task::{Context, Poll, ready},
};

use crate::stream::{Stream, buffer};

/// Is a client's stream between two buffers; both are given back whenever they are empty.
pub(super) struct Wire {
    pub(super) stream: Stream,
    read: Vec<u8>,
    /// What of `read` is used.
    used: usize,
    /// What the client is to get; [`Wire::out`] appends to it.
    out: Vec<u8>,
    /// What of `out` is sent.
    sent: usize,
    /// Whether the client has closed its sending side.
    fin: bool,
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, read: Vec::new(), used: 0, out: Vec::new(), sent: 0, fin: false }
    }

    /// What was read and not used.
    pub(super) fn unread(&self) -> &[u8] {
        &self.read[self.used..]
    }

    /// Whether the client has closed its sending side.
    pub(super) fn is_finished(&self) -> bool {
        self.fin
    }

    /// Counts bytes of [`Wire::unread`] as used.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.used += bytes;
        if self.used == self.read.len() {
            self.used = 0;
            self.read.clear();
            buffer::give(std::mem::take(&mut self.read));
        }
    }

    /// Takes what was read and not used.
    pub(super) fn take_unread(&mut self) -> Vec<u8> {
        let mut unread = std::mem::take(&mut self.read);
        unread.drain(..self.used);
        self.used = 0;
        unread
    }

    /// Reads more behind [`Wire::unread`]; 0 is the end, now and ever after.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.fin {
            return Poll::Ready(Ok(0));
        }
        if self.used > 0 {
            self.read.drain(..self.used);
            self.used = 0;
        }
        let read = self.stream.poll_fill(cx, &mut self.read, buffer::BUFFER_BYTES);
        match &read {
            Poll::Ready(Ok(0)) => self.fin = true,
            Poll::Ready(_) => {}
            Poll::Pending => buffer::give_if_empty(&mut self.read),
        }
        read
    }

    /// How much waits to be sent.
    pub(super) fn unsent(&self) -> usize {
        self.out.len() - self.sent
    }

    /// The room to append to; a fresh one comes from the free list.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        if self.out.capacity() == 0 {
            self.out = buffer::take();
        }
        &mut self.out
    }

    /// Hands what is to be sent to the stream; ready when it has taken all.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            match ready!(self.stream.poll_write(cx, &self.out[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        if self.sent > 0 {
            self.sent = 0;
            buffer::give(std::mem::take(&mut self.out));
        }
        Poll::Ready(Ok(()))
    }

    /// Sends everything, the stream's own buffers included.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        self.stream.poll_flush(cx)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        buffer::give(std::mem::take(&mut self.read));
        buffer::give(std::mem::take(&mut self.out));
    }
}
