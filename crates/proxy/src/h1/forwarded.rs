//! What an upstream is told about the client, and whose word is taken for it.
//!
//! `X-Forwarded-For`, `-Proto`, `-Host`, `-Port`, `Forwarded` (RFC 7239) and `X-Request-Id` are always ours: whatever
//! came under these names is taken off first, in any case of letters, with `_` for `-`, and however often.

use std::net::IpAddr;

use super::authority;
use super::headers::{Headers, Kind, kind};
use super::request::RequestHead;
use super::text::{is_token, list, push_address, push_decimal, push_header, split_unquoted, trim};

#[cfg(test)]
mod tests;

/// Facts of the downstream connection that are told to the upstream.
#[derive(Clone, Copy, Debug)]
pub struct Forwarded<'a> {
    /// The address of the peer.
    pub peer: IpAddr,
    /// The scheme of the binding.
    pub proto: Proto,
    /// The port of the binding.
    pub port: u16,
    /// The id of this request, of visible ASCII characters, set as `X-Request-Id`.
    pub request_id: &'a str,
    /// Whether the peer's own word about the client is taken.
    pub trust: Trust,
    /// What is said of the connection itself.
    pub connection: Told,
    /// The name of a cookie that is between the client and us, and not passed on.
    pub hidden_cookie: Option<&'a str>,
}

/// Tells what an upstream is told of the downstream connection itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing.
    Nothing,
    /// `X-Portward-Connection: outdated`: another one would be presented another certificate by now. A client that says
    /// so itself is believed, as it harms nobody else.
    Outdated,
}

/// A scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proto {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

impl Proto {
    /// Tells the scheme's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn parse(value: &[u8]) -> Option<Self> {
        match value {
            _ if value.eq_ignore_ascii_case(b"http") => Some(Self::Http),
            _ if value.eq_ignore_ascii_case(b"https") => Some(Self::Https),
            _ => None,
        }
    }
}

/// Tells whether a peer's forwarded headers are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Anybody: what the peer says about the client is dropped.
    Stranger,
    /// A proxy that the operator trusts: its lists are kept and appended to, its scheme and host are believed.
    Proxy,
}

/// What a trusted proxy said about the request as the client made it.
///
/// Of a list it is the last element: that one the proxy itself wrote, the others it may only have passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Believed<'a> {
    /// The scheme, if one was said.
    pub proto: Option<Proto>,
    /// The host, with or without a port, if a valid one was said.
    pub host: Option<&'a str>,
    /// The port, if one was said.
    pub port: Option<u16>,
}

impl<'a> Believed<'a> {
    /// Reads what a trusted proxy said; for a stranger it is nothing.
    ///
    /// `Forwarded` is read only if there is no `X-Forwarded-For`: a proxy that writes the latter mostly does not know
    /// the former, and lets a stranger's through.
    pub fn read<H: Headers<'a>>(headers: &H, trust: Trust) -> Self {
        let (mut said, mut standard) = (Self::default(), Self::default());
        if trust == Trust::Stranger {
            return said;
        }
        let mut addressed = false;
        for (name, value) in headers.walk() {
            let last = || value.rsplit(|&byte| byte == b',').next().map(trim);
            match kind(name) {
                Kind::ForwardedProto => said.proto = last().and_then(Proto::parse),
                Kind::ForwardedHost => said.host = last().and_then(authority::parse),
                Kind::ForwardedPort => {
                    said.port = last()
                        .and_then(|port| std::str::from_utf8(port).ok())
                        .filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
                        .and_then(|port| port.parse().ok());
                }
                Kind::Forwarded => {
                    let Some(elements) = split_unquoted(value, b',') else { continue };
                    let element = elements.last().copied().unwrap_or_default();
                    standard.proto = parameter(element, b"proto").and_then(Proto::parse);
                    standard.host = parameter(element, b"host").and_then(authority::parse);
                }
                Kind::ForwardedFor => addressed = true,
                _ => {}
            }
        }
        if addressed {
            standard = Self::default();
        }
        Self { proto: said.proto.or(standard.proto), host: said.host.or(standard.host), port: said.port }
    }
}

