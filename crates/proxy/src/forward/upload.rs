//! A request on its way to the upstream: its head, and its body as the client's side puts it in.

use std::{
    io,
    task::{Context, Poll, ready},
};

use crate::{
    answer::Fault,
    h1::{
        chunked::{write_chunk, write_end},
        length::BodyLength,
        trailers::Trailers,
    },
    stream::{Stream, buffer},
};

/// Is a request's head and a window of its body, framed for the upstream.
///
/// It holds the body to the length that was announced: not a byte more goes out, and a byte less is not an end.
/// It begins as HTTP/1.1 is written; for HTTP/2 the head and the body are taken apart ([`Upload::unframe`]).
#[derive(Debug)]
pub(crate) struct Upload {
    buffer: Vec<u8>,
    /// How much of the buffer the upstream has taken.
    sent: usize,
    framing: Framing,
    /// Bytes of body so far.
    bytes: u64,
    limit: Option<u64>,
    /// Whether the buffer still has everything from the head on, so that it can be sent again.
    whole: bool,
    /// Whether the last read was a full one: then the next one is given more room.
    bulk: bool,
    /// There when the buffer has the body alone, as it is.
    bare: Option<Box<Bare>>,
}

/// Is what HTTP/2 does not have between the bytes of a body.
#[derive(Debug)]
struct Bare {
    head: Vec<u8>,
    body: BodyLength,
    trailers: Trailers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Exact { left: u64 },
    Chunked,
    Ended,
}

impl Upload {
    /// Begins with a head; `limit` is the most bytes that the body may have.
    pub(crate) fn new(head: Vec<u8>, body: BodyLength, limit: Option<u64>) -> Result<Self, Fault> {
        let framing = match body {
            BodyLength::Exact(bytes) if limit.is_some_and(|limit| bytes > limit) => return Err(Fault::BodyTooLarge),
            BodyLength::None | BodyLength::Exact(0) | BodyLength::UntilClose => Framing::Ended,
            BodyLength::Exact(left) => Framing::Exact { left },
            BodyLength::Chunked => Framing::Chunked,
        };
        Ok(Self { buffer: head, sent: 0, framing, bytes: 0, limit, whole: true, bulk: false, bare: None })
    }

    /// How many bytes may be put in now; zero until the upstream has taken what is there.
    pub(crate) fn room(&self) -> usize {
        match self.framing {
            Framing::Ended => 0,
            _ => match self.first_room() {
                0 if self.sent == self.buffer.len() => WINDOW - FRAME,
                room => room,
            },
        }
    }

    /// Whether the body was put in to its end.
    pub(crate) fn is_ended(&self) -> bool {
        self.framing == Framing::Ended
    }

    /// Whether the client has said how long its body is, and owes some of it.
    pub(super) fn is_measured(&self) -> bool {
        matches!(self.framing, Framing::Exact { .. })
    }

    /// Bytes of body so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts bytes of the body in, at most [`Upload::room`] of them; a body of known length ends with its last byte.
    pub(crate) fn data(&mut self, data: &[u8]) -> Result<(), Fault> {
        self.make_room();
        match &mut self.framing {
            Framing::Exact { left } => {
                *left = left.checked_sub(data.len() as u64).ok_or(Fault::BodyTooLarge)?;
                if *left == 0 {
                    self.framing = Framing::Ended;
                }
                self.buffer.extend_from_slice(data);
            }
            Framing::Chunked if self.bare.is_some() => self.buffer.extend_from_slice(data),
            Framing::Chunked => write_chunk(data, &mut self.buffer),
            Framing::Ended if data.is_empty() => {}
            Framing::Ended => return Err(Fault::BodyTooLarge),
        }
        self.count(data.len())
    }

