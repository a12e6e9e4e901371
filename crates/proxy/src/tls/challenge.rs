//! tls-alpn-01 (RFC 8737): who asks for `acme-tls/1` sees the certificate that answers a challenge, and nothing else.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use portward_core::{Host, HostName};
use rustls::{server::ClientHello, sign::CertifiedKey};

/// Says what a client wants, as far as it must be known before there is a session.
pub(super) enum Wanted {
    /// A link as an agent has it.
    Link,
    /// The certificate that answers the challenge for this host.
    Answer {
        /// Who is asked.
        host: Host,
        /// The certificate.
        key: Arc<CertifiedKey>,
    },
    /// A certificate that answers a challenge which is not there.
    Nothing {
        /// Who is asked, if it is a valid name.
        host: Option<Host>,
    },
    /// Something else.
    Sites,
}

/// Finds out what a client wants.
pub(super) fn wanted(hello: &ClientHello<'_>, challenges: &HashMap<Host, Arc<CertifiedKey>>) -> Wanted {
    if !is_for_challenge(hello) {
        return Wanted::Sites;
    }
    let host = hello.server_name().and_then(identifier);
    match host.as_ref().and_then(|host| challenges.get_key_value(host)) {
        Some((host, key)) => Wanted::Answer { host: host.clone(), key: Arc::clone(key) },
        None => Wanted::Nothing { host },
    }
}

/// Whether a client asks for a challenge: the only protocol that it offers is `acme-tls/1` (RFC 8737 section 3).
pub(super) fn is_for_challenge(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut offered| offered.next() == Some(ACME_TLS_1) && offered.next().is_none())
}

/// The identifier that a name in SNI stands for: the address of a reverse name (RFC 8738 section 6), else the name.
fn identifier(sni: &str) -> Option<Host> {
    let name = HostName::parse(sni).ok()?;
    Some(address(name.as_str()).map_or(Host::Name(name), Host::from))
}

/// The address that a canonical name is the reverse name of.
fn address(name: &str) -> Option<IpAddr> {
    if let Some(reversed) = name.strip_suffix(".in-addr.arpa") {
        let parts: Vec<&str> = reversed.rsplit('.').collect();
        return parts.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    }
    let mut nibbles = name.strip_suffix(".ip6.arpa")?.rsplit('.');
    let mut bits = 0_u128;
    for _ in 0..32 {
        let nibble = nibbles.next().filter(|nibble| nibble.len() == 1)?;
        bits = bits << 4 | u128::from(u8::from_str_radix(nibble, 16).ok()?);
    }
    nibbles.next().is_none().then(|| Ipv6Addr::from_bits(bits).into())
}

/// The protocol of tls-alpn-01 (RFC 8737 section 6.2).
pub(super) const ACME_TLS_1: &[u8] = b"acme-tls/1";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_reverse_name_stands_for_its_address_and_every_other_name_for_itself() {
        let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        for (sni, expected) in [
            ("1.2.0.192.in-addr.arpa", "192.0.2.1"),
            ("1.2.0.192.IN-ADDR.ARPA.", "192.0.2.1"),
            (v6, "2001:db8::1"),
            (&format!("{}.", v6.to_ascii_uppercase()), "2001:db8::1"),
            ("Shop.Test.", "shop.test"),
            ("2.0.192.in-addr.arpa", "2.0.192.in-addr.arpa"),
            ("0.1.2.0.192.in-addr.arpa", "0.1.2.0.192.in-addr.arpa"),
            ("01.2.0.192.in-addr.arpa", "01.2.0.192.in-addr.arpa"),
            ("256.2.0.192.in-addr.arpa", "256.2.0.192.in-addr.arpa"),
            ("in-addr.arpa", "in-addr.arpa"),
            ("ip6.arpa", "ip6.arpa"),
            (&v6[2..], &v6[2..]),
            (&format!("0.{v6}"), &format!("0.{v6}")),
            (&v6.replace('b', "bb"), &v6.replace('b', "bb")),
            (&v6.replace('b', "g"), &v6.replace('b', "g")),
        ] {
            assert_eq!(identifier(sni), Some(Host::parse(expected).unwrap()), "{sni}");
        }
        for sni in ["", ".", "a..test", "*.shop.test", "-.test"] {
            assert_eq!(identifier(sni), None, "{sni}");
        }
    }
}
