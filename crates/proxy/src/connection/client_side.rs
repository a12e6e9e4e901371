//! An HTTP/1.1 client's side of one exchange.

use std::{
    io,
    task::{Context, Poll, ready},
};

use super::{request::About, request_body::RequestBody, wire::Wire};
use crate::{
    forward::{ClientFault, Downstream, Upload},
    h1::{
        KeepAlive,
        chunked::{write_chunk, write_end},
        length::BodyLength,
        response::{self, ResponseHead},
        trailers::Trailers,
    },
    route::HstsRule,
    stream::buffer,
    worker::DrainWatch,
};

/// Moves one request's body in and its response out.
pub(super) struct ClientSide<'c> {
    wire: &'c mut Wire,
    about: &'c mut About,
    drain: &'c DrainWatch,
    pub(super) body: RequestBody,
    /// How the response's body is framed.
    pub(super) framing: BodyLength,
    /// A cookie of ours for the final head.
    cookie: Option<String>,
    /// Whether the final head was taken.
    answered: bool,
}

impl<'c> ClientSide<'c> {
    pub(super) fn new(wire: &'c mut Wire, about: &'c mut About, drain: &'c DrainWatch, body: RequestBody) -> Self {
        Self { wire, about, drain, body, framing: BodyLength::None, cookie: None, answered: false }
    }
}

impl Downstream for ClientSide<'_> {
    fn poll_body(&mut self, cx: &mut Context<'_>, upload: &mut Upload) -> Poll<Result<(), ClientFault>> {
        if self.about.expects_continue {
            // After its answer the client will not send the body; and one that sends it unasked needs no invitation.
            if self.answered {
                return Poll::Pending;
            }
            self.about.expects_continue = false;
            if self.wire.unread().is_empty() {
                self.wire.out().extend_from_slice(CONTINUE);
            }
        }
        if !self.answered {
            // Also when the body was pending before: nobody else sends the invitation.
            if let Poll::Ready(Err(_)) = self.wire.poll_flush(cx) {
                return Poll::Ready(Err(ClientFault::Gone));
            }
        }
        self.body.poll_upload(cx, self.wire, upload)
    }

    fn moved(&self) -> u64 {
        // One request at a time: what has come of its body, the upload knows.
        0
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // One look ahead finds a reset, and may bring the next request along.
        if !self.wire.unread().is_empty() || self.wire.is_finished() {
            return Poll::Pending;
        }
        match self.wire.poll_fill(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    }

    fn set_cookie(&mut self, cookie: Option<String>) {
        self.cookie = cookie;
    }

    fn head(&mut self, head: &ResponseHead<'_>) -> Result<(), ClientFault> {
        // A client that still waits to be asked for its body may send it or not: nobody can tell where it goes on.
        if !head.is_interim() && (self.drain.is_draining() || self.about.expects_continue) {
            self.about.keep_alive = KeepAlive::Close;
        }
        let hsts;
        let (set, remove): (&[_], &[_]) = match &self.about.hsts {
            HstsRule::Keep => (&[], &[]),
            HstsRule::Remove => (&[], &["strict-transport-security"]),
            HstsRule::Set(value) => {
                hsts = [("Strict-Transport-Security", value.as_bytes())];
                (&hsts, &[])
            }
        };
        let to = response::Downstream {
            version: self.about.version,
            keep_alive: self.about.keep_alive,
            set,
            remove,
            cookie: self.cookie.as_deref().map(str::as_bytes),
            rules: self.about.rules.as_deref(),
        };
        let written = response::write_downstream(head, &to, self.wire.out());
        if !head.is_interim() {
            self.answered = true;
            self.framing = written.body;
            self.about.keep_alive = written.keep_alive;
        }
        Ok(())
    }

    fn poll_data(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, ClientFault>> {
        if self.wire.unsent() >= buffer::BUFFER_BYTES {
            ready!(self.wire.poll_send(cx)).map_err(gone)?;
        }
        if self.framing == BodyLength::Chunked {
            let taken = data.len().min(CHUNK);
            write_chunk(&data[..taken], self.wire.out());
            return Poll::Ready(Ok(taken));
        }
        if self.wire.unsent() == 0 {
            return self.wire.stream.poll_write(cx, data).map_err(gone);
        }
        // Behind a head: so that a small response leaves in one write.
        let taken = data.len().min(buffer::BUFFER_BYTES.saturating_sub(self.wire.unsent()).max(1));
        self.wire.out().extend_from_slice(&data[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_end(&mut self, _cx: &mut Context<'_>, trailers: &Trailers) -> Poll<Result<(), ClientFault>> {
        if self.framing == BodyLength::Chunked {
            write_end(trailers, self.wire.out());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientFault>> {
        self.wire.poll_flush(cx).map_err(gone)
    }
}

fn gone(_: io::Error) -> ClientFault {
    ClientFault::Gone
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The longest chunk that we write.
const CHUNK: usize = 64 * 1024;
