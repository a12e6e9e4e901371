//! The TLS side of a stream: records in, records out, and as few buffers as possible.
//!
//! Bytes are read into one scratch area of the thread and opened there; bytes are sealed into another one and written
//! from there. A connection has buffers of its own only for what is left over: part of a record that has come in,
//! opened bytes that nobody asked for yet, bytes held back for the flush, sealed bytes that the socket did not take.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustix::net::{SendFlags, send};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

use super::{
    buffer,
    session::{Progress, Session},
};

/// Is a session with what is left over between two polls.
pub(super) struct Records {
    session: Session,
    /// The part of a record, or of a message of TLS itself, that has come in.
    input: Vec<u8>,
    /// Opened bytes that nobody asked for yet, from `opened_at`.
    opened: Vec<u8>,
    opened_at: usize,
    /// Bytes that were taken and are not sealed yet.
    held: Vec<u8>,
    /// Sealed bytes that the socket has not taken, from `sealed_at`.
    sealed: Vec<u8>,
    sealed_at: usize,
    /// Whether `sealed` is the ticket of a handshake: that can wait for company.
    is_ticket: bool,
    incoming: Incoming,
    goodbye: Goodbye,
}

/// Says whether more may come behind a handshake.
#[derive(Clone, Copy, Debug)]
pub(super) enum PeerAfterHandshake {
    Open,
    /// The peer said goodbye with its first words.
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Incoming {
    Open,
    /// The peer said that nothing more comes.
    Ended,
    /// The connection ended without that.
    Cut,
    /// What came could not be read, and the peer has been told: nothing more is sent either.
    Broken,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Goodbye {
    Unsaid,
    Said,
}

impl Records {
    /// Goes on where a handshake ended: `input` is what came behind it, `opened` what applications said already,
    /// `ticket` what is to be sent with the first bytes.
    pub(super) fn new(
        session: Session,
        input: Vec<u8>,
        opened: Vec<u8>,
        ticket: Vec<u8>,
        peer: PeerAfterHandshake,
    ) -> Self {
        Self {
            session,
            input,
            opened,
            opened_at: 0,
            held: Vec::new(),
            is_ticket: !ticket.is_empty(),
            sealed: ticket,
            sealed_at: 0,
            incoming: match peer {
                PeerAfterHandshake::Open => Incoming::Open,
                PeerAfterHandshake::Closed => Incoming::Ended,
            },
            goodbye: Goodbye::Unsaid,
        }
    }

    /// The session, to ask what was negotiated.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn poll_fill(
        &mut self,
        tcp: &mut TcpStream,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
        at_most: usize,
    ) -> Poll<io::Result<usize>> {
        if self.opened_at < self.opened.len() {
            let rest = &self.opened[self.opened_at..];
            let given = rest.len().min(at_most);
            if buffer.capacity() == 0 {
                *buffer = buffer::take();
            }
            buffer.extend_from_slice(&rest[..given]);
            self.pass(given);
            return Poll::Ready(Ok(given));
        }
        let before = buffer.len();
        let opened = ready!(self.poll_open(tcp, cx, buffer, at_most))?;
        if opened > at_most {
            self.opened = buffer::take();
            self.opened.extend_from_slice(&buffer[before + at_most..]);
            buffer.truncate(before + at_most);
        }
        Poll::Ready(Ok(opened.min(at_most)))
    }

    pub(super) fn poll_read(
        &mut self,
        tcp: &mut TcpStream,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if into.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if self.opened_at >= self.opened.len() {
            let mut opened = std::mem::take(&mut self.opened);
            let polled = self.poll_open(tcp, cx, &mut opened, into.remaining());
            self.opened = opened;
            ready!(polled)?;
        }
        let rest = &self.opened[self.opened_at..];
        let given = rest.len().min(into.remaining());
        into.put_slice(&rest[..given]);
        self.pass(given);
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_write(
        &mut self,
        tcp: &mut TcpStream,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.goodbye == Goodbye::Said || self.incoming == Incoming::Broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.held.is_empty() && bytes.len() >= buffer::BUFFER_BYTES {
            ready!(self.poll_send(tcp, cx))?;
            let taken = bytes.len().min(BATCH_BYTES);
            self.seal_and_send(tcp, cx, Some(&bytes[..taken]))?;
            return Poll::Ready(Ok(taken));
        }
        if self.held.len() >= HELD_BYTES {
            ready!(self.poll_send(tcp, cx))?;
            self.seal_held(tcp, cx)?;
        }
        if self.held.capacity() == 0 {
            self.held = buffer::take();
        }
        let taken = bytes.len().min(HELD_BYTES - self.held.len());
        self.held.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    pub(super) fn poll_flush(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.incoming == Incoming::Broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.held.is_empty() && self.is_ticket {
            return Poll::Ready(Ok(()));
        }
        if !self.held.is_empty() {
            // What waits in `sealed` goes first, in the same write if the socket is free.
            if self.sealed.len() - self.sealed_at > buffer::BUFFER_BYTES {
                ready!(self.poll_send(tcp, cx))?;
            }
            self.seal_held(tcp, cx)?;
        }
        self.poll_send(tcp, cx)
    }

    /// Flushes and sends `close_notify`, once. A broken session has none to send.
    pub(super) fn poll_goodbye(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.incoming == Incoming::Broken {
            return self.poll_send(tcp, cx);
        }
        ready!(self.poll_flush(tcp, cx))?;
        if self.goodbye == Goodbye::Unsaid {
            self.goodbye = Goodbye::Said;
            self.seal_and_send(tcp, cx, None)?;
        }
        self.poll_send(tcp, cx)
    }

    /// Reads once and opens every whole record, appending to `buffer`; 0 is the end. It may exceed `at_most` by what a
    /// record or two hold.
    fn poll_open(
        &mut self,
        tcp: &mut TcpStream,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
        at_most: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.incoming {
                Incoming::Open => {}
                Incoming::Ended => return Poll::Ready(Ok(0)),
                Incoming::Cut => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Incoming::Broken => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            }
            let before = buffer.len();
            let read = READ.with_borrow_mut(|scratch| {
                scratch.resize(INPUT_BYTES + READ_BYTES, 0);
                let end = INPUT_BYTES + at_most.clamp(RECORD_BYTES, READ_BYTES);
                let mut into = ReadBuf::new(&mut scratch[INPUT_BYTES..end]);
                ready!(Pin::new(&mut *tcp).poll_read(cx, &mut into))?;
                let came = into.filled().len();
                if came == 0 {
                    self.incoming = Incoming::Cut;
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                let start = INPUT_BYTES - self.input.len();
                scratch[start..INPUT_BYTES].copy_from_slice(&self.input);
                self.open(&mut scratch[start..INPUT_BYTES + came], buffer)?;
                Poll::Ready(Ok(()))
            });
            match read {
                Poll::Pending => {
                    // The answer to a key update, or what the socket did not take before.
                    if self.sealed_at < self.sealed.len()
                        && !self.is_ticket
                        && let Poll::Ready(Err(error)) = self.poll_send(tcp, cx)
                    {
                        return Poll::Ready(Err(error));
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => {
                    let _ = self.poll_send(tcp, cx);
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(Ok(())) if buffer.len() > before => return Poll::Ready(Ok(buffer.len() - before)),
                Poll::Ready(Ok(())) => {}
            }
        }
    }

    fn open(&mut self, bytes: &mut [u8], buffer: &mut Vec<u8>) -> io::Result<()> {
        let before = self.sealed.len();
        let advanced = self.session.advance(bytes, buffer, &mut self.sealed);
        self.is_ticket &= self.sealed.len() == before;
        let Progress { consumed, peer_closed, .. } = match advanced {
            Ok(progress) => progress,
            Err(error) => {
                self.incoming = Incoming::Broken;
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        };
        let left = bytes.get(consumed..).unwrap_or_default();
        if peer_closed {
            self.incoming = Incoming::Ended;
        }
        self.input.clear();
        if left.is_empty() || peer_closed {
            buffer::give_if_empty(&mut self.input);
        } else if left.len() > INPUT_BYTES - RECORD_BYTES {
            self.incoming = Incoming::Broken;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message of TLS is too long"));
        } else {
            if self.input.capacity() == 0 {
                self.input = buffer::take();
            }
            self.input.extend_from_slice(left);
        }
        Ok(())
    }

    fn seal_held(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        let sent = self.seal_and_send(tcp, cx, Some(&held));
        buffer::give(held);
        sent
    }

    /// Seals bytes, or the goodbye, and writes as much as the socket takes; the rest waits in `sealed`.
    fn seal_and_send(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>, bytes: Option<&[u8]>) -> io::Result<()> {
        WRITE.with_borrow_mut(|scratch| {
            let waiting = &self.sealed[self.sealed_at..];
            let begin = waiting.len();
            let room = begin + bytes.map_or(0, sealed_len);
            if scratch.len() < room {
                scratch.resize(room, 0);
            }
            scratch[..begin].copy_from_slice(waiting);
            let end = match bytes {
                Some(bytes) => self.session.seal(&mut self.input, bytes, scratch, begin)?,
                None => self.session.seal_goodbye(&mut self.input, scratch, begin)?,
            };
            // A goodbye to a peer that has said its own is the last that is written: the socket is closed at once.
            let is_last = bytes.is_none() && self.incoming == Incoming::Ended;
            let mut at = 0;
            while at < end {
                let written = match is_last {
                    true => poll_write_last(tcp, cx, &scratch[at..end]),
                    false => Pin::new(&mut *tcp).poll_write(cx, &scratch[at..end]),
                };
                match written {
                    Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(Ok(written)) => at += written,
                    Poll::Ready(Err(error)) => return Err(error),
                    Poll::Pending => break,
                }
            }
            self.sealed.clear();
            self.sealed_at = 0;
            self.is_ticket = false;
            if at < end {
                if self.sealed.capacity() == 0 {
                    self.sealed = buffer::take();
                }
                self.sealed.extend_from_slice(&scratch[at..end]);
            } else {
                buffer::give_if_empty(&mut self.sealed);
            }
            Ok(())
        })
    }

    /// Writes what waits in `sealed`.
    fn poll_send(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sealed_at < self.sealed.len() {
            match ready!(Pin::new(&mut *tcp).poll_write(cx, &self.sealed[self.sealed_at..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sealed_at += written,
            }
        }
        self.sealed.clear();
        self.sealed_at = 0;
        self.is_ticket = false;
        buffer::give_if_empty(&mut self.sealed);
        Poll::Ready(Ok(()))
    }

    /// Capacity of all buffers that are not on the free list.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        [&self.input, &self.opened, &self.held, &self.sealed].into_iter().map(Vec::capacity).sum()
    }

    fn pass(&mut self, given: usize) {
        self.opened_at += given;
        if self.opened_at >= self.opened.len() {
            self.opened.clear();
            self.opened_at = 0;
            buffer::give_if_empty(&mut self.opened);
        }
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        for left in [&mut self.input, &mut self.opened, &mut self.held, &mut self.sealed] {
            buffer::give(std::mem::take(left));
        }
    }
}

/// Writes the last bytes before the socket is closed: they leave with the FIN, in the same segment.
fn poll_write_last(tcp: &TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    loop {
        ready!(tcp.poll_write_ready(cx))?;
        let sent = tcp.try_io(Interest::WRITABLE, || Ok(send(tcp, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?));
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return Poll::Ready(sent),
        }
    }
}

/// Room for so many bytes sealed: 22 bytes a record in TLS 1.3, 29 in TLS 1.2, and messages of TLS itself.
/// Where it is too little the session says so and the scratch area grows.
fn sealed_len(bytes: &[u8]) -> usize {
    bytes.len() + (bytes.len() / buffer::BUFFER_BYTES + 1) * 32 + 256
}

thread_local! {
    static READ: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static WRITE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The largest record: 2^14 bytes, 2048 of expansion in TLS 1.2, and its header (RFC 5246 section 6.2.3).
const RECORD_BYTES: usize = 5 + 16 * 1024 + 2048;

/// What is kept of messages that are not there whole. rustls takes handshake messages of up to 64 KiB; with the
/// headers of their records they are a little longer, and a ClientHello in records of one byte is six times as long.
pub(super) const INPUT_BYTES: usize = 96 * 1024;

/// Read from the socket at once: four records.
const READ_BYTES: usize = 64 * 1024;

/// Sealed and written at once: eight records. Two, four, eight and fifteen were measured; more than four brings little.
const BATCH_BYTES: usize = 8 * buffer::BUFFER_BYTES;

/// Held back at most, for a flush to come.
const HELD_BYTES: usize = 4 * buffer::BUFFER_BYTES;
