//! Response heads: parsed and checked as strictly as requests, rewritten for the client.

use portward_core::HeaderRules;

use super::headers::{ConnectionOptions, HeaderLines, HeaderSlots, Headers, Kind, kind};
use super::length::{Announced, BodyLength, Framing};
use super::limits::{HEADERS_MAX, HeadLimits};
use super::lines::{check_line_ends, diagnose};
use super::refusal::BadResponse;
use super::request::Asked;
use super::text::{is_token, list, push_decimal, push_header};
use super::{KeepAlive, Parsed, Version};

#[cfg(test)]
mod tests;

mod http2;

pub use http2::{Stream, of_http2};

/// A response head that passed every check.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// The version that the upstream answered with.
    pub version: Version,
    /// The status: three digits, 100 or more.
    pub status: u16,
    /// The reason phrase; empty if there was none or it was not ASCII.
    pub reason: &'a str,
    /// The length of the body that follows; none for `HEAD`, 1xx, 204 and 304.
    pub body: BodyLength,
    /// What `Content-Length` said: also there without a body, for `HEAD` and 304.
    pub content_length: Option<u64>,
    /// Whether the upstream connection can be used again after the body.
    pub keep_alive: KeepAlive,
    /// The `Upgrade` header, for 101 only.
    pub upgrade: Option<&'a str>,
    /// All headers, as received.
    pub headers: HeaderLines<'a>,
    connection: ConnectionOptions<'a>,
}

/// What a client is to receive, beside the upstream's own head.
#[derive(Clone, Copy, Debug)]
pub struct Downstream<'a> {
    /// The version of the request.
    pub version: Version,
    /// Whether the connection to the client is to be kept.
    pub keep_alive: KeepAlive,
    /// Headers of ours; each replaces the upstream's headers of the same name.
    pub set: &'a [(&'a str, &'a [u8])],
    /// Names of upstream headers that are not passed on.
    pub remove: &'a [&'a str],
    /// A cookie of ours, beside those of the upstream; final responses and 101 get it.
    pub cookie: Option<&'a [u8]>,
    /// The site's own rules; they hold for final responses.
    pub rules: Option<&'a HeaderRules>,
}

/// How the message that [`write_downstream`] began goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// How the body is to be framed towards the client.
    pub body: BodyLength,
    /// Whether the connection to the client stays after it.
    pub keep_alive: KeepAlive,
}

impl<'a> ResponseHead<'a> {
    /// Tells whether another head follows: a 1xx other than 101.
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    /// Finds the first header of the name, in any case of letters.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.walk().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Walks the headers that go on to the client whatever its version: without hop-by-hop headers and without
    /// framing, and with the headers of `to` in the place of the upstream's.
    ///
    /// Names keep their case; HTTP/2 wants them in lower case. [`Self::content_length`] is to be written beside them,
    /// except with 1xx and 204.
    pub fn end_to_end<'b>(&self, to: &Downstream<'b>) -> impl Iterator<Item = (&'b str, &'b [u8])> + use<'b, 'a>
    where
        'a: 'b,
    {
        let (connection, set, remove) = (self.connection, to.set, to.remove);
        // A hint before the response, and a switch of protocols, are between the application and its client.
        let rules = to.rules.filter(|_| self.status >= 200);
        self.headers
            .0
            .iter()
            .map(|header| (header.name, header.value))
            .filter(move |(name, _)| {
                let passes = match kind(name) {
                    Kind::Connection
                    | Kind::HopByHop
                    | Kind::Te
                    | Kind::Upgrade
                    | Kind::TransferEncoding
                    | Kind::ContentLength
                    | Kind::FramingLookAlike => false,
                    _ => !connection.names(name),
                };
                passes
                    && !set.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
                    && !remove.iter().any(|other| other.eq_ignore_ascii_case(name))
                    && !rules.is_some_and(|rules| rules.replaces(name))
            })
            .chain(set.iter().copied())
            .chain(ours(rules))
            .chain(to.cookie.filter(|_| !self.is_interim()).map(|cookie| ("Set-Cookie", cookie)))
    }
}

