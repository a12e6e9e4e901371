//! The accept loop of one socket.

use std::{cell::RefCell, io, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use portward_core::BindingProtocol;
use rustix::io::Errno;
use socket2::{SockFilter, SockRef};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{JoinHandle, spawn_local},
    time::{sleep, timeout},
};

use super::{
    NewListener, Worker,
    connection::{self, Arrival},
    drain::Drain,
};
use crate::snapshot::ServedBinding;

/// Is a socket of a worker on which connections are accepted.
pub(super) struct Listener {
    current: Rc<RefCell<Current>>,
    stop: oneshot::Sender<Stop>,
    accepting: JoinHandle<()>,
    /// Whether somebody else keeps the socket: what is done to it would be done to theirs.
    is_shared: bool,
}

/// Says how accepting stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// After those connections that have begun, for so long at most.
    Last(Duration),
    /// With none more.
    AtOnce,
}

/// Is a socket that takes its last connections.
pub(super) struct Closing {
    current: Rc<RefCell<Current>>,
    accepting: JoinHandle<()>,
}

/// Is what connections of a socket belong to.
struct Current {
    binding: Arc<ServedBinding>,
    drain: Drain,
}

impl Listener {
    /// Begins to accept on a socket.
    pub(super) fn spawn(worker: Rc<Worker>, new: NewListener) -> io::Result<Self> {
        let socket = TcpListener::from_std(new.socket)?;
        let current = Rc::new(RefCell::new(Current { binding: new.binding, drain: Drain::default() }));
        let (stop, stopped) = oneshot::channel();
        let loop_ = Accepting { worker, local: new.local, current: Rc::clone(&current) };
        Ok(Self { current, stop, accepting: spawn_local(loop_.run(socket, stopped)), is_shared: new.is_shared })
    }

    /// Serves another binding from now on; gives the switch of the connections of the former one.
    pub(super) fn assign(&self, binding: Arc<ServedBinding>) -> Drain {
        self.current.replace(Current { binding, drain: Drain::default() }).drain
    }

    /// Begins to close: new connections are kept off, and those that have begun are taken for up to `limit`.
    pub(super) fn close(self, limit: Duration) -> Closing {
        if self.is_shared {
            return self.leave();
        }
        let _ = self.stop.send(Stop::Last(limit.min(BEGUN)));
        Closing { current: self.current, accepting: self.accepting }
    }

    /// Stops to accept, and leaves the socket as it is to another process.
    pub(super) fn leave(self) -> Closing {
        let _ = self.stop.send(Stop::AtOnce);
        Closing { current: self.current, accepting: self.accepting }
    }
}

impl Closing {
    /// Resolves when the socket is closed; gives the switch of its connections.
    pub(super) async fn closed(self) -> Drain {
        if let Err(error) = self.accepting.await {
            tracing::error!(%error, "an accept loop ended by a fault");
        }
        self.current.borrow().drain.clone()
    }
}

struct Accepting {
    worker: Rc<Worker>,
    local: SocketAddr,
    current: Rc<RefCell<Current>>,
}

impl Accepting {
    async fn run(self, socket: TcpListener, mut stopped: oneshot::Receiver<Stop>) {
        let mut exhausted = false;
        let stop = loop {
            let accepted = tokio::select! {
                accepted = self.accept(&socket) => accepted,
                // When the handle was dropped, everything ends at once.
                stop = &mut stopped => break stop.unwrap_or(Stop::AtOnce),
            };
            match accepted {
                Ok((tcp, peer)) => {
                    exhausted = false;
                    self.take(tcp, peer);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if !exhausted {
                        exhausted = true;
                        let worker = self.worker.index;
                        tracing::error!(worker, local = %self.local, %error, "cannot accept; trying again until it works");
                    }
                    // The queue stays readable, so accepting again at once would spin.
                    tokio::select! {
                        () = sleep(EXHAUSTED_PAUSE) => {}
                        stop = &mut stopped => break stop.unwrap_or(Stop::AtOnce),
                    }
                }
            }
        };
        if let Stop::Last(begun) = stop {
            self.take_last(socket, begun).await;
        }
    }

    /// Accepts the next connection, once there is room for its handshake.
    async fn accept(&self, socket: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        if self.current.borrow().binding.protocol == BindingProtocol::Https {
            self.worker.turns.has_room().await;
        }
        socket.accept().await
    }

