//! The connections of one worker to the upstreams: made when needed, kept for the next request, checked before use.
//!
//! [`Upstreams`] is in each worker: nothing is shared, so nothing is locked.

mod dial;
mod h2;
mod pool;
mod portal;

use std::{cell::RefCell, collections::HashMap, time::Duration};

use portward_core::{ProxyProtocol, Scheme, SiteId, Upstream, UpstreamHttp};
use tokio::time::{Instant, timeout};

pub(crate) use self::h2::Seat;
use self::{dial::DialError, h2::Turn, pool::Pool};
use crate::{
    answer::{Chain, Failure, Fault},
    limits::Limits,
    served::Served,
    snapshot::ServedSite,
    stream::Stream,
    tls::{Offer, Protocol},
};
pub(crate) use dial::dial_target;
pub(crate) use portal::Portal;

/// Holds a worker's connections to upstreams.
#[derive(Debug, Default)]
pub(crate) struct Upstreams {
    pool: Pool,
    http2: h2::Connections,
    /// Whose turn it is at sites with several upstreams.
    turns: RefCell<HashMap<SiteId, usize>>,
    /// Upstreams to which no connection could be made, and when that was tried last.
    away: RefCell<HashMap<Upstream, Instant>>,
}

/// Is a connection to an upstream, or room on one, while one request has it.
pub(crate) struct Lease {
    pub(crate) carrier: Carrier,
    /// Index of the upstream in its site.
    upstream: usize,
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

impl Lease {
    /// The upstream at the other end.
    pub(crate) fn upstream<'s>(&self, site: &'s ServedSite) -> Option<&'s Upstream> {
        site.upstreams.get(self.upstream)
    }
}

impl Upstreams {
    /// Begins without connections.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The index of the upstream whose turn it is; one that was away a moment ago is passed over, unless all were.
    pub(crate) fn turn(&self, site: &ServedSite) -> usize {
        let upstreams = &site.upstreams;
        if upstreams.len() < 2 {
            return 0;
        }
        let mut turns = self.turns.borrow_mut();
        let turn = match turns.get_mut(&site.id) {
            Some(turn) => {
                *turn = (*turn + 1) % upstreams.len();
                *turn
            }
            None => {
                turns.insert(site.id.clone(), 0);
                0
            }
        };
        let away = self.away.borrow();
        let is_away = |index: &usize| away.get(&upstreams[*index]).is_some_and(|since| since.elapsed() < AWAY);
        let in_turn = (turn..upstreams.len()).chain(0..turn);
        in_turn.into_iter().find(|index| !is_away(index)).unwrap_or(turn)
    }

    /// Takes a connection to the upstream of that index that is kept and seems alive.
    pub(crate) fn take(&self, site: &ServedSite, turn: usize, needs: Needs) -> Option<Lease> {
        let upstream = site.upstreams.get(turn)?;
        let offer = offer(site, upstream, needs);
        if offer != Offer::Http1
            && let Some(seat) = self.http2.take(upstream, &site.upstream_trust)
        {
            return Some(Lease { carrier: Carrier::Http2(seat), upstream: turn, kept: None });
        }
        if offer == Offer::Http2 {
            return None;
        }
        let stream = self.pool.take(upstream, &site.upstream_trust)?;
        Some(Lease { carrier: Carrier::Http1(stream), upstream: turn, kept: None })
    }

    /// Keeps a connection on which a response has ended cleanly.
    pub(crate) fn put(&self, site: &ServedSite, lease: Lease, limits: &Limits) {
        // One of HTTP/2 is kept while it is used.
        let Carrier::Http1(stream) = lease.carrier else { return };
        // A request that meets the upstream's closing on its way may not be repeated, so we close first.
        let idle = match lease.kept {
            Some(kept) => kept.saturating_sub(MARGIN).min(limits.upstream_idle),
            None => limits.upstream_idle,
        };
        if let Some(upstream) = site.upstreams.get(lease.upstream).filter(|_| !idle.is_zero()) {
            let most = limits.upstream_idle_connections;
            self.pool.put(upstream, &site.upstream_trust, stream, idle, most);
        }
    }

    /// Makes a connection to the upstream of that index, or to the next ones in turn when that fails.
    pub(crate) async fn connect(
        &self,
        site: &ServedSite,
        turn: usize,
        needs: Needs,
        served: &Served,
    ) -> Result<Lease, Failure> {
        let mut last = Failure::from(Fault::UpstreamUnreachable);
        for step in 0..site.upstreams.len() {
            let index = (turn + step) % site.upstreams.len();
            let upstream = &site.upstreams[index];
            match self.carrier(site, upstream, needs, served).await {
                Ok(carrier) => {
                    self.away.borrow_mut().remove(upstream);
                    return Ok(Lease { carrier, upstream: index, kept: None });
                }
                Err(error) => {
                    let before = self.away.borrow_mut().insert(upstream.clone(), Instant::now());
                    let known = before.is_some_and(|before| before.elapsed() < AWAY);
                    // The last one's is told with the request. Of the others each request would say the same.
                    if step + 1 < site.upstreams.len() && !known {
                        tracing::warn!(
                            site.id = %site.id,
                            upstream.url = %upstream,
                            cause = %Chain(&error),
                            "no connection to the upstream; the next one is asked"
                        );
                    }
                    last = Failure::of(Some(upstream), error.fault(), error);
                }
            }
        }
        Err(last)
    }

    /// Makes a connection, or finds room on one that somebody else has just made.
    async fn carrier(
        &self,
        site: &ServedSite,
        upstream: &Upstream,
        needs: Needs,
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
        let (stream, protocol) = dial::dial(upstream, trust, offer, served).await?;
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

/// How long an upstream that could not be reached is passed over: HAProxy's `fall` of three checks of two seconds.
const AWAY: Duration = Duration::from_secs(6);

/// How much sooner than the upstream a connection is closed: a slow way there and back.
const MARGIN: Duration = Duration::from_secs(1);
