//! The header of the PROXY protocol, by which a proxy before us says who the client is: versions 1 and 2.
//!
//! Obeyed is HAProxy's `doc/proxy-protocol.txt`. A header is there in full or not at all; what does not match exactly
//! ends the connection, because behind it nobody knows whose bytes are read.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::{io::AsyncReadExt, net::TcpStream};

/// Is what the beginning of a connection says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// It is the beginning of a header, and no more: all of it belongs to the header.
    Partial,
    /// The header is there.
    Complete {
        /// The other end of the connection that the proxy took; none if the proxy speaks for itself (`LOCAL`), or says
        /// nothing that could be understood (`UNKNOWN`, and what is neither TCP over IPv4 nor over IPv6).
        client: Option<SocketAddr>,
        /// How many bytes the header has.
        len: usize,
    },
}

/// Says why the beginning of a connection is no header of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyHeaderError {
    /// It begins like neither version.
    #[error("it does not begin with a header of the PROXY protocol")]
    Missing,
    /// The line of version 1 does not end in time.
    #[error("its line of version 1 has no end within {MAX_LINE_BYTES} bytes")]
    LongLine,
    /// The line of version 1 is not as it must be.
    #[error(
        "its line of version 1 is none of PROXY TCP4, PROXY TCP6 and PROXY UNKNOWN with two addresses and two ports"
    )]
    Line,
    /// Neither `LOCAL` nor `PROXY` of version 2.
    #[error("its version and command, {0:#04x}, are neither LOCAL nor PROXY of version 2")]
    Command(u8),
    /// A family or a transport that there is not.
    #[error("its family and transport, {0:#04x}, are none of the PROXY protocol's")]
    Family(u8),
    /// Less than its addresses take.
    #[error("it has {given} bytes behind its head, and its addresses take {needed}")]
    Short {
        /// Bytes that it says to have.
        given: usize,
        /// Bytes that there must be.
        needed: usize,
    },
    /// More than anybody needs to say.
    #[error("it has {0} bytes behind its head, more than the {MAX_REST_BYTES} that are read")]
    Long(usize),
}

/// Says why no header was read from a connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadHeaderError {
    /// The peer closed the connection and had said nothing.
    #[error("the peer closed the connection without a word")]
    Nothing,
    /// The peer closed the connection within the header.
    #[error("the peer closed the connection within its header of the PROXY protocol")]
    Closed,
    /// The connection failed.
    #[error("the connection failed before its header of the PROXY protocol was there")]
    Io(#[source] io::Error),
    /// It is no header.
    #[error("the peer has to begin with a header of the PROXY protocol")]
    Header(#[source] ProxyHeaderError),
}

/// Reads a header at the start of `bytes`.
///
/// # Errors
///
/// Says what is wrong as soon as no more bytes could make it right.
pub fn parse(bytes: &[u8]) -> Result<Parsed, ProxyHeaderError> {
    let begins = |with: &[u8]| {
        let known = bytes.len().min(with.len());
        bytes[..known] == with[..known]
    };
    if begins(SIGNATURE) {
        parse_binary(bytes)
    } else if begins(b"PROXY ") {
        parse_line(bytes)
    } else {
        Err(ProxyHeaderError::Missing)
    }
}

/// Reads a header from a connection, and not one byte of what is behind it; gives the client that it names.
///
/// The caller limits the time.
pub(crate) async fn read(tcp: &mut TcpStream) -> Result<Option<SocketAddr>, ReadHeaderError> {
    let mut header = Vec::with_capacity(MAX_LINE_BYTES);
    let mut ahead = [0; MAX_LINE_BYTES];
    loop {
        let before = header.len();
        let seen = tcp.peek(&mut ahead).await.map_err(ReadHeaderError::Io)?;
        if seen == 0 {
            return Err(if before == 0 { ReadHeaderError::Nothing } else { ReadHeaderError::Closed });
        }
        header.extend_from_slice(&ahead[..seen]);
        let (own, found) = match parse(&header).map_err(ReadHeaderError::Header)? {
            Parsed::Partial => (seen, None),
            Parsed::Complete { client, len } => (len - before, Some(client)),
        };
        // Out of the socket with it; it is there already.
        tcp.read_exact(&mut ahead[..own]).await.map_err(ReadHeaderError::Io)?;
        if let Some(client) = found {
            return Ok(client);
        }
    }
}

fn parse_line(bytes: &[u8]) -> Result<Parsed, ProxyHeaderError> {
    let within = &bytes[..bytes.len().min(MAX_LINE_BYTES)];
    let Some(end) = within.iter().position(|&byte| byte == b'\n') else {
        // A carriage return ends the line together with a line feed, and is nowhere else.
        let is_lone = |at: usize| at + 1 < within.len();
        return match within.iter().position(|&byte| byte == b'\r') {
            Some(at) if is_lone(at) => Err(ProxyHeaderError::Line),
            _ if bytes.len() >= MAX_LINE_BYTES => Err(ProxyHeaderError::LongLine),
            _ => Ok(Parsed::Partial),
        };
    };
    let line = within[..end].strip_suffix(b"\r").ok_or(ProxyHeaderError::Line)?;
    if line.contains(&b'\r') {
        return Err(ProxyHeaderError::Line);
    }
    let client = said_by(line).ok_or(ProxyHeaderError::Line)?;
    Ok(Parsed::Complete { client, len: end + 1 })
}

/// What a line says, which may be that nothing is known; none if it is not as it must be.
fn said_by(line: &[u8]) -> Option<Option<SocketAddr>> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.split(' ').skip(1);
    let is_v4 = match words.next()? {
        "TCP4" => true,
        "TCP6" => false,
        // Whatever else such a line has is not looked at.
        "UNKNOWN" => return Some(None),
        _ => return None,
    };
    let address = |word: &str| match is_v4 {
        // Rust refuses heading zeroes, as the specification does.
        true => word.parse().ok().map(IpAddr::V4),
        false => word.parse().ok().map(IpAddr::V6),
    };
    let (source, _destination) = (address(words.next()?)?, address(words.next()?)?);
    let (port, _destination_port) = (port(words.next()?)?, port(words.next()?)?);
    words.next().is_none().then_some(Some(SocketAddr::new(source, port)))
}

