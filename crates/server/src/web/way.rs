//! The way that a request took to us.

use std::net::IpAddr;

use portward_core::Host;

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
    /// Whether passwords, sessions and tokens may be sent: nobody between can read along.
    pub(crate) fn is_private(&self) -> bool {
        self.is_tls || self.listener != Listener::Binding
    }
}