/// Reads one response head from the start of `buf`.
///
/// After a [`BadResponse`] the upstream connection must be closed; the client gets a 502.
pub fn parse<'a>(
    buf: &'a [u8],
    limits: &HeadLimits,
    asked: Asked,
    slots: &'a mut HeaderSlots<'a>,
) -> Result<Parsed<ResponseHead<'a>>, BadResponse> {
    if let [b'\r' | b'\n', ..] = buf {
        return Err(BadResponse::InvalidStatusLine);
    }
    let mut tokens = httparse::Response::new(&mut []);
    let slots = &mut slots.0[..limits.headers.min(HEADERS_MAX)];
    let config = httparse::ParserConfig::default();
    let len = match config.parse_response_with_uninit_headers(&mut tokens, buf, slots) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if buf.len() >= limits.head_bytes => {
            return Err(BadResponse::HeadTooLarge);
        }
        Ok(httparse::Status::Partial) => return Ok(Parsed::Partial),
        Err(error) => return Err(judge(buf, error)),
    };
    let headers: &'a [httparse::Header<'a>] = tokens.headers;
    check_line_ends(&buf[..len], headers)?;
    let (Some(minor), Some(status), reason) = (tokens.version, tokens.code, tokens.reason) else {
        return Err(BadResponse::InvalidStatusLine);
    };
    if len > limits.head_bytes {
        return Err(BadResponse::HeadTooLarge);
    }
    // Statuses from 600 on have no meaning but three digits, and exist; RFC 9110, section 15, has a client take them.
    if status < 100 {
        return Err(BadResponse::InvalidStatusLine);
    }
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };

    let mut framing = Framing::default();
    let mut connection = ConnectionOptions::default();
    let mut upgrades = [None; 2];
    for header in headers {
        match kind(header.name) {
            Kind::ContentLength => framing.content_length(header.value)?,
            Kind::TransferEncoding => framing.transfer_encoding(header.value)?,
            Kind::Connection => connection.read(header.value)?,
            Kind::Upgrade => upgrades = [Some(header.value), upgrades[0]],
            _ => {}
        }
    }
    let (body, content_length, announced) = framing.of_response(version, status, asked)?;
    let upgrade = if status == 101 { Some(switched(asked, upgrades)?) } else { None };
    let keep_alive = match version {
        _ if connection.close || body == BodyLength::UntilClose => KeepAlive::Close,
        Version::Http10 if !connection.keep_alive => KeepAlive::Close,
        // Who announces a body with a 204 may well send it; its bytes must not become the next response.
        _ if status == 204 && !matches!(announced, Announced::Nothing | Announced::Length(0)) => KeepAlive::Close,
        _ => KeepAlive::Keep,
    };
    Ok(Parsed::Complete {
        head: ResponseHead {
            version,
            status,
            reason: reason.unwrap_or_default(),
            body,
            content_length,
            keep_alive,
            upgrade,
            headers: HeaderLines(headers),
            connection,
        },
        len,
    })
}

/// Appends the head as it goes to an HTTP/1 client and tells how the body is to be framed.
///
/// A body until close becomes chunked for an HTTP/1.1 client and ends with the connection for an HTTP/1.0 client, to
/// whom a chunked body goes without its chunks. Interim responses are not for HTTP/1.0 clients at all.
pub fn write_downstream(head: &ResponseHead<'_>, to: &Downstream<'_>, out: &mut Vec<u8>) -> Written {
    out.extend_from_slice(b"HTTP/1.1 ");
    push_decimal(head.status.into(), out);
    out.push(b' ');
    out.extend_from_slice(head.reason.as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in head.end_to_end(to) {
        push_header(name, value, out);
    }
    if head.status < 200 {
        if let Some(protocol) = head.upgrade {
            out.extend_from_slice(b"Connection: upgrade\r\n");
            push_header("Upgrade", protocol.as_bytes(), out);
        }
        out.extend_from_slice(b"\r\n");
        return Written { body: BodyLength::None, keep_alive: to.keep_alive };
    }
    let http10 = to.version == Version::Http10;
    let body = match head.body {
        BodyLength::Chunked | BodyLength::UntilClose if http10 => BodyLength::UntilClose,
        BodyLength::Chunked | BodyLength::UntilClose => BodyLength::Chunked,
        body => body,
    };
    match (body, head.content_length) {
        (BodyLength::Exact(bytes), _) => push_content_length(bytes, out),
        (BodyLength::None, Some(bytes)) if head.status != 204 => push_content_length(bytes, out),
        (BodyLength::Chunked, _) => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        _ => {}
    }
    let keep_alive = match body {
        BodyLength::UntilClose => KeepAlive::Close,
        _ => to.keep_alive,
    };
    match keep_alive {
        KeepAlive::Close => out.extend_from_slice(b"Connection: close\r\n"),
        KeepAlive::Keep if http10 => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        KeepAlive::Keep => {}
    }
    out.extend_from_slice(b"\r\n");
    Written { body, keep_alive }
}

/// The headers that the rules set.
fn ours(rules: Option<&HeaderRules>) -> impl Iterator<Item = (&str, &[u8])> {
    let set = rules.map(HeaderRules::set).unwrap_or_default();
    set.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

fn push_content_length(bytes: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Content-Length: ");
    push_decimal(bytes, out);
    out.extend_from_slice(b"\r\n");
}

/// Checks a 101: asked for, and with one protocol named (RFC 9110, section 15.2.2).
fn switched(asked: Asked, upgrades: [Option<&[u8]>; 2]) -> Result<&str, BadResponse> {
    if !asked.upgrade {
        return Err(BadResponse::UnaskedUpgrade);
    }
    let [Some(value), None] = upgrades else { return Err(BadResponse::InvalidUpgrade) };
    let is_protocol = |protocol: &[u8]| protocol.split(|&byte| byte == b'/').all(is_token);
    if list(value).next().is_none() || !list(value).all(is_protocol) {
        return Err(BadResponse::InvalidUpgrade);
    }
    std::str::from_utf8(value).map_err(|_| BadResponse::InvalidUpgrade)
}

/// Finds the name for what httparse would not read.
#[cold]
fn judge(buf: &[u8], error: httparse::Error) -> BadResponse {
    match error {
        httparse::Error::Version | httparse::Error::Status => return BadResponse::InvalidStatusLine,
        _ => {}
    }
    if let Some(fault) = diagnose(buf, |_| None) {
        return fault;
    }
    match error {
        httparse::Error::TooManyHeaders => BadResponse::TooManyHeaders,
        httparse::Error::HeaderName => BadResponse::InvalidHeaderName,
        httparse::Error::HeaderValue => BadResponse::InvalidHeaderValue,
        _ => BadResponse::InvalidStatusLine,
    }
}
