//! One exchange on one connection to an upstream: both directions, driven by one task.

use std::{
    io,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    ClientFault, Deadline, Downstream, Interim, Repeat, Upload,
    response::{Next, ResponseBody},
    upload::{BULK, WINDOW},
    upstream_error::UpstreamError,
};
use crate::{
    access_log::Logged,
    answer::Fault,
    h1::{
        KeepAlive, Parsed,
        headers::HeaderSlots,
        limits::HeadLimits,
        request::Asked,
        response::{self, ResponseHead},
        trailers::Trailers,
    },
    limits::Bounds,
    stream::{Stream, buffer},
    worker::give_way,
};

/// Is an exchange on one connection to an upstream.
pub(super) struct Flight {
    pub(super) upload: Upload,
    sending: Sending,
    /// What the upstream sent, from `at` on not yet used.
    read: Vec<u8>,
    at: usize,
    reading: Reading,
    asked: Asked,
    interim: Interim,
    interims: u8,
    /// Whether a byte of a response has come.
    heard: bool,
    /// The status of the head that is no interim one, and when it came; none before that.
    pub(super) answered: Option<(u16, Instant)>,
    /// Bytes of the body that the client's side has taken.
    pub(super) delivered: u64,
    /// Whether the body waits until the head has gone.
    head_first: bool,
    /// Whether the last read was a full one: then the next one is given more room.
    bulk: bool,
    /// Whether the upstream keeps its connection after this response.
    keep_alive: KeepAlive,
    /// How long it says that it does.
    pub(super) kept: Option<Duration>,
    log: Logged,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sending {
    Going,
    /// The upstream has all of the request.
    Sent,
    /// The upstream takes no more; it may still answer.
    Broken,
}

enum Reading {
    Head,
    Body(ResponseBody),
    End(Trailers),
    Flush,
    Switch,
}

/// Says how a flight ended.
pub(super) enum End {
    /// The client has the whole response.
    Done,
    /// The client has a 101.
    Switched,
    /// The upstream was gone before it said anything.
    Dead(UpstreamError),
    /// The upstream has not looked at the request, and says so.
    Refused(UpstreamError),
    /// The upstream's side failed otherwise.
    Failed(UpstreamError),
    /// The client's side failed.
    Client(ClientFault),
}

impl From<ClientFault> for End {
    fn from(fault: ClientFault) -> Self {
        Self::Client(fault)
    }
}

impl Flight {
    pub(super) fn new(upload: Upload, asked: Asked, interim: Interim, expects_continue: bool, log: Logged) -> Self {
        Self {
            upload,
            sending: Sending::Going,
            read: Vec::new(),
            at: 0,
            reading: Reading::Head,
            asked,
            interim,
            interims: 0,
            heard: false,
            answered: None,
            delivered: 0,
            head_first: expects_continue,
            bulk: false,
            keep_alive: KeepAlive::Close,
            kept: None,
            log,
        }
    }

    /// Whether the request can go to another connection without being carried out twice.
    pub(super) fn may_restart(&self, repeat: Repeat) -> bool {
        self.upload.is_unsent() || (repeat == Repeat::Harmless && self.upload.can_restart())
    }

    pub(super) fn restart(&mut self) {
        self.upload.restart();
        self.sending = Sending::Going;
        self.read.clear();
        self.at = 0;
    }

    /// Whether the upstream's connection can carry another request.
    pub(super) fn leaves_clean(&self) -> bool {
        self.keep_alive == KeepAlive::Keep && self.sending == Sending::Sent && self.at == self.read.len()
    }

    pub(super) fn take_early(&mut self) -> Vec<u8> {
        let mut early = std::mem::take(&mut self.read);
        early.drain(..self.at);
        self.at = 0;
        early
    }

    pub(super) fn await_response(&self, bounds: &Bounds, deadline: &mut Deadline) {
        deadline.put_off(if self.upload.is_ended() { bounds.response } else { bounds.idle });
    }

    pub(super) fn poll<D: Downstream>(
        &mut self,
        cx: &mut Context<'_>,
        upstream: &mut Stream,
        downstream: &mut D,
        deadline: &mut Deadline,
        bounds: &Bounds,
    ) -> Poll<End> {
        if self.sending == Sending::Going
            && let Poll::Ready(Err(fault)) = self.poll_send(cx, upstream, downstream, deadline, bounds)
        {
            return Poll::Ready(fault.into());
        }
        match self.poll_receive(cx, upstream, downstream, deadline, bounds) {
            Poll::Ready(Ok(end) | Err(end)) => return Poll::Ready(end),
            Poll::Pending => {}
        }
        if matches!(self.reading, Reading::Head)
            && self.sending != Sending::Going
            && downstream.poll_gone(cx).is_ready()
        {
            return Poll::Ready(ClientFault::Gone.into());
        }
        ready!(deadline.poll(cx));
        Poll::Ready(self.late(bounds))
    }

