//! Leases that live in the memory of one process.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{LeaseId, OP_REMEMBERED};

/// Knows the leases of an engine and when each ends.
///
/// Only [`LeaseTable::is_live`] may be called outside the runtime: the others read its clock.
#[derive(Debug, Default)]
pub(crate) struct LeaseTable {
    leases: Mutex<Leases>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Leases {
    last: i64,
    live: BTreeMap<LeaseId, Live>,
    ops: Option<(LeaseId, Instant)>,
}

#[derive(Debug)]
struct Live {
    ttl: Duration,
    end: Instant,
}

impl LeaseTable {
    /// Makes a lease.
    pub(crate) fn grant(&self, ttl: Duration) -> LeaseId {
        let id = self.lock().grant(ttl);
        self.changed.notify_one();
        id
    }

    /// The lease for notes of transactions that happened; all of a minute share one, so that few leases end.
    pub(crate) fn ops_lease(&self) -> LeaseId {
        let mut leases = self.lock();
        let now = Instant::now();
        match leases.ops {
            Some((id, made)) if now < made + OPS_SHARED => id,
            _ => {
                let id = leases.grant(OP_REMEMBERED + OPS_SHARED);
                leases.ops = Some((id, now));
                drop(leases);
                self.changed.notify_one();
                id
            }
        }
    }

    /// Gives a lease its full time again; `false` if it is over.
    pub(crate) fn keep_alive(&self, id: LeaseId) -> bool {
        let now = Instant::now();
        match self.lock().live.get_mut(&id) {
            Some(live) if live.end > now => {
                live.end = now + live.ttl;
                true
            }
            _ => false,
        }
    }

    /// Whether keys may be put on the lease.
    pub(crate) fn is_live(&self, id: LeaseId) -> bool {
        self.lock().live.contains_key(&id)
    }

    /// Ends a lease: from now on no key can be put on it. What has its keys deletes them after this.
    pub(crate) fn end(&self, id: LeaseId) {
        self.lock().live.remove(&id);
    }

    /// Lets a lease run out once more, as its keys could not be deleted.
    pub(crate) fn end_again(&self, id: LeaseId) {
        self.lock().live.insert(id, Live { ttl: Duration::ZERO, end: Instant::now() + END_AGAIN });
        self.changed.notify_one();
    }

    /// Waits until a lease has run out, and ends it.
    pub(crate) async fn run_out(&self) -> LeaseId {
        loop {
            let first = self.lock().live.iter().min_by_key(|(_, live)| live.end).map(|(id, live)| (*id, live.end));
            match first {
                Some((id, end)) if end <= Instant::now() => {
                    self.end(id);
                    return id;
                }
                Some((_, end)) => {
                    tokio::select! {
                        () = sleep_until(end) => {}
                        () = self.changed.notified() => {}
                    }
                }
                None => self.changed.notified().await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leases {
    fn grant(&mut self, ttl: Duration) -> LeaseId {
        self.last += 1;
        let id = LeaseId(self.last);
        self.live.insert(id, Live { ttl, end: Instant::now() + ttl });
        id
    }
}

/// For so long the notes of transactions go to the same lease.
const OPS_SHARED: Duration = Duration::from_secs(60);
/// A full disk is what keeps keys from being deleted, and that does not pass in less.
const END_AGAIN: Duration = Duration::from_secs(1);
