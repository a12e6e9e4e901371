//! Response heads of HTTP/2, checked as strictly as those of HTTP/1.1.

use crate::h1::{
    KeepAlive, Version,
    headers::{ConnectionOptions, HeaderLines, Kind, kind},
    length::{Framing, LengthFault},
    limits::HeadLimits,
    refusal::BadResponse,
    request::Asked,
    text::{is_token, is_value, trim},
};

use super::ResponseHead;

/// Tells whether a stream has ended with the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// More may come.
    Open,
    /// There is no body, and there are no trailers.
    Ended,
}

/// Checks a response that came over HTTP/2 (RFC 9113, section 8.3.2); `lines` is room for its headers.
///
/// Spaces around a value are taken off, as an HTTP/1.1 parser does.
pub fn of_http2<'a>(
    response: &'a http::Response<()>,
    stream: Stream,
    limits: &HeadLimits,
    asked: Asked,
    lines: &'a mut Vec<httparse::Header<'a>>,
) -> Result<ResponseHead<'a>, BadResponse> {
    let status = response.status();
    // There is no switching of protocols in HTTP/2 (section 8.6).
    if status == http::StatusCode::SWITCHING_PROTOCOLS {
        return Err(BadResponse::UnaskedUpgrade);
    }
    let mut framing = Framing::default();
    let mut bytes = STATUS_BYTES;
    for (name, value) in response.headers() {
        let (name, value) = (name.as_str(), trim(value.as_bytes()));
        bytes += name.len() + value.len() + LINE_EXTRA_BYTES;
        if !is_token(name.as_bytes()) {
            return Err(BadResponse::InvalidHeaderName);
        }
        if !is_value(value) {
            return Err(BadResponse::InvalidHeaderValue);
        }
        match kind(name) {
            Kind::Connection | Kind::HopByHop | Kind::TransferEncoding | Kind::Upgrade => {
                return Err(BadResponse::ConnectionHeaderInHttp2);
            }
            Kind::ContentLength => framing.content_length(value)?,
            _ => {}
        }
        if lines.len() >= limits.headers {
            return Err(BadResponse::TooManyHeaders);
        }
        lines.push(httparse::Header { name, value });
    }
    if bytes > limits.head_bytes {
        return Err(BadResponse::HeadTooLarge);
    }
    let (body, content_length) = match framing.of_http2_response(status.as_u16(), asked, stream) {
        Err(LengthFault::BodyNotAllowed) if !status.is_informational() => return Err(BadResponse::BodyMismatch),
        decided => decided?,
    };
    Ok(ResponseHead {
        version: Version::Http2,
        status: status.as_u16(),
        reason: status.canonical_reason().unwrap_or_default(),
        body,
        content_length,
        keep_alive: KeepAlive::Keep,
        upgrade: None,
        headers: HeaderLines(lines),
        connection: ConnectionOptions::default(),
    })
}

/// What a status line of HTTP/1.1 takes: version, status, CR LF, and CR LF at the end of the head.
const STATUS_BYTES: usize = 17;

/// What a header takes on a line of HTTP/1.1 beside its name and value: colon, space, CR, LF.
const LINE_EXTRA_BYTES: usize = 4;