    /// Tells whose time is up.
    fn late(&self, bounds: &Bounds) -> End {
        match (&self.reading, self.sending) {
            // The upstream has taken all that there was: it is the client who does not send.
            (Reading::Head, Sending::Going) if self.upload.room() > 0 => {
                ClientFault::Refused(Fault::RequestTimeout).into()
            }
            (Reading::Head, Sending::Going) => End::Failed(UpstreamError::TimedOut { limit: bounds.idle }),
            (Reading::Head, _) => End::Failed(UpstreamError::TimedOut { limit: bounds.response }),
            // What was read is not taken: it is the client who does not read.
            _ if self.at < self.read.len() => ClientFault::Gone.into(),
            (Reading::Body(_), _) => End::Failed(UpstreamError::TimedOut { limit: bounds.idle }),
            _ => ClientFault::Gone.into(),
        }
    }

    /// Moves the request; pending also when there is more to do, with the task woken.
    fn poll_send<D: Downstream>(
        &mut self,
        cx: &mut Context<'_>,
        upstream: &mut Stream,
        downstream: &mut D,
        deadline: &mut Deadline,
        bounds: &Bounds,
    ) -> Poll<Result<(), ClientFault>> {
        for _ in 0..TURNS {
            let mut starved = false;
            if !self.head_first && self.upload.room() > 0 {
                match downstream.poll_body(cx, &mut self.upload)? {
                    Poll::Ready(()) => deadline.put_off(bounds.idle),
                    Poll::Pending => starved = true,
                }
            }
            let sent = match self.upload.poll_send(cx, upstream) {
                Poll::Ready(Ok(())) if starved || self.upload.is_ended() => upstream.poll_flush(cx),
                other => other,
            };
            match sent {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    // It may have answered before it stopped listening: 413 and the like.
                    self.sending = Sending::Broken;
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => return Poll::Pending,
            }
            self.head_first = false;
            if self.upload.is_ended() {
                self.sending = Sending::Sent;
                self.await_response(bounds, deadline);
                return Poll::Ready(Ok(()));
            }
            if starved {
                return Poll::Pending;
            }
        }
        give_way(cx);
        Poll::Pending
    }

    /// Moves the response.
    fn poll_receive<D: Downstream>(
        &mut self,
        cx: &mut Context<'_>,
        upstream: &mut Stream,
        downstream: &mut D,
        deadline: &mut Deadline,
        bounds: &Bounds,
    ) -> Poll<Result<End, End>> {
        for _ in 0..TURNS {
            match &mut self.reading {
                Reading::Head => {
                    if self.at < self.read.len() && self.parse_head(downstream)? {
                        deadline.put_off(bounds.idle);
                        continue;
                    }
                    match ready!(self.poll_read(cx, upstream, downstream, buffer::BUFFER_BYTES)?) {
                        Ok(0) if !self.heard => return Poll::Ready(Err(End::Dead(UpstreamError::Silent))),
                        Err(error) if !self.heard => return Poll::Ready(Err(End::Dead(UpstreamError::Io(error)))),
                        Ok(0) => return Poll::Ready(Err(End::Failed(UpstreamError::CutShort))),
                        Err(error) => return Poll::Ready(Err(End::Failed(UpstreamError::Io(error)))),
                        Ok(_) => {
                            self.heard = true;
                            self.upload.forget();
                        }
                    }
                }
                Reading::Body(body) => match body.next(&self.read[self.at..]) {
                    Ok(Next::Data { skip, len }) => {
                        // Framing is counted once: a body remembers that data lies at the start.
                        self.at += skip;
                        let data = &self.read[self.at..self.at + len];
                        let taken = ready!(downstream.poll_data(cx, data))?;
                        body.took(taken);
                        self.delivered += taken as u64;
                        self.at += taken;
                        deadline.put_off(bounds.idle);
                    }
                    Ok(Next::End { used, trailers }) => {
                        self.at += used;
                        self.reading = Reading::End(trailers);
                    }
                    Ok(Next::More { used }) => {
                        self.at += used;
                        let (size, until_close) = (body.read_size(WINDOW), matches!(body, ResponseBody::UntilClose));
                        match ready!(self.poll_read(cx, upstream, downstream, size)?) {
                            Ok(0) if until_close => self.reading = Reading::End(Trailers::default()),
                            Ok(0) => return Poll::Ready(Err(End::Failed(UpstreamError::CutShort))),
                            Err(error) => return Poll::Ready(Err(End::Failed(UpstreamError::Io(error)))),
                            Ok(_) => {}
                        }
                    }
                    Err(bad) => return Poll::Ready(Err(End::Failed(UpstreamError::BadBody(bad)))),
                },
                Reading::End(trailers) => {
                    ready!(downstream.poll_end(cx, trailers))?;
                    self.reading = Reading::Flush;
                }
                Reading::Flush => {
                    ready!(downstream.poll_flush(cx))?;
                    return Poll::Ready(Ok(End::Done));
                }
                Reading::Switch => {
                    ready!(downstream.poll_flush(cx))?;
                    return Poll::Ready(Ok(End::Switched));
                }
            }
        }
        give_way(cx);
        Poll::Pending
    }

