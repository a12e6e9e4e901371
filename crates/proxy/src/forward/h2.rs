//! One exchange on a stream of an HTTP/2 connection to an upstream: both directions, driven by one task.
//!
//! A stream that is dropped before its end is reset (`CANCEL`), so whatever ends an exchange ends the upstream's part of
//! it. Windows are opened as fast as the client takes, and bodies are read as fast as the upstream's windows let them.

mod head;

#[cfg(test)]
pub(crate) mod fixture;

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::h2::{Reason, RecvStream, SendStream, client::ResponseFuture};
use bytes::{Buf as _, Bytes};
use tokio::time::Instant;

use super::{
    ClientFault, Deadline, Downstream, Interim, Upload,
    flight::{End, INTERIMS, TURNS},
    upstream_error::UpstreamError,
};
use crate::{
    access_log::Logged,
    answer::Fault,
    h1::{
        length::BodyLength,
        limits::HeadLimits,
        refusal::BadResponse,
        request::Asked,
        response::{self, ResponseHead},
        trailers::Trailers,
    },
    limits::Bounds,
    upstream::Seat,
    worker::give_way,
};

/// Is an exchange on one stream.
pub(super) struct StreamFlight<'s> {
    seat: &'s Seat,
    request: SendStream<Bytes>,
    sending: Sending,
    reading: Reading,
    asked: Asked,
    interim: Interim,
    interims: u8,
    /// The status of the head that is no interim one, and when it came; none before that.
    pub(super) answered: Option<(u16, Instant)>,
    /// Bytes of the body that the client's side has taken.
    pub(super) delivered: u64,
    log: Logged,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sending {
    Going,
    /// The request was sent to its end.
    Sent,
    /// The upstream takes no more; it may still answer.
    Broken,
}

enum Reading {
    Head(ResponseFuture),
    Body {
        stream: RecvStream,
        /// Taken from the crate and not yet by the client.
        rest: Bytes,
        /// Bytes that are still to come, if they were announced.
        left: Option<u64>,
    },
    End(Trailers),
    Flush,
}

impl<'s> StreamFlight<'s> {
    /// Sends the head of a request.
    pub(super) fn begin(
        seat: &'s Seat,
        upload: &Upload,
        asked: Asked,
        interim: Interim,
        log: Logged,
    ) -> Result<Self, End> {
        let Some(request) = head::request(upload.head(), seat.scheme()) else {
            return Err(End::Failed(UpstreamError::Untranslatable));
        };
        let ended = upload.is_ended() && upload.unsent().is_empty();
        let (response, request) = match seat.send(request, ended) {
            Ok(begun) => begun,
            Err(error) => return Err(End::Refused(UpstreamError::Stream(error))),
        };
        Ok(Self {
            seat,
            request,
            sending: if ended { Sending::Sent } else { Sending::Going },
            reading: Reading::Head(response),
            asked,
            interim,
            interims: 0,
            answered: None,
            delivered: 0,
            log,
        })
    }

    pub(super) fn poll<D: Downstream>(
        &mut self,
        cx: &mut Context<'_>,
        upload: &mut Upload,
        downstream: &mut D,
        deadline: &mut Deadline,
        bounds: &Bounds,
    ) -> Poll<End> {
        if self.sending == Sending::Going
            && let Poll::Ready(Err(fault)) = self.poll_send(cx, upload, downstream, deadline, bounds)
        {
            return Poll::Ready(fault.into());
        }
        match self.poll_receive(cx, upload, downstream, deadline, bounds) {
            Poll::Ready(Ok(end) | Err(end)) => return Poll::Ready(end),
            Poll::Pending => {}
        }
        if matches!(self.reading, Reading::Head(_))
            && self.sending != Sending::Going
            && downstream.poll_gone(cx).is_ready()
        {
            return Poll::Ready(ClientFault::Gone.into());
        }
        ready!(deadline.poll(cx));
        Poll::Ready(self.late(upload, bounds))
    }

    /// Tells whose time is up.
    fn late(&self, upload: &Upload, bounds: &Bounds) -> End {
        let (limit, client_waits) = match (&self.reading, self.sending) {
            // The upstream has taken all that there was: it is the client who does not send.
            (Reading::Head(_), Sending::Going) if upload.unsent().is_empty() => {
                return ClientFault::Refused(Fault::RequestTimeout).into();
            }
            (Reading::Head(_), Sending::Going) => (bounds.idle, true),
            (Reading::Head(_), _) => (bounds.response, true),
            (Reading::Body { rest, .. }, _) => (bounds.idle, rest.is_empty()),
            (Reading::End(_) | Reading::Flush, _) => (bounds.idle, false),
        };
        if !client_waits {
            // What was read is not taken: it is the client who does not read.
            return ClientFault::Gone.into();
        }
        self.seat.doubt(limit);
        End::Failed(UpstreamError::TimedOut { limit })
    }