    /// Accepts the connections that have begun, then closes the socket.
    ///
    /// Whatever is queued or half-way through its handshake when a socket closes is reset by the kernel, and its client
    /// was already told that it is connected.
    async fn take_last(&self, socket: TcpListener, begun: Duration) {
        // A connection that is begun from here on is not answered: its client asks again after a second and finds the
        // socket that follows, or none.
        if let Err(error) = SockRef::from(&socket).attach_filter(&WITHOUT_NEW_CONNECTIONS) {
            tracing::debug!(local = %self.local, %error, "new connections cannot be kept off a socket that closes");
        }
        let last = async {
            loop {
                match socket.accept().await {
                    Ok((tcp, peer)) => self.take(tcp, peer),
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(_) => sleep(EXHAUSTED_PAUSE).await,
                }
            }
        };
        let _: Result<std::convert::Infallible, _> = timeout(begun, last).await;
        // Asks the kernel itself: tokio may not have seen yet that there is something.
        let Ok(socket) = socket.into_std() else { return };
        loop {
            match socket.accept() {
                Ok((tcp, peer)) => {
                    if let Ok(tcp) = tcp.set_nonblocking(true).and_then(|()| TcpStream::from_std(tcp)) {
                        self.take(tcp, peer);
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => break,
            }
        }
    }

    fn take(&self, tcp: TcpStream, peer: SocketAddr) {
        let current = self.current.borrow();
        connection::spawn(Arrival {
            worker: Rc::clone(&self.worker),
            binding: Arc::clone(&current.binding),
            drain: current.drain.watch(),
            listener: self.local,
            tcp,
            peer,
        });
    }
}

/// Whether the error is of the connection that was to be accepted, so that the next one may be fine.
///
/// accept(2) passes errors of the new connection's network on, and says which ones to take as "try again".
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw_os_error),
        Some(
            Errno::CONNABORTED
                | Errno::CONNRESET
                | Errno::INTR
                | Errno::PROTO
                | Errno::NETDOWN
                | Errno::NOPROTOOPT
                | Errno::HOSTDOWN
                | Errno::NONET
                | Errno::HOSTUNREACH
                | Errno::NETUNREACH
        )
    )
}

/// Drops segments with the SYN flag and passes all others: classic BPF over the TCP header (RFC 9293 section 3.1), whose
/// byte 13 has the flags. Connections inherit it from the socket; an established one has no use for a SYN.
const WITHOUT_NEW_CONNECTIONS: [SockFilter; 4] = [
    SockFilter::new(BPF_LOAD_BYTE, 0, 0, 13),
    SockFilter::new(BPF_JUMP_IF_ANY_BIT, 0, 1, 0b10),
    SockFilter::new(BPF_RETURN, 0, 0, 0),
    SockFilter::new(BPF_RETURN, 0, 0, u32::MAX),
];

// From the kernel's include/uapi/linux/bpf_common.h: class, size or operation, mode or source.
const BPF_LOAD_BYTE: u16 = 0x20 | 0x10;
const BPF_JUMP_IF_ANY_BIT: u16 = 0x05 | 0x40;
const BPF_RETURN: u16 = 0x06;

/// Long enough not to spin while files are short, short enough that a client hardly notices; Go begins at 5 ms and
/// goes up to 1 s, nginx waits 500 ms.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// A round trip to almost everywhere: handshakes that were answered before a socket closes are done after it.
const BEGUN: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::{Read, Write};

    use portward_core::{BindingId, BindingProtocol};
    use tokio::task::LocalSet;

    use super::*;
    use crate::worker::ListenerKey;

    fn new_listener() -> NewListener {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let local = socket.local_addr().unwrap();
        let id = BindingId::parse("a").unwrap();
        let binding = ServedBinding::new(id, BindingProtocol::Http, local);
        NewListener { key: ListenerKey(0), binding: Arc::new(binding), local, socket, is_shared: false }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn closing_a_listener_takes_what_is_queued() {
        let (worker, new) = (Worker::for_tests(), new_listener());
        // The kernel completes these connections; nobody has accepted them yet.
        let clients: Vec<_> = (0..10)
            .map(|_| {
                let mut tcp = std::net::TcpStream::connect(new.local).unwrap();
                tcp.write_all(b"GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n").unwrap();
                tcp
            })
            .collect();
        let tasks = LocalSet::new();
        tasks
            .run_until(async {
                Listener::spawn(Rc::clone(&worker), new).unwrap().close(Duration::ZERO).closed().await.begin()
            })
            .await;
        tasks.await;
        assert_eq!(worker.counts().accepted.read(), 10);
        for mut client in clients {
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        }
    }

    #[test]
    fn an_error_of_one_connection_does_not_stop_the_others() {
        for (errno, expected) in [
            (Errno::CONNABORTED, true),
            (Errno::INTR, true),
            (Errno::PROTO, true),
            (Errno::MFILE, false),
            (Errno::NFILE, false),
            (Errno::NOBUFS, false),
            (Errno::NOMEM, false),
            (Errno::PERM, false),
        ] {
            assert_eq!(is_of_one_connection(&errno.into()), expected, "{errno:?}");
        }
    }
}
