//! The body of one request, as it is read from an HTTP/1.1 client.

use std::task::{Context, Poll, ready};

use super::wire::Wire;
use crate::{
    answer::Fault,
    forward::{ClientFault, Upload},
    h1::{
        chunked::{Decoder, Step},
        length::BodyLength,
        refusal::Refusal,
    },
};

/// Knows how much of a request's body is still to be read.
#[derive(Debug)]
pub(super) enum RequestBody {
    /// Nothing: what follows is the next request.
    Ended,
    /// So many bytes.
    Exact(u64),
    /// Chunks, to the last one.
    Chunked(Decoder),
}

impl RequestBody {
    pub(super) fn new(length: BodyLength) -> Self {
        match length {
            // A request never lasts until close.
            BodyLength::None | BodyLength::Exact(0) | BodyLength::UntilClose => Self::Ended,
            BodyLength::Exact(bytes) => Self::Exact(bytes),
            BodyLength::Chunked => Self::Chunked(Decoder::new()),
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// Moves some of the body to the upload, from what was read before and then from the connection.
    pub(super) fn poll_upload(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut Wire,
        upload: &mut Upload,
    ) -> Poll<Result<(), ClientFault>> {
        match self {
            Self::Ended => Poll::Ready(Ok(())),
            Self::Exact(left) => {
                let room = upload.room().min(usize::try_from(*left).unwrap_or(usize::MAX));
                let moved = match wire.unread().len().min(room) {
                    0 => match ready!(upload.poll_fill(cx, &mut wire.stream)) {
                        Ok(0) | Err(_) => return Poll::Ready(Err(ClientFault::Gone)),
                        Ok(moved) => moved,
                    },
                    moved => {
                        upload.data(&wire.unread()[..moved])?;
                        wire.consume(moved);
                        moved
                    }
                };
                *left -= moved as u64;
                if *left == 0 {
                    *self = Self::Ended;
                }
                Poll::Ready(Ok(()))
            }
            Self::Chunked(decoder) => {
                if wire.unread().is_empty() {
                    match ready!(wire.poll_fill(cx)) {
                        Ok(0) | Err(_) => return Poll::Ready(Err(ClientFault::Gone)),
                        Ok(_) => {}
                    }
                }
                let room = upload.room().min(wire.unread().len());
                let used = match decoder.step(&wire.unread()[..room]) {
                    Ok(Step::More) => room,
                    Ok(Step::Data { skip, len }) => {
                        upload.data(&wire.unread()[skip..skip + len])?;
                        skip + len
                    }
                    Ok(Step::End { used }) => {
                        let trailers = decoder.trailers();
                        *self = Self::Ended;
                        // A chunked body has no announced length to fall short of.
                        let _ = upload.end(&trailers);
                        used
                    }
                    Err(fault) => return Poll::Ready(Err(Fault::Refused(Refusal::InvalidBody(fault)).into())),
                };
                wire.consume(used);
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Reads some of the body for nobody; ready with how many bytes that were, or none if the client is gone or wrong.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>, wire: &mut Wire) -> Poll<Option<usize>> {
        if wire.unread().is_empty() {
            match ready!(wire.poll_fill(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(None),
                Ok(_) => {}
            }
        }
        let unread = wire.unread();
        let used = match self {
            Self::Ended => 0,
            Self::Exact(left) => {
                let used = unread.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= used as u64;
                if *left == 0 {
                    *self = Self::Ended;
                }
                used
            }
            Self::Chunked(decoder) => match decoder.step(unread) {
                Ok(Step::More) => unread.len(),
                Ok(Step::Data { skip, len }) => skip + len,
                Ok(Step::End { used }) => {
                    *self = Self::Ended;
                    used
                }
                Err(_) => return Poll::Ready(None),
            },
        };
        wire.consume(used);
        Poll::Ready(Some(used))
    }
}
