//! Workers: threads that accept connections and serve them to their end.
//!
//! A worker shares nothing with the others but [`Served`]; what it is told comes as a [`Change`], and it answers each one.

mod connection;
mod drain;
mod listener;
mod pulse;
mod turns;

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Builder, LocalOptions, LocalRuntime},
    sync::{Notify, mpsc, oneshot},
    task::spawn_local,
    time::{sleep, timeout},
};

use self::{drain::Drain, listener::Listener, pulse::Pulse};
pub(crate) use self::{
    drain::DrainWatch,
    turns::{Turns, give_way},
};
use crate::{
    access_log::Batches,
    count::WorkerCounts,
    proxy::{Drained, SpawnError},
    request_id::RequestIds,
    served::Served,
    snapshot::ServedBinding,
    upstream::Upstreams,
};

/// Names a set of sockets, one at each worker, for as long as they are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ListenerKey(pub(crate) u64);

/// Is what one worker has to do to follow a new snapshot.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// Sockets to accept on from now on.
    pub(crate) open: Vec<NewListener>,
    /// Sockets that serve another binding from now on; connections of the former one drain.
    pub(crate) assign: Vec<(ListenerKey, Arc<ServedBinding>)>,
    /// Sockets to take what is queued from, and to close; their connections drain.
    pub(crate) close: Vec<ListenerKey>,
}

/// Is a socket that listens, for one worker.
#[derive(Debug)]
pub(crate) struct NewListener {
    pub(crate) key: ListenerKey,
    pub(crate) binding: Arc<ServedBinding>,
    /// Where it listens for real.
    pub(crate) local: SocketAddr,
    /// It does not block.
    pub(crate) socket: TcpListener,
    /// Whether somebody else keeps it open, as systemd does.
    pub(crate) is_shared: bool,
}

/// Is a worker as the control plane sees it.
#[derive(Debug)]
pub(crate) struct WorkerThread {
    index: usize,
    orders: mpsc::UnboundedSender<Order>,
    thread: thread::JoinHandle<()>,
}

/// Is what everything on one worker's thread shares.
pub(crate) struct Worker {
    /// Counts workers from 0.
    pub(crate) index: usize,
    pub(crate) served: Arc<Served>,
    /// Connections to upstreams.
    pub(crate) upstreams: Upstreams,
    /// Names for requests.
    pub(crate) request_ids: RequestIds,
    /// Lines of the access log, if there is one.
    pub(crate) access: Option<Rc<Batches>>,
    /// Whose handshake it is busy with.
    pub(crate) turns: Turns,
    /// Told when no connection is open any more.
    all_closed: Notify,
    pulse: Pulse,
}

#[derive(Debug)]
enum Order {
    Change(Change, oneshot::Sender<()>),
    End(Duration, Leaving, oneshot::Sender<Drained>),
}

/// Says what becomes of connections that have begun at a socket and were not accepted yet, when a worker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// They are taken, as the socket is closed.
    Closing,
    /// Another process takes them, which has the socket as well.
    HandingOver,
}

/// The sockets of a worker, by the key of their set.
type Listeners = HashMap<ListenerKey, Vec<Listener>>;

impl WorkerThread {
    /// Starts the thread of a worker.
    pub(crate) fn spawn(index: usize, served: Arc<Served>) -> Result<Self, SpawnError> {
        let (orders, inbox) = mpsc::unbounded_channel();
        let (begun, beginning) = std::sync::mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name(format!("worker-{index}"))
            // A local runtime stays on the thread that builds it.
            .spawn(move || match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => {
                    let _ = begun.send(Ok(()));
                    run(runtime, index, served, inbox);
                }
                Err(source) => {
                    let _ = begun.send(Err(source));
                }
            })
            .map_err(|source| SpawnError::Thread { worker: index, source })?;
        // A thread that says nothing has panicked, which the first order to it finds out.
        if let Ok(Err(source)) = beginning.recv() {
            return Err(SpawnError::Runtime { worker: index, source });
        }
        Ok(Self { index, orders, thread })
    }

    /// Tells the worker to follow a change; gives its index and its answer to wait for, unless there is nothing to do.
    pub(crate) fn change(&self, change: Change) -> Option<(usize, oneshot::Receiver<()>)> {
        if change.open.is_empty() && change.assign.is_empty() && change.close.is_empty() {
            return None;
        }
        let (done, answer) = oneshot::channel();
        // A worker that is gone drops `done`, which answers too.
        let _ = self.orders.send(Order::Change(change, done));
        Some((self.index, answer))
    }

    /// Tells the worker to end within `limit`; the answer comes when its thread has ended.
    ///
    /// The order is given at once, not when the answer is first polled.
    pub(crate) fn end(self, limit: Duration, leaving: Leaving) -> impl Future<Output = Drained> {
        let (done, answer) = oneshot::channel();
        let _ = self.orders.send(Order::End(limit, leaving, done));
        async move {
            let drained = answer.await.unwrap_or_else(|_| {
                tracing::error!(worker = self.index, "a worker ended before it was told to");
                Drained::default()
            });
            // It answers last of all, so this does not block.
            let _ = self.thread.join();
            drained
        }
    }
}

