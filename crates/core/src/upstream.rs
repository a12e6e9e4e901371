//! What is behind a site, and how far its certificate is trusted.

use std::{fmt, sync::Arc};

use crate::{Authority, Host, HostError, Scheme, Thumbprint};

/// Is what a site hands its requests to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Upstream {
    /// An application, at one of its addresses.
    Address(UpstreamAddress),
    /// Portward's own web interface and API; a site that has it has no other upstream.
    Portal,
}

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
    Pin(Thumbprint),
    /// Any. Whoever can stand between Portward and the upstream reads and changes everything.
    DangerInsecure,
}

/// Says why a text is no upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// It does not begin with a scheme of ours.
    #[error(
        "\"{0}\" does not begin with http:// or https://; an upstream is http://HOST:PORT, https://HOST:PORT or portal"
    )]
    Scheme(String),
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
    /// Reads `http://HOST[:PORT]`, `https://HOST[:PORT]` or `portal`; the port is 80 or 443 if none is given.
    pub fn parse(text: &str) -> Result<Self, UpstreamError> {
        if text == PORTAL {
            return Ok(Self::Portal);
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

    /// Its address; none if it is the portal.
    pub fn address(&self) -> Option<&UpstreamAddress> {
        match self {
            Self::Address(address) => Some(address),
            Self::Portal => None,
        }
    }
}

/// As it is read, an address always with its port.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
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

const PORTAL: &str = "portal";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_upstream_is_a_scheme_a_host_and_a_port_or_the_portal() {
        for (given, shown) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("https://App.Internal/", "https://app.internal:443"),
            ("http://[::1]:3000", "http://[::1]:3000"),
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
    }
}
