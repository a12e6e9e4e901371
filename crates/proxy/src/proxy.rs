//! The handle that the rest of Portward has on the data plane.
//!
//! [`Proxy::publish`] is the only way in: it takes a whole [`Snapshot`] and makes the sockets and the workers follow it.

mod plan;

use std::{
    collections::HashSet,
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    os::unix::net::UnixStream,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use portward_core::{BindingId, BindingProtocol, sockets_overlap};
use tokio::{
    sync::{Mutex, oneshot},
    time::timeout,
};

use self::plan::{Held, Placement, place};
use crate::{
    access_log::{AccessLog, AccessLogCounts},
    agents::HandedOver,
    bind::{self, BindError},
    clock::Clock,
    count::CountsView,
    limits::Limits,
    served::{Bound, Served},
    snapshot::{ServedBinding, Snapshot},
    upstream::checks,
    worker::{Change, Leaving, ListenerKey, NewListener, WorkerThread},
};

/// Says how a [`Proxy`] is spawned.
#[derive(Debug)]
pub struct ProxyOptions {
    /// Threads that serve connections; one for each core is the most that is of use.
    pub workers: NonZeroUsize,
    /// Time-outs and limits.
    pub limits: Limits,
    /// The time of day.
    pub clock: Clock,
    /// Where each request is written down; none for nowhere.
    pub access_log: Option<AccessLog>,
    /// Sockets that listen already; what no binding of the first snapshot takes is closed.
    pub given: Vec<GivenSocket>,
}

/// Is a socket that listens, from systemd or from a process that ran before.
#[derive(Debug)]
pub struct GivenSocket {
    /// The binding that gets it; none for the one that has its address.
    pub binding: Option<BindingId>,
    /// The socket.
    pub socket: TcpListener,
    /// Whether who gave it keeps it open, as systemd does: then connections that wait are left to whoever comes next.
    pub is_shared: bool,
}

/// Is the running data plane.
///
/// Dropped without [`Proxy::drain`], it cuts all connections.
#[derive(Debug)]
pub struct Proxy {
    served: Arc<Served>,
    /// Dropped, it ends the checks of upstreams.
    _checks: oneshot::Sender<Infallible>,
    /// Held through a publish, so that publishes happen one after another.
    sockets: Mutex<Sockets>,
    given: std::sync::Mutex<Vec<GivenSocket>>,
    is_draining: AtomicBool,
    reports: RwLock<Vec<BindingReport>>,
}

/// Says what became of one binding of a snapshot.
#[derive(Clone, Debug)]
pub struct BindingReport {
    /// Names the binding.
    pub id: BindingId,
    /// Where it listens, with its real port; or why it does not.
    pub result: Result<SocketAddr, BindError>,
}

/// Says how the connections ended that were open when a drain began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// They finished by themselves.
    pub finished: u64,
    /// They were cut when the limit was reached.
    pub cut: u64,
}