    /// Reads more from the upstream; before it waits, the client gets what was kept for it.
    fn poll_read<D: Downstream>(
        &mut self,
        cx: &mut Context<'_>,
        upstream: &mut Stream,
        downstream: &mut D,
        size: usize,
    ) -> Poll<Result<io::Result<usize>, ClientFault>> {
        if self.at == self.read.len() {
            self.read.clear();
            self.at = 0;
        } else if self.at > 0 {
            self.read.drain(..self.at);
            self.at = 0;
        }
        if self.bulk && size > self.read.capacity() {
            if self.read.capacity() == 0 {
                self.read = buffer::take();
            }
            self.read.reserve(size);
        }
        match upstream.poll_fill(cx, &mut self.read, size) {
            Poll::Ready(read) => {
                self.bulk = matches!(read, Ok(bytes) if bytes >= BULK);
                Poll::Ready(Ok(read))
            }
            Poll::Pending => {
                buffer::give_if_empty(&mut self.read);
                if let Poll::Ready(Err(fault)) = downstream.poll_flush(cx) {
                    return Poll::Ready(Err(fault));
                }
                Poll::Pending
            }
        }
    }

    /// Reads a head from what is there; `false` if it is not there yet.
    fn parse_head<D: Downstream>(&mut self, downstream: &mut D) -> Result<bool, End> {
        let mut slots = HeaderSlots::new();
        let parsed = response::parse(&self.read[self.at..], &HeadLimits::default(), self.asked, &mut slots);
        let (head, len) = match parsed {
            Ok(Parsed::Complete { head, len }) => (head, len),
            Ok(Parsed::Partial) => return Ok(false),
            Err(bad) => return Err(End::Failed(UpstreamError::BadHead(bad))),
        };
        self.at += len;
        if head.is_interim() {
            self.interims += 1;
            if self.interims > INTERIMS {
                return Err(End::Failed(UpstreamError::Interims { most: INTERIMS }));
            }
            // We never ask an upstream for 100: the client gets its own from whoever reads its body.
            if head.status != 100 && self.interim == Interim::Pass {
                downstream.head(&head)?;
            }
            return Ok(true);
        }
        self.reading = self.after_head(&head)?;
        self.keep_alive = head.keep_alive;
        self.kept = head.header("keep-alive").and_then(timeout_hint);
        downstream.head(&head)?;
        let now = Instant::now();
        self.answered = Some((head.status, now));
        self.log.answered_by_upstream(head.status, now);
        Ok(true)
    }

    fn after_head(&self, head: &ResponseHead<'_>) -> Result<Reading, End> {
        match head.status {
            // Bytes of a request's body must not become bytes of the tunnel.
            101 if self.sending != Sending::Sent => Err(End::Failed(UpstreamError::EarlySwitch)),
            101 => Ok(Reading::Switch),
            _ => Ok(Reading::Body(ResponseBody::new(head.body))),
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        buffer::give(std::mem::take(&mut self.read));
        // Here, as a flight whose client is cut off is dropped on its way.
        self.log.moved(self.upload.bytes(), self.delivered);
    }
}

/// Reads `timeout=5` of a `Keep-Alive` header, as Node and Apache send it.
fn timeout_hint(value: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?;
    let seconds = text.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// How often one direction moves something before the other has its turn: two mebibytes at most.
pub(super) const TURNS: usize = 16;

/// Interim responses to one request; servers send one or two.
pub(super) const INTERIMS: u8 = 32;
