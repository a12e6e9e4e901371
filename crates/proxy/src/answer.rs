//! Answers of our own: the closed list of everything that Portward itself says to a client, and how it is said.
//!
//! A program gets a few lines of plain text, a browser a page; both have the request's id and a stable code.
//! Nothing of the upstream is on them: who may know where it is reads the log.

mod date;
mod failure;
pub(crate) mod log;
mod page;
mod words;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use portward_core::Timestamp;

pub(crate) use failure::{Chain, Failure};

use crate::h1::{KeepAlive, refusal::Refusal};

/// Is an answer of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Something went wrong, and whose fault it is.
    Fault(Fault),
    /// 308 to another URL, which keeps method and body (RFC 9110 section 15.4.9).
    Redirect {
        /// The URL, of visible ASCII characters.
        location: String,
    },
    /// The key authorization of an http-01 challenge (RFC 8555 section 8.3).
    Challenge(Box<str>),
}

/// Is what can go wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The request cannot be read in exactly one way.
    Refused(Refusal),
    /// The client speaks plain HTTP to an https binding.
    HttpOnHttps,
    /// There is no site at all.
    NoSite,
    /// No site has that host.
    UnknownHost,
    /// The binding is there for challenges alone, and this is none.
    ChallengesOnly,
    /// No site has that host, on a connection that was made for another one (RFC 9110 section 15.5.20).
    Misdirected,
    /// The request did not come in time.
    RequestTimeout,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// Nobody listens at the upstream's address.
    UpstreamRefused,
    /// No connection to the upstream could be made.
    UpstreamUnreachable,
    /// The upstream's name was not found.
    UpstreamDns,
    /// The upstream's certificate is not accepted, or it does not speak TLS.
    UpstreamTls,
    /// The upstream closed the connection before its response was complete.
    UpstreamClosed,
    /// The upstream's response cannot be read in exactly one way.
    UpstreamBadResponse,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// None of several upstreams could be reached.
    NoUpstream,
    /// More streams are being worked on than the limit.
    Overloaded,
    /// The client makes more requests than the limit.
    TooManyRequests,
}

/// Says who must do something about a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The client.
    Downstream,
    /// The application.
    Upstream,
    /// Portward, or who runs it.
    Ours,
}

/// Says whether the same request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Nothing of it has reached the application.
    Allowed,
    /// It would fail again, or it may have been carried out.
    Useless,
}

/// Is what an answer needs to know of the request that it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The request's id.
    pub(crate) request_id: &'a str,
    /// The host that was asked for, if it could be read.
    pub(crate) host: Option<&'a str>,
    /// The `Accept` header.
    pub(crate) accept: Option<&'a [u8]>,
    /// Whether the method was HEAD: then the body is announced and not sent.
    pub(crate) head: bool,
    /// Now, for the `Date` header and the page.
    pub(crate) now: Timestamp,
}

impl Answer {
    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Fault(fault) => fault.status(),
            Self::Redirect { .. } => 308,
            Self::Challenge(_) => 200,
        }
    }

    /// The stable name, for logs and metrics.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Fault(fault) => fault.code(),
            Self::Redirect { .. } => "force-https",
            Self::Challenge(_) => "challenge",
        }
    }

    /// Appends the whole response as HTTP/1.1, and tells how many bytes of body it has.
    pub(crate) fn write_h1(&self, asked: &Asked<'_>, keep_alive: KeepAlive, out: &mut Vec<u8>) -> u64 {
        let (headers, body) = self.parts(asked);
        let status = self.status();
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        out.extend_from_slice(format!("HTTP/1.1 {status} {}\r\n", reason.unwrap_or_default()).as_bytes());
        for (name, value) in &headers {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        if keep_alive == KeepAlive::Close {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        if asked.head {
            return 0;
        }
        out.extend_from_slice(body.as_bytes());
        body.len() as u64
    }

    /// The response for HTTP/2: head and body, the latter empty if the method was HEAD.
    pub(crate) fn to_h2(&self, asked: &Asked<'_>) -> (http::Response<()>, Bytes) {
        let (headers, body) = self.parts(asked);
        let mut response = http::Response::new(());
        *response.status_mut() = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
                response.headers_mut().append(name, value);
            }
        }
        (response, if asked.head { Bytes::new() } else { body.into() })
    }

    fn parts(&self, asked: &Asked<'_>) -> (Vec<(&'static str, Cow<'static, str>)>, String) {
        let html = matches!(self, Self::Fault(_)) && wants_html(asked.accept);
        let body = match self {
            Self::Fault(fault) if html => page::html(*fault, asked),
            Self::Fault(fault) => page::text(*fault, asked),
            Self::Redirect { .. } => String::new(),
            Self::Challenge(key_authorization) => key_authorization.to_string(),
        };
        let mut headers: Vec<(&'static str, Cow<'static, str>)> = vec![("Date", date::http(asked.now).into())];
        if let Self::Redirect { location } = self {
            headers.push(("Location", location.clone().into()));
        } else {
            headers.push(("Content-Type", if html { HTML.into() } else { TEXT.into() }));
        }
        headers.push(("Content-Length", body.len().to_string().into()));
        // Each of them can be otherwise a minute later: a site is added, force HTTPS is turned off.
        headers.push(("Cache-Control", "no-store".into()));
        headers.push(("X-Content-Type-Options", "nosniff".into()));
        if html {
            headers.push(("Content-Security-Policy", page::POLICY.into()));
        }
        if let Self::Fault(Fault::Overloaded | Fault::NoUpstream | Fault::TooManyRequests) = self {
            headers.push(("Retry-After", RETRY_AFTER_SECONDS.into()));
        }
        headers.push(("X-Request-Id", asked.request_id.to_owned().into()));
        // A value that would end its line is never written, wherever it came from.
        headers.retain(|(_, value)| value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        (headers, body)
    }
}

