//! Headers as they are read: where they are kept, how they are walked, and which of them mean something to a proxy.

use std::mem::MaybeUninit;

use super::limits::{CONNECTION_NAMES_MAX, HEADERS_MAX};
use super::text::{is_token, list};

/// Room for the header lines of one head: make it on the stack just before parsing and let it go with the head.
///
/// It has over 3 KiB, so it must not be alive across an `await`.
pub struct HeaderSlots<'a>(pub(super) [MaybeUninit<httparse::Header<'a>>; HEADERS_MAX]);

impl HeaderSlots<'_> {
    /// Makes empty room, at no cost.
    pub fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; HEADERS_MAX])
    }
}

impl Default for HeaderSlots<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// The header lines of a head, in their order.
#[derive(Clone, Copy, Debug)]
pub struct HeaderLines<'a>(pub(super) &'a [httparse::Header<'a>]);

/// Headers that can be walked more than once, wherever they are kept.
pub trait Headers<'a> {
    /// Walks the headers in their order, as name and value.
    fn walk(&self) -> impl Iterator<Item = (&'a str, &'a [u8])>;
}

impl<'a> Headers<'a> for HeaderLines<'a> {
    #[inline]
    fn walk(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.0.iter().map(|header| (header.name, header.value))
    }
}

impl<'a> Headers<'a> for &'a http::HeaderMap {
    #[inline]
    fn walk(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
    }
}

impl<'a> Headers<'a> for &'a [(&'a str, &'a [u8])] {
    #[inline]
    fn walk(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.iter().copied()
    }
}

/// What a header is to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing: it goes through.
    Other,
    /// Goes through, but HTTP/2 may have cut it into several (RFC 9113, section 8.2.3).
    Cookie,
    Host,
    ContentLength,
    TransferEncoding,
    /// `Content_Length` and `Transfer_Encoding`, which CGI, WSGI and their like cannot tell from the real ones.
    FramingLookAlike,
    Connection,
    Upgrade,
    Te,
    Expect,
    /// Means something to one connection only: `Keep-Alive`, `Proxy-Connection`, `HTTP2-Settings`.
    HopByHop,
    /// `Proxy`, which CGI programs take for the environment variable `HTTP_PROXY` (CVE-2016-5385).
    Proxy,
    Forwarded,
    ForwardedFor,
    ForwardedProto,
    ForwardedHost,
    ForwardedPort,
    /// Other `X-Forwarded-` headers and `X-Real-IP`: gone from strangers, kept from trusted proxies.
    ForwardedOther,
    /// Any of the forwarded family, spelled with `_`: gone, whoever sent it.
    ForwardedLookAlike,
    RequestId,
}

/// Tells what a header is to a proxy, by its name in any case of letters.
#[inline]
pub(super) fn kind(name: &str) -> Kind {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    let looks_like = |other: &str| looks_like(name.as_bytes(), other.as_bytes());
    match name.len() {
        2 if is("te") => Kind::Te,
        4 if is("host") => Kind::Host,
        5 if is("proxy") => Kind::Proxy,
        6 if is("cookie") => Kind::Cookie,
        6 if is("expect") => Kind::Expect,
        7 if is("upgrade") => Kind::Upgrade,
        9 if is("forwarded") => Kind::Forwarded,
        9 if is("x-real-ip") => Kind::ForwardedOther,
        9 if looks_like("x-real-ip") => Kind::ForwardedLookAlike,
        10 if is("connection") => Kind::Connection,
        10 if is("keep-alive") => Kind::HopByHop,
        12 if looks_like("x-request-id") => Kind::RequestId,
        14 if is("content-length") => Kind::ContentLength,
        14 if looks_like("content-length") => Kind::FramingLookAlike,
        14 if is("http2-settings") => Kind::HopByHop,
        16 if is("proxy-connection") => Kind::HopByHop,
        17 if is("transfer-encoding") => Kind::TransferEncoding,
        17 if looks_like("transfer-encoding") => Kind::FramingLookAlike,
        12.. => forwarded_kind(name.as_bytes()),
        _ => Kind::Other,
    }
}

fn forwarded_kind(name: &[u8]) -> Kind {
    let Some((start, rest)) = name.split_at_checked(FORWARDED_PREFIX.len()) else {
        return Kind::Other;
    };
    match rest {
        _ if !looks_like(start, FORWARDED_PREFIX) => Kind::Other,
        _ if name.contains(&b'_') => Kind::ForwardedLookAlike,
        _ if rest.eq_ignore_ascii_case(b"for") => Kind::ForwardedFor,
        _ if rest.eq_ignore_ascii_case(b"proto") => Kind::ForwardedProto,
        _ if rest.eq_ignore_ascii_case(b"host") => Kind::ForwardedHost,
        _ if rest.eq_ignore_ascii_case(b"port") => Kind::ForwardedPort,
        _ => Kind::ForwardedOther,
    }
}

/// What the `Connection` headers of a message say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ConnectionOptions<'a> {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) upgrade: bool,
    names: [&'a [u8]; CONNECTION_NAMES_MAX],
    named: usize,
}

/// Tells that a `Connection` header has something else than tokens, or names too many headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InvalidConnection;

impl<'a> ConnectionOptions<'a> {
    /// Takes one `Connection` header in.
    pub(super) fn read(&mut self, value: &'a [u8]) -> Result<(), InvalidConnection> {
        for option in list(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else if self.named < CONNECTION_NAMES_MAX && is_token(option) {
                self.names[self.named] = option;
                self.named += 1;
            } else {
                return Err(InvalidConnection);
            }
        }
        Ok(())
    }

    /// Tells whether a header was named, and so ends here. It is asked only for headers of no meaning to us: nobody
    /// can name away `Host`, the framing, or what Portward sets.
    #[inline]
    pub(super) fn names(&self, name: &str) -> bool {
        self.names[..self.named].iter().any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// Compares names in any case of letters and with `_` for `-`, as CGI and its successors do.
fn looks_like(name: &[u8], canonical: &[u8]) -> bool {
    name.len() == canonical.len()
        && name
            .iter()
            .zip(canonical)
            .all(|(byte, expected)| byte.eq_ignore_ascii_case(expected) || (*byte == b'_' && *expected == b'-'))
}

const FORWARDED_PREFIX: &[u8] = b"x-forwarded-";
