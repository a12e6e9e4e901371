//! One accepted connection: counted, limited, isolated, and handed to the protocol that it speaks.

use std::{
    future::poll_fn,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use portward_core::BindingProtocol;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::spawn_local,
    time::{Instant, timeout},
};

use super::{DrainWatch, Worker, pulse};
use crate::{
    access_log::{Logged, Said},
    agents::HandedOver,
    answer::{Answer, Asked, Chain, Fault, log},
    clients::{Counted, TooMany},
    connection::serve_h1,
    h1::KeepAlive,
    h2::serve_h2,
    pass_through::{PassError, find_target, pass, unrecognized_name},
    proxy_header::{self, ReadHeaderError},
    served::{Client, Served, Warning},
    snapshot::{ServedBinding, Snapshot},
    stream::Stream,
    tls::{Accepted, HandshakeError, Protocol, TlsFacts, TlsServer},
};

/// Is a connection as it comes from the accept loop.
pub(super) struct Arrival {
    pub(super) worker: Rc<Worker>,
    /// What the socket serves; the newest snapshot may know more of it.
    pub(super) binding: Arc<ServedBinding>,
    pub(super) drain: DrainWatch,
    /// Where the socket listens.
    pub(super) listener: SocketAddr,
    pub(super) tcp: TcpStream,
    pub(super) peer: SocketAddr,
}

/// Serves a connection in a task of its own, or refuses it if there are too many.
pub(super) fn spawn(arrival: Arrival) {
    let Arrival { worker, binding, drain, listener, tcp, peer } = arrival;
    let counts = worker.counts();
    counts.accepted.up();
    let limits = &worker.served.limits;
    let binding = newest(&binding, &worker.served.newest());
    let by_proxy = binding.accept_proxy_from.iter().any(|network| network.contains(peer.ip()));
    let full = worker.served.counts.open() >= limits.connections as u64;
    let counted = match by_proxy {
        _ if full => Err(TooMany),
        // Whom it stands for is counted once it has said so.
        true => Ok(None),
        false => worker.served.clients.come(peer.ip()),
    };
    let Ok(counted) = counted else {
        turn_away(tcp, &binding, peer, full, worker);
        return;
    };
    let open = Open::new(&worker, counted);
    pulse::begin(&worker);
    let local = if listener.ip().is_unspecified() { tcp.local_addr().unwrap_or(listener) } else { listener };
    let client = Client {
        served: Arc::clone(&worker.served),
        binding,
        peer: canonical(peer),
        proxy: None,
        local: canonical(local),
        drain: drain.clone(),
        worker,
    };
    if by_proxy {
        spawn_local(isolate(|| serve_proxied(tcp, client), drain, open, peer));
        return;
    }
    match client.binding.protocol {
        BindingProtocol::Http => {
            spawn_local(isolate(|| serve_h1(Stream::plain(tcp), client, None), drain, open, peer));
        }
        BindingProtocol::Https => {
            spawn_local(isolate(|| serve_tls(tcp, client), drain, open, peer));
        }
        BindingProtocol::TlsPassthrough => {
            spawn_local(isolate(|| serve_passage(tcp, client), drain, open, peer));
        }
    }
}

/// Refuses a connection: as many are open as one client may have, or all of them together if it is `full`.
fn turn_away(tcp: TcpStream, binding: &ServedBinding, peer: SocketAddr, full: bool, worker: Rc<Worker>) {
    let (counts, limits) = (worker.counts(), &worker.served.limits);
    counts.refused.up();
    if worker.served.warned.is_due(Warning::Connections) {
        tracing::warn!(
            client.peer = %peer,
            limit = if full { Some(limits.connections) } else { limits.connections_of_client },
            "connections are refused: as many are open as {} may have",
            if full { "all clients together" } else { "one client" }
        );
    }
    // Without a handshake there is nothing to be said on https.
    if binding.is_http() && counts.refusing.read() < REFUSING_AT_ONCE {
        counts.refusing.up();
        spawn_local(refuse(tcp, worker));
    }
}

