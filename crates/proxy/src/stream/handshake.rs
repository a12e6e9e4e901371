//! Handshakes: from a connected socket and a fresh session to a stream.

use std::{
    future::{Future, poll_fn},
    io,
    mem::replace,
    pin::pin,
    task::Poll,
};

use bytes::BufMut;
use rustls::ProtocolVersion;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    SPARE_BYTES, buffer,
    records::{INPUT_BYTES, PeerAfterHandshake, Records},
    session::Session,
};
use crate::worker::Turns;

/// Is a TLS connection at the end of its handshake.
pub(crate) struct Begun {
    pub(super) tcp: TcpStream,
    pub(super) records: Box<Records>,
}

/// Says why a handshake did not come to its end. An alert has been sent where there was one to send.
#[derive(Debug)]
pub(crate) enum BeginError {
    /// The peer spoke HTTP in the clear; here is its connection, with what it sent unanswered.
    Http(TcpStream),
    /// The peer closed the connection.
    Closed,
    /// The socket failed.
    Io(io::Error),
    /// TLS failed; the peer has been told.
    Tls(rustls::Error),
}

/// Does a handshake; `input` is what has been read of the peer already. The caller limits its time.
///
/// The ticket of a TLS 1.3 server, for which nobody waits, is still unsent at the end: it leaves with the first bytes that
/// are written, which saves a write and a packet for each handshake. `turns` are those of the worker if the peer is a
/// client.
pub(crate) async fn begin(
    mut tcp: TcpStream,
    mut input: Vec<u8>,
    mut session: Session,
    turns: Option<&Turns>,
) -> Result<Begun, BeginError> {
    let (mut opened, mut sealed) = (Vec::new(), Vec::new());
    let server = matches!(session, Session::Server(_));
    let outcome = loop {
        let turn = match turns {
            Some(turns) if !input.is_empty() => Some(turns.take().await),
            _ => None,
        };
        let advanced = session.advance(&mut input, &mut opened, &mut sealed);
        // The last message of a client costs little, unless it has its half of the key.
        let is_cheap = advanced.as_ref().is_ok_and(|progress| !progress.handshaking)
            && session.facts().protocol_version() == Some(ProtocolVersion::TLSv1_3);
        if let Some(turn) = turn
            && !sealed.is_empty()
            && !is_cheap
        {
            turn.pass().await;
        }
        match advanced {
            Ok(progress) => {
                input.drain(..progress.consumed.min(input.len()));
                if progress.peer_closed && progress.handshaking {
                    break Err(BeginError::Closed);
                }
                if !progress.handshaking {
                    break Ok(progress);
                }
                if input.len() >= INPUT_BYTES {
                    break Err(BeginError::Tls(rustls::Error::General("the handshake is too long".into())));
                }
            }
            Err(error) => break Err(BeginError::Tls(error)),
        }
        if !sealed.is_empty() {
            tcp.write_all(&sealed).await.map_err(BeginError::Io)?;
            sealed.clear();
        }
        // Nothing is held while the peer takes its time.
        buffer::give_if_empty(&mut sealed);
        match read(&mut tcp, &mut input).await {
            Ok(0) => break Err(BeginError::Closed),
            Ok(_) => {}
            Err(error) => break Err(BeginError::Io(error)),
        }
    };
    match outcome {
        Ok(progress) => {
            let ticket = server && session.facts().protocol_version() == Some(ProtocolVersion::TLSv1_3);
            if !ticket && !sealed.is_empty() {
                tcp.write_all(&sealed).await.map_err(BeginError::Io)?;
                sealed.clear();
            }
            buffer::give_if_empty(&mut input);
            // A connection may idle before its first request, and a ticket is small.
            let unsent = sealed.as_slice().to_vec();
            buffer::give(sealed);
            let records = Records::new(
                session,
                input,
                opened,
                unsent,
                if progress.peer_closed { PeerAfterHandshake::Closed } else { PeerAfterHandshake::Open },
            );
            Ok(Begun { tcp, records: Box::new(records) })
        }
        Err(error) => {
            // The alert is a courtesy: whether it arrives changes nothing.
            if !sealed.is_empty() && tcp.write_all(&sealed).await.is_ok() {
                let _ = tcp.shutdown().await;
            }
            [input, opened, sealed].into_iter().for_each(buffer::give);
            Err(error)
        }
    }
}

/// Is a client that has begun to speak, not in HTTP.
pub(crate) struct Caller {
    pub(crate) tcp: TcpStream,
    /// What it has said so far; not empty.
    pub(crate) input: Vec<u8>,
}

impl Caller {
    /// Waits for the first bytes. The caller limits the time.
    pub(crate) async fn listen(mut tcp: TcpStream) -> Result<Self, BeginError> {
        let mut input = Vec::new();
        match read(&mut tcp, &mut input).await {
            Err(error) => Err(BeginError::Io(error)),
            Ok(0) => {
                buffer::give(input);
                Err(BeginError::Closed)
            }
            Ok(_) if is_http(&input) => {
                buffer::give(input);
                Err(BeginError::Http(tcp))
            }
            Ok(_) => Ok(Self { tcp, input }),
        }
    }
}

/// Reads more of the peer's part; 0 is the end. While nothing is there no more memory is held than what came before needs.
pub(crate) async fn read(tcp: &mut TcpStream, input: &mut Vec<u8>) -> io::Result<usize> {
    poll_fn(|cx| {
        let read = match tcp.poll_read_ready(cx)? {
            Poll::Ready(()) => {
                if input.capacity() - input.len() < SPARE_BYTES {
                    let held = replace(input, buffer::take());
                    input.extend_from_slice(&held);
                    buffer::give(held);
                }
                pin!(tcp.read_buf(&mut (&mut *input).limit(buffer::BUFFER_BYTES))).poll(cx)
            }
            Poll::Pending => Poll::Pending,
        };
        // Who falls silent in the middle of a message may have thousands beside him.
        if read.is_pending() && input.capacity() > input.len() {
            let held = input.as_slice().to_vec();
            buffer::give(replace(input, held));
        }
        read
    })
    .await
}

/// Whether a client that begins so speaks HTTP in the clear: a ClientHello begins with 22, no request of HTTP does.
fn is_http(input: &[u8]) -> bool {
    input.first().is_some_and(u8::is_ascii_uppercase)
}

impl Begun {
    /// The session, to ask what was negotiated.
    pub(crate) fn session(&self) -> &Session {
        self.records.session()
    }
}
