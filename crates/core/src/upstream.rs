//! What is behind a site, and how far its certificate is trusted.

use std::{fmt, sync::Arc};

use smallvec::SmallVec;

use crate::{Authority, Host, HostError, Scheme, Thumbprint};

/// Is what a site hands its requests to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Upstream {
    /// An application, at one of its addresses.
    Address(UpstreamAddress),
    /// An application of this machine, at a Unix socket; it is spoken to in the clear.
    Socket(UpstreamSocket),
    /// Portward's own web interface and API; a site that has it has no other upstream.
    Portal,
}

/// Is a list of them. Mostly there is one, which then takes no place of its own.
pub type Upstreams = SmallVec<[Upstream; 1]>;

/// Is one address of the application behind a site.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamAddress {
    /// Plain or TLS.
    pub scheme: UpstreamScheme,
    /// Where it is: a name that is looked up at each connection, or an address.
    pub host: Host,
    /// Its port.
    pub port: u16,
}

/// Is the path of a Unix socket: absolute, of at most 107 bytes, without spaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamSocket(Arc<str>);

/// Is the protocol that an upstream speaks.
pub type UpstreamScheme = Scheme;

/// Says which certificate of an https upstream is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum UpstreamTrust {
    /// One for the upstream's name, from an authority that this machine trusts.
    #[default]
    System,
    /// One for the upstream's name, from one of these authorities (DER).
    Authorities(Arc<[Arc<[u8]>]>),
    /// The one with this thumbprint; its name and dates do not matter.
    Pin(Arc<Thumbprint>),
    /// Any. Whoever can stand between Portward and the upstream reads and changes everything.
    DangerInsecure,
}

/// Says why a text is no upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// It does not begin with a scheme of ours.
    #[error(
        "\"{0}\" does not begin with http://, https:// or unix:; an upstream is http://HOST:PORT, https://HOST:PORT, unix:/PATH or portal"
    )]
    Scheme(String),
    /// It is no path of a socket.
    #[error(
        "\"{0}\" is no path of a Unix socket; it begins with /, does not end with one, has no spaces and at most {LONGEST_SOCKET} bytes, as in unix:/run/app.sock"
    )]
    Socket(String),
    /// It has a path, a query or a fragment.
    #[error("\"{0}\" has a path; an upstream has none: requests keep the path that the client sent")]
    Path(String),
    /// It has user information.
    #[error(
        "the upstream has a user name or password in its URL; remove them: Portward does not sign in for its clients"
    )]
    UserInformation,
    /// Its host or port cannot be read.
    #[error("the address of the upstream cannot be read")]
    Address(#[source] HostError),
}

impl Upstream {
    /// Reads `http://HOST[:PORT]`, `https://HOST[:PORT]`, `unix:/PATH` or `portal`; the port is 80 or 443 if none is
    /// given.
    pub fn parse(text: &str) -> Result<Self, UpstreamError> {
        if text == PORTAL {
            return Ok(Self::Portal);
        }
        if let Some(path) = text.strip_prefix(UNIX) {
            // As a URL it has an empty authority.
            return UpstreamSocket::parse(path.strip_prefix("//").unwrap_or(path)).map(Self::Socket);
        }
        let (scheme, rest) = Scheme::split_url(text).ok_or_else(|| UpstreamError::Scheme(text.to_owned()))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err(UpstreamError::UserInformation);
        }
        if rest.contains(['/', '?', '#']) {
            return Err(UpstreamError::Path(text.to_owned()));
        }
        let authority = Authority::parse(rest).map_err(UpstreamError::Address)?;
        let port = authority.port.unwrap_or_else(|| scheme.default_port());
        Ok(Self::Address(UpstreamAddress { scheme, host: authority.host, port }))
    }

    /// Its address; none if it is at a Unix socket, or the portal.
    pub fn address(&self) -> Option<&UpstreamAddress> {
        match self {
            Self::Address(address) => Some(address),
            Self::Socket(_) | Self::Portal => None,
        }
    }

    /// Its Unix socket; none if it has an address, or is the portal.
    pub fn socket(&self) -> Option<&UpstreamSocket> {
        match self {
            Self::Socket(socket) => Some(socket),
            Self::Address(_) | Self::Portal => None,
        }
    }
}

impl UpstreamSocket {
    /// Reads an absolute path.
    pub fn parse(path: &str) -> Result<Self, UpstreamError> {
        let is_path = path.starts_with('/')
            && !path.ends_with('/')
            && path.len() <= LONGEST_SOCKET
            && !path.chars().any(|letter| letter.is_whitespace() || letter.is_control());
        if is_path { Ok(Self(path.into())) } else { Err(UpstreamError::Socket(path.to_owned())) }
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As it is read, an address always with its port.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Socket(socket) => socket.fmt(f),
            Self::Portal => f.write_str(PORTAL),
        }
    }
}

/// As a URL, always with its port.
impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// As it is read, `unix:` before its path.
impl fmt::Display for UpstreamSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{UNIX}{}", self.0)
    }
}

const PORTAL: &str = "portal";
const UNIX: &str = "unix:";
/// As much as Linux has room for in the address of a socket, its NUL left out (unix(7)).
const LONGEST_SOCKET: usize = 107;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_upstream_is_a_scheme_a_host_and_a_port_a_socket_or_the_portal() {
        for (given, shown) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("https://App.Internal/", "https://app.internal:443"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
            ("unix:///run/app=1.sock", "unix:/run/app=1.sock"),
            ("portal", "portal"),
        ] {
            assert_eq!(Upstream::parse(given).unwrap().to_string(), shown, "{given}");
        }
    }

    #[test]
    fn what_is_no_upstream_is_refused_with_its_reason() {
        use UpstreamError as E;
        assert!(matches!(Upstream::parse("localhost:3000"), Err(E::Scheme(_))));
        assert!(matches!(Upstream::parse("Portal"), Err(E::Scheme(_))));
        assert!(matches!(Upstream::parse("http://a/b"), Err(E::Path(_))));
        assert_eq!(Upstream::parse("http://user:secret@a"), Err(E::UserInformation));
        assert!(matches!(Upstream::parse("http://a:b"), Err(E::Address(_))));
        let long = format!("unix:/{}", "a".repeat(LONGEST_SOCKET));
        for text in
            ["unix:", "unix:app.sock", "unix://app.sock", "unix:/", "unix:/run/", "unix:/a b", "unix:/a\0", &long]
        {
            assert!(matches!(Upstream::parse(text), Err(E::Socket(_))), "{text:?}");
        }
    }
}
