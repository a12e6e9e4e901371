//! Host names and authorities, as they stand in URLs, `Host` headers and SNI.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

/// Is a DNS name in its one canonical spelling: ASCII, lower case, A-labels (RFC 5890), no trailing dot.
///
/// Clones share it, as a name stands in a record, in what is served, and wherever it is looked up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Arc<str>);

/// Is a host: a DNS name or an IP address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A DNS name.
    Name(HostName),
    /// An IP address; an IPv4-mapped IPv6 address is held as IPv4.
    Ip(IpAddr),
}

/// Is the `host[:port]` of a URL or a `Host` header (RFC 9110 section 7.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority {
    /// Who is asked.
    pub host: Host,
    /// The port, where one is named.
    pub port: Option<u16>,
}

/// Says why a text is no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// There is nothing.
    #[error("the host name is empty")]
    Empty,
    /// It begins like a URL.
    #[error("\"{0}\" is a URL; give the host name alone, without http:// or https://")]
    Url(String),
    /// A label is empty, too long, or begins or ends with a hyphen.
    #[error(
        "\"{0}\" is not a host name: each part between dots has 1 to 63 letters, digits, hyphens or underscores, and neither begins nor ends with a hyphen"
    )]
    Label(String),
    /// It has a character that no host name has, or is not valid IDNA.
    #[error("\"{0}\" has a character that a host name cannot have")]
    Character(String),
    /// It is longer than DNS allows.
    #[error("the host name has {0} characters; DNS allows 253")]
    TooLong(usize),
    /// It ends in a number but is no IPv4 address.
    #[error("\"{0}\" is neither an IPv4 address nor a host name, which cannot end in a number")]
    Number(String),
    /// It has brackets but no IPv6 address in them.
    #[error("\"{0}\" is not an IPv6 address in brackets")]
    Ipv6(String),
    /// What follows the colon is no port.
    #[error("\"{0}\" does not end in a port between 1 and 65535")]
    Port(String),
    /// A wildcard stands where one host is meant, or not as the whole first part.
    #[error("\"{0}\": a wildcard is *. before a name with at least two parts, as in *.shop.example")]
    Wildcard(String),
}

impl HostName {
    /// Reads a name in any spelling: Unicode or A-labels, any case, one trailing dot.
    ///
    /// Mapping follows UTS #46. Underscores are accepted, as names in private networks have them.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let trimmed = text.strip_suffix('.').unwrap_or(text);
        if trimmed.is_empty() {
            return Err(HostError::Empty);
        }
        if trimmed.contains("://") {
            return Err(HostError::Url(text.to_owned()));
        }
        if trimmed.contains('*') {
            return Err(HostError::Wildcard(text.to_owned()));
        }
        let ascii: Arc<str> = if is_plain(trimmed) {
            trimmed.into()
        } else {
            let mapped = idna::domain_to_ascii_cow(trimmed.as_bytes(), idna::AsciiDenyList::URL)
                .map_err(|_| HostError::Character(text.to_owned()))?;
            mapped.strip_suffix('.').unwrap_or(&mapped).into()
        };
        check(&ascii, text)?;
        Ok(Self(ascii))
    }

    /// The name in ASCII.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its text, shared.
    pub fn text(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The name without its first label; none if that leaves a single label or nothing.
    ///
    /// A wildcard never stands for the part before a single label such as `localhost`.
    pub fn parent(&self) -> Option<&str> {
        let (_, parent) = self.0.split_once('.')?;
        parent.contains('.').then_some(parent)
    }
}

impl Host {
    /// Reads a name, an IPv4 address, or an IPv6 address with or without brackets.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or_else(|| HostError::Ipv6(text.to_owned()))?;
            let address: Ipv6Addr = inner.parse().map_err(|_| HostError::Ipv6(text.to_owned()))?;
            return Ok(Self::from(IpAddr::V6(address)));
        }
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(Self::from(IpAddr::V6(address)));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Ip(IpAddr::V4(address)));
        }
        HostName::parse(text).map(Self::Name)
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address.to_canonical())
    }
}

