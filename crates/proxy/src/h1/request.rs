//! Request heads: parsed, checked, rewritten for the upstream.

use super::forwarded::Forwarded;
use super::headers::{ConnectionOptions, HeaderLines, HeaderSlots, Headers, Kind, kind};
use super::length::{BodyLength, Framing};
use super::limits::{HEADERS_MAX, HeadLimits, METHOD_BYTES};
use super::lines::{check_line_ends, diagnose};
use super::refusal::Refusal;
use super::text::{is_tchar, is_token, list, push_decimal, push_header};
use super::{KeepAlive, Parsed, Version, authority};

#[cfg(test)]
pub(super) mod tests;

/// A request head that passed every check, read by [`parse`] or, for HTTP/2, by [`super::downgrade::check`].
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a, H = HeaderLines<'a>> {
    /// The method, as received.
    pub method: &'a str,
    /// The request target, as received (RFC 9112, section 3.2).
    pub target: &'a str,
    /// The path and query that are forwarded: starts with `/`, or is `*` for `OPTIONS`.
    pub path_and_query: &'a str,
    /// The one authority, `host` or `host:port`, as received (the case is the client's).
    pub host: &'a str,
    /// The version that the client speaks.
    pub version: Version,
    /// The length of the body.
    pub body: BodyLength,
    /// Whether the client can take another response on this connection.
    pub keep_alive: KeepAlive,
    /// Whether the client waits for a `100 Continue` before it sends the body.
    ///
    /// The expectation is not forwarded: who reads the body answers `100 Continue` first.
    pub expect_continue: bool,
    /// The protocols of the `Upgrade` header, if the request asks for an upgrade.
    ///
    /// The connection becomes a tunnel only after the upstream answered 101 and the request's body has gone.
    /// `h2c` is never passed on: a tunnel of requests that nobody checks is what it is abused for.
    pub upgrade: Option<&'a str>,
    /// Whether the client reads trailers (`TE: trailers`).
    pub te_trailers: bool,
    /// All headers, as received.
    pub headers: H,
    pub(super) connection: ConnectionOptions<'a>,
}

/// What a response must be read against: the part of the request that decides whether there is a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Whether the method was `HEAD`.
    pub head: bool,
    /// Whether the request asked for an upgrade.
    pub upgrade: bool,
}

impl<'a, H: Headers<'a>> RequestHead<'a, H> {
    /// Tells what the response must be read against.
    pub fn asked(&self) -> Asked {
        Asked { head: self.method == "HEAD", upgrade: self.upgrade.is_some() }
    }

    /// Finds the first header of the name, in any case of letters.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.walk().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Reads one request head from the start of `buf`.
///
/// Call it again with more bytes after [`Parsed::Partial`]. After a [`Refusal`] nothing more can be read from the
/// connection: answer and close.
pub fn parse<'a>(
    buf: &'a [u8],
    limits: &HeadLimits,
    slots: &'a mut HeaderSlots<'a>,
) -> Result<Parsed<RequestHead<'a>>, Refusal> {
    // One empty line may be left over from the message before (RFC 9112, section 2.2).
    let skipped = match buf {
        [] | [b'\r'] | [b'\r', b'\n'] => return Ok(Parsed::Partial),
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    };
    let rest = &buf[skipped..];
    match rest {
        [b'\n', ..] => return Err(Refusal::BareLf),
        [b'\r'] if skipped > 0 => return Ok(Parsed::Partial),
        [b'\r', b'\n', ..] => return Err(Refusal::InvalidRequestLine),
        [b'\r', ..] => return Err(Refusal::BareCr),
        _ => {}
    }

    let mut tokens = httparse::Request::new(&mut []);
    let slots = &mut slots.0[..limits.headers.min(HEADERS_MAX)];
    let len = match tokens.parse_with_uninit_headers(rest, slots) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => {
            return match (tokens.method, tokens.path) {
                (None, _) if rest.len() > METHOD_BYTES => Err(Refusal::InvalidMethod),
                (Some(method), _) if method.len() > METHOD_BYTES => Err(Refusal::InvalidMethod),
                (_, Some(target)) if target.len() > limits.target_bytes => Err(Refusal::TargetTooLong),
                (Some(method), None) if rest.len() - method.len() > limits.target_bytes + 1 => {
                    Err(Refusal::TargetTooLong)
                }
                _ if rest.len() >= limits.head_bytes => Err(Refusal::HeadTooLarge),
                _ => Ok(Parsed::Partial),
            };
        }
        Err(error) => return Err(judge(rest, error)),
    };
    let headers: &'a [httparse::Header<'a>] = tokens.headers;
    let head = &rest[..len];
    check_line_ends(head, headers)?;
    let (Some(method), Some(target), Some(minor)) = (tokens.method, tokens.path, tokens.version) else {
        return Err(Refusal::InvalidRequestLine);
    };
    if len > limits.head_bytes {
        return Err(Refusal::HeadTooLarge);
    }
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    check_method(method)?;
    let (authority, path_and_query) = split_target(method, target, limits)?;

    let gathered = gather(&HeaderLines(headers), authority)?;
    let body = gathered.framing.of_request(version)?;
    let connection = gathered.connection;
    let keep_alive = match version {
        _ if connection.close => KeepAlive::Close,
        Version::Http10 if !connection.keep_alive => KeepAlive::Close,
        _ => KeepAlive::Keep,
    };
    let http11 = version == Version::Http11;
    Ok(Parsed::Complete {
        head: RequestHead {
            method,
            target,
            path_and_query,
            host: gathered.host,
            version,
            body,
            keep_alive,
            // An HTTP/1.0 client cannot read an interim response (RFC 9110, section 10.1.1).
            expect_continue: http11
                && gathered.expect_continue
                && !matches!(body, BodyLength::None | BodyLength::Exact(0)),
            // RFC 9110, section 7.8: ignored in HTTP/1.0.
            upgrade: if http11 && connection.upgrade { gathered.upgrade()? } else { None },
            te_trailers: gathered.te_trailers,
            headers: HeaderLines(headers),
            connection,
        },
        len: skipped + len,
    })
}

