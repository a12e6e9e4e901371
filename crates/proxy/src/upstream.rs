//! The connections of one worker to the upstreams: made when needed, kept for the next request, checked before use.
//!
//! [`Upstreams`] is in each worker: nothing is shared, so nothing is locked.

mod dial;
mod pool;
mod portal;

use std::{cell::RefCell, collections::HashMap, time::Duration};

use portward_core::{SiteId, Upstream};
use tokio::time::Instant;

use crate::{
    answer::{Chain, Failure, Fault},
    limits::Limits,
    served::Served,
    snapshot::ServedSite,
    stream::Stream,
};
pub(crate) use dial::dial_target;
use pool::Pool;
pub(crate) use portal::Portal;

/// Holds a worker's connections to upstreams.
#[derive(Debug, Default)]
pub(crate) struct Upstreams {
    pool: Pool,
    /// Whose turn it is at sites with several upstreams.
    turns: RefCell<HashMap<SiteId, usize>>,
    /// Upstreams to which no connection could be made, and when that was tried last.
    away: RefCell<HashMap<Upstream, Instant>>,
}

/// Is a connection to an upstream while one request has it.
pub(crate) struct Lease {
    pub(crate) stream: Stream,
    /// Index of the upstream in its site.
    upstream: usize,
    /// How long the upstream says that it keeps the connection.
    pub(crate) kept: Option<Duration>,
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
    pub(crate) fn take(&self, site: &ServedSite, turn: usize) -> Option<Lease> {
        let stream = self.pool.take(site.upstreams.get(turn)?, &site.upstream_trust)?;
        Some(Lease { stream, upstream: turn, kept: None })
    }

    /// Keeps a connection on which a response has ended cleanly.
    pub(crate) fn put(&self, site: &ServedSite, lease: Lease, limits: &Limits) {
        // A request that meets the upstream's closing on its way may not be repeated, so we close first.
        let idle = match lease.kept {
            Some(kept) => kept.saturating_sub(MARGIN).min(limits.upstream_idle),
            None => limits.upstream_idle,
        };
        if let Some(upstream) = lease.upstream(site).filter(|_| !idle.is_zero()) {
            let most = limits.upstream_idle_connections;
            self.pool.put(upstream, &site.upstream_trust, lease.stream, idle, most);
        }
    }

    /// Makes a connection to the upstream of that index, or to the next ones in turn when that fails.
    pub(crate) async fn connect(&self, site: &ServedSite, turn: usize, served: &Served) -> Result<Lease, Failure> {
        let mut last = Failure::from(Fault::UpstreamUnreachable);
        for step in 0..site.upstreams.len() {
            let index = (turn + step) % site.upstreams.len();
            let upstream = &site.upstreams[index];
            match dial::dial(upstream, &site.upstream_trust, served).await {
                Ok(stream) => {
                    self.away.borrow_mut().remove(upstream);
                    return Ok(Lease { stream, upstream: index, kept: None });
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
}

/// How long an upstream that could not be reached is passed over: HAProxy's `fall` of three checks of two seconds.
const AWAY: Duration = Duration::from_secs(6);

/// How much sooner than the upstream a connection is closed: a slow way there and back.
const MARGIN: Duration = Duration::from_secs(1);