impl Believed<'_> {
    /// Tells the port that the client used: the one that was said, else what the host or the scheme implies. Our own
    /// port beside a believed `https` would send applications' redirects to a port that the client cannot reach.
    pub fn client_port(&self) -> Option<u16> {
        let in_host = || match self.host?.rsplit_once(':')? {
            (_, port) if !port.ends_with(']') => port.parse().ok(),
            _ => None,
        };
        let implied = || match self.proto? {
            Proto::Http => Some(80),
            Proto::Https => Some(443),
        };
        self.port.or_else(in_host).or_else(implied)
    }
}

/// Who a request comes from: of all that pass it on, from the last one back, the first that is not trusted.
///
/// What is before that one may be anything that it has made up. `addresses` are those of a list like `X-Forwarded-For`, the
/// newest last; `peer` is behind them all. Where one cannot be read, who has written it is taken.
pub fn client_of<'a>(
    addresses: impl DoubleEndedIterator<Item = &'a [u8]>,
    peer: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer.to_canonical();
    for address in addresses.rev() {
        let before = node_address(trim(address)).map(|address| address.to_canonical());
        let Some(before) = before.filter(|_| is_trusted(client)) else { break };
        client = before;
    }
    client
}

impl<'a> Believed<'a> {
    /// The addresses that a request passed before it came to `peer`, and who of them is its client; see [`client_of`].
    pub fn client<H: Headers<'a>>(headers: &H, peer: IpAddr, is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
        let mut addresses: Vec<&[u8]> = Vec::new();
        for (_, value) in headers.walk().filter(|(name, _)| kind(name) == Kind::ForwardedFor) {
            addresses.extend(list(value));
        }
        if addresses.is_empty() {
            for (_, value) in headers.walk().filter(|(name, _)| kind(name) == Kind::Forwarded) {
                let elements = split_unquoted(value, b',').unwrap_or_default();
                addresses.extend(elements.into_iter().map(|element| parameter(element, b"for").unwrap_or_default()));
            }
        }
        client_of(addresses.into_iter(), peer, is_trusted)
    }
}

impl Forwarded<'_> {
    pub(super) fn trusts_peer(&self) -> bool {
        self.trust == Trust::Proxy
    }

    /// Appends the whole family of headers.
    pub(super) fn write<'a, H: Headers<'a>>(&self, head: &RequestHead<'a, H>, out: &mut Vec<u8>) {
        let said = Believed::read(&head.headers, self.trust);
        let proto = said.proto.unwrap_or(self.proto);
        let host = said.host.unwrap_or(head.host);
        let peer = self.peer.to_canonical();

        out.extend_from_slice(b"X-Forwarded-For: ");
        if self.trusts_peer() {
            write_addresses(&head.headers, out);
        }
        let start = out.len();
        push_address(peer, out);
        let address = start..out.len();
        out.extend_from_slice(b"\r\nX-Forwarded-Proto: ");
        out.extend_from_slice(proto.as_str().as_bytes());
        out.extend_from_slice(b"\r\nX-Forwarded-Host: ");
        out.extend_from_slice(host.as_bytes());
        out.extend_from_slice(b"\r\nX-Forwarded-Port: ");
        push_decimal(said.client_port().unwrap_or(self.port).into(), out);
        out.extend_from_slice(b"\r\nForwarded: ");
        if self.trusts_peer() {
            write_elements(&head.headers, out);
        }
        out.extend_from_slice(b"for=");
        match peer {
            IpAddr::V4(_) => out.extend_from_within(address),
            IpAddr::V6(_) => {
                out.extend_from_slice(b"\"[");
                out.extend_from_within(address);
                out.extend_from_slice(b"]\"");
            }
        }
        out.extend_from_slice(b";host=");
        // A token needs no quotes; a colon and brackets do (RFC 7239, section 4).
        if is_token(host.as_bytes()) {
            out.extend_from_slice(host.as_bytes());
        } else {
            out.push(b'"');
            out.extend_from_slice(host.as_bytes());
            out.push(b'"');
        }
        out.extend_from_slice(b";proto=");
        out.extend_from_slice(proto.as_str().as_bytes());
        out.extend_from_slice(b"\r\n");
        push_header("X-Request-Id", self.request_id.as_bytes(), out);
        if self.connection == Told::Outdated {
            out.extend_from_slice(b"X-Portward-Connection: outdated\r\n");
        }
    }
}