impl Fault {
    /// The HTTP status.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.status(),
            Self::HttpOnHttps => 400,
            Self::NoSite | Self::UnknownHost | Self::ChallengesOnly => 404,
            Self::Misdirected => 421,
            Self::RequestTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::UpstreamRefused
            | Self::UpstreamUnreachable
            | Self::UpstreamDns
            | Self::UpstreamTls
            | Self::UpstreamClosed
            | Self::UpstreamBadResponse => 502,
            Self::UpstreamTimeout => 504,
            Self::NoUpstream | Self::Overloaded => 503,
            Self::TooManyRequests => 429,
        }
    }

    /// The stable name, for logs, metrics and answers.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::HttpOnHttps => "http-on-https",
            Self::NoSite => "no-site",
            Self::UnknownHost => "unknown-host",
            Self::ChallengesOnly => "challenges-only",
            Self::Misdirected => "misdirected",
            Self::RequestTimeout => "request-timeout",
            Self::BodyTooLarge => "body-too-large",
            Self::UpstreamRefused => "upstream-refused",
            Self::UpstreamUnreachable => "upstream-unreachable",
            Self::UpstreamDns => "upstream-dns",
            Self::UpstreamTls => "upstream-tls",
            Self::UpstreamClosed => "upstream-closed",
            Self::UpstreamBadResponse => "upstream-bad-response",
            Self::UpstreamTimeout => "upstream-timeout",
            Self::NoUpstream => "no-upstream",
            Self::Overloaded => "overloaded",
            Self::TooManyRequests => "too-many-requests",
        }
    }

    /// Who must do something about it.
    pub(crate) fn whose(self) -> Whose {
        match self {
            Self::Refused(_)
            | Self::HttpOnHttps
            | Self::Misdirected
            | Self::RequestTimeout
            | Self::BodyTooLarge
            | Self::TooManyRequests => Whose::Downstream,
            Self::NoSite | Self::UnknownHost | Self::ChallengesOnly | Self::Overloaded => Whose::Ours,
            Self::UpstreamRefused
            | Self::UpstreamUnreachable
            | Self::UpstreamDns
            | Self::UpstreamTls
            | Self::UpstreamClosed
            | Self::UpstreamBadResponse
            | Self::UpstreamTimeout
            | Self::NoUpstream => Whose::Upstream,
        }
    }

    /// Whether the same request may be sent again.
    pub(crate) fn retry(self) -> Retry {
        match self {
            Self::Misdirected
            | Self::RequestTimeout
            | Self::UpstreamRefused
            | Self::UpstreamUnreachable
            | Self::UpstreamDns
            | Self::UpstreamTls
            | Self::NoUpstream
            | Self::Overloaded
            | Self::TooManyRequests => Retry::Allowed,
            Self::Refused(_)
            | Self::HttpOnHttps
            | Self::NoSite
            | Self::UnknownHost
            | Self::ChallengesOnly
            | Self::BodyTooLarge
            | Self::UpstreamClosed
            | Self::UpstreamBadResponse
            | Self::UpstreamTimeout => Retry::Useless,
        }
    }
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Whether `Accept` names `text/html`, as every browser's navigation does; `*/*` is what programs say.
pub(crate) fn wants_html(accept: Option<&[u8]>) -> bool {
    let named = |range: &[u8]| {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let html = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(b"text/html"));
        let refused = parts.any(|parameter| {
            let weight = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="));
            weight.is_some_and(|weight| weight.iter().all(|byte| matches!(byte, b'0' | b'.')))
        });
        html && !refused
    };
    accept.unwrap_or_default().split(|byte| *byte == b',').any(named)
}

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Long enough for a restart, short enough for a person who waits.
const RETRY_AFTER_SECONDS: &str = "5";
