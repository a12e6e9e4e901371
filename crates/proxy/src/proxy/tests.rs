#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    io::ErrorKind,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use portward_core::{BindingProtocol, HostPattern, Timestamp};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::yield_now,
    time::sleep,
};
use tokio_rustls::TlsConnector;

use super::*;
use crate::{
    snapshot::Serves,
    tls::fixture::{certificate, client},
};

mod given;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n";
const LAST_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: nobody.test\r\nConnection: close\r\n\r\n";
const LONG: Duration = Duration::from_secs(60);

fn spawn(workers: usize) -> Proxy {
    spawn_with(workers, Limits::default())
}

fn spawn_with(workers: usize, limits: Limits) -> Proxy {
    spawn_given(workers, limits, Vec::new())
}

fn spawn_given(workers: usize, limits: Limits, given: Vec<GivenSocket>) -> Proxy {
    Proxy::spawn(ProxyOptions {
        workers: NonZeroUsize::new(workers).unwrap(),
        limits,
        clock: Clock::new(|| Timestamp::EPOCH),
        access_log: None,
        given,
    })
    .unwrap()
}

fn id(text: &str) -> BindingId {
    BindingId::parse(text).unwrap()
}

fn snapshot(bindings: &[(&str, BindingProtocol, SocketAddr)]) -> Snapshot {
    let bindings = bindings
        .iter()
        .map(|(name, protocol, address)| Arc::new(ServedBinding::new(id(name), *protocol, *address)))
        .collect();
    Snapshot { bindings, ..Snapshot::default() }
}

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// Publishes http bindings on any port, and gives where they are.
async fn publish_http(proxy: &Proxy, names: &[&str]) -> Vec<SocketAddr> {
    let bindings: Vec<_> = names.iter().map(|name| (*name, BindingProtocol::Http, any_port())).collect();
    proxy.publish(snapshot(&bindings)).await.into_iter().map(|report| report.result.unwrap()).collect()
}

/// Connects, asks once, and reads to the end.
async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut tcp = TcpStream::connect(address).await?;
    tcp.write_all(LAST_REQUEST).await?;
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Connects and asks once; the connection stays open.
async fn connect_and_ask(address: SocketAddr) -> TcpStream {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(REQUEST).await.unwrap();
    assert_ne!(tcp.read(&mut [0; 4096]).await.unwrap(), 0);
    tcp
}

/// Resolves when the connection has ended, whether by an end or by a reset.
async fn ended(mut tcp: TcpStream) {
    let mut rest = Vec::new();
    let _ = timeout(LONG, tcp.read_to_end(&mut rest)).await.unwrap();
}

async fn eventually(holds: impl Fn() -> bool) {
    timeout(LONG, async {
        while !holds() {
            yield_now().await;
        }
    })
    .await
    .unwrap();
}

async fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).await.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[tokio::test]
async fn a_published_binding_is_served_by_every_worker() {
    let proxy = spawn(3);
    assert!(proxy.bound().is_empty());
    let address = publish_http(&proxy, &["a"]).await[0];
    for _ in 0..50 {
        assert!(ask(address).await.unwrap().starts_with("HTTP/1.1 4"));
    }
    assert_eq!(proxy.counts().accepted, 50);
    for worker in 0..3 {
        assert_ne!(proxy.served.counts.of(worker).accepted.read(), 0, "worker {worker}");
    }
    assert_eq!(proxy.bound()[0].result.clone().unwrap(), address);
}

#[tokio::test]
async fn a_removed_binding_is_closed_and_its_connections_end() {
    let proxy = spawn(2);
    let addresses = publish_http(&proxy, &["a", "b"]).await;
    let idle = connect_and_ask(addresses[1]).await;
    let kept = connect_and_ask(addresses[0]).await;
    publish_http(&proxy, &["a"]).await;
    assert!(is_refused(addresses[1]).await);
    ended(idle).await;
    let mut kept = kept;
    kept.write_all(REQUEST).await.unwrap();
    assert_ne!(kept.read(&mut [0; 4096]).await.unwrap(), 0);
}