/// Appends the head as it goes to the upstream: HTTP/1.1, framing written from [`RequestHead::body`], hop-by-hop
/// headers gone, what `forwarded` says set and every spelling of it that a stranger sent gone.
///
/// `TE: trailers` is passed on as such, with the `Connection: TE` that belongs to it; `Expect` is not passed on.
pub fn write_upstream<'a, H: Headers<'a>>(head: &RequestHead<'a, H>, forwarded: &Forwarded<'_>, out: &mut Vec<u8>) {
    for part in [head.method, " ", head.path_and_query, " HTTP/1.1\r\nHost: ", head.host, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    let mut cookies = None;
    for (name, value) in head.headers.walk() {
        match kind(name) {
            // HTTP/1.1 wants what HTTP/2 cut up in one piece (RFC 9113, section 8.2.3).
            Kind::Cookie if head.version == Version::Http2 || forwarded.hidden_cookie.is_some() => {
                let cookies = cookies.get_or_insert_with(Vec::new);
                push_cookies(value, forwarded.hidden_cookie, cookies);
            }
            Kind::Other | Kind::Cookie if !head.connection.names(name) => {
                push_header(name, value, out);
            }
            Kind::ForwardedOther if forwarded.trusts_peer() => push_header(name, value, out),
            _ => {}
        }
    }
    if let Some(cookies) = cookies.filter(|cookies| !cookies.is_empty()) {
        push_header("Cookie", &cookies, out);
    }
    match head.body {
        BodyLength::Exact(bytes) => {
            out.extend_from_slice(b"Content-Length: ");
            push_decimal(bytes, out);
            out.extend_from_slice(b"\r\n");
        }
        BodyLength::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        // A request never lasts until close.
        BodyLength::None | BodyLength::UntilClose => {}
    }
    match (head.upgrade, head.te_trailers) {
        (Some(_), true) => out.extend_from_slice(b"Connection: upgrade, TE\r\n"),
        (Some(_), false) => out.extend_from_slice(b"Connection: upgrade\r\n"),
        (None, true) => out.extend_from_slice(b"Connection: TE\r\n"),
        (None, false) => {}
    }
    if let Some(protocols) = head.upgrade {
        push_header("Upgrade", protocols.as_bytes(), out);
    }
    if head.te_trailers {
        out.extend_from_slice(b"TE: trailers\r\n");
    }
    forwarded.write(head, out);
    out.extend_from_slice(b"\r\n");
}

/// Appends cookies to others, without the one that is not passed on.
fn push_cookies(value: &[u8], hidden: Option<&str>, out: &mut Vec<u8>) {
    let mut push = |cookies: &[u8]| {
        if !out.is_empty() {
            out.extend_from_slice(b"; ");
        }
        out.extend_from_slice(cookies);
    };
    let Some(hidden) = hidden else { return push(value) };
    let is_hidden = |cookie: &[u8]| cookie.strip_prefix(hidden.as_bytes()).is_some_and(|rest| rest.starts_with(b"="));
    let cookies = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    cookies.filter(|cookie| !cookie.is_empty() && !is_hidden(cookie)).for_each(push);
}

/// What one walk over the headers of a request finds.
pub(super) struct Gathered<'a> {
    pub(super) host: &'a str,
    pub(super) framing: Framing<'a>,
    pub(super) connection: ConnectionOptions<'a>,
    pub(super) expect_continue: bool,
    pub(super) te_trailers: bool,
    upgrades: [Option<&'a [u8]>; 2],
}

impl<'a> Gathered<'a> {
    fn upgrade(&self) -> Result<Option<&'a str>, Refusal> {
        let value = match self.upgrades {
            [None, _] => return Ok(None),
            [Some(value), None] => value,
            [Some(_), Some(_)] => return Err(Refusal::InvalidUpgrade),
        };
        let is_protocol = |protocol: &[u8]| protocol.split(|&byte| byte == b'/').all(is_token);
        if list(value).next().is_none() || !list(value).all(is_protocol) {
            return Err(Refusal::InvalidUpgrade);
        }
        if list(value).any(|protocol| protocol.eq_ignore_ascii_case(b"h2c")) {
            return Ok(None);
        }
        std::str::from_utf8(value).map(Some).map_err(|_| Refusal::InvalidUpgrade)
    }
}

