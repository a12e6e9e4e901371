//! Moves one exchange: a request to an upstream and its response back, both bodies at the same time.
//!
//! [`exchange()`] is the one way to an upstream, for HTTP/1.1 and HTTP/2 clients alike. It finds a connection, repeats
//! what may be repeated, holds both sides to their framing and their time-outs, and tells with an [`Exchanged`] how it
//! ended. What is special to a client's protocol is behind [`Downstream`].
//!
//! The one thing to know: nothing here waits for one direction while the other could go on.

mod deadline;
mod exchange;
mod flight;
mod h2;
mod paced;
mod response;
mod search;
mod upload;
mod upstream_error;

use std::{
    sync::Arc,
    task::{Context, Poll},
};

pub(crate) use deadline::Deadline;
pub(crate) use exchange::exchange;
#[cfg(test)]
pub(crate) use h2::fixture as http2_fixture;
pub(crate) use upload::Upload;

use crate::{
    access_log::Logged,
    answer::{Failure, Fault},
    h1::{length::BodyLength, request::Asked, response::ResponseHead, trailers::Trailers},
    stream::Stream,
    upstream::{InFlight, Sticky, UpstreamHealth},
};

/// Is the client's side of one exchange.
///
/// The methods are called by one task, never after one of them failed, and a `Pending` must wake that task.
/// An error means that this client, or this stream of it, gets nothing more.
pub(crate) trait Downstream {
    /// Puts more of the request's body into `upload`, or says there that it has ended.
    ///
    /// `Ready(Ok(()))` means that something was put in. It is called only while [`Upload::room`] is not zero and the
    /// body has not ended. The first call is also the moment to answer an expected `100 Continue`: the upstream has
    /// taken the head.
    fn poll_body(&mut self, cx: &mut Context<'_>, upload: &mut Upload) -> Poll<Result<(), ClientFault>>;

    /// Bytes of bodies that have come from this client by now, on whatever stream.
    fn moved(&self) -> u64;

    /// Is ready when the client can take no response any more; called while a response is awaited and the request's
    /// body has been read. May read ahead.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Takes the `Set-Cookie` that the next final head gets beside the upstream's own; none takes it back.
    fn set_cookie(&mut self, cookie: Option<String>);

    /// Takes a response head: interim ones (never 100 and 101), then 101 or the final one.
    ///
    /// It is kept until body follows or [`Downstream::poll_flush`] is called, so that both leave in one write.
    fn head(&mut self, head: &ResponseHead<'_>) -> Result<(), ClientFault>;

    /// Takes some of the body's next bytes and tells how many: at least one.
    fn poll_data(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, ClientFault>>;

    /// Ends the response; called again with the same trailers after `Pending`.
    ///
    /// It is kept like a head is.
    fn poll_end(&mut self, cx: &mut Context<'_>, trailers: &Trailers) -> Poll<Result<(), ClientFault>>;

    /// Sends what was kept.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientFault>>;
}

/// Is a request as it goes to the upstream.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// The head, as [`crate::h1::request::write_upstream`] wrote it.
    pub(crate) head: Vec<u8>,
    /// How the body is framed.
    pub(crate) body: BodyLength,
    /// What the response is read against.
    pub(crate) asked: Asked,
    /// Whether a second try does no harm (RFC 9110 section 9.2.2).
    pub(crate) repeat: Repeat,
    /// Whether the client waits for `100 Continue`: then the body is not asked for before the head has gone.
    pub(crate) expects_continue: bool,
    /// Whether interim responses are passed on; HTTP/1.0 has none.
    pub(crate) interim: Interim,
    /// What becomes of it is written down there.
    pub(crate) log: Logged,
    /// Which of the site's upstreams may take it: the index of their group.
    pub(crate) group: usize,
    /// Whether the client is to come back to who answers it.
    pub(crate) sticky: Option<Sticky>,
}

/// Says whether a request may be sent a second time, by its method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// The method is idempotent.
    Harmless,
    /// Twice is not the same as once.
    Harmful,
}

/// Says what becomes of interim responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interim {
    /// The client gets them.
    Pass,
    /// The client cannot read them.
    Drop,
}

/// Says how an exchange ended.
pub(crate) enum Exchanged {
    /// The client has the whole response. Whether its whole body was read, its own side knows.
    Done,
    /// The client has had nothing, and gets this answer of ours.
    Answer(Failure),
    /// The client has a part of the response and must see that the rest is missing.
    Truncated {
        /// What went wrong.
        failure: Failure,
        /// Why the upstream reset its stream, if it did; an HTTP/2 client is given the same reason.
        reason: Option<::h2::Reason>,
    },
    /// The client is not there any more, or broke its own framing after it had a part of the response.
    Gone,
    /// The upstream switched protocols, and the client has its 101: from now on bytes go both ways.
    Switched {
        /// The connection to the upstream.
        upstream: Stream,
        /// What the upstream sent behind its 101.
        early: Vec<u8>,
        /// Counts it at its upstream; to be kept as long as the connection is.
        in_flight: InFlight<Arc<UpstreamHealth>>,
    },
}

/// Says why a client's side cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClientFault {
    /// It is not there any more: closed, reset, or ended in the middle of a body.
    Gone,
    /// Its body is not what its head announced, or larger than the limit; answered if there is still time for it.
    Refused(Fault),
}

impl Repeat {
    /// Decides by the method.
    pub(crate) fn of(method: &str) -> Self {
        match method {
            "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" => Self::Harmless,
            _ => Self::Harmful,
        }
    }
}

impl From<Fault> for ClientFault {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault)
    }
}
