//! WebSockets of HTTP/2 clients (RFC 8441): asked for by CONNECT, and carried to the upstream as the upgrade of HTTP/1.1
//! that it knows.
//!
//! The key and its proof (RFC 6455 section 4.1) are between us and the upstream: HTTP/2 has none.

use std::{
    io,
    task::{Context, Poll, ready},
};

use aws_lc_rs::{digest, rand};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::{Buf as _, Bytes};
use h2::{RecvStream, SendStream};

use crate::{
    h1::{downgrade::WEBSOCKET, response::ResponseHead},
    stream::buffer,
    upgrade::Mouth,
};

/// Is what an upstream has to prove that it has read.
#[derive(Debug)]
pub(super) struct Key(String);

impl Key {
    /// A new one; none if the operating system has no random numbers.
    pub(super) fn new() -> Option<Self> {
        let mut nonce = [0; 16];
        rand::fill(&mut nonce).ok()?;
        Some(Self(BASE64_STANDARD.encode(nonce)))
    }

    /// Adds the key to a written head, which ends with an empty line.
    pub(super) fn add_to(&self, head: &mut Vec<u8>) {
        head.truncate(head.len() - EMPTY_LINE.len());
        for part in ["Sec-WebSocket-Key: ", &self.0, "\r\n", EMPTY_LINE] {
            head.extend_from_slice(part.as_bytes());
        }
    }

    /// Whether a 101 switches to WebSocket and proves that it answers this key.
    pub(super) fn is_answered_by(&self, head: &ResponseHead<'_>) -> bool {
        head.upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case(WEBSOCKET))
            && head.header(ACCEPT) == Some(self.proof().as_bytes())
    }

    fn proof(&self) -> String {
        proof(&self.0)
    }
}

/// What is to be answered to a key.
pub(super) fn proof(key: &str) -> String {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64_STANDARD.encode(hash.finish())
}

/// Is a client's stream as the end of a tunnel. Dropped before it was closed, it is reset.
pub(super) struct StreamMouth {
    receive: RecvStream,
    /// Taken from the crate and not yet by the tunnel.
    rest: Bytes,
    send: SendStream<Bytes>,
}

impl StreamMouth {
    pub(super) fn new(receive: RecvStream, rest: Bytes, send: SendStream<Bytes>) -> Self {
        Self { receive, rest, send }
    }
}

impl Mouth for StreamMouth {
    fn poll_fill(&mut self, cx: &mut Context<'_>, into: &mut Vec<u8>, at_most: usize) -> Poll<io::Result<usize>> {
        while self.rest.is_empty() {
            match ready!(self.receive.poll_data(cx)) {
                Some(data) => self.rest = data.map_err(io::Error::other)?,
                None => return Poll::Ready(Ok(0)),
            }
        }
        if into.capacity() == 0 {
            *into = buffer::take();
        }
        let taken = self.rest.len().min(at_most);
        into.extend_from_slice(&self.rest[..taken]);
        self.rest.advance(taken);
        self.receive.flow_control().release_capacity(taken).map_err(io::Error::other)?;
        Poll::Ready(Ok(taken))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        while self.send.capacity() == 0 {
            self.send.reserve_capacity(bytes.len());
            match ready!(self.send.poll_capacity(cx)) {
                Some(capacity) => capacity.map_err(io::Error::other)?,
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
        }
        let taken = bytes.len().min(self.send.capacity());
        self.send.send_data(Bytes::copy_from_slice(&bytes[..taken]), false).map_err(io::Error::other)?;
        Poll::Ready(Ok(taken))
    }

    // The connection's task sends what its streams have, together.
    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.send.send_data(Bytes::new(), true).map_err(io::Error::other))
    }
}

/// Has the proof.
pub(super) const ACCEPT: &str = "sec-websocket-accept";

const EMPTY_LINE: &str = "\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_that_of_the_standard() {
        // RFC 6455 section 1.3.
        assert_eq!(proof("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
