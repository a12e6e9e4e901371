//! Bindings: where Portward accepts connections.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use crate::{BindingId, CertificateId, Host, HostError, HostPattern, Network, Passage, host::Authority};

/// Is a protocol, an address and a port that Portward accepts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Names the binding.
    pub id: BindingId,
    /// What is spoken there.
    pub protocol: BindingProtocol,
    /// Address and port; an unspecified IPv6 address takes IPv4 connections too.
    pub address: SocketAddr,
    /// For https: what is served to a name that no certificate has, and to clients that name none.
    pub default_certificate: Option<CertificateId>,
    /// From these peers connections begin with a header of the PROXY protocol, which says who the client is.
    pub accept_proxy_from: Vec<Network>,
    /// Names whose connections are passed through: all that there is for tls-passthrough, exceptions for https.
    pub to: Vec<Passage>,
}

/// Is what is spoken at a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BindingProtocol {
    /// HTTP in the clear.
    Http,
    /// HTTP over TLS.
    Https,
    /// What the targets behind it speak: connections reach them as they are.
    TlsPassthrough,
}

/// Says whether HTTP is spoken in the clear or over TLS.
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
        "\"{0}\" does not begin with http://, https:// or tls-passthrough://; a binding is http://ADDRESS:PORT, https://ADDRESS:PORT or tls-passthrough://ADDRESS:PORT"
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

/// Says why what a binding has does not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// Passages without TLS.
    #[error(
        "an http binding passes nothing through: who connects in the clear asks for no name; leave --to out, or add a tls-passthrough:// binding"
    )]
    PassageWithoutTls,
    /// Nothing to do.
    #[error("a tls-passthrough binding needs to know where connections go; name it with --to HOST=ADDRESS:PORT")]
    NoPassage,
    /// Nothing would be left for sites.
    #[error(
        "* would leave an https binding no name that it serves itself; name the hosts that are passed through, or add a tls-passthrough:// binding"
    )]
    PassageForAll,
    /// One name twice.
    #[error("{0} is there twice; the connections of a name have one target")]
    PassageTwice(HostPattern),
    /// A certificate where no handshake is done.
    #[error("{} presents no certificate; give an https:// URL, or leave the default certificate out", .0.noun())]
    CertificateWithoutHttps(BindingProtocol),
}

impl Binding {
    /// One that has nothing but where it is.
    pub fn new(id: BindingId, protocol: BindingProtocol, address: SocketAddr) -> Self {
        Self { id, protocol, address, default_certificate: None, accept_proxy_from: Vec::new(), to: Vec::new() }
    }

    /// Whether HTTP over TLS is spoken there.
    pub fn is_https(&self) -> bool {
        self.protocol == BindingProtocol::Https
    }

    /// Whether HTTP in the clear is spoken there.
    pub fn is_http(&self) -> bool {
        self.protocol == BindingProtocol::Http
    }

    /// Checks that what it has fits together.
    pub fn check(&self) -> Result<(), BindingError> {
        match self.protocol {
            BindingProtocol::Http if !self.to.is_empty() => return Err(BindingError::PassageWithoutTls),
            BindingProtocol::Https if self.to.iter().any(|passage| passage.name == HostPattern::Any) => {
                return Err(BindingError::PassageForAll);
            }
            BindingProtocol::TlsPassthrough if self.to.is_empty() => return Err(BindingError::NoPassage),
            _ => {}
        }
        if self.default_certificate.is_some() && !self.is_https() {
            return Err(BindingError::CertificateWithoutHttps(self.protocol));
        }
        for (at, passage) in self.to.iter().enumerate() {
            if self.to[..at].iter().any(|other| other.name == passage.name) {
                return Err(BindingError::PassageTwice(passage.name.clone()));
            }
        }
        Ok(())
    }

    /// The name that an https binding would take from a site with these names, and the passage that does.
    ///
    /// A passage within a wildcard of the site is an exception to it, and takes no name from it.
    pub fn takes_from<'a>(&'a self, names: &'a [HostPattern]) -> Option<(&'a Passage, &'a HostPattern)> {
        let of_site =
            |passage: &'a Passage| names.iter().find(|name| passage.name.covers(name)).map(|name| (passage, name));
        self.to.iter().filter(|_| self.is_https()).find_map(of_site)
    }

    /// Reads `http://ADDR[:PORT]`, `https://ADDR[:PORT]` or `tls-passthrough://ADDR[:PORT]`; the port is 80 or 443 if none
    /// is given, and 0 stands for any that is free.
    pub fn parse_url(text: &str) -> Result<(BindingProtocol, SocketAddr), BindingUrlError> {
        let (protocol, rest) =
            BindingProtocol::split_url(text).ok_or_else(|| BindingUrlError::Scheme(text.to_owned()))?;
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
        let port = if free_port { 0 } else { authority.port.unwrap_or_else(|| protocol.default_port()) };
        Ok((protocol, SocketAddr::new(address, port)))
    }

    /// The binding as a URL, always with its port.
    pub fn url(&self) -> String {
        format!("{}://{}", self.protocol, self.address)
    }

    /// Whether the operating system would refuse both at once: same port, and addresses that overlap.
    ///
    /// Bindings on any free port never do.
    pub fn overlaps(&self, other: &Self) -> bool {
        sockets_overlap(self.address, other.address)
    }
}

impl BindingProtocol {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Http, Self::Https, Self::TlsPassthrough];

    /// 80 or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https | Self::TlsPassthrough => 443,
        }
    }

    /// `http`, `https` or `tls-passthrough`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::TlsPassthrough => "tls-passthrough",
        }
    }

    /// What a binding with it is called, as in `an http binding`.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Http => "an http binding",
            Self::Https => "an https binding",
            Self::TlsPassthrough => "a tls-passthrough binding",
        }
    }

    /// The scheme of what Portward serves there itself; none if it serves nothing.
    pub fn scheme(self) -> Option<Scheme> {
        match self {
            Self::Http => Some(Scheme::Http),
            Self::Https => Some(Scheme::Https),
            Self::TlsPassthrough => None,
        }
    }

    fn split_url(text: &str) -> Option<(Self, &str)> {
        let (word, rest) = text.trim().split_once("://")?;
        let protocol = Self::ALL.into_iter().find(|known| word.eq_ignore_ascii_case(known.as_str()))?;
        Some((protocol, rest))
    }
}

impl From<Scheme> for BindingProtocol {
    fn from(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Http => Self::Http,
            Scheme::Https => Self::Https,
        }
    }
}

impl fmt::Display for BindingProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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

/// Whether nothing can listen at both at once: same port, and addresses that overlap. Any free port (0) is no port yet.
pub fn sockets_overlap(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port()
        && one.port() != 0
        && addresses_overlap(one.ip().to_canonical(), other.ip().to_canonical())
}

#[cfg(test)]
mod tests;
