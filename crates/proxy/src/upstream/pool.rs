//! Connections to upstreams that wait for the next request.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::{Rc, Weak},
    task::{Context, Waker},
    time::Duration,
};

use portward_core::{Upstream, UpstreamTrust};
use tokio::time::{Instant, sleep};

use crate::stream::Stream;

/// Keeps idle connections, by upstream and by the trust under which they were made.
///
/// The one that was used last is taken first, so that those beyond the need grow old and are closed.
#[derive(Debug, Default)]
pub(super) struct Pool(Rc<Kept>);

#[derive(Debug, Default)]
struct Kept {
    shelves: RefCell<HashMap<Upstream, Vec<Shelf>>>,
    /// Whether the task that closes old connections runs.
    swept: Cell<bool>,
}

/// Is what one upstream has under one trust: a connection made without checks must not serve a site that asks for them.
#[derive(Debug)]
struct Shelf {
    trust: UpstreamTrust,
    /// In the order in which they came back: the oldest first.
    idle: Vec<Idle>,
}

struct Idle {
    stream: Stream,
    until: Instant,
}

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Idle").field("until", &self.until).finish_non_exhaustive()
    }
}

impl Pool {
    /// Takes the connection that was used last, if it is alive.
    pub(super) fn take(&self, upstream: &Upstream, trust: &UpstreamTrust) -> Option<Stream> {
        let mut shelves = self.0.shelves.borrow_mut();
        let shelf = shelves.get_mut(upstream)?.iter_mut().find(|shelf| shelf.trust == *trust)?;
        let now = Instant::now();
        while let Some(mut idle) = shelf.idle.pop() {
            if now < idle.until && is_quiet(&mut idle.stream) {
                return Some(idle.stream);
            }
        }
        None
    }

    /// Keeps a connection for so long; the oldest one goes if there are too many.
    pub(super) fn put(&self, upstream: &Upstream, trust: &UpstreamTrust, stream: Stream, idle: Duration, most: usize) {
        if most == 0 {
            return;
        }
        let mut shelves = self.0.shelves.borrow_mut();
        let kept = match shelves.get_mut(upstream) {
            Some(shelves) => shelf(shelves, trust),
            None => shelf(shelves.entry(upstream.clone()).or_default(), trust),
        };
        if kept.len() >= most {
            kept.remove(0);
        }
        kept.push(Idle { stream, until: Instant::now() + idle });
        if !self.0.swept.replace(true) {
            tokio::task::spawn_local(sweep(Rc::downgrade(&self.0), (idle / 2).max(SWEEP)));
        }
    }
}

fn shelf<'a>(shelves: &'a mut Vec<Shelf>, trust: &UpstreamTrust) -> &'a mut Vec<Idle> {
    let at = shelves.iter().position(|shelf| shelf.trust == *trust).unwrap_or_else(|| {
        shelves.push(Shelf { trust: trust.clone(), idle: Vec::new() });
        shelves.len() - 1
    });
    &mut shelves[at].idle
}

/// Whether an idle connection is as it was left: not closed, and nothing has come that nobody asked for.
///
/// A response that nobody asked for would be taken for the response to the next request.
fn is_quiet(stream: &mut Stream) -> bool {
    let mut unasked = Vec::new();
    stream.poll_fill(&mut Context::from_waker(Waker::noop()), &mut unasked, 1).is_pending()
}

/// Closes connections that have waited too long, until none is left.
async fn sweep(kept: Weak<Kept>, period: Duration) {
    loop {
        sleep(period).await;
        let Some(kept) = kept.upgrade() else { return };
        let mut shelves = kept.shelves.borrow_mut();
        let now = Instant::now();
        shelves.retain(|_, shelves| {
            shelves.retain_mut(|shelf| {
                shelf.idle.retain(|idle| now < idle.until);
                !shelf.idle.is_empty()
            });
            !shelves.is_empty()
        });
        if shelves.is_empty() {
            kept.swept.set(false);
            return;
        }
    }
}

/// The shortest time between two sweeps.
const SWEEP: Duration = Duration::from_millis(25);