fn port(word: &str) -> Option<u16> {
    let plain = word == "0" || (!word.starts_with('0') && word.bytes().all(|byte| byte.is_ascii_digit()));
    word.parse().ok().filter(|_| plain)
}

fn parse_binary(bytes: &[u8]) -> Result<Parsed, ProxyHeaderError> {
    let Some(&command) = bytes.get(12) else { return Ok(Parsed::Partial) };
    if ![LOCAL, PROXY].contains(&command) {
        return Err(ProxyHeaderError::Command(command));
    }
    let Some(&family) = bytes.get(13) else { return Ok(Parsed::Partial) };
    // A family that is not known must be rejected, of LOCAL it is ignored.
    if command == PROXY && (family >> 4 > 3 || family & 0x0f > 2) {
        return Err(ProxyHeaderError::Family(family));
    }
    let Some(&[high, low]) = bytes.get(14..16) else { return Ok(Parsed::Partial) };
    let given = usize::from(u16::from_be_bytes([high, low]));
    let needed = match (command, family) {
        (PROXY, TCP_OVER_IPV4 | UDP_OVER_IPV4) => 12,
        (PROXY, TCP_OVER_IPV6 | UDP_OVER_IPV6) => 36,
        (PROXY, UNIX_STREAM | UNIX_DATAGRAM) => 216,
        _ => 0,
    };
    if given < needed {
        return Err(ProxyHeaderError::Short { given, needed });
    }
    if given > MAX_REST_BYTES {
        return Err(ProxyHeaderError::Long(given));
    }
    let len = HEAD_BYTES + given;
    let Some(rest) = bytes.get(HEAD_BYTES..len) else { return Ok(Parsed::Partial) };
    let client = match (command, family) {
        (PROXY, TCP_OVER_IPV4) => take::<4>(rest, 0).map(Ipv4Addr::from).map(IpAddr::V4).zip(port_at(rest, 8)),
        (PROXY, TCP_OVER_IPV6) => take::<16>(rest, 0).map(Ipv6Addr::from).map(IpAddr::V6).zip(port_at(rest, 32)),
        // The real ends of the connection are used, as the specification says.
        _ => None,
    };
    // What is behind the addresses (TLVs) is of no use here.
    Ok(Parsed::Complete { client: client.map(SocketAddr::from), len })
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn port_at(bytes: &[u8], at: usize) -> Option<u16> {
    take(bytes, at).map(u16::from_be_bytes)
}

/// A header of version 2 for a connection that its sender makes on its own behalf: `LOCAL`, without addresses.
pub const LOCAL_HEADER: &[u8; HEAD_BYTES] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
const HEAD_BYTES: usize = 16;
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const TCP_OVER_IPV4: u8 = 0x11;
const UDP_OVER_IPV4: u8 = 0x12;
const TCP_OVER_IPV6: u8 = 0x21;
const UDP_OVER_IPV6: u8 = 0x22;
const UNIX_STREAM: u8 = 0x31;
const UNIX_DATAGRAM: u8 = 0x32;

/// The longest line of version 1, its end included (section 2.1).
const MAX_LINE_BYTES: usize = 107;
/// Addresses and TLVs of version 2: a few hundred bytes as a rule, some kilobytes with a client's certificate in them.
const MAX_REST_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests;