/// Walks the headers once; `authority` is the one that the request line or `:authority` named.
pub(super) fn gather<'a>(headers: &impl Headers<'a>, authority: Option<&'a str>) -> Result<Gathered<'a>, Refusal> {
    let mut host = None;
    let mut gathered = Gathered {
        host: "",
        framing: Framing::default(),
        connection: ConnectionOptions::default(),
        expect_continue: false,
        te_trailers: false,
        upgrades: [None; 2],
    };
    for (name, value) in headers.walk() {
        match kind(name) {
            Kind::Host => match host.replace(value) {
                None => {}
                Some(_) => return Err(Refusal::DuplicateHost),
            },
            Kind::ContentLength => gathered.framing.content_length(value)?,
            Kind::TransferEncoding => gathered.framing.transfer_encoding(value)?,
            Kind::FramingLookAlike => return Err(Refusal::FramingLookAlike),
            Kind::Connection => gathered.connection.read(value)?,
            Kind::Upgrade => gathered.upgrades = [Some(value), gathered.upgrades[0]],
            Kind::Te => {
                gathered.te_trailers |= list(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
            }
            Kind::Expect => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refusal::UnknownExpectation);
                }
                gathered.expect_continue = true;
            }
            _ => {}
        }
    }
    gathered.host = match (host, authority) {
        (None, None) => return Err(Refusal::MissingHost),
        (Some(host), None) => authority::parse(host).ok_or(Refusal::InvalidHost)?,
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority.as_bytes()) => {
            return Err(Refusal::HostMismatch);
        }
        (_, Some(authority)) => authority,
    };
    Ok(gathered)
}

/// Checks the method: a token that is not too long and that a reverse proxy can serve.
pub(super) fn check_method(method: &str) -> Result<(), Refusal> {
    match method {
        "CONNECT" => Err(Refusal::ConnectNotSupported),
        "TRACE" => Err(Refusal::TraceNotSupported),
        _ if method.len() > METHOD_BYTES || !is_token(method.as_bytes()) => Err(Refusal::InvalidMethod),
        _ => Ok(()),
    }
}

/// Splits a request target into its authority, if it has one, and what is forwarded (RFC 9112, section 3.2).
pub(super) fn split_target<'a>(
    method: &str,
    target: &'a str,
    limits: &HeadLimits,
) -> Result<(Option<&'a str>, &'a str), Refusal> {
    if target.len() > limits.target_bytes {
        return Err(Refusal::TargetTooLong);
    }
    // Browsers send more than RFC 3986 allows (`|`, `{`, `"`); it is harmless. A fragment, a space or a byte above
    // ASCII is not: applications differ in what they make of them.
    if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(Refusal::InvalidTarget);
    }
    if target.starts_with('/') {
        return Ok((None, target));
    }
    if target == "*" && method == "OPTIONS" {
        return Ok((None, target));
    }
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| {
            let (start, rest) = target.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(rest)
        })
        .ok_or(Refusal::InvalidTarget)?;
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = authority::parse(host.as_bytes()).ok_or(Refusal::InvalidHost)?;
    match path {
        "" if method == "OPTIONS" => Ok((Some(host), "*")),
        "" => Ok((Some(host), "/")),
        // `http://host?query`: nothing that is sent to a server writes it, and it has no path to forward.
        _ if path.starts_with('?') => Err(Refusal::InvalidTarget),
        _ => Ok((Some(host), path)),
    }
}

/// Finds the name for what httparse would not read.
#[cold]
fn judge(buf: &[u8], error: httparse::Error) -> Refusal {
    if let Some(refusal) = diagnose(buf, request_line_fault) {
        return refusal;
    }
    match error {
        httparse::Error::TooManyHeaders => Refusal::TooManyHeaders,
        httparse::Error::HeaderName => Refusal::InvalidHeaderName,
        httparse::Error::HeaderValue => Refusal::InvalidHeaderValue,
        _ => Refusal::InvalidRequestLine,
    }
}

fn request_line_fault(line: &[u8]) -> Option<Refusal> {
    let mut parts = line.splitn(3, |&byte| byte == b' ');
    let method = parts.next().unwrap_or_default();
    if method.is_empty() || !method.iter().all(|&byte| is_tchar(byte)) {
        return Some(Refusal::InvalidMethod);
    }
    let target = parts.next()?;
    if target.is_empty() {
        return Some(Refusal::InvalidRequestLine);
    }
    if !target.iter().all(|byte| byte.is_ascii_graphic()) {
        return Some(Refusal::InvalidTarget);
    }
    match parts.next()? {
        b"HTTP/1.0" | b"HTTP/1.1" => None,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Some(Refusal::UnsupportedVersion)
        }
        _ => Some(Refusal::InvalidRequestLine),
    }
}
