//! The way that a request took to us.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use portward_core::{Authority, Host, Scheme};
use portward_proxy::h1::forwarded::client_of;

/// Says how a request came; every listener puts one into the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// Where it was accepted.
    pub(crate) listener: Listener,
    /// Whether the client came by TLS.
    pub(crate) is_tls: bool,
    /// Who sent it, as far as the listener knows; none on the admin socket.
    pub(crate) client: Option<IpAddr>,
    /// The host that the client asked for; none on the admin socket.
    pub(crate) host: Option<Host>,
    /// The port that the client asked for, the usual one of the scheme included; none on the admin socket.
    pub(crate) port: Option<u16>,
    /// The port of the binding, which differs where something maps ports; none elsewhere.
    pub(crate) bound: Option<u16>,
    /// Whether a new connection would be presented another certificate than this one was.
    pub(crate) is_outdated: bool,
}

/// Names what accepted a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// The admin socket, where the operating system says who asks.
    Socket,
    /// The loopback listener.
    Loopback,
    /// A binding whose site is the portal.
    Binding,
}

impl Way {
    /// The way over the admin socket.
    pub(crate) fn socket() -> Self {
        Self {
            listener: Listener::Socket,
            is_tls: false,
            client: None,
            host: None,
            port: None,
            bound: None,
            is_outdated: false,
        }
    }

    /// The way over the loopback listener; none if the request does not name one host.
    pub(crate) fn loopback(headers: &HeaderMap, peer: SocketAddr) -> Option<Self> {
        let Authority { host, port } = only(headers, &header::HOST).and_then(|text| Authority::parse(text).ok())?;
        Some(Self {
            listener: Listener::Loopback,
            is_tls: false,
            client: Some(peer.ip().to_canonical()),
            host: Some(host),
            port: port.or_else(|| Some(Scheme::Http.default_port())),
            bound: None,
            is_outdated: false,
        })
    }

    /// The way over a binding, as the data plane says it; none if it says nothing.
    ///
    /// Only the data plane can be at the other end, and it takes off what clients say of themselves.
    ///
    /// Who the client is, is for the last one to say whose word `is_trusted` does not cover.
    pub(crate) fn binding(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Option<Self> {
        let of = |name: &'static str| only(headers, &HeaderName::from_static(name));
        let scheme = match of("x-forwarded-proto")? {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return None,
        };
        // The last one is the one that the data plane saw itself.
        let (before, peer) = match of("x-forwarded-for")?.rsplit_once(',') {
            Some((before, peer)) => (before, peer),
            None => ("", of("x-forwarded-for")?),
        };
        let before = before.split(',').filter(|address| !address.is_empty()).map(str::as_bytes);
        let client = client_of(before, peer.trim().parse().ok()?, is_trusted);
        let Authority { host, port } = Authority::parse(of("x-forwarded-host")?).ok()?;
        Some(Self {
            listener: Listener::Binding,
            is_tls: scheme == Scheme::Https,
            client: Some(client),
            host: Some(host),
            port: port.or_else(|| Some(scheme.default_port())),
            bound: of("x-forwarded-port").and_then(|text| text.parse().ok()),
            is_outdated: headers.contains_key("x-portward-connection"),
        })
    }

    /// Whether passwords, sessions and tokens may be sent: nobody between can read along.
    pub(crate) fn is_private(&self) -> bool {
        self.is_tls || self.listener != Listener::Binding
    }

    /// The origin of pages that came this way (RFC 6454 section 6.2); none on the admin socket.
    pub(crate) fn origin(&self) -> Option<String> {
        let scheme = if self.is_tls { Scheme::Https } else { Scheme::Http };
        let host = self.host.as_ref()?;
        Some(match self.port.filter(|port| *port != scheme.default_port()) {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        })
    }
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in of {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_binding_says_who_came_how_and_for_whom() {
        let said = |proto, client, host| {
            Way::binding(
                &headers(&[("x-forwarded-proto", proto), ("x-forwarded-for", client), ("x-forwarded-host", host)]),
                |address| address == IpAddr::from([10, 0, 0, 1]),
            )
        };
        let way = said("https", "192.0.2.7", "Front.test:8443").unwrap();
        assert_eq!((way.is_tls, way.client, way.port), (true, "192.0.2.7".parse().ok(), Some(8443)));
        assert_eq!(way.origin().as_deref(), Some("https://front.test:8443"));
        let way = said("https", "198.51.100.1, 2001:db8::7", "[2001:db8::1]").unwrap();
        assert_eq!(way.client, "2001:db8::7".parse().ok());
        assert_eq!(way.origin().as_deref(), Some("https://[2001:db8::1]"));
        let way = said("https", "203.0.113.9, 198.51.100.1, 10.0.0.1", "a.test").unwrap();
        assert_eq!(way.client, "198.51.100.1".parse().ok());
        assert_eq!(said("http", "192.0.2.7", "front.test").unwrap().origin().as_deref(), Some("http://front.test"));
        for (proto, client, host) in
            [("ftp", "192.0.2.7", "a"), ("https", "unknown", "a"), ("https", "192.0.2.7", "user@a"), ("", "", "")]
        {
            assert_eq!(said(proto, client, host), None, "{proto} {client} {host}");
        }
        assert_eq!(Way::binding(&HeaderMap::new(), |_| false), None);
    }

    #[test]
    fn what_is_sent_is_private_except_in_the_clear_at_a_binding() {
        let way = |listener, is_tls| Way { listener, is_tls, ..Way::socket() };
        for (listener, is_tls, expected) in [
            (Listener::Socket, false, true),
            (Listener::Loopback, false, true),
            (Listener::Binding, true, true),
            (Listener::Binding, false, false),
        ] {
            assert_eq!(way(listener, is_tls).is_private(), expected, "{listener:?}");
        }
    }

    #[test]
    fn a_request_that_names_several_hosts_came_no_way() {
        let peer = "127.0.0.1:4000".parse().unwrap();
        let way = Way::loopback(&headers(&[("host", "localhost:8442")]), peer).unwrap();
        assert_eq!(way.origin().as_deref(), Some("http://localhost:8442"));
        assert_eq!(Way::loopback(&headers(&[("host", "localhost"), ("host", "evil.example")]), peer), None);
        assert_eq!(Way::loopback(&HeaderMap::new(), peer), None);
    }
}