#[tokio::test]
async fn connections_of_a_removed_binding_that_do_not_finish_are_cut() {
    let proxy = spawn_with(1, Limits { drain: Duration::from_millis(20), ..Limits::default() });
    let address = publish_http(&proxy, &["a"]).await[0];
    let mut stuck = TcpStream::connect(address).await.unwrap();
    stuck.write_all(&REQUEST[..10]).await.unwrap();
    eventually(|| proxy.counts().open == 1).await;
    publish_http(&proxy, &[]).await;
    ended(stuck).await;
    eventually(|| proxy.counts().open == 0).await;
}

#[tokio::test]
async fn a_binding_moves_to_another_address() {
    let proxy = spawn(2);
    let old = publish_http(&proxy, &["a"]).await[0];
    let wide = SocketAddr::new("0.0.0.0".parse().unwrap(), old.port());
    let reports = proxy.publish(snapshot(&[("a", BindingProtocol::Http, wide)])).await;
    assert_eq!(reports[0].result.clone().unwrap(), wide);
    assert!(ask(old).await.unwrap().starts_with("HTTP/1.1 4"));
    let elsewhere = SocketAddr::new("127.0.0.2".parse().unwrap(), old.port());
    let reports = proxy.publish(snapshot(&[("a", BindingProtocol::Http, elsewhere)])).await;
    assert_eq!(reports[0].result.clone().unwrap(), elsewhere);
    assert!(is_refused(old).await);
    assert!(ask(elsewhere).await.unwrap().starts_with("HTTP/1.1 4"));
}

#[tokio::test]
async fn a_binding_that_cannot_move_stays_and_is_reported() {
    let proxy = spawn(2);
    let old = publish_http(&proxy, &["a"]).await[0];
    let kept = connect_and_ask(old).await;
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let wanted = snapshot(&[
        ("a", BindingProtocol::Http, other.local_addr().unwrap()),
        ("b", BindingProtocol::Http, any_port()),
    ]);
    let reports = proxy.publish(wanted).await;
    assert!(matches!(reports[0].result, Err(BindError::Taken { .. })), "{reports:?}");
    assert!(ask(reports[1].result.clone().unwrap()).await.is_ok());
    assert!(ask(old).await.unwrap().starts_with("HTTP/1.1 4"));
    let mut kept = kept;
    kept.write_all(REQUEST).await.unwrap();
    assert_ne!(kept.read(&mut [0; 4096]).await.unwrap(), 0);

    // The next snapshot tries again.
    let address = other.local_addr().unwrap();
    drop(other);
    let reports = proxy.publish(snapshot(&[("a", BindingProtocol::Http, address)])).await;
    assert_eq!(reports[0].result.clone().unwrap(), address);
    assert!(ask(address).await.unwrap().starts_with("HTTP/1.1 4"));
    assert!(is_refused(old).await);
}

#[tokio::test]
async fn a_binding_turns_from_https_to_http_on_the_same_sockets() {
    let proxy = spawn(2);
    let reports = proxy.publish(snapshot(&[("a", BindingProtocol::Https, any_port())])).await;
    let address = reports[0].result.clone().unwrap();
    assert_eq!(proxy.served.https_port_for(address.ip()), Some(address.port()));
    let waiting = TcpStream::connect(address).await.unwrap();
    let before = proxy.sockets.lock().await.held[0].inodes.clone();
    let reports = proxy.publish(snapshot(&[("a", BindingProtocol::Http, address)])).await;
    assert_eq!(reports[0].result.clone().unwrap(), address);
    assert_eq!(proxy.sockets.lock().await.held[0].inodes, before);
    assert_eq!(proxy.served.https_port_for(address.ip()), None);
    assert!(ask(address).await.unwrap().starts_with("HTTP/1.1 4"));
    drop(waiting);
}

#[tokio::test]
async fn a_connection_that_was_made_before_a_certificate_came_is_shown_it() {
    let proxy = spawn(1);
    let reports = proxy.publish(snapshot(&[("a", BindingProtocol::Https, any_port())])).await;
    let address = reports[0].result.clone().unwrap();
    let early = TcpStream::connect(address).await.unwrap();
    eventually(|| proxy.counts().accepted == 1).await;
    // The worker has seen it, and has had time to look at it.
    sleep(Duration::from_millis(50)).await;
    let mut next = snapshot(&[("a", BindingProtocol::Https, address)]);
    next.certificates.insert(&HostPattern::parse("shop.test").unwrap(), certificate("late", &["shop.test"]));
    proxy.publish(next).await;
    let connector = TlsConnector::from(Arc::new(client(&[], |_| {})));
    connector.connect(ServerName::try_from("shop.test").unwrap(), early).await.unwrap();
}