/// Appends a trusted proxy's list of addresses, from `X-Forwarded-For`, else from `Forwarded`, each with a comma.
///
/// Both lists are to tell the same, so that an application that reads one sees what another sees in the other.
fn write_addresses<'a>(headers: &impl Headers<'a>, out: &mut Vec<u8>) {
    let mut found = false;
    for (_, value) in headers.walk().filter(|(name, _)| kind(name) == Kind::ForwardedFor) {
        for address in list(value).filter(|address| is_plain(address)) {
            found = true;
            out.extend_from_slice(address);
            out.extend_from_slice(b", ");
        }
    }
    if found {
        return;
    }
    for (_, value) in headers.walk().filter(|(name, _)| kind(name) == Kind::Forwarded) {
        for element in split_unquoted(value, b',').unwrap_or_default() {
            match parameter(element, b"for").and_then(node_address) {
                Some(address) => push_address(address, out),
                None => out.extend_from_slice(b"unknown"),
            }
            out.extend_from_slice(b", ");
        }
    }
}

/// Appends a trusted proxy's addresses of `X-Forwarded-For` as elements, else its elements of `Forwarded`.
fn write_elements<'a>(headers: &impl Headers<'a>, out: &mut Vec<u8>) {
    let mut found = false;
    for (_, value) in headers.walk().filter(|(name, _)| kind(name) == Kind::ForwardedFor) {
        for address in list(value) {
            found = true;
            match node_address(address) {
                Some(address @ IpAddr::V4(_)) => {
                    out.extend_from_slice(b"for=");
                    push_address(address, out);
                }
                Some(address @ IpAddr::V6(_)) => {
                    out.extend_from_slice(b"for=\"[");
                    push_address(address, out);
                    out.extend_from_slice(b"]\"");
                }
                None => out.extend_from_slice(b"for=unknown"),
            }
            out.extend_from_slice(b", ");
        }
    }
    if found {
        return;
    }
    for (_, value) in headers.walk().filter(|(name, _)| kind(name) == Kind::Forwarded) {
        let elements = split_unquoted(value, b',').unwrap_or_default();
        for element in elements.into_iter().filter(|element| is_plain(element)) {
            out.extend_from_slice(element);
            out.extend_from_slice(b", ");
        }
    }
}

/// Finds one parameter of an element of `Forwarded`, without its quotes.
fn parameter<'a>(element: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    split_unquoted(element, b';')?.into_iter().find_map(|pair| {
        let equals = pair.iter().position(|&byte| byte == b'=')?;
        if !pair[..equals].eq_ignore_ascii_case(name) {
            return None;
        }
        let value = &pair[equals + 1..];
        match value {
            [b'"', inner @ .., b'"'] => (!inner.contains(&b'\\')).then_some(inner),
            _ => Some(value),
        }
    })
}

/// Reads an address as proxies write it: plain, in brackets, or with a port.
fn node_address(node: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(node).ok()?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']').and_then(|(address, _)| address.parse().ok()).map(IpAddr::V6);
    }
    text.split_once(':').and_then(|(address, _)| address.parse().ok()).map(IpAddr::V4)
}

fn is_plain(element: &[u8]) -> bool {
    !element.is_empty() && element.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')
}
