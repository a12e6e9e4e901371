//! HTTP/2 frames written and read by hand (RFC 9113 section 4).

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use super::harness::{Door, PATIENCE};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Literal fields that are not indexed and not Huffman-coded (RFC 7541 section 6.2.2).
pub(super) fn block(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name.as_bytes(), value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap());
            block.extend_from_slice(text);
        }
    }
    block
}

/// What a server said of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// HEADERS, with the byte of the static table that says which status: 0x88 is 200, 0x8c is 400.
    Headers(u8),
    Reset(u32),
    GoAway(u32),
    Closed,
}

/// A connection on which the preface was said.
pub(super) struct Raw {
    pub(super) tls: TlsStream<TcpStream>,
    seen: Vec<u8>,
}

impl Raw {
    pub(super) async fn open(door: &Door) -> Self {
        let mut raw = Self { tls: door.connect().await, seen: Vec::new() };
        raw.write(&[PREFACE, &frame(4, 0, 0, &[])].concat()).await;
        raw
    }

    /// A connection of a client that takes little at a time, though its windows let all come at once.
    pub(super) async fn open_narrowly(door: &Door) -> Self {
        let mut raw = Self { tls: door.connect_narrowly().await, seen: Vec::new() };
        let windows = [frame(4, 0, 0, &[0, 4, 0, 0x40, 0, 0]), frame(8, 0, 0, &0x40_0000_u32.to_be_bytes())].concat();
        raw.write(&[PREFACE, &windows].concat()).await;
        raw
    }

    /// A connection on which nothing was said.
    pub(super) async fn silent(door: &Door) -> Self {
        Self { tls: door.connect().await, seen: Vec::new() }
    }

    /// Writes; a server that cuts the connection meanwhile shows when it is read.
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        let _ = timeout(PATIENCE, self.tls.write_all(bytes)).await.expect("nobody reads");
        let _ = timeout(PATIENCE, self.tls.flush()).await.expect("nobody reads");
    }

    /// The next frame that says something of a stream, or the end.
    pub(super) async fn said(&mut self) -> Said {
        while let Some((kind, _, _, payload)) = self.frame().await {
            let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
            match kind {
                1 => return Said::Headers(payload[0]),
                3 => return Said::Reset(number(0)),
                7 => return Said::GoAway(number(4)),
                _ => {}
            }
        }
        Said::Closed
    }

    /// The next frame: kind, flags, stream and payload; none at the end.
    pub(super) async fn frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        loop {
            if let [a, b, c, kind, flags, stream @ ..] = &self.seen[..]
                && stream.len() >= 4
            {
                let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
                if self.seen.len() >= 9 + length {
                    let (kind, flags) = (*kind, *flags);
                    let stream = u32::from_be_bytes(stream[..4].try_into().unwrap());
                    let payload = self.seen.drain(..9 + length).skip(9).collect();
                    return Some((kind, flags, stream, payload));
                }
            }
            let read = timeout(PATIENCE, self.tls.read_buf(&mut self.seen)).await.expect("the server says nothing");
            if !matches!(read, Ok(bytes) if bytes > 0) {
                return None;
            }
        }
    }

    /// Waits for the end of the connection, before which no stream is answered.
    pub(super) async fn is_closed(&mut self, what: &str) {
        while let Some((kind, ..)) = self.frame().await {
            assert!(kind != 1, "{what}: an answer behind GOAWAY");
        }
    }
}
