//! Bindings: where Portward accepts connections.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use crate::{BindingId, CertificateId, Host, HostError, host::Authority};

/// Is a scheme, an address and a port that Portward accepts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Names the binding.
    pub id: BindingId,
    /// Plain or TLS.
    pub scheme: Scheme,
    /// Address and port; an unspecified IPv6 address takes IPv4 connections too.
    pub address: SocketAddr,
    /// For https: what is served to a name that no certificate has, and to clients that name none.
    pub default_certificate: Option<CertificateId>,
}

/// Is the protocol of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// HTTP in the clear.
    Http,
    /// HTTP over TLS.
    Https,
}

/// Says why a text is no binding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingUrlError {
    /// It does not begin with a scheme of ours.
    #[error(
        "\"{0}\" does not begin with http:// or https://; a binding is http://ADDRESS:PORT or https://ADDRESS:PORT"
    )]
    Scheme(String),
    /// It has a path, a query or a fragment.
    #[error("\"{0}\" has something after the port; a binding has no path: sites decide by host name")]
    Path(String),
    /// Its host is a name.
    #[error(
        "\"{0}\" names a host; a binding needs an IP address of this machine: 0.0.0.0 for all of IPv4, [::] for all addresses, 127.0.0.1 for this machine alone"
    )]
    Name(String),
    /// Its address or port cannot be read.
    #[error("the address of the binding cannot be read")]
    Address(#[source] HostError),
}

impl Binding {
    /// Reads `http://ADDR[:PORT]` or `https://ADDR[:PORT]`; the port is 80 or 443 if none is given,
    /// and 0 stands for any that is free.
    pub fn parse_url(text: &str) -> Result<(Scheme, SocketAddr), BindingUrlError> {
        let (scheme, rest) = Scheme::split_url(text).ok_or_else(|| BindingUrlError::Scheme(text.to_owned()))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(BindingUrlError::Path(text.to_owned()));
        }
        if rest.starts_with(['*', '+']) {
            return Err(BindingUrlError::Name(text.to_owned()));
        }
        // Any free port: an authority cannot have port 0, a binding can.
        let (rest, free_port) = match rest.strip_suffix(":0") {
            Some(host) => (host, true),
            None => (rest, false),
        };
        if free_port && !rest.ends_with(']') && rest.contains(':') {
            return Err(BindingUrlError::Address(HostError::Port(text.to_owned())));
        }
        let authority = Authority::parse(rest).map_err(BindingUrlError::Address)?;
        let Host::Ip(address) = authority.host else {
            return Err(BindingUrlError::Name(text.to_owned()));
        };
        let port = if free_port { 0 } else { authority.port.unwrap_or_else(|| scheme.default_port()) };
        Ok((scheme, SocketAddr::new(address, port)))
    }

    /// The binding as a URL, always with its port.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Whether the operating system would refuse both at once: same port, and addresses that overlap.
    ///
    /// Bindings on any free port never do.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.address.port() != 0
            && self.address.port() == other.address.port()
            && addresses_overlap(self.address.ip(), other.address.ip())
    }
}

impl Scheme {
    /// 80 or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The scheme of a URL of ours, in any case, and what follows `://`.
    pub(crate) fn split_url(text: &str) -> Option<(Self, &str)> {
        let (scheme, rest) = text.trim().split_once("://")?;
        if scheme.eq_ignore_ascii_case("http") {
            Some((Self::Http, rest))
        } else if scheme.eq_ignore_ascii_case("https") {
            Some((Self::Https, rest))
        } else {
            None
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether one address takes connections that come to the other; an unspecified IPv6 address takes all.
pub fn addresses_overlap(one: IpAddr, other: IpAddr) -> bool {
    let takes_all = |address: IpAddr, other: IpAddr| match address {
        IpAddr::V6(v6) => v6.is_unspecified(),
        IpAddr::V4(v4) => v4.is_unspecified() && other.is_ipv4(),
    };
    one == other || takes_all(one, other) || takes_all(other, one)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn binding(url: &str) -> Binding {
        let (scheme, address) = Binding::parse_url(url).unwrap();
        Binding { id: BindingId::parse("b").unwrap(), scheme, address, default_certificate: None }
    }

    #[test]
    fn a_binding_is_a_scheme_an_address_and_a_port() {
        for (given, shown) in [
            ("http://0.0.0.0:8080", "http://0.0.0.0:8080"),
            ("HTTPS://127.0.0.1", "https://127.0.0.1:443"),
            ("http://[::]", "http://[::]:80"),
            ("https://[::1]:8443/", "https://[::1]:8443"),
            ("https://[::1]:0", "https://[::1]:0"),
            ("http://127.0.0.1:0/", "http://127.0.0.1:0"),
        ] {
            assert_eq!(binding(given).url(), shown, "{given}");
        }
    }

    #[test]
    fn what_is_no_binding_is_refused_with_its_reason() {
        use BindingUrlError as E;
        assert!(matches!(Binding::parse_url("0.0.0.0:80"), Err(E::Scheme(_))));
        assert!(matches!(Binding::parse_url("ftp://0.0.0.0:80"), Err(E::Scheme(_))));
        assert!(matches!(Binding::parse_url("http://0.0.0.0:80/octopus"), Err(E::Path(_))));
        assert!(matches!(Binding::parse_url("http://localhost:80"), Err(E::Name(_))));
        assert!(matches!(Binding::parse_url("https://+:443"), Err(E::Name(_))));
        assert!(matches!(Binding::parse_url("https://[::1:443"), Err(E::Address(_))));
        assert!(matches!(Binding::parse_url("https://1.2.3.4:99999"), Err(E::Address(_))));
        assert!(matches!(Binding::parse_url("https://[::1:0"), Err(E::Address(_))));
        assert!(Binding::parse_url("https://1.2.3.4:80:0").is_err());
    }

    #[test]
    fn bindings_overlap_when_one_takes_what_the_other_wants() {
        for (one, other, expected) in [
            ("http://0.0.0.0:80", "https://127.0.0.1:80", true),
            ("http://[::]:80", "http://10.0.0.1:80", true),
            ("http://0.0.0.0:80", "http://[::1]:80", false),
            ("http://127.0.0.1:80", "http://127.0.0.2:80", false),
            ("http://[::]:80", "http://[::]:81", false),
            ("http://[::]:0", "http://[::]:0", false),
        ] {
            assert_eq!(binding(one).overlaps(&binding(other)), expected, "{one} {other}");
            assert_eq!(binding(other).overlaps(&binding(one)), expected, "{other} {one}");
        }
    }
}