#[tokio::test]
async fn a_binding_for_challenges_becomes_one_for_everything_and_back_on_the_same_sockets() {
    use Serves::{ChallengesOnly, Everything};
    let proxy = spawn(2);
    let serving = |name, protocol, address, serves| {
        let mut snapshot = snapshot(&[(name, protocol, address)]);
        Arc::make_mut(&mut snapshot.bindings[0]).serves = serves;
        snapshot
    };
    let reports = proxy.publish(serving("a", BindingProtocol::Http, any_port(), Everything)).await;
    let address = reports[0].result.clone().unwrap();
    let before = proxy.sockets.lock().await.held[0].inodes.clone();
    // By its own change, and when another binding takes its place.
    for (name, serves, expected) in [
        ("a", ChallengesOnly, "challenges-only"),
        ("a", Everything, "no-site"),
        ("b", ChallengesOnly, "challenges-only"),
        ("a", Everything, "no-site"),
    ] {
        let idle = connect_and_ask(address).await;
        proxy.publish(serving(name, BindingProtocol::Http, address, serves)).await;
        assert_eq!(proxy.sockets.lock().await.held[0].inodes, before, "{name} {serves:?}");
        ended(idle).await;
        for _ in 0..10 {
            let answer = ask(address).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains(expected), "{name} {serves:?}: {answer}");
        }
    }
    for (serves, port) in
        [(Everything, Some(address.port())), (ChallengesOnly, None), (Everything, Some(address.port()))]
    {
        proxy.publish(serving("a", BindingProtocol::Https, address, serves)).await;
        assert_eq!(proxy.served.https_port_for(address.ip()), port, "a redirect leads to sites");
    }
}

#[tokio::test]
async fn a_try_tells_addresses_of_our_own_and_of_others() {
    let proxy = spawn(1);
    let held = publish_http(&proxy, &["front"]).await[0];
    for address in [held, SocketAddr::new("0.0.0.0".parse().unwrap(), held.port())] {
        let result = proxy.try_bind(BindingProtocol::Https, address);
        assert!(matches!(&result, Err(BindError::Ours(id)) if id.as_str() == "front"), "{result:?}");
    }
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    assert!(matches!(proxy.try_bind(BindingProtocol::Http, address), Err(BindError::Taken { .. })));
    drop(other);
    proxy.try_bind(BindingProtocol::Http, address).unwrap();
    assert!(is_refused(address).await);
    assert!(ask(held).await.is_ok());
}

#[tokio::test]
async fn two_bindings_cannot_have_one_address() {
    let proxy = spawn(1);
    let address = publish_http(&proxy, &["a"]).await[0];
    let wide = SocketAddr::new("0.0.0.0".parse().unwrap(), address.port());
    let reports =
        proxy.publish(snapshot(&[("b", BindingProtocol::Http, wide), ("a", BindingProtocol::Http, address)])).await;
    assert!(matches!(&reports[0].result, Err(BindError::Ours(other)) if *other == id("a")), "{reports:?}");
    assert_eq!(reports[1].result.clone().unwrap(), address);
}