/// Serves the connection of a proxy that says who the client is before anything else.
async fn serve_proxied(mut tcp: TcpStream, mut client: Client) {
    let limit = client.served.limits.handshake;
    let peer = client.peer;
    match timeout(limit, proxy_header::read(&mut tcp)).await {
        Ok(Ok(said)) => {
            client.proxy = Some(Box::new(peer));
            client.peer = said.map_or(peer, canonical);
            tracing::debug!(
                client.peer = %client.peer,
                client.proxy = %peer,
                binding.id = %client.binding.id,
                "a proxy says who the client is"
            );
        }
        // Whoever only looks whether the port is open has nothing to say.
        Ok(Err(ReadHeaderError::Nothing)) => return,
        Ok(Err(error)) => return without_header(&Chain(&error), &client),
        Err(_) => return without_header(&"no header of the PROXY protocol came in time", &client),
    }
    let Ok(counted) = client.served.clients.come(client.peer.ip()) else {
        return turn_away(tcp, &client.binding, client.peer, false, client.worker);
    };
    let _present = Present { served: Arc::clone(&client.served), counted };
    // On the heap: one of them is all that such a connection becomes.
    match client.binding.protocol {
        BindingProtocol::Http => Box::pin(serve_h1(Stream::plain(tcp), client, None)).await,
        BindingProtocol::Https => Box::pin(serve_tls(tcp, client)).await,
        BindingProtocol::TlsPassthrough => Box::pin(serve_passage(tcp, client)).await,
    }
}

/// Serves a connection to a binding that passes all of them through.
async fn serve_passage(tcp: TcpStream, client: Client) {
    let limit = client.served.limits.handshake;
    match Box::pin(find_target(tcp, &client.binding, limit)).await {
        Ok(passed) => Box::pin(pass(passed, client)).await,
        Err(error) => {
            client.worker.counts().handshakes_failed.up(error.failure());
            let (peer, binding) = (client.peer, &client.binding.id);
            tracing::debug!(client.peer = %peer, binding.id = %binding, cause = %Chain(&error), "not passed through");
            if let PassError::NoTarget { tcp, .. } = error {
                tell(tcp, &unrecognized_name()).await;
            }
        }
    }
}

/// The binding as the snapshot has it; as the socket's own when the snapshot has it no more, or with another protocol.
fn newest(binding: &Arc<ServedBinding>, snapshot: &Snapshot) -> Arc<ServedBinding> {
    let same = |other: &&Arc<ServedBinding>| other.id == binding.id && other.protocol == binding.protocol;
    Arc::clone(snapshot.bindings.iter().find(same).unwrap_or(binding))
}

/// Shows an IPv4 address as such, also when an IPv6 socket has it.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

async fn serve_tls(tcp: TcpStream, mut client: Client) {
    let limit = client.served.limits.handshake;
    let begun = Instant::now();
    // A connection may be made early and used late: what counts is what is served when the handshake begins, and until
    // then it costs little.
    let caller = match TlsServer::listen(tcp, limit).await {
        Ok(caller) => caller,
        Err(error) => return Box::pin(without_tls(error, &client)).await,
    };
    // On the heap: the state of a handshake is large, and it is gone when the connection idles.
    let handshake = Box::pin(async {
        let snapshot = client.served.snapshot();
        client.binding = newest(&client.binding, &snapshot);
        let left = limit.saturating_sub(begun.elapsed());
        let accepted = {
            let (server, turns) = (&client.served.tls_server, &client.worker.turns);
            server.accept(caller, &snapshot, &client.binding, client.local, left, turns).await
        };
        match accepted {
            Ok(accepted) => Ok(accepted),
            Err(HandshakeError::Agent { tcp, input }) => {
                hand_over(tcp, input, &client);
                Err(None)
            }
            Err(HandshakeError::Passed(passed)) => Err(Some(passed)),
            Err(error) => {
                without_tls(error, &client).await;
                Err(None)
            }
        }
    })
    .await;
    let Accepted { stream, tls } = match handshake {
        Ok(accepted) => accepted,
        Err(Some(passed)) => return Box::pin(pass(passed, client)).await,
        Err(None) => return,
    };
    match tls {
        // On the heap: HTTP/2 needs much more than an idle HTTP/1.1 connection.
        Some(tls) if tls.protocol == Protocol::Http2 => Box::pin(serve_h2(stream, client, tls)).await,
        Some(tls) if tls.protocol == Protocol::Challenge => Box::pin(answered(stream, &client, &tls)).await,
        tls => serve_h1(stream, client, tls).await,
    }
}