    /// Reads bytes of a body of known length straight from the client; 0 is the end of the client's connection.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, client: &mut Stream) -> Poll<io::Result<usize>> {
        let Framing::Exact { left } = self.framing else { return Poll::Ready(Ok(0)) };
        let most = self.room().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.make_room();
        if self.bulk && most > self.buffer.capacity() {
            if self.buffer.capacity() == 0 {
                self.buffer = buffer::take();
            }
            self.buffer.reserve(WINDOW);
        }
        let read = match client.poll_fill(cx, &mut self.buffer, most) {
            Poll::Ready(read) => read?,
            Poll::Pending => {
                buffer::give_if_empty(&mut self.buffer);
                return Poll::Pending;
            }
        };
        self.bulk = read >= BULK;
        let left = left - read as u64;
        self.framing = if left == 0 { Framing::Ended } else { Framing::Exact { left } };
        self.bytes += read as u64;
        Poll::Ready(Ok(read))
    }

    /// Ends the body. One of known length must have come wholly and has no trailers.
    pub(crate) fn end(&mut self, trailers: &Trailers) -> Result<(), EndsEarly> {
        match self.framing {
            Framing::Exact { .. } => return Err(EndsEarly),
            Framing::Chunked => {
                match &mut self.bare {
                    Some(bare) => bare.trailers.clone_from(trailers),
                    None => {
                        self.make_room();
                        write_end(trailers, &mut self.buffer);
                    }
                }
                self.framing = Framing::Ended;
            }
            Framing::Ended => {}
        }
        Ok(())
    }

    /// Sends what is there; ready when the upstream has taken all of it.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>, upstream: &mut Stream) -> Poll<io::Result<()>> {
        while self.sent < self.buffer.len() {
            match ready!(upstream.poll_write(cx, &self.buffer[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the head off, before anything of the body was put in: from now on the buffer has the body as it is.
    pub(super) fn unframe(&mut self, body: BodyLength) {
        if self.bare.is_none() {
            debug_assert!(self.is_unsent(), "of a request that was begun in HTTP/1.1 nothing is taken off");
            let head = std::mem::take(&mut self.buffer);
            self.bare = Some(Box::new(Bare { head, body, trailers: Trailers::default() }));
        }
    }

    /// Writes it as HTTP/1.1 again; everything must be still here ([`Upload::can_restart`]).
    pub(super) fn frame(&mut self) {
        let Some(bare) = self.bare.take() else { return };
        let Bare { head, body, trailers } = *bare;
        let data = std::mem::replace(&mut self.buffer, head);
        match body {
            BodyLength::Chunked => {
                write_chunk(&data, &mut self.buffer);
                if self.is_ended() {
                    write_end(&trailers, &mut self.buffer);
                }
            }
            BodyLength::None | BodyLength::Exact(_) | BodyLength::UntilClose => self.buffer.extend_from_slice(&data),
        }
        buffer::give(data);
        self.sent = 0;
    }

    /// The head as it was written, once it was taken off.
    pub(super) fn head(&self) -> &[u8] {
        self.bare.as_ref().map_or(&[], |bare| &bare.head)
    }

    /// The trailers that came at the end of a body of unknown length.
    pub(super) fn trailers(&self) -> Option<&Trailers> {
        self.bare.as_ref().map(|bare| &bare.trailers).filter(|trailers| !trailers.is_empty())
    }

    /// What of the body is here and was not sent.
    pub(super) fn unsent(&self) -> &[u8] {
        &self.buffer[self.sent..]
    }

    /// Counts bytes of [`Upload::unsent`] as sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes;
    }

    /// Whether all of it can be sent again on another connection.
    pub(super) fn can_restart(&self) -> bool {
        self.whole
    }

    /// Whether the upstream has taken nothing; of HTTP/2 that is not known.
    pub(super) fn is_unsent(&self) -> bool {
        self.whole && self.sent == 0 && self.bare.is_none()
    }

    /// Goes back to the head.
    pub(super) fn restart(&mut self) {
        self.sent = 0;
    }

    /// Gives the buffer back: the upstream has answered, and nothing will be sent again.
    pub(super) fn forget(&mut self) {
        self.whole = false;
        if self.sent == self.buffer.len() {
            buffer::give(std::mem::take(&mut self.buffer));
            self.sent = 0;
        }
    }

    /// The room beside the head and what came with it: that much is kept, to be sent again if need be.
    fn first_room(&self) -> usize {
        match buffer::BUFFER_BYTES.saturating_sub(self.buffer.len() + FRAME) {
            room if self.whole && room >= FIRST_ROOM => room,
            _ => 0,
        }
    }

    fn make_room(&mut self) {
        if self.sent == self.buffer.len() && self.first_room() == 0 {
            self.buffer.clear();
            self.sent = 0;
            self.whole = false;
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), Fault> {
        self.bytes += bytes as u64;
        if self.limit.is_some_and(|limit| self.bytes > limit) { Err(Fault::BodyTooLarge) } else { Ok(()) }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        buffer::give(std::mem::take(&mut self.buffer));
    }
}

/// Tells that a body ended before its announced length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request's body is shorter than its Content-Length")]
pub(crate) struct EndsEarly;

/// What is read of a body at once, and so the most that an upload holds.
///
/// The bench gained up to 16 records of TLS in one go; a buffer of this size still goes back to the free list.
pub(super) const WINDOW: usize = 128 * 1024;

/// A read of this size was probably cut off by the room that it had.
pub(super) const BULK: usize = 8 * 1024;

/// The most that the frame of one chunk takes: 16 digits and two line ends.
const FRAME: usize = 20;

/// Less room than this is not worth a read of its own.
const FIRST_ROOM: usize = 1024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn upload(body: BodyLength, limit: Option<u64>) -> Result<Upload, Fault> {
        Upload::new(b"HEAD ".to_vec(), body, limit)
    }

    /// Puts the pieces in as far as they may go, and gives what is to be sent.
    fn filled(body: BodyLength, pieces: &[&[u8]]) -> Result<String, Fault> {
        let mut upload = upload(body, Some(10))?;
        for piece in pieces {
            upload.data(piece)?;
        }
        let ended = upload.end(&Trailers::default()).is_ok();
        Ok(format!("{}{}", String::from_utf8_lossy(&upload.buffer), if ended { "." } else { " and no end" }))
    }

    #[test]
    fn a_body_is_held_to_its_length_and_to_the_limit() {
        let (exact, chunked) = (BodyLength::Exact, BodyLength::Chunked);
        let too_large = || Err(Fault::BodyTooLarge);
        let ok = |text: &str| Ok(text.to_owned());
        for (body, pieces, expected) in [
            (BodyLength::None, &[&b""[..]][..], ok("HEAD .")),
            (BodyLength::None, &[b"x"], too_large()),
            (exact(0), &[], ok("HEAD .")),
            (exact(0), &[b"x"], too_large()),
            (exact(3), &[b"ab", b"c"], ok("HEAD abc.")),
            (exact(3), &[b"ab"], ok("HEAD ab and no end")),
            (exact(3), &[b"ab", b"cd"], too_large()),
            (exact(3), &[b"abc", b"d"], too_large()),
            (exact(11), &[], too_large()),
            (chunked, &[], ok("HEAD 0\r\n\r\n.")),
            (chunked, &[b"ab", b"", b"c"], ok("HEAD 2\r\nab\r\n1\r\nc\r\n0\r\n\r\n.")),
            (chunked, &[b"0123456789"], ok("HEAD a\r\n0123456789\r\n0\r\n\r\n.")),
            (chunked, &[b"012345678", b"9a"], too_large()),
        ] {
            assert_eq!(filled(body, pieces), expected, "{body:?} {pieces:?}");
        }
    }

    #[test]
    fn a_request_can_be_sent_again_as_long_as_all_of_it_is_here() {
        let mut upload = upload(BodyLength::Exact(100_000), None).unwrap();
        assert!(upload.can_restart() && upload.is_unsent());
        upload.data(&[b'x'; 1000]).unwrap();
        upload.sent = upload.buffer.len();
        assert!(upload.can_restart() && !upload.is_unsent());
        assert!(upload.room() > 0);
        upload.data(&[b'y'; 1000]).unwrap();
        upload.restart();
        assert!(upload.is_unsent());
        assert_eq!(upload.buffer.len(), 5 + 2000);
        // As much again as is kept; what comes then takes the place of what was sent.
        let room = upload.room();
        upload.data(&vec![b'z'; room]).unwrap();
        assert_eq!(upload.room(), 0, "until it is sent");
        upload.sent = upload.buffer.len();
        let room = upload.room();
        assert!(room > 16 * 1024);
        upload.data(b"z").unwrap();
        assert!(!upload.can_restart() && !upload.is_unsent());
        assert_eq!(upload.buffer, b"z");
    }

    #[test]
    fn what_was_taken_apart_can_be_framed_again() {
        let mut trailers = Trailers::default();
        trailers.clone_from(&Trailers::collect([("x-sum", &b"2"[..])].into_iter()));
        for (body, ends, expected) in [
            (BodyLength::None, true, "HEAD "),
            (BodyLength::Exact(2), true, "HEAD ab"),
            (BodyLength::Exact(3), false, "HEAD ab"),
            (BodyLength::Chunked, false, "HEAD 2\r\nab\r\n"),
            (BodyLength::Chunked, true, "HEAD 2\r\nab\r\n0\r\nx-sum: 2\r\n\r\n"),
        ] {
            let mut upload = upload(body, None).unwrap();
            upload.unframe(body);
            assert_eq!(upload.head(), b"HEAD ");
            if body != BodyLength::None {
                upload.data(b"ab").unwrap();
                assert_eq!(upload.unsent(), b"ab", "{body:?}");
                upload.sent(2);
            }
            if ends {
                upload.end(&trailers).unwrap();
                assert_eq!(upload.trailers().is_some(), body == BodyLength::Chunked);
            }
            assert!(!upload.is_unsent() && upload.can_restart());
            upload.restart();
            upload.frame();
            assert_eq!(String::from_utf8_lossy(&upload.buffer), expected, "{body:?}");
            assert_eq!((upload.is_ended(), upload.sent), (ends, 0));
        }
    }
}
