//! What every worker reads of the outside, and what each connection carries with it.
//!
//! The newest [`Snapshot`] is one pointer that [`Proxy::publish`](crate::Proxy::publish) swaps: a worker sees the new one
//! at its next look, without a message.

mod warned;

use std::{
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
};

use arc_swap::{ArcSwap, Guard};
use portward_core::{BindingId, BindingProtocol, Timestamp, https_port_for};

pub(crate) use warned::{Warned, Warning};

use crate::{
    access_log::AccessLog,
    agents::Agents,
    clients::Clients,
    clock::Clock,
    count::Counts,
    h1::{
        forwarded::{Believed, Trust},
        headers::Headers,
    },
    limits::Limits,
    snapshot::{ServedBinding, ServedSite, Serves, Snapshot},
    tls::{TlsClient, TlsFacts, TlsServer, is_outdated},
    upstream::Portal,
    worker::{DrainWatch, Worker},
};

/// Is what all workers read; there is one for each [`Proxy`](crate::Proxy).
#[derive(Debug)]
pub(crate) struct Served {
    snapshot: ArcSwap<Snapshot>,
    bound: ArcSwap<Vec<Bound>>,
    /// Time-outs and limits; they stay as they were at spawn.
    pub(crate) limits: Limits,
    /// What the workers count.
    pub(crate) counts: Counts,
    /// What each client has taken.
    pub(crate) clients: Clients,
    /// What handshakes with clients share.
    pub(crate) tls_server: TlsServer,
    /// What handshakes with upstreams share.
    pub(crate) tls_client: TlsClient,
    /// Where connections to the portal go.
    pub(crate) portal: Portal,
    /// Where connections of agents go.
    pub(crate) agents: Agents,
    /// What was warned of a moment ago.
    pub(crate) warned: Warned,
    /// Where each request is written down, if that is wanted.
    pub(crate) access_log: Option<AccessLog>,
    clock: Clock,
}

/// Is a binding that has its sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) id: BindingId,
    pub(crate) protocol: BindingProtocol,
    /// Where it listens for real, with the port that the operating system chose.
    pub(crate) local: SocketAddr,
    pub(crate) serves: Serves,
}

/// Is what a connection of a client knows of where it is; one for each connection, cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) served: Arc<Served>,
    pub(crate) worker: Rc<Worker>,
    /// The binding as it was when the connection was accepted.
    pub(crate) binding: Arc<ServedBinding>,
    /// The client; an IPv4 client of an IPv6 socket is shown as IPv4.
    pub(crate) peer: SocketAddr,
    /// The other end of the connection, where it is a proxy that has said who the client is; on the heap, as most
    /// connections have none.
    pub(crate) proxy: Option<Box<SocketAddr>>,
    /// Our end, likewise.
    pub(crate) local: SocketAddr,
    /// Tells when to finish: see [`DrainWatch`].
    pub(crate) drain: DrainWatch,
}

impl Client {
    /// The proxy that has said who the client is, if one has.
    pub(crate) fn proxy(&self) -> Option<SocketAddr> {
        self.proxy.as_deref().copied()
    }

    /// Whether the client is a proxy whose word about its own clients is taken.
    pub(crate) fn trust(&self) -> Trust {
        if self.served.newest().trusts(self.peer.ip()) { Trust::Proxy } else { Trust::Stranger }
    }

    /// Whom a request comes from, if the client is a proxy whose word is taken.
    pub(crate) fn named<'a>(&self, headers: &impl Headers<'a>, trust: Trust) -> Option<IpAddr> {
        let snapshot = self.served.newest();
        let client = || Believed::client(headers, self.peer.ip(), |address| snapshot.trusts(address));
        (trust == Trust::Proxy).then(client)
    }

    /// Whether a request to a site is one to the portal on a connection that says nothing about new ones any more: they
    /// are presented another certificate.
    ///
    /// Such a connection ends after its answer. A browser would keep it for hours, and an operator would not see that
    /// nobody else comes in.
    pub(crate) fn is_outdated(&self, site: &ServedSite, tls: &TlsFacts) -> bool {
        site.upstreams.is_portal() && is_outdated(&self.served.newest(), &self.binding, tls, self.local.ip())
    }
}

impl Bound {
    /// The binding with its sockets at `local`.
    pub(crate) fn of(binding: &ServedBinding, local: SocketAddr) -> Self {
        Self { id: binding.id.clone(), protocol: binding.protocol, local, serves: binding.serves }
    }
}

impl Served {
    pub(crate) fn new(
        workers: usize,
        limits: Limits,
        clock: Clock,
        access_log: Option<AccessLog>,
    ) -> Result<Self, rustls::Error> {
        Ok(Self {
            snapshot: ArcSwap::from_pointee(Snapshot::default()),
            bound: ArcSwap::from_pointee(Vec::new()),
            clients: Clients::new(&limits),
            limits,
            counts: Counts::new(workers),
            tls_server: TlsServer::new()?,
            tls_client: TlsClient::new(),
            portal: Portal::new(),
            agents: Agents::new(),
            warned: Warned::default(),
            access_log,
            clock,
        })
    }

    /// Now.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What tells the time.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The newest snapshot, to keep.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The newest snapshot for a short look: cheaper, but not to be held across an await.
    pub(crate) fn newest(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// The port of the https binding to which a request that came in at `local` can be sent.
    ///
    /// Only bindings that have their sockets and serve sites are looked at, with the ports that they really have.
    pub(crate) fn https_port_for(&self, local: IpAddr) -> Option<u16> {
        let bound = self.bound.load();
        let leads_to_sites =
            |bound: &&Bound| bound.protocol == BindingProtocol::Https && bound.serves == Serves::Everything;
        https_port_for(local, bound.iter().filter(leads_to_sites).map(|bound| bound.local))
    }

    /// The bindings that have their sockets.
    pub(crate) fn bound(&self) -> Guard<Arc<Vec<Bound>>> {
        self.bound.load()
    }

    /// Makes `snapshot` the newest one, with the bindings that have their sockets.
    pub(crate) fn swap(&self, snapshot: Arc<Snapshot>, bound: Vec<Bound>) {
        // Sockets first: whoever sees the new sites must find the ports that their redirects lead to.
        self.bound.store(Arc::new(bound));
        self.snapshot.store(snapshot);
    }
}