/// Leaves the connection of an agent to who looks after agents, on another runtime.
fn hand_over(tcp: TcpStream, unread: Vec<u8>, client: &Client) {
    match tcp.into_std() {
        Ok(tcp) => {
            let handed = HandedOver { tcp, unread, peer: client.peer, binding: client.binding.id.clone() };
            if !client.served.agents.hand_over(handed) {
                client.worker.counts().refused.up();
            }
        }
        Err(error) => tracing::debug!(client.peer = %client.peer, %error, "an agent cannot be handed over"),
    }
}

/// Ends a connection whose handshake has answered a challenge: nothing else is said on it (RFC 8737 section 3).
async fn answered(stream: Stream, client: &Client, tls: &TlsFacts) {
    tracing::debug!(
        client.peer = %client.peer,
        binding.id = %client.binding.id,
        host = tls.sni.as_ref().map(tracing::field::display),
        "a tls-alpn-01 challenge was answered"
    );
    let _ = tell(stream, b"").await;
}

/// Counts and writes down why there is no TLS connection, and tells a client that does not know that this is TLS.
async fn without_tls(error: HandshakeError, client: &Client) {
    client.worker.counts().handshakes_failed.up(error.failure());
    let (peer, binding) = (client.peer, &client.binding.id);
    match error {
        HandshakeError::Http(tcp) => {
            let id = client.worker.request_ids.next();
            let answer = Answer::from(Fault::HttpOnHttps);
            log::answered(
                &answer,
                &log::Subject { id: &id, peer, proxy: client.proxy(), named: None, host: None, site: None },
            );
            // Of the request one byte is known.
            let (request_id, now) = (id.as_str(), client.served.now());
            let asked = Asked { request_id, host: None, accept: None, head: false, now };
            let mut out = Vec::new();
            let bytes = answer.write_h1(&asked, KeepAlive::Close, &mut out);
            let logged = Logged::begin(client, id, None, Said::default);
            let told = tell(tcp, &out).await;
            logged.answered(&answer, bytes, told);
        }
        // Somebody has to act on it, and every connection that comes says the same.
        HandshakeError::NoCertificate { .. }
            if client.served.warned.is_due(Warning::NoCertificate(binding.clone())) =>
        {
            tracing::warn!(client.peer = %peer, binding.id = %binding, cause = %Chain(&error), "TLS handshake failed");
        }
        error => {
            tracing::debug!(client.peer = %peer, binding.id = %binding, cause = %Chain(&error), "TLS handshake failed");
        }
    }
}

/// Writes down that a proxy has not said who its client is; the connection is cut.
fn without_header(why: &dyn std::fmt::Display, client: &Client) {
    let (proxy, binding) = (client.peer, &client.binding.id);
    // Somebody has to act on it, and every connection that comes says the same.
    if client.served.warned.is_due(Warning::NoProxyHeader(binding.clone())) {
        tracing::warn!(client.proxy = %proxy, binding.id = %binding, cause = %why, "a proxy does not say who its client is: its connection is cut");
    } else {
        tracing::debug!(client.proxy = %proxy, binding.id = %binding, cause = %why, "a proxy does not say who its client is: its connection is cut");
    }
}

/// Runs a connection until it ends, panics or is cut; whichever it is, only this connection ends.
///
/// The connection is made in its place: passed as a value, it would be in the task twice.
async fn isolate<F>(connection: impl FnOnce() -> F, mut cut: DrainWatch, open: Open, peer: SocketAddr)
where
    F: Future<Output = ()>,
{
    let mut connection = pin!(connection());
    poll_fn(|cx| {
        if cut.poll_cut(cx).is_ready() {
            return Poll::Ready(());
        }
        // After a panic the connection is dropped and not looked at again, so nothing half-done is seen;
        // what it shares with others (counts, pools, snapshots) is changed in single steps.
        catch_unwind(AssertUnwindSafe(|| connection.as_mut().poll(cx))).unwrap_or_else(|_| {
            open.worker.counts().panics.up();
            tracing::error!(client.peer = %peer, "a connection ended by a fault of ours");
            Poll::Ready(())
        })
    })
    .await;
}

/// Counts a connection as open while it lives.
struct Open {
    worker: Rc<Worker>,
    counted: Option<Counted>,
}

