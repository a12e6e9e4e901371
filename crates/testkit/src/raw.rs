//! HTTP/2 frame by frame (RFC 9113 section 4), good or bad, over TLS or in the clear.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::client::tls_stream;

/// Is a connection on which frames are written and read by hand.
pub struct Raw {
    stream: Box<dyn Stream>,
    seen: Vec<u8>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Raw {
    /// Connects by TLS, with `h2`, and says the preface and that streams begin with so much room for responses.
    pub async fn open(address: SocketAddr, name: &str, window: u32) -> io::Result<Self> {
        Self::begin(Box::new(tls_stream(address, name, b"h2").await?), window).await
    }

    /// The same in the clear.
    pub async fn open_in_the_clear(address: SocketAddr, window: u32) -> io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        Self::begin(Box::new(tcp), window).await
    }

    async fn begin(stream: Box<dyn Stream>, window: u32) -> io::Result<Self> {
        let mut raw = Self { stream, seen: Vec::new() };
        let window = [&[0, 4][..], &window.to_be_bytes()].concat();
        raw.write(&[PREFACE, &frame(SETTINGS, 0, 0, &window)].concat()).await?;
        Ok(raw)
    }

    /// Writes bytes, and reads what comes meanwhile, so that neither side waits for the other.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut read, mut write) = tokio::io::split(&mut self.stream);
        let mut some = vec![0; 64 * 1024];
        let writing = async {
            write.write_all(bytes).await?;
            write.flush().await
        };
        tokio::pin!(writing);
        loop {
            tokio::select! {
                written = &mut writing => return written,
                came = read.read(&mut some) => match came? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    came => self.seen.extend_from_slice(&some[..came]),
                },
            }
        }
    }

    /// The next frame: kind, flags, stream, payload; none at the end of the connection, or when nothing comes for so long.
    pub async fn frame(&mut self, patience: Duration) -> Option<(u8, u8, u32, Vec<u8>)> {
        loop {
            if let [a, b, c, kind, flags, d, e, f, g, ..] = self.seen[..] {
                let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                if self.seen.len() >= 9 + length {
                    let payload = self.seen.drain(..9 + length).skip(9).collect();
                    return Some((kind, flags, u32::from_be_bytes([d, e, f, g]), payload));
                }
            }
            match timeout(patience, self.stream.read_buf(&mut self.seen)).await {
                Ok(Ok(bytes)) if bytes > 0 => {}
                _ => return None,
            }
        }
    }

    /// Whether the server ends the connection, by GOAWAY with an error or by closing it, before it answers a PING.
    pub async fn is_cut(&mut self, patience: Duration) -> bool {
        if self.write(&frame(PING, 0, 0, b"thereyet")).await.is_err() {
            return true;
        }
        loop {
            match self.frame(patience).await {
                Some((PING, 1, _, payload)) if payload == b"thereyet" => return false,
                Some((GOAWAY, _, _, payload)) if payload[4..8] != [0; 4] => return true,
                Some(_) => {}
                None => return true,
            }
        }
    }
}

/// A frame; its length is that of the payload.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Literal fields, not indexed and not Huffman-coded (RFC 7541 section 6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
