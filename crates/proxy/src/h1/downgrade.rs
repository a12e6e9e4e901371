//! HTTP/2 requests before they become HTTP/1.1: what could be read in two ways there is refused here.

use super::headers::{ConnectionOptions, Headers, Kind, kind};
use super::length::BodyLength;
use super::limits::HeadLimits;
use super::refusal::Refusal;
use super::request::{RequestHead, check_method, gather, split_target};
use super::text::{is_token, is_value, trim};
use super::{KeepAlive, Version, authority};

#[cfg(test)]
mod tests;

/// The parts of an HTTP/2 request.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a, H> {
    /// `:method`.
    pub method: &'a str,
    /// `:scheme`.
    pub scheme: Option<&'a str>,
    /// `:authority`.
    pub authority: Option<&'a str>,
    /// `:path`.
    pub path: &'a str,
    /// `:protocol` (RFC 8441, section 4).
    pub protocol: Option<&'a str>,
    /// The headers, for example `&HeaderMap`.
    pub headers: H,
    /// Whether a body follows the head.
    pub stream: Stream,
}

/// Tells whether DATA frames follow the HEADERS frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The HEADERS frame ended the stream.
    Ended,
    /// A body follows.
    Open,
}

/// Checks an HTTP/2 request and makes it a head that [`super::request::write_upstream`] can write.
///
/// Each refusal is to become a stream error or an answer with its status; nothing of the request may have gone to the
/// upstream. The length of the body is exact if the client announced it, and the reader of the DATA frames must hold
/// the client to it. RFC 9113, sections 8.2 and 8.3, is the source.
pub fn check<'a, H: Headers<'a>>(parts: Parts<'a, H>, limits: &HeadLimits) -> Result<RequestHead<'a, H>, Refusal> {
    let Parts { method, scheme, authority, path, protocol, headers, stream } = parts;
    let (method, upgrade) = match protocol {
        // What HTTP/1.1 asks for with GET and Upgrade (RFC 8441, section 5). Other protocols have another way of asking.
        Some(protocol) if method == "CONNECT" && protocol == WEBSOCKET => ("GET", Some(WEBSOCKET)),
        Some(_) => return Err(Refusal::ConnectNotSupported),
        None => (method, None),
    };
    check_method(method)?;
    if scheme.is_some_and(|scheme| scheme != "http" && scheme != "https") {
        return Err(Refusal::InvalidScheme);
    }
    if !path.starts_with('/') && path != "*" {
        return Err(Refusal::InvalidTarget);
    }
    let (_, path_and_query) = split_target(method, path, limits)?;
    let authority = match authority {
        Some(authority) => Some(authority::parse(authority.as_bytes()).ok_or(Refusal::InvalidHost)?),
        None => None,
    };

    let (mut count, mut bytes) = (0, method.len() + path.len());
    for (name, value) in headers.walk() {
        count += 1;
        bytes += name.len() + value.len() + LINE_EXTRA_BYTES;
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(Refusal::UpperCaseName);
        }
        if !is_token(name.as_bytes()) {
            return Err(Refusal::InvalidHeaderName);
        }
        // Section 8.2.1: no CR, LF or NUL, and no space at either end.
        if !is_value(value) || trim(value).len() != value.len() {
            return Err(Refusal::InvalidHeaderValue);
        }
        match kind(name) {
            Kind::Connection | Kind::HopByHop | Kind::TransferEncoding | Kind::Upgrade => {
                return Err(Refusal::ConnectionHeaderInHttp2);
            }
            Kind::Te if !value.eq_ignore_ascii_case(b"trailers") => return Err(Refusal::InvalidTe),
            _ => {}
        }
    }
    if count > limits.headers {
        return Err(Refusal::TooManyHeaders);
    }
    if bytes > limits.head_bytes {
        return Err(Refusal::HeadTooLarge);
    }
    let gathered = gather(&headers, authority)?;
    let mut connection = ConnectionOptions::default();
    let body = match upgrade {
        None => gathered.framing.of_http2_request(stream)?,
        // Frames of the protocol follow, and no body does.
        Some(_) if stream == Stream::Ended => return Err(Refusal::BodyMismatch),
        Some(_) => match gathered.framing.of_http2_request(Stream::Open)? {
            BodyLength::Exact(_) => return Err(Refusal::BodyMismatch),
            _ => {
                // The key is between us and the upstream: what a client says of it ends here (section 5.1).
                connection.read(b"sec-websocket-key")?;
                BodyLength::None
            }
        },
    };
    Ok(RequestHead {
        method,
        target: path,
        path_and_query,
        host: gathered.host,
        version: Version::Http2,
        body,
        keep_alive: KeepAlive::Keep,
        expect_continue: gathered.expect_continue && !matches!(body, BodyLength::None | BodyLength::Exact(0)),
        upgrade,
        te_trailers: gathered.te_trailers,
        headers,
        connection,
    })
}

/// The one protocol that HTTP/2 clients can ask for.
pub const WEBSOCKET: &str = "websocket";

/// What a header takes on an HTTP/1.1 line beside its name and value: colon, space, CR, LF.
const LINE_EXTRA_BYTES: usize = 4;