impl Open {
    fn new(worker: &Rc<Worker>, counted: Option<Counted>) -> Self {
        worker.counts().open.up();
        Self { worker: Rc::clone(worker), counted }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(client) = self.counted {
            self.worker.served.clients.leave(client);
        }
        let open = &self.worker.counts().open;
        open.down();
        if open.read() == 0 {
            self.worker.all_closed.notify_one();
        }
    }
}

/// Counts whom a proxy stands for while its connection lives.
struct Present {
    served: Arc<Served>,
    counted: Option<Counted>,
}

impl Drop for Present {
    fn drop(&mut self) {
        if let Some(client) = self.counted {
            self.served.clients.leave(client);
        }
    }
}

/// Tells a client of an http binding that there are too many connections, without reading its request.
async fn refuse(tcp: TcpStream, worker: Rc<Worker>) {
    let _ = tell(tcp, OVERLOADED).await;
    worker.counts().refusing.down();
}

/// Sends the last words of a connection and lets the client read them; tells whether they left.
async fn tell(mut stream: impl AsyncRead + AsyncWrite + Unpin, words: &[u8]) -> bool {
    let mut told = false;
    let tell = async {
        stream.write_all(words).await?;
        stream.shutdown().await?;
        told = true;
        // Closing with bytes unread would reset the connection, and the answer could be lost with it.
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        std::io::Result::Ok(())
    };
    // However it ends, the connection is closed.
    let _ = timeout(TELLING, tell).await;
    told
}

/// Sent before any byte of a request is read and at the least possible cost, so it is no page like the other answers.
const OVERLOADED: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Retry-After: 5\r\n\
    Connection: close\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 59\r\n\
    \r\n\
    Too many connections are open here. Try again in a moment.\n";

/// How long a client may take to read why its connection ends: one round trip to the other side of the world, and some.
const TELLING: Duration = Duration::from_secs(1);

/// Refused clients that a worker tells why at the same time; the others are just closed.
const REFUSING_AT_ONCE: u64 = 256;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use std::{future::pending, pin::Pin};

    use portward_core::BindingId;
    use tokio::task::{LocalSet, yield_now};

    use super::*;
    use crate::worker::drain::Drain;

    fn peer() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 1))
    }

    #[tokio::test]
    async fn a_panic_ends_its_own_connection_alone() {
        let worker = Worker::for_tests();
        let drain = Drain::default();
        let tasks = LocalSet::new();
        let run = |connection: Pin<Box<dyn Future<Output = ()>>>| {
            isolate(|| connection, drain.watch(), Open::new(&worker, None), peer())
        };
        let faulty = tasks.spawn_local(run(Box::pin(async {
            yield_now().await;
            panic!("on purpose")
        })));
        let sound = tasks.spawn_local(run(Box::pin(pending())));
        tasks.run_until(faulty).await.unwrap();
        assert!(!sound.is_finished());
        assert_eq!((worker.counts().panics.read(), worker.counts().open.read()), (1, 1));

        drain.cut();
        tasks.run_until(sound).await.unwrap();
        assert_eq!((worker.counts().panics.read(), worker.counts().open.read()), (1, 0));
    }

    #[test]
    fn a_connection_sees_its_binding_as_the_newest_snapshot_has_it() {
        let binding = |id: &str, protocol, port| {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            let id = BindingId::parse(id).unwrap();
            Arc::new(ServedBinding::new(id, protocol, address))
        };
        let own = binding("a", BindingProtocol::Https, 1);
        for (bindings, expected) in [
            (vec![], 1),
            (vec![binding("b", BindingProtocol::Https, 2)], 1),
            (vec![binding("a", BindingProtocol::Http, 2)], 1),
            (vec![binding("b", BindingProtocol::Https, 2), binding("a", BindingProtocol::Https, 3)], 3),
        ] {
            let snapshot = Snapshot { bindings, ..Snapshot::default() };
            assert_eq!(newest(&own, &snapshot).address.port(), expected, "{snapshot:?}");
        }
    }

    #[test]
    fn the_length_of_the_fast_refusal_is_right() {
        let text = std::str::from_utf8(OVERLOADED).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("\r\nContent-Length: {}", body.len())), "{text}");
    }
}
