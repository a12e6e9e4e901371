//! What a connection to an upstream says of the client before anything else: the PROXY protocol.
//!
//! Obeyed is HAProxy's `doc/proxy-protocol.txt`. A connection that has said whose it is is nobody else's: it is not kept
//! for other requests.

use std::net::{IpAddr, SocketAddr};

use portward_core::ProxyProtocol;

/// Is what is said at the beginning of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) version: ProxyProtocol,
    /// Client and listener; none if the connection is made for ourselves.
    pub(crate) ends: Option<(SocketAddr, SocketAddr)>,
}

impl Announced {
    /// The bytes; none if nothing is said.
    pub(super) fn header(&self) -> Option<Vec<u8>> {
        let ends = self.ends.map(|(client, local)| alike(client, local));
        match self.version {
            ProxyProtocol::Off => None,
            ProxyProtocol::V1 => Some(line(ends).into_bytes()),
            ProxyProtocol::V2 => Some(binary(ends)),
        }
    }
}

/// Both in one family: a header has no room for two.
fn alike(client: SocketAddr, local: SocketAddr) -> (SocketAddr, SocketAddr) {
    if client.is_ipv4() == local.is_ipv4() {
        return (client, local);
    }
    let mapped = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    };
    (mapped(client), mapped(local))
}

fn line(ends: Option<(SocketAddr, SocketAddr)>) -> String {
    let Some((client, local)) = ends else { return "PROXY UNKNOWN\r\n".to_owned() };
    let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
    format!("PROXY {family} {} {} {} {}\r\n", client.ip(), local.ip(), client.port(), local.port())
}

fn binary(ends: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    let Some((client, local)) = ends else {
        header.extend_from_slice(&[LOCAL, 0, 0, 0]);
        return header;
    };
    let (family, mut addresses) = (if client.is_ipv4() { TCP4 } else { TCP6 }, Vec::with_capacity(36));
    for end in [client, local] {
        match end.ip() {
            IpAddr::V4(ip) => addresses.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => addresses.extend_from_slice(&ip.octets()),
        }
    }
    for end in [client, local] {
        addresses.extend_from_slice(&end.port().to_be_bytes());
    }
    header.extend_from_slice(&[PROXY, family, 0, addresses.len() as u8]);
    header.extend_from_slice(&addresses);
    header
}

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2 and its commands.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

/// A stream over IPv4 or IPv6.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn header(version: ProxyProtocol, client: &str, local: &str) -> Vec<u8> {
        let ends = Some((client.parse().unwrap(), local.parse().unwrap()));
        Announced { version, ends }.header().unwrap()
    }

    #[test]
    fn version_1_is_a_line() {
        for (client, local, expected) in [
            ("192.0.2.1:1024", "198.51.100.2:443", "PROXY TCP4 192.0.2.1 198.51.100.2 1024 443\r\n"),
            ("[2001:db8::1]:65535", "[2001:db8::2]:1", "PROXY TCP6 2001:db8::1 2001:db8::2 65535 1\r\n"),
            ("192.0.2.1:1", "[::1]:2", "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"),
        ] {
            assert_eq!(String::from_utf8(header(ProxyProtocol::V1, client, local)).unwrap(), expected);
        }
        let ours = Announced { version: ProxyProtocol::V1, ends: None };
        assert_eq!(ours.header().unwrap(), b"PROXY UNKNOWN\r\n");
        assert_eq!(Announced { version: ProxyProtocol::Off, ends: None }.header(), None);
    }

    #[test]
    fn version_2_is_binary() {
        let rest = |header: Vec<u8>| header.strip_prefix(SIGNATURE).unwrap().to_vec();
        let four = rest(header(ProxyProtocol::V2, "192.0.2.1:258", "198.51.100.2:443"));
        assert_eq!(four, [0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 2, 1, 2, 1, 0xbb]);
        let six = rest(header(ProxyProtocol::V2, "[2001:db8::1]:258", "[::1]:443"));
        assert_eq!((&six[..6], six.len(), &six[36..]), (&[0x21, 0x21, 0, 36, 0x20, 1][..], 40, &[1, 2, 1, 0xbb][..]));
        let ours = Announced { version: ProxyProtocol::V2, ends: None };
        assert_eq!(rest(ours.header().unwrap()), [0x20, 0, 0, 0]);
    }
}
