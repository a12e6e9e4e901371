//! What is served now: one immutable value, built elsewhere from the desired state.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use portward_core::{
    BindingId, BindingProtocol, CertificateId, CertificateStatus, DialAddress, ForceHttps, Forwarding, HeaderRules,
    Host, HostMap, Hsts, Network, Revision, SiteId, SiteLimits, Thumbprint, UpstreamTrust,
};
use rustls::sign::CertifiedKey;

use crate::{tls::ServedKey, traffic::Traffic, upstream::Groups};

/// Is everything that the data plane knows, at one revision.
///
/// A connection keeps the snapshot it began with for its handshake; each request looks at the newest one.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The change that this snapshot shows.
    pub revision: Revision,
    /// Where connections are accepted.
    pub bindings: Vec<Arc<ServedBinding>>,
    /// Sites by host.
    pub sites: HostMap<Arc<ServedSite>>,
    /// The best certificate for each host.
    pub certificates: HostMap<Arc<ServedCertificate>>,
    /// Answers to http-01 challenges (RFC 8555 section 8.3): key authorization by host and token.
    pub challenges: HashMap<(Host, Box<str>), Box<str>>,
    /// Answers to tls-alpn-01 challenges (RFC 8737): the certificate that is presented to who asks for `acme-tls/1` and
    /// this host, and to nobody else; made by [`challenge_key`](crate::challenge_key).
    ///
    /// An IP address stands for its reverse name, which is what a CA asks for (RFC 8738 section 6).
    pub tls_challenges: HashMap<Host, Arc<CertifiedKey>>,
    /// Proxies whose word about their clients is taken.
    pub trusted_proxies: Vec<Network>,
    /// Protocols of ALPN that agents speak: a client that offers these alone is handed over before its handshake, at
    /// every https binding; see [`Proxy::accept_agent`](crate::Proxy::accept_agent).
    pub agent_protocols: Vec<&'static [u8]>,
}

impl Snapshot {
    /// Whether the word of that address about clients is taken.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }
}

/// Is one binding as it is served.
#[derive(Clone, Debug)]
pub struct ServedBinding {
    /// Names the binding.
    pub id: BindingId,
    /// What is spoken there.
    pub protocol: BindingProtocol,
    /// What was asked for; port 0 takes any free port.
    pub address: SocketAddr,
    /// For https: presented where no other certificate fits.
    pub default_certificate: Option<Arc<ServedCertificate>>,
    /// What requests get there.
    pub serves: Serves,
    /// From these peers connections begin with a header of the PROXY protocol.
    pub accept_proxy_from: Vec<Network>,
    /// Names whose connections are passed through as they are, and where to.
    pub passages: HostMap<DialAddress>,
}

impl ServedBinding {
    /// One that has nothing but where it is, and serves everything.
    pub fn new(id: BindingId, protocol: BindingProtocol, address: SocketAddr) -> Self {
        Self {
            id,
            protocol,
            address,
            default_certificate: None,
            serves: Serves::Everything,
            accept_proxy_from: Vec::new(),
            passages: HostMap::new(),
        }
    }

    /// Whether HTTP over TLS is spoken there.
    pub fn is_https(&self) -> bool {
        self.protocol == BindingProtocol::Https
    }

    /// Whether HTTP in the clear is spoken there.
    pub fn is_http(&self) -> bool {
        self.protocol == BindingProtocol::Http
    }
}

/// Says what requests get at a binding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serves {
    /// Challenges are answered, and sites are served.
    #[default]
    Everything,
    /// Challenges are answered, and whatever else is asked for is not found: no site, and no redirect.
    ///
    /// This is for a port that is open for the time of a challenge, and was not opened by who runs the server.
    ChallengesOnly,
    /// Agents are handed over, and nobody else gets past the handshake.
    AgentsOnly,
}

/// Is one site as it is served.
#[derive(Clone, Debug)]
pub struct ServedSite {
    /// Names the site.
    pub id: SiteId,
    /// The application, or the portal, and where routes lead.
    pub upstreams: Groups,
    /// Which certificate of an https upstream is accepted.
    pub upstream_trust: UpstreamTrust,
    /// How requests reach the upstreams; its routes are in `upstreams`. Sites that have the same share it.
    pub forwarding: Arc<Forwarding>,
    /// What happens to plain HTTP, the server's default already applied.
    pub force_https: ForceHttps,
    /// What browsers are told to remember.
    pub hsts: Hsts,
    /// Presented for the site's names instead of the best one of the library.
    pub certificate: Option<Arc<ServedCertificate>>,
    /// What one request may take.
    pub limits: SiteLimits,
    /// What becomes of the headers of its responses; none if they pass as they are.
    pub headers: Option<Arc<HeaderRules>>,
    /// Counts what comes to it.
    pub traffic: Arc<Traffic>,
}

/// Is a certificate with its key, as handshakes present it.
#[derive(Clone, Debug)]
pub struct ServedCertificate {
    /// Names the certificate.
    pub id: CertificateId,
    /// SHA-256 of the leaf.
    pub thumbprint: Thumbprint,
    /// Whether the leaf is signed by its own key.
    pub self_signed: bool,
    /// What time makes of it, when the snapshot was built; the builder makes a new snapshot when this changes.
    pub status: CertificateStatus,
    /// Chain and key for handshakes.
    pub key: Arc<ServedKey>,
}