impl Authority {
    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`; an empty port is none (RFC 3986 section 3.2.3).
    ///
    /// User information is refused.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let split = if text.starts_with('[') {
            let end = text.find(']').ok_or_else(|| HostError::Ipv6(text.to_owned()))? + 1;
            let (host, rest) = text.split_at(end);
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err(HostError::Ipv6(text.to_owned())),
            }
        } else {
            match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let (host, port) = split;
        let port = match port {
            None | Some("") => None,
            Some(digits) => Some(parse_port(digits).ok_or_else(|| HostError::Port(text.to_owned()))?),
        };
        Ok(Self { host: Host::parse(host)?, port })
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As in a URL: an IPv6 address stands in brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Ip(IpAddr::V4(address)) => address.fmt(f),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

/// A port of 1 to 65535 in digits alone.
pub(crate) fn parse_port(digits: &str) -> Option<u16> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|port| *port != 0)
}

/// Whether the name needs no mapping: the common case on the request path.
fn is_plain(name: &str) -> bool {
    !name.contains("xn--") && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}

fn check(ascii: &str, given: &str) -> Result<(), HostError> {
    if ascii.is_empty() {
        return Err(HostError::Empty);
    }
    if ascii.len() > 253 {
        return Err(HostError::TooLong(ascii.len()));
    }
    for label in ascii.split('.') {
        if label.is_empty() || label.len() > 63 || label.starts_with('-') || label.ends_with('-') {
            return Err(HostError::Label(given.to_owned()));
        }
        if !label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')) {
            return Err(HostError::Character(given.to_owned()));
        }
    }
    let last = ascii.rsplit('.').next().unwrap_or(ascii);
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(HostError::Number(given.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn one_name_has_one_spelling() {
        for (given, canonical) in [
            ("shop.test", "shop.test"),
            ("SHOP.Test", "shop.test"),
            ("shop.test.", "shop.test"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example.", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("my_host", "my_host"),
            ("faß.de", "xn--fa-hia.de"),
            ("shop。test", "shop.test"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(HostName::parse(given).unwrap().as_str(), canonical, "{given}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long_label = format!("{}.test", "a".repeat(64));
        let long_name = vec!["a".repeat(60); 5].join(".");
        for bad in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "-a.test",
            "a-.test",
            "a b",
            "a/b",
            "a@b",
            "a:80",
            "a\0b",
            "a%41",
            "1.2.3",
            "a.1",
            "1.2.3.4.5",
            "256.1.1.1",
            "*",
            "*.a.test",
            "https://a.test",
            "xn--\u{fc}",
            "xn--zzzzzzzzz-",
            &long_label,
            &long_name,
        ] {
            assert!(HostName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        for (given, shown) in [
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("::1", "[::1]"),
            ("[0:0::1]", "[::1]"),
            ("[::ffff:10.0.0.1]", "10.0.0.1"),
            ("Shop.Test", "shop.test"),
        ] {
            assert_eq!(Host::parse(given).unwrap().to_string(), shown, "{given}");
        }
        for bad in ["[::1", "[127.0.0.1]", "[]", "[fe80::1%25eth0]", "::g"] {
            assert!(Host::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn authorities_split_at_the_port() {
        for (given, shown) in [
            ("shop.test", "shop.test"),
            ("shop.test:", "shop.test"),
            ("shop.test:8443", "shop.test:8443"),
            ("[::1]:8443", "[::1]:8443"),
            ("127.0.0.1:80", "127.0.0.1:80"),
        ] {
            assert_eq!(Authority::parse(given).unwrap().to_string(), shown, "{given}");
        }
        for bad in
            ["", ":80", "a.test:0", "a.test:65536", "a.test:+80", "a.test:8 0", "u@a.test", "[::1]80", "::1:80:x"]
        {
            assert!(Authority::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_a_name_with_two_parts_after_the_first_has_a_parent() {
        let parent = |name: &str| HostName::parse(name).unwrap().parent().map(str::to_owned);
        assert_eq!(parent("a.shop.test").as_deref(), Some("shop.test"));
        assert_eq!(parent("shop.test"), None);
        assert_eq!(parent("localhost"), None);
    }
}
