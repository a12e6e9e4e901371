//! The upstreams of sites: which one takes a request, how each does, and the connections of one worker to them.
//!
//! [`Upstreams`] is in each worker: nothing is shared, so nothing is locked. How an upstream does is shared
//! ([`UpstreamHealth`]), and locked for who is not well alone.

mod announced;
pub(crate) mod checks;
mod dial;
mod group;
mod h2;
mod health;
mod none_left;
mod pool;
mod portal;
pub(crate) mod sticky;

use std::time::Duration;

use portward_core::{ProxyProtocol, Scheme, Upstream, UpstreamHttp};
use tokio::time::timeout;

pub(crate) use self::h2::Seat;
use self::{h2::Turn, pool::Pool};
use crate::{
    limits::Limits,
    served::{Client, Served},
    snapshot::ServedSite,
    stream::Stream,
    tls::{Offer, Protocol},
};
pub(crate) use announced::Announced;
pub(crate) use dial::DialError;
pub(crate) use dial::dial_target;
pub(crate) use group::{Group, Member, Tried};
pub use group::{Groups, UpstreamView};
pub use health::{HealthView, UpstreamHealth, UpstreamState};
pub(crate) use health::{InFlight, Trouble};
pub(crate) use none_left::NoneLeft;
pub(crate) use portal::Portal;
pub(crate) use sticky::Sticky;
pub use sticky::StickyKey;

/// Holds a worker's connections to upstreams.
#[derive(Debug, Default)]
pub(crate) struct Upstreams {
    pool: Pool,
    http2: h2::Connections,
}

/// Is a connection to an upstream, or room on one, while one request has it.
pub(crate) struct Lease {
    pub(crate) carrier: Carrier,
    /// How long the upstream says that it keeps the connection.
    pub(crate) kept: Option<Duration>,
}

/// Is what carries a request.
pub(crate) enum Carrier {
    /// An HTTP/1.1 connection, for one request at a time.
    Http1(Stream),
    /// Room on an HTTP/2 connection.
    Http2(Seat),
}

/// Says what a request needs of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Whatever the site says.
    Nothing,
    /// HTTP/1.1: it asks for another protocol, which HTTP/2 has no way to switch to.
    Http1,
}

impl Upstreams {
    /// Begins without connections.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Takes a connection that is kept and seems alive.
    pub(crate) fn take(&self, site: &ServedSite, upstream: &Upstream, needs: Needs) -> Option<Lease> {
        if site.forwarding.proxy_protocol != ProxyProtocol::Off {
            return None;
        }
        let offer = offer(site, upstream, needs);
        if offer != Offer::Http1
            && let Some(seat) = self.http2.take(upstream, &site.upstream_trust)
        {
            return Some(Lease { carrier: Carrier::Http2(seat), kept: None });
        }
        if offer == Offer::Http2 {
            return None;
        }
        let stream = self.pool.take(upstream, &site.upstream_trust)?;
        Some(Lease { carrier: Carrier::Http1(stream), kept: None })
    }

    /// Keeps a connection on which a response has ended cleanly.
    pub(crate) fn put(&self, site: &ServedSite, upstream: &Upstream, lease: Lease, limits: &Limits) {
        // One of HTTP/2 is kept while it is used.
        let Carrier::Http1(stream) = lease.carrier else { return };
        // A request that meets the upstream's closing on its way may not be repeated, so we close first.
        let idle = match lease.kept {
            Some(kept) => kept.saturating_sub(MARGIN).min(limits.upstream_idle),
            None => limits.upstream_idle,
        };
        if !idle.is_zero() && site.forwarding.proxy_protocol == ProxyProtocol::Off {
            let most = limits.upstream_idle_connections;
            self.pool.put(upstream, &site.upstream_trust, stream, idle, most);
        }
    }

    /// Makes a connection.
    pub(crate) async fn connect(
        &self,
        site: &ServedSite,
        upstream: &Upstream,
        needs: Needs,
        client: &Client,
    ) -> Result<Lease, DialError> {
        let announced = Announced { version: site.forwarding.proxy_protocol, ends: Some((client.peer, client.local)) };
        let carrier = self.carrier(site, upstream, needs, &announced, &client.served).await?;
        Ok(Lease { carrier, kept: None })
    }

    /// Makes a connection, or finds room on one that somebody else has just made.
    async fn carrier(
        &self,
        site: &ServedSite,
        upstream: &Upstream,
        needs: Needs,
        announced: &Announced,
        served: &Served,
    ) -> Result<Carrier, DialError> {
        let (trust, offer) = (&site.upstream_trust, offer(site, upstream, needs));
        // Who is told the client's address by the connection must not see another client's requests on it.
        let shared = site.forwarding.proxy_protocol == ProxyProtocol::Off;
        let making = loop {
            if offer == Offer::Http1 || !shared {
                break None;
            }
            match self.http2.turn(upstream, trust).await {
                Turn::Make(making) => break making,
                Turn::LookAgain => {
                    if let Some(seat) = self.http2.take(upstream, trust) {
                        return Ok(Carrier::Http2(seat));
                    }
                }
            }
        };
        let (stream, protocol) = dial::dial(upstream, trust, offer, announced, served).await?;
        if protocol != Protocol::Http2 {
            if offer == Offer::Either {
                self.http2.speaks_http1(upstream);
            }
            return Ok(Carrier::Http1(stream));
        }
        let limits = &served.limits;
        let limit = limits.upstream_connect;
        match timeout(limit, self.http2.begin(stream, upstream, trust, limits, shared)).await {
            Ok(Ok(seat)) => {
                if let Some(making) = making {
                    making.done();
                }
                Ok(Carrier::Http2(seat))
            }
            Ok(Err(source)) => Err(DialError::Http2 { upstream: upstream.to_string(), source }),
            Err(_) => Err(DialError::TimedOut { upstream: upstream.to_string(), limit }),
        }
    }
}

/// What an upstream is offered for a request.
fn offer(site: &ServedSite, upstream: &Upstream, needs: Needs) -> Offer {
    match (site.forwarding.http, upstream) {
        _ if needs == Needs::Http1 => Offer::Http1,
        (_, Upstream::Portal) | (UpstreamHttp::One, _) => Offer::Http1,
        (UpstreamHttp::Two, _) => Offer::Http2,
        (UpstreamHttp::Auto, Upstream::Address(address)) if address.scheme == Scheme::Https => Offer::Either,
        (UpstreamHttp::Auto, _) => Offer::Http1,
    }
}

/// How much sooner than the upstream a connection is closed: a slow way there and back.
const MARGIN: Duration = Duration::from_secs(1);
