//! What the log has of a request that Portward answered by itself: the pages send their readers here.
//!
//! What an upstream or Portward did wrong is a warning, because somebody here can do something about it; what clients
//! bring about by themselves is not, because they would fill the log. Nothing that may be secret is in a line: no query, no header
//! but the host, no byte of a body.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use portward_core::SiteId;

use super::{
    Answer, Fault, Retry, Whose,
    failure::{Chain, Failure},
};
use crate::request_id::RequestId;

/// Is the request that a line is about.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Its id.
    pub(crate) id: &'a RequestId,
    /// Who sent it.
    pub(crate) peer: SocketAddr,
    /// The proxy that has said so, if one has.
    pub(crate) proxy: Option<SocketAddr>,
    /// Whom it comes from, if a trusted proxy says so.
    pub(crate) named: Option<IpAddr>,
    /// The host that was asked for, if it could be read.
    pub(crate) host: Option<&'a dyn fmt::Display>,
    /// The site that has the host.
    pub(crate) site: Option<&'a SiteId>,
}

/// Writes down an answer that was decided without an upstream.
pub(crate) fn answered(answer: &Answer, subject: &Subject<'_>) {
    match answer {
        Answer::Fault(fault) => failed(&Failure::from(*fault), subject),
        Answer::Redirect { .. } | Answer::Challenge(_) => tracing::debug!(
            request.id = subject.id.as_str(),
            client.peer = %subject.peer,
            client.proxy = subject.proxy.map(tracing::field::display),
            client.address = subject.named.map(tracing::field::display),
            host = subject.host.map(tracing::field::display),
            answer.code = answer.code(),
            answer.status = answer.status(),
            "request answered"
        ),
    }
}

/// Writes down a failure that the client is told of.
pub(crate) fn failed(failure: &Failure, subject: &Subject<'_>) {
    write(failure, subject, "request failed");
}

/// Writes down a failure that came when the client had a part of the response already.
pub(crate) fn truncated(failure: &Failure, subject: &Subject<'_>) {
    write(failure, subject, "response cut short");
}

fn write(failure: &Failure, subject: &Subject<'_>, event: &'static str) {
    let fault = failure.fault;
    let cause = match (&failure.cause, fault) {
        (Some(cause), _) => Some(Chain(cause.as_ref()).to_string()),
        (None, Fault::Refused(refusal)) => Some(refusal.to_string()),
        (None, _) => None,
    };
    // The level of a line is fixed where it is written, so there are two.
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                request.id = subject.id.as_str(),
                client.peer = %subject.peer,
                client.proxy = subject.proxy.map(tracing::field::display),
            client.address = subject.named.map(tracing::field::display),
                host = subject.host.map(tracing::field::display),
                site.id = subject.site.map(tracing::field::display),
                upstream.url = failure.upstream.as_ref().map(tracing::field::display),
                answer.code = fault.code(),
                answer.status = fault.status(),
                answer.retry = match fault.retry() {
                    Retry::Allowed => "allowed",
                    Retry::Useless => "useless",
                },
                cause,
                "{event}"
            )
        };
    }
    match (fault, fault.whose()) {
        // Whoever scans the Internet asks for hosts that nobody has.
        (Fault::UnknownHost | Fault::NoSite | Fault::ChallengesOnly, _) | (_, Whose::Downstream) => line!(debug),
        (_, Whose::Upstream | Whose::Ours) => line!(warn),
    }
}
