//! Names whose connections are passed through, at bindings of their own and beside sites.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use portward_core::{BindingId, BindingProtocol, Host, HostPattern, Passage};
use rustls::{ClientConnection, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::harness::{App, Door, Peer, site, snapshot};
use crate::{
    Limits, ServedBinding, Snapshot,
    tls::fixture::{certificate, challenge, client},
};

/// What a client says first, to `name`.
fn hello(name: &'static str) -> Vec<u8> {
    let config = Arc::new(client(&["http/1.1"], |_| {}));
    let mut connection = ClientConnection::new(config, ServerName::try_from(name).unwrap()).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

fn binding(protocol: BindingProtocol, to: &[(&str, SocketAddr)]) -> Arc<ServedBinding> {
    let id = BindingId::parse("passing").unwrap();
    let mut binding = ServedBinding::new(id, protocol, "127.0.0.1:0".parse().unwrap());
    for (name, target) in to {
        let passage = Passage::parse(&format!("{name}={target}")).unwrap();
        binding.passages.insert(&passage.name, passage.target);
    }
    Arc::new(binding)
}

/// A door with a second binding, and where that is.
async fn door(
    protocol: BindingProtocol,
    to: &[(&str, SocketAddr)],
    edit: impl FnOnce(&mut Snapshot),
) -> (Door, SocketAddr) {
    let door = Door::open_with(Limits { drain: Duration::from_secs(1), ..Limits::default() }, |_| {}).await;
    let mut snapshot = snapshot(site(&[door.app.address]));
    snapshot.bindings.push(binding(protocol, to));
    snapshot.certificates.insert(&HostPattern::parse("shop.test").unwrap(), certificate("shop", &["shop.test"]));
    edit(&mut snapshot);
    let reports = door.proxy.publish(snapshot).await;
    let address = *reports[1].result.as_ref().unwrap();
    (door, address)
}

async fn connect(address: SocketAddr) -> Peer {
    Peer::new(TcpStream::connect(address).await.unwrap())
}

async fn handshake(address: SocketAddr, alpn: &[&str], name: &'static str) -> std::io::Result<Vec<u8>> {
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name).unwrap();
    let tls = TlsConnector::from(Arc::new(client(alpn, |_| {}))).connect(name, tcp).await?;
    Ok(tls.get_ref().1.peer_certificates().unwrap()[0].to_vec())
}

#[tokio::test]
async fn bytes_reach_the_target_of_the_name_as_they_are_and_come_back() {
    let (exact, wildcard, any) = (App::listen().await, App::listen().await, App::listen().await);
    let to = [("a.shop.test", exact.address), ("*.shop.test", wildcard.address), ("*", any.address)];
    let (door, address) = door(BindingProtocol::TlsPassthrough, &to, |_| {}).await;
    let other = b"SSH-2.0-Client\r\n".to_vec();
    for (words, app) in [
        (hello("a.shop.test"), &exact),
        (hello("b.shop.test"), &wildcard),
        (hello("shop.test"), &any),
        (hello("127.0.0.1"), &any),
        (other, &any),
    ] {
        for piece in [1, usize::MAX] {
            let mut client = connect(address).await;
            for part in words.chunks(piece.min(words.len())) {
                client.write(part).await;
            }
            let mut app = app.accept().await;
            assert_eq!(app.take(words.len()).await, words);
            app.write(b"answer").await;
            assert_eq!(client.take(6).await, b"answer");
            // Each side may end its sending alone.
            client.finish().await;
            assert_eq!(app.rest().await, "");
            app.write(b"more").await;
            assert_eq!(client.take(4).await, b"more");
            app.finish().await;
            client.closed().await;
        }
    }
    let counts = door.proxy.counts();
    assert_eq!((counts.passed, counts.passages_failed, counts.handshakes_failed.total(), counts.panics), (10, 0, 0, 0));
}

#[tokio::test]
async fn a_name_that_nobody_has_is_refused_and_no_target_hears_of_it() {
    let app = App::listen().await;
    let (door, address) = door(BindingProtocol::TlsPassthrough, &[("shop.test", app.address)], |_| {}).await;
    for words in [hello("other.test"), hello("127.0.0.1")] {
        let mut client = connect(address).await;
        client.write(&words).await;
        // Fatal, and unrecognized_name.
        assert_eq!(client.take(7).await, [21, 3, 3, 0, 2, 2, 112]);
        client.closed().await;
    }
    for words in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[22, 2], &[0]] {
        let mut client = connect(address).await;
        client.write(words).await;
        client.closed().await;
    }
    let mut client = connect(address).await;
    client.write(&hello("shop.test")).await;
    let mut heard = app.accept().await;
    assert_eq!(heard.take(3).await, [22, 3, 1]);
    let counts = door.proxy.counts();
    assert_eq!((counts.passed, counts.handshakes_failed.total()), (1, 5));
}

