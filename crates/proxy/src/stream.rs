//! One byte stream for both sides of the proxy: plain TCP, TLS as server or client, or a pair within the process.
//!
//! Reading appends to a buffer of the caller, which is taken from the free list only when bytes are there.
//! Writing on TLS holds bytes back until [`Stream::poll_flush`], so that a head and its body leave in one record and
//! one write.

pub(crate) mod buffer;
mod handshake;
mod hello;
mod records;
mod session;

#[cfg(test)]
mod tests;

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::BufMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

pub(crate) use handshake::{BeginError, Begun, Caller, begin, read};
pub(crate) use hello::{Heard, hear};
pub(crate) use session::Session;

use records::Records;

/// Is a connection to a client or to an upstream.
///
/// It belongs to one task: the task of the last poll is woken, be it for reading or for writing.
pub(crate) struct Stream(Kind);

enum Kind {
    Plain(TcpStream),
    Tls(TcpStream, Box<Records>),
    /// The other end is in this process, or at a socket of this machine.
    Within(UnixStream),
}

impl Stream {
    /// A stream in the clear.
    pub(crate) fn plain(tcp: TcpStream) -> Self {
        Self(Kind::Plain(tcp))
    }

    /// A stream after its TLS handshake.
    pub(crate) fn tls(begun: Begun) -> Self {
        Self(Kind::Tls(begun.tcp, begun.records))
    }

    /// A stream to the portal, or to an upstream at a Unix socket.
    pub(crate) fn within(pair: UnixStream) -> Self {
        Self(Kind::Within(pair))
    }

    /// Appends what has come in to `buffer`, up to `at_most` bytes (which must not be 0); 0 is the end.
    ///
    /// While nothing is there no memory is taken: a `buffer` without capacity stays so until bytes come,
    /// and then comes from the free list ([`buffer::take`]); give it back when it is empty.
    /// The end of TLS is a `close_notify`; a connection that ends without one fails with `UnexpectedEof`
    /// (RFC 8446 section 6.1: what came before may have been cut).
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
        at_most: usize,
    ) -> Poll<io::Result<usize>> {
        debug_assert!(at_most > 0, "nothing to read looks like the end");
        if let Kind::Tls(tcp, records) = &mut self.0 {
            return records.poll_fill(tcp, cx, buffer, at_most);
        }
        if buffer.capacity() == 0 {
            match &self.0 {
                Kind::Plain(tcp) | Kind::Tls(tcp, _) => ready!(tcp.poll_read_ready(cx))?,
                Kind::Within(pair) => ready!(pair.poll_read_ready(cx))?,
            }
            *buffer = buffer::take();
        } else if buffer.capacity() - buffer.len() < at_most.min(SPARE_BYTES) {
            buffer.reserve(at_most.min(buffer::BUFFER_BYTES));
        }
        let mut limited = (&mut *buffer).limit(at_most);
        let read = match &mut self.0 {
            Kind::Plain(tcp) | Kind::Tls(tcp, _) => pin!(tcp.read_buf(&mut limited)).poll(cx),
            Kind::Within(pair) => pin!(pair.read_buf(&mut limited)).poll(cx),
        };
        buffer::give_if_empty(buffer);
        read
    }

    /// Takes bytes to be sent and tells how many; they leave at [`Stream::poll_flush`] at the latest.
    ///
    /// It is pending while earlier bytes wait for the socket, so no more than one batch is ever held.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Kind::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Kind::Tls(tcp, records) => records.poll_write(tcp, cx, bytes),
            Kind::Within(pair) => Pin::new(pair).poll_write(cx, bytes),
        }
    }

    /// Sends what [`Stream::poll_write`] held back. The ticket of a handshake waits for something that it can go with.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Tls(tcp, records) => records.poll_flush(tcp, cx),
            Kind::Plain(_) | Kind::Within(_) => Poll::Ready(Ok(())),
        }
    }

    /// Sends what is held and says goodbye: `close_notify` on TLS. Dropped after that, the stream closes in order.
    pub(crate) fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Tls(tcp, records) => records.poll_goodbye(tcp, cx),
            Kind::Plain(_) | Kind::Within(_) => Poll::Ready(Ok(())),
        }
    }

    /// Says goodbye and closes the sending side of the socket.
    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_goodbye(cx))?;
        match &mut self.0 {
            Kind::Plain(tcp) | Kind::Tls(tcp, _) => Pin::new(tcp).poll_shutdown(cx),
            Kind::Within(pair) => Pin::new(pair).poll_shutdown(cx),
        }
    }

    /// Has the connection end with a reset, so that the other end takes what it got for a part.
    pub(crate) fn reset_at_close(&self) {
        if let Kind::Plain(tcp) | Kind::Tls(tcp, _) = &self.0 {
            let _ = tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        match &mut me.0 {
            Kind::Plain(tcp) => Pin::new(tcp).poll_read(cx, into),
            Kind::Tls(tcp, records) => records.poll_read(tcp, cx, into),
            Kind::Within(pair) => Pin::new(pair).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_close(cx)
    }
}

/// A buffer with less room than this is enlarged before it is read into: fewer, larger reads.
const SPARE_BYTES: usize = 4 * 1024;