/// Says why the data plane could not be spawned.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The cryptography that TLS needs is not there.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The operating system gave no thread for the checks of upstreams.
    #[error("the thread of the checks cannot be started")]
    Checks(#[source] io::Error),
    /// The worker got no event queue.
    #[error("the event loop of worker {worker} cannot be set up")]
    Runtime {
        /// Index of the worker.
        worker: usize,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The operating system gave no thread.
    #[error("the thread of worker {worker} cannot be started")]
    Thread {
        /// Index of the worker.
        worker: usize,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
}

#[derive(Debug, Default)]
struct Sockets {
    /// None are left once a drain began.
    workers: Vec<WorkerThread>,
    held: Vec<Held>,
    next_key: u64,
}

impl Proxy {
    /// Starts the workers; nothing is bound until the first snapshot is published.
    pub fn spawn(options: ProxyOptions) -> Result<Self, SpawnError> {
        let count = options.workers.get();
        let served = Served::new(count, options.limits, options.clock, options.access_log);
        let served = Arc::new(served.map_err(SpawnError::Tls)?);
        let workers =
            (0..count).map(|index| WorkerThread::spawn(index, Arc::clone(&served))).collect::<Result<_, _>>()?;
        let sockets = Mutex::new(Sockets { workers, ..Sockets::default() });
        let given = std::sync::Mutex::new(options.given);
        let checks = checks::spawn(Arc::clone(&served)).map_err(SpawnError::Checks)?;
        let (is_draining, reports) = (AtomicBool::new(false), RwLock::default());
        Ok(Self { served, _checks: checks, sockets, given, is_draining, reports })
    }

    /// Serves `snapshot` from now on and tells what became of each of its bindings, in their order.
    ///
    /// When it resolves, every worker accepts on the new bindings, and every handshake and request that begins sees the
    /// new snapshot.
    /// A binding that cannot be bound is reported and disturbs nothing: if it ran at another address, it goes on there.
    /// It is tried again with the next snapshot.
    /// Sockets whose address is still wanted stay open; others take the connections that have begun (which adds a round
    /// trip to the publish), close, and their connections finish within [`Limits::drain`].
    ///
    /// After [`Proxy::drain`] began nothing is served anew, and what is told is what became of the bindings before.
    ///
    /// It must run on a tokio runtime with time. Dropped before it resolves, the snapshot is served all the same.
    pub async fn publish(&self, snapshot: Snapshot) -> Vec<BindingReport> {
        let mut sockets = self.sockets.lock().await;
        if sockets.workers.is_empty() {
            return self.bound();
        }
        let (reports, changes) = self.arrange(&mut sockets, &snapshot.bindings);
        for GivenSocket { socket, .. } in self.given().drain(..) {
            let local = socket.local_addr().map(|local| local.to_string()).unwrap_or_default();
            tracing::warn!(
                local,
                "a socket that was given is closed: no binding has its address; add one, or take it out of the socket unit"
            );
        }
        let bound = sockets.held.iter().map(|held| held.bound.clone()).collect();
        self.served.swap(Arc::new(snapshot), bound);
        *self.reports.write().unwrap_or_else(PoisonError::into_inner) = reports.clone();
        // All are told before the first answer is awaited: from here on nothing is lost if the caller goes away.
        let answers: Vec<_> =
            sockets.workers.iter().zip(changes).filter_map(|(worker, change)| worker.change(change)).collect();
        for (worker, answer) in answers {
            match timeout(WORKER_PATIENCE, answer).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => tracing::error!(worker, "a worker has ended; the others serve the bindings without it"),
                Err(_) => tracing::error!(worker, "a worker is busy and has not followed the new bindings yet"),
            }
        }
        reports
    }

    /// What became of each binding of the snapshot that is served.
    pub fn bound(&self) -> Vec<BindingReport> {
        self.reports.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tries for real whether a binding could have `address`, and lets it go again.
    ///
    /// An address that Portward holds itself is [`BindError::Ours`], whichever the two protocols are: a port has one.
    pub fn try_bind(&self, _protocol: impl Into<BindingProtocol>, address: SocketAddr) -> Result<(), BindError> {
        let bound = self.served.bound();
        match bound.iter().find(|bound| sockets_overlap(bound.local, address)) {
            Some(bound) => Err(BindError::Ours(bound.id.clone())),
            None if self.given().iter().any(|given| given.is_at(address)) => Ok(()),
            None => bind::probe(address),
        }
    }

    /// All sockets that listen, once more: another process can accept on them as well.
    pub async fn sockets(&self) -> io::Result<Vec<GivenSocket>> {
        let sockets = self.sockets.lock().await;
        let all = sockets.held.iter().flat_map(|held| held.sockets.iter().map(move |socket| (held, socket)));
        let again = |(held, socket): (&Held, &TcpListener)| {
            let (binding, is_shared) = (Some(held.bound.id.clone()), held.is_shared);
            Ok(GivenSocket { binding, socket: socket.try_clone()?, is_shared })
        };
        all.map(again).collect()
    }

    /// Takes the next connection that a worker makes to the portal; it does not block, and HTTP/1.1 is spoken on it.
    ///
    /// Only workers make them: `X-Forwarded-For`, `-Proto`, `-Host` and `-Port` say what the data plane saw of the client.
    /// None comes after the proxy is gone.
    pub async fn accept_portal(&self) -> Option<UnixStream> {
        self.served.portal.accept().await
    }

    /// Takes the next connection of somebody who says to be an agent, before its handshake.
    ///
    /// They come while the snapshot has [`Snapshot::agent_protocols`]. None comes after the proxy is gone.
    pub async fn accept_agent(&self) -> Option<HandedOver> {
        self.served.agents.accept().await
    }

    /// The snapshot that is served.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.served.snapshot()
    }

    /// What the workers have counted since they were spawned.
    pub fn counts(&self) -> CountsView {
        self.served.counts.view()
    }

    /// How many lines the access log has had; none if there is no such log.
    pub fn access_log_counts(&self) -> Option<AccessLogCounts> {
        self.served.access_log.as_ref().map(AccessLog::counts)
    }

    /// Ends the data plane: takes what is queued, closes the sockets that listen, lets running requests finish, and
    /// cuts the connections that are still open after `limit`.
    ///
    /// A publish that runs is waited for. A second drain finds nothing left to do, and does not wait for the first.
    pub async fn drain(&self, limit: Duration) -> Drained {
        self.end(limit, Leaving::Closing).await
    }

    /// Ends the data plane likewise, but leaves everything that is queued or about to connect to another process, which
    /// has the same sockets: see [`Proxy::sockets`].
    pub async fn hand_over(&self, limit: Duration) -> Drained {
        self.end(limit, Leaving::HandingOver).await
    }

    async fn end(&self, limit: Duration, leaving: Leaving) -> Drained {
        self.is_draining.store(true, Ordering::SeqCst);
        let workers = {
            let mut sockets = self.sockets.lock().await;
            // A socket that is still open somewhere would take connections that nobody serves.
            sockets.held.clear();
            std::mem::take(&mut sockets.workers)
        };
        // All are told before the first answer is awaited.
        let answers: Vec<_> = workers.into_iter().map(|worker| worker.end(limit, leaving)).collect();
        let mut drained = Drained::default();
        for answer in answers {
            let worker = answer.await;
            drained.finished += worker.finished;
            drained.cut += worker.cut;
        }
        drained
    }

    /// Whether a drain has begun.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    /// Opens what is to be opened; gives the report, and what each worker has to do.
    fn arrange(&self, sockets: &mut Sockets, wanted: &[Arc<ServedBinding>]) -> (Vec<BindingReport>, Vec<Change>) {
        let mut changes: Vec<Change> = sockets.workers.iter().map(|_| Change::default()).collect();
        let placements = place(&sockets.held, wanted);
        let mut next: Vec<Held> = Vec::with_capacity(wanted.len());
        let mut reports: Vec<BindingReport> = Vec::with_capacity(wanted.len());
        for (binding, placement) in wanted.iter().zip(placements) {
            let placed = match placement {
                Placement::Keep(index) => {
                    let mut held = sockets.held[index].clone();
                    let bound = Bound::of(binding, held.bound.local);
                    if held.bound != bound {
                        changes.iter_mut().for_each(|change| change.assign.push((held.key, Arc::clone(binding))));
                    }
                    held.asked = binding.address;
                    held.bound = bound;
                    Ok(held)
                }
                Placement::Open => self.open(sockets, binding, &mut changes),
                Placement::Conflict(id) => Err(BindError::Ours(id)),
            };
            let result = placed.map(|held| {
                let local = held.bound.local;
                next.push(held);
                local
            });
            reports.push(BindingReport { id: binding.id.clone(), result });
        }
        let failed = |id: &BindingId| reports.iter().any(|report| report.id == *id && report.result.is_err());
        for held in &sockets.held {
            if next.iter().any(|kept| kept.key == held.key) {
                continue;
            }
            if failed(&held.bound.id) {
                next.push(held.clone());
            } else {
                changes.iter_mut().for_each(|change| change.close.push(held.key));
            }
        }
        sockets.held = next;
        (reports, changes)
    }

    fn open(
        &self,
        sockets: &mut Sockets,
        binding: &Arc<ServedBinding>,
        changes: &mut [Change],
    ) -> Result<Held, BindError> {
        let count = NonZeroUsize::new(changes.len()).unwrap_or(NonZeroUsize::MIN);
        let given: Vec<_> = self.given().extract_if(.., |given| given.is_for(binding)).collect();
        let is_shared = given.iter().any(|given| given.is_shared);
        let given: Vec<_> = given.into_iter().map(|given| given.socket).collect();
        let failed = |error| BindError::explain(binding.address, error, &HashSet::new());
        let opened = if given.is_empty() {
            let own = sockets.held.iter().map(|held| (held.bound.local, held.inodes.as_slice()));
            bind::open(binding.address, count, own)?
        } else {
            bind::adopt(given, count).map_err(failed)?
        };
        let again = opened.listeners.iter().flatten().map(TcpListener::try_clone).collect::<io::Result<_>>();
        let again: Arc<[TcpListener]> = again.map_err(failed)?;
        let key = ListenerKey(sockets.next_key);
        sockets.next_key += 1;
        for (change, sockets) in changes.iter_mut().zip(opened.listeners) {
            for socket in sockets {
                let binding = Arc::clone(binding);
                change.open.push(NewListener { key, binding, local: opened.local, socket, is_shared });
            }
        }
        let bound = Bound::of(binding, opened.local);
        Ok(Held { key, asked: binding.address, bound, inodes: opened.inodes, sockets: again, is_shared })
    }

    fn given(&self) -> std::sync::MutexGuard<'_, Vec<GivenSocket>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GivenSocket {
    fn is_for(&self, binding: &ServedBinding) -> bool {
        match &self.binding {
            Some(id) => *id == binding.id,
            None => self.is_at(binding.address),
        }
    }

    fn is_at(&self, address: SocketAddr) -> bool {
        self.socket.local_addr().is_ok_and(|local| local == address)
    }
}

/// A worker answers within microseconds; one that needs longer is stuck, and the control plane must not be.
const WORKER_PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