    /// Moves the request; pending also when there is more to do, with the task woken.
    fn poll_send<D: Downstream>(
        &mut self,
        cx: &mut Context<'_>,
        upload: &mut Upload,
        downstream: &mut D,
        deadline: &mut Deadline,
        bounds: &Bounds,
    ) -> Poll<Result<(), ClientFault>> {
        for _ in 0..TURNS {
            let mut starved = false;
            if upload.room() > 0 {
                match downstream.poll_body(cx, upload)? {
                    Poll::Ready(()) => deadline.put_off(bounds.idle),
                    Poll::Pending => starved = true,
                }
            }
            if ready!(self.poll_part(cx, upload)).is_err() {
                // It may have answered before it stopped listening: 413 and the like.
                self.sending = Sending::Broken;
                return Poll::Ready(Ok(()));
            }
            if self.sending == Sending::Sent {
                deadline.put_off(if self.answered.is_some() { bounds.idle } else { bounds.response });
                return Poll::Ready(Ok(()));
            }
            if starved {
                return Poll::Pending;
            }
        }
        give_way(cx);
        Poll::Pending
    }

    /// Sends what the upload has, as far as the windows let it, and the end of the request with the last byte.
    fn poll_part(&mut self, cx: &mut Context<'_>, upload: &mut Upload) -> Poll<Result<(), Stopped>> {
        while !upload.unsent().is_empty() {
            let wanted = upload.unsent().len();
            while self.request.capacity() == 0 {
                self.request.reserve_capacity(wanted);
                match ready!(self.request.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Poll::Ready(Err(Stopped)),
                }
            }
            let part = wanted.min(self.request.capacity());
            let data = Bytes::copy_from_slice(&upload.unsent()[..part]);
            upload.sent(part);
            let last = upload.is_ended() && upload.unsent().is_empty() && upload.trailers().is_none();
            self.request.send_data(data, last).map_err(|_| Stopped)?;
            if last {
                self.sending = Sending::Sent;
            }
        }
        if upload.is_ended() && self.sending == Sending::Going {
            match upload.trailers() {
                Some(trailers) => self.request.send_trailers(head::fields(trailers.walk())),
                None => self.request.send_data(Bytes::new(), true),
            }
            .map_err(|_| Stopped)?;
            self.sending = Sending::Sent;
        }
        Poll::Ready(Ok(()))
    }