/// Asks again and again on new connections until it is told to stop; gives how often.
async fn ask_without_pause(address: SocketAddr, asked: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> std::io::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let answer = ask(address).await?;
        if !answer.starts_with("HTTP/1.1 4") {
            return Err(std::io::Error::other(answer));
        }
        asked.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_loses_no_connection_of_a_binding_that_stays() {
    let proxy = spawn(2);
    let address = publish_http(&proxy, &["stays"]).await[0];
    let (asked, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> =
        (0..4).map(|_| tokio::spawn(ask_without_pause(address, Arc::clone(&asked), Arc::clone(&stop)))).collect();
    for round in 0..20 {
        let before = asked.load(Ordering::Relaxed);
        let names: &[&str] = [&["stays", "b"][..], &["c", "stays"], &["stays"], &["b", "stays", "c"]][round % 4];
        let addresses = publish_http(&proxy, names).await;
        for other in addresses {
            assert!(ask(other).await.is_ok());
        }
        eventually(|| asked.load(Ordering::Relaxed) > before + 5 || clients.iter().any(|client| client.is_finished()))
            .await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap().unwrap();
    }
    assert_eq!(proxy.counts().panics, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binding_moves_between_overlapping_addresses_without_losing_a_connection() {
    let proxy = spawn(2);
    let narrow = publish_http(&proxy, &["a"]).await[0];
    let wide = SocketAddr::new("0.0.0.0".parse().unwrap(), narrow.port());
    let (asked, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let client = tokio::spawn(ask_without_pause(narrow, Arc::clone(&asked), Arc::clone(&stop)));
    for address in [wide, narrow].into_iter().cycle().take(6) {
        let before = asked.load(Ordering::Relaxed);
        let reports = proxy.publish(snapshot(&[("a", BindingProtocol::Http, address)])).await;
        assert_eq!(reports[0].result.clone().unwrap(), address);
        eventually(|| asked.load(Ordering::Relaxed) > before || client.is_finished()).await;
    }
    stop.store(true, Ordering::Relaxed);
    client.await.unwrap().unwrap();
}

#[tokio::test]
async fn publishes_at_the_same_time_happen_one_after_another() {
    let proxy = spawn(2);
    let (_, _, last) =
        tokio::join!(publish_http(&proxy, &["a"]), publish_http(&proxy, &["b"]), publish_http(&proxy, &["c", "a"]));
    assert_eq!(proxy.bound().len(), 2);
    for address in last {
        assert!(ask(address).await.is_ok());
    }
}

#[tokio::test]
async fn a_connection_too_many_is_told_so() {
    let proxy = spawn_with(2, Limits { connections: 1, ..Limits::default() });
    let address = publish_http(&proxy, &["a"]).await[0];
    let first = connect_and_ask(address).await;
    let answer = ask(address).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nRetry-After: "), "{answer}");
    assert_eq!(proxy.counts().refused, 1);
    drop(first);
    eventually(|| proxy.counts().open == 0).await;
    assert!(ask(address).await.unwrap().starts_with("HTTP/1.1 4"));
}

#[tokio::test]
async fn a_drain_lets_requests_finish_and_closes_what_idles() {
    // One worker: it closes its sockets before it tells connections to finish, so their end shows both.
    let proxy = spawn(1);
    let address = publish_http(&proxy, &["a"]).await[0];
    let idle = connect_and_ask(address).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(&REQUEST[..10]).await.unwrap();
    eventually(|| proxy.counts().open == 2).await;
    let draining = tokio::spawn(async move { proxy.drain(LONG).await });
    ended(idle).await;
    assert!(is_refused(address).await);
    assert!(!draining.is_finished());
    slow.write_all(&REQUEST[10..]).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(draining.await.unwrap(), Drained { finished: 2, cut: 0 });
}

#[tokio::test]
async fn a_drain_cuts_what_is_open_after_its_limit() {
    let proxy = spawn(2);
    let address = publish_http(&proxy, &["a"]).await[0];
    let mut stuck = TcpStream::connect(address).await.unwrap();
    stuck.write_all(&REQUEST[..10]).await.unwrap();
    eventually(|| proxy.counts().open == 1).await;
    assert_eq!(proxy.drain(Duration::from_millis(20)).await, Drained { finished: 0, cut: 1 });
    ended(stuck).await;
}

#[tokio::test]
async fn a_drain_without_connections_ends_at_once() {
    let proxy = spawn(3);
    publish_http(&proxy, &["a", "b"]).await;
    assert_eq!(timeout(LONG, proxy.drain(Duration::MAX)).await.unwrap(), Drained::default());
}

#[tokio::test]
async fn after_a_drain_nothing_is_bound_any_more() {
    let proxy = spawn(2);
    let address = publish_http(&proxy, &["a"]).await[0];
    assert!(!proxy.is_draining());
    proxy.drain(LONG).await;
    assert!(proxy.is_draining() && is_refused(address).await);
    let reports = proxy
        .publish(snapshot(&[("a", BindingProtocol::Http, address), ("b", BindingProtocol::Http, any_port())]))
        .await;
    assert_eq!(reports.iter().map(|report| report.id.as_str()).collect::<Vec<_>>(), ["a"]);
    assert!(is_refused(address).await);
    assert_eq!(timeout(LONG, proxy.drain(LONG)).await.unwrap(), Drained::default());
}