#[tokio::test]
async fn a_target_that_has_everything_may_speak_first() {
    let app = App::listen().await;
    let (_door, address) = door(BindingProtocol::TlsPassthrough, &[("*", app.address)], |_| {}).await;
    let mut client = connect(address).await;
    app.accept().await.write(b"220 mail.test\r\n").await;
    assert_eq!(client.until("\r\n").await, "220 mail.test\r\n");
}

#[tokio::test]
async fn a_target_that_is_away_costs_the_connection_alone() {
    let away = App::listen().await.address;
    let (door, address) = door(BindingProtocol::TlsPassthrough, &[("shop.test", away)], |_| {}).await;
    let mut client = connect(address).await;
    client.write(&hello("shop.test")).await;
    client.closed().await;
    // Who is cut sees it before it is counted.
    while door.proxy.counts().open > 0 {
        tokio::task::yield_now().await;
    }
    let counts = door.proxy.counts();
    assert_eq!((counts.passed, counts.passages_failed), (0, 1));
}

#[tokio::test]
async fn beside_sites_a_name_is_passed_through_and_everybody_else_is_served() {
    let app = App::listen().await;
    let own = certificate("own", &["polling.shop.test"]);
    let (door, address) = door(BindingProtocol::Https, &[("polling.shop.test", app.address)], |snapshot| {
        snapshot.tls_challenges.insert(Host::parse("polling.shop.test").unwrap(), challenge("polling.shop.test"));
        snapshot.agent_protocols = vec![b"agent/1"];
    })
    .await;
    // The certificate that is seen is the target's.
    let seen = handshake(address, &["http/1.1"], "polling.shop.test");
    let target = async { app.accept().await.securing(&own).await.unwrap() };
    let (seen, _target) = tokio::join!(seen, target);
    assert_eq!(seen.unwrap(), own.key.get().unwrap().cert[0].to_vec());
    let served = handshake(address, &["http/1.1"], "shop.test").await.unwrap();
    assert_ne!(served, own.key.get().unwrap().cert[0].to_vec());
    // A challenge of ours is answered, one of the target's is its own; agents are handed over, whatever they ask for.
    handshake(address, &["acme-tls/1"], "polling.shop.test").await.unwrap();
    let taken = async { drop(door.proxy.accept_agent().await.unwrap()) };
    let (refused, ()) = tokio::join!(handshake(address, &["agent/1"], "polling.shop.test"), taken);
    assert!(refused.is_err());
    assert!(timeout(Duration::from_millis(50), app.accept()).await.is_err(), "the target heard of it");
    let mut plain = connect(address).await;
    plain.write(b"GET / HTTP/1.1\r\nHost: polling.shop.test\r\n\r\n").await;
    assert!(plain.head().await.starts_with("HTTP/1.1 400 "));
    let counts = door.proxy.counts();
    assert_eq!((counts.passed, counts.panics), (1, 0));
}

#[tokio::test]
async fn the_challenge_of_a_name_that_is_passed_through_is_its_targets() {
    let app = App::listen().await;
    let (_door, address) = door(BindingProtocol::Https, &[("polling.shop.test", app.address)], |snapshot| {
        snapshot.tls_challenges.insert(Host::parse("shop.test").unwrap(), challenge("shop.test"));
    })
    .await;
    let asked = handshake(address, &["acme-tls/1"], "polling.shop.test");
    let target = async { app.accept().await.take(3).await };
    let (refused, heard) = tokio::join!(asked, target);
    assert!(refused.is_err());
    assert_eq!(heard, [22, 3, 1]);
}

#[tokio::test]
async fn a_removed_binding_leaves_its_connections_some_time() {
    let app = App::listen().await;
    let (door, address) = door(BindingProtocol::TlsPassthrough, &[("*", app.address)], |_| {}).await;
    let mut client = connect(address).await;
    client.write(b"one").await;
    let mut heard = app.accept().await;
    assert_eq!(heard.take(3).await, b"one");
    door.proxy.publish(snapshot(site(&[door.app.address]))).await;
    assert!(TcpStream::connect(address).await.is_err());
    client.write(b"two").await;
    assert_eq!(heard.take(3).await, b"two");
    // The time for draining is over after a second.
    client.closed().await;
    assert_eq!(heard.rest().await, "");
}