    /// Moves the response.
    fn poll_receive<D: Downstream>(
        &mut self,
        cx: &mut Context<'_>,
        upload: &mut Upload,
        downstream: &mut D,
        deadline: &mut Deadline,
        bounds: &Bounds,
    ) -> Poll<Result<End, End>> {
        for _ in 0..TURNS {
            match &mut self.reading {
                Reading::Head(response) => {
                    if let Poll::Ready(Some(interim)) = response.poll_informational(cx) {
                        let interim = interim.map_err(|error| self.broken(error))?;
                        upload.forget();
                        deadline.put_off(bounds.idle);
                        self.interim(&interim, downstream)?;
                        continue;
                    }
                    let response = match Pin::new(response).poll(cx) {
                        Poll::Ready(response) => response.map_err(|error| self.broken(error))?,
                        Poll::Pending => {
                            // Hints are not kept until the response comes.
                            if let Poll::Ready(Err(fault)) = downstream.poll_flush(cx) {
                                return Poll::Ready(Err(fault.into()));
                            }
                            return Poll::Pending;
                        }
                    };
                    upload.forget();
                    deadline.put_off(bounds.idle);
                    self.head(response, downstream)?;
                }
                Reading::Body { stream, rest, left } => {
                    if !rest.is_empty() {
                        let taken = ready!(downstream.poll_data(cx, rest))?;
                        rest.advance(taken);
                        self.delivered += taken as u64;
                        deadline.put_off(bounds.idle);
                        // The upstream may send as much again.
                        if let Err(error) = stream.flow_control().release_capacity(taken) {
                            return Poll::Ready(Err(self.broken(error)));
                        }
                        continue;
                    }
                    match stream.poll_data(cx) {
                        Poll::Ready(Some(Ok(data))) => {
                            if let Some(left) = left {
                                let bytes = data.len() as u64;
                                *left = left.checked_sub(bytes).ok_or(End::Failed(UpstreamError::BodyMismatch))?;
                            }
                            *rest = data;
                        }
                        // It has said everything and wants no more of the request (RFC 9113 section 8.1).
                        Poll::Ready(Some(Err(error))) if error.reason() == Some(Reason::NO_ERROR) => {
                            self.end(Trailers::default())?;
                        }
                        Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(self.broken(error))),
                        Poll::Ready(None) => {
                            let trailers = ready!(stream.poll_trailers(cx)).map_err(|error| self.broken(error))?;
                            let trailers = trailers.as_ref().map(head::trailers).unwrap_or_default();
                            self.end(trailers)?;
                        }
                        Poll::Pending => {
                            if let Poll::Ready(Err(fault)) = downstream.poll_flush(cx) {
                                return Poll::Ready(Err(fault.into()));
                            }
                            return Poll::Pending;
                        }
                    }
                }
                Reading::End(trailers) => {
                    ready!(downstream.poll_end(cx, trailers))?;
                    self.reading = Reading::Flush;
                }
                Reading::Flush => {
                    ready!(downstream.poll_flush(cx))?;
                    return Poll::Ready(Ok(End::Done));
                }
            }
        }
        give_way(cx);
        Poll::Pending
    }

    fn interim<D: Downstream>(&mut self, interim: &http::Response<()>, downstream: &mut D) -> Result<(), End> {
        self.interims += 1;
        if self.interims > INTERIMS {
            return Err(End::Failed(UpstreamError::Interims { most: INTERIMS }));
        }
        let mut lines = Vec::new();
        let head = self.read(interim, response::Stream::Open, &mut lines)?;
        // We never ask an upstream for 100: the client gets its own from whoever reads its body.
        if head.status != 100 && self.interim == Interim::Pass {
            downstream.head(&head)?;
        }
        Ok(())
    }

    fn head<D: Downstream>(&mut self, response: http::Response<RecvStream>, downstream: &mut D) -> Result<(), End> {
        let (parts, stream) = response.into_parts();
        let response = http::Response::from_parts(parts, ());
        let ends = if stream.is_end_stream() { response::Stream::Ended } else { response::Stream::Open };
        let mut lines = Vec::new();
        let head = self.read(&response, ends, &mut lines)?;
        let left = match head.body {
            BodyLength::None => Some(0),
            BodyLength::Exact(bytes) => Some(bytes),
            BodyLength::Chunked | BodyLength::UntilClose => None,
        };
        downstream.head(&head)?;
        let now = Instant::now();
        self.answered = Some((head.status, now));
        self.log.answered_by_upstream(head.status, now);
        self.reading = Reading::Body { stream, rest: Bytes::new(), left };
        Ok(())
    }

    fn read<'r>(
        &self,
        response: &'r http::Response<()>,
        stream: response::Stream,
        lines: &'r mut Vec<httparse::Header<'r>>,
    ) -> Result<ResponseHead<'r>, End> {
        let bad = |bad: BadResponse| End::Failed(UpstreamError::BadHead(bad));
        response::of_http2(response, stream, &HeadLimits::default(), self.asked, lines).map_err(bad)
    }

    fn end(&mut self, trailers: Trailers) -> Result<(), End> {
        match self.reading {
            Reading::Body { left: Some(1..), .. } => Err(End::Failed(UpstreamError::CutShort)),
            _ => {
                self.reading = Reading::End(trailers);
                Ok(())
            }
        }
    }

    /// Finds out what the end of a stream means.
    fn broken(&self, error: ::h2::Error) -> End {
        if self.seat.is_silent() {
            return End::Failed(UpstreamError::Unresponsive);
        }
        if self.answered.is_some() {
            return End::Failed(UpstreamError::Stream(error));
        }
        match error.reason() {
            // What it refused, or did not look at any more when it left, may be asked again (RFC 9113 section 8.7).
            Some(Reason::REFUSED_STREAM) if error.is_remote() => End::Refused(UpstreamError::Stream(error)),
            Some(_) if error.is_go_away() && error.is_remote() => {
                self.seat.leave();
                End::Refused(UpstreamError::Stream(error))
            }
            None if error.is_io() => {
                self.seat.leave();
                End::Dead(UpstreamError::Stream(error))
            }
            _ => End::Failed(UpstreamError::Stream(error)),
        }
    }
}

impl Drop for StreamFlight<'_> {
    fn drop(&mut self) {
        // Here, as a flight whose client is cut off is dropped on its way; what came of the request its upload's flight says.
        self.log.moved(0, self.delivered);
    }
}

/// Tells that an upstream takes no more of a request.
struct Stopped;