impl Worker {
    pub(crate) fn new(index: usize, served: Arc<Served>) -> Self {
        let access = served.access_log.as_ref().map(Batches::new);
        Self {
            index,
            served,
            upstreams: Upstreams::new(),
            request_ids: RequestIds::new(),
            access,
            turns: Turns::new(),
            all_closed: Notify::new(),
            pulse: Pulse::default(),
        }
    }

    /// A worker without a thread, for tests of what runs on one.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Rc<Self> {
        let clock = crate::clock::Clock::new(|| portward_core::Timestamp::EPOCH);
        Rc::new(Self::new(0, Arc::new(Served::new(1, crate::limits::Limits::default(), clock, None).unwrap())))
    }

    /// What this worker counts.
    pub(crate) fn counts(&self) -> &WorkerCounts {
        self.served.counts.of(self.index)
    }
}

fn run(runtime: LocalRuntime, index: usize, served: Arc<Served>, inbox: mpsc::UnboundedReceiver<Order>) {
    let worker = Rc::new(Worker::new(index, served));
    let ended = runtime.block_on(obey(Rc::clone(&worker), inbox));
    // Dropping the tasks cuts the connections that are left.
    drop(runtime);
    drop(worker);
    if let Some((drained, done)) = ended {
        let _ = done.send(drained);
    }
}

/// Follows orders until the last one, or until the handle is dropped.
async fn obey(
    worker: Rc<Worker>,
    mut inbox: mpsc::UnboundedReceiver<Order>,
) -> Option<(Drained, oneshot::Sender<Drained>)> {
    let mut listeners = Listeners::new();
    if let Some(access) = &worker.access {
        spawn_local(Batches::hand_over_each_second(Rc::downgrade(access)));
    }
    while let Some(order) = inbox.recv().await {
        match order {
            Order::Change(change, done) => {
                follow(&worker, &mut listeners, change).await;
                let _ = done.send(());
            }
            Order::End(limit, leaving, done) => return Some((end(&worker, listeners, limit, leaving).await, done)),
        }
    }
    None
}

async fn follow(worker: &Rc<Worker>, listeners: &mut Listeners, change: Change) {
    for new in change.open {
        let key = new.key;
        match Listener::spawn(Rc::clone(worker), new) {
            Ok(listener) => {
                listeners.entry(key).or_default().push(listener);
            }
            // The other workers have sockets of the same binding; the kernel deals this one's share out to them.
            Err(error) => tracing::error!(worker = worker.index, %error, "a worker cannot accept on a new socket"),
        }
    }
    for (key, binding) in change.assign {
        for listener in listeners.get(&key).into_iter().flatten() {
            finish(listener.assign(Arc::clone(&binding)), worker.served.limits.drain);
        }
    }
    let closing = change.close.iter().filter_map(|key| listeners.remove(key)).flatten();
    let closing: Vec<_> = closing.map(|listener| listener.close(Duration::MAX)).collect();
    for listener in closing {
        finish(listener.closed().await, worker.served.limits.drain);
    }
}

/// Lets the connections of a binding that is gone finish, and cuts those that take longer than `limit`.
fn finish(drain: Drain, limit: Duration) {
    drain.begin();
    spawn_local(async move {
        sleep(limit).await;
        drain.cut();
    });
}

async fn end(worker: &Rc<Worker>, listeners: Listeners, limit: Duration, leaving: Leaving) -> Drained {
    let listeners = listeners.into_values().flatten();
    let closing: Vec<_> = match leaving {
        Leaving::Closing => listeners.map(|listener| listener.close(limit)).collect(),
        Leaving::HandingOver => listeners.map(Listener::leave).collect(),
    };
    let mut drains = Vec::with_capacity(closing.len());
    for listener in closing {
        drains.push(listener.closed().await);
    }
    let open = &worker.counts().open;
    let at_first = open.read();
    drains.iter().for_each(match leaving {
        Leaving::Closing => Drain::begin,
        Leaving::HandingOver => Drain::begin_gently,
    });
    let all_closed = async {
        while open.read() > 0 {
            worker.all_closed.notified().await;
        }
    };
    // Whether the limit was reached is told by what is still open.
    let _ = timeout(limit, all_closed).await;
    let cut = open.read();
    Drained { finished: at_first.saturating_sub(cut), cut }
}
