//! Challenges over real sockets, as a CA looks for their answers.

use std::{net::SocketAddr, sync::Arc};

use portward_core::{BindingId, BindingProtocol, ForceHttps, Host, HostPattern};
use rustls::pki_types::ServerName;
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::harness::{Door, Peer, site, snapshot};
use crate::{
    Limits, ServedBinding, Serves, Snapshot,
    tls::fixture::{certificate, challenge, client},
};

async fn answer_to(door: &Door, method: &str, path: &str, host: &str) -> String {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    door.send(request.as_bytes()).await.rest().await
}

const PATH: &str = "/.well-known/acme-challenge/t0-k_n";

fn add_challenges(snapshot: &mut Snapshot) {
    for host in ["shop.test", "192.0.2.1", "2001:db8::1"] {
        let key = (Host::parse(host).unwrap(), "t0-k_n".into());
        snapshot.challenges.insert(key, format!("t0-k_n.{host}").into());
    }
}

#[tokio::test]
async fn a_challenge_for_an_address_is_answered_as_one_for_a_name() {
    let door = Door::open_with(Limits::default(), add_challenges).await;
    for (host, expected) in [
        ("shop.test", Some("t0-k_n.shop.test")),
        ("192.0.2.1", Some("t0-k_n.192.0.2.1")),
        ("192.0.2.1:80", Some("t0-k_n.192.0.2.1")),
        ("[2001:db8::1]", Some("t0-k_n.2001:db8::1")),
        ("[2001:db8::1]:80", Some("t0-k_n.2001:db8::1")),
        ("[2001:DB8:0:0:0:0:0:1]:5002", Some("t0-k_n.2001:db8::1")),
        ("192.0.2.2", None),
        ("[2001:db8::2]:80", None),
    ] {
        let got = answer_to(&door, "GET", PATH, host).await;
        let head = answer_to(&door, "HEAD", PATH, host).await;
        let Some(expected) = expected else {
            assert!(got.starts_with("HTTP/1.1 404 ") && head.starts_with("HTTP/1.1 404 "), "{host}: {got} {head}");
            continue;
        };
        let (got_head, body) = got.split_once("\r\n\r\n").unwrap();
        assert!(got_head.starts_with("HTTP/1.1 200 OK\r\n"), "{host}: {got}");
        assert_eq!(body, expected, "{host}");
        let length = format!("\r\nContent-Length: {}\r\n", expected.len());
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains(&length), "{host}: {head}");
        assert!(head.ends_with("\r\n\r\n"), "{host}: {head}");
    }
}

#[tokio::test]
async fn a_binding_for_challenges_alone_answers_them_and_finds_nothing_else() {
    let edit = |snapshot: &mut Snapshot| {
        add_challenges(snapshot);
        let mut site = site(&["127.0.0.1:1".parse().unwrap()]);
        site.force_https = ForceHttps::All;
        snapshot.sites.insert(&HostPattern::parse("shop.test").unwrap(), Arc::new(site));
        Arc::make_mut(&mut snapshot.bindings[0]).serves = Serves::ChallengesOnly;
        snapshot.bindings.push(https_binding());
    };
    let door = Door::open_with(Limits::default(), edit).await;
    for (method, path, host, status) in [
        ("GET", PATH, "shop.test", "200"),
        ("HEAD", PATH, "[2001:db8::1]", "200"),
        ("POST", PATH, "shop.test", "404"),
        ("GET", "/.well-known/acme-challenge/other", "shop.test", "404"),
        ("GET", "/", "shop.test", "404"),
        ("GET", "/", "nobody.test", "404"),
        ("OPTIONS", "*", "shop.test", "404"),
        ("GET", "/", "a..test", "400"),
    ] {
        let answer = answer_to(&door, method, path, host).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path} {host}: {answer}");
        assert_eq!(status == "404", answer.contains("challenges-only"), "{method} {path} {host}: {answer}");
        assert!(!answer.contains("Location"), "{method} {path} {host}: {answer}");
    }
}

fn https_binding() -> Arc<ServedBinding> {
    Arc::new(ServedBinding::new(
        BindingId::parse("tls").unwrap(),
        BindingProtocol::Https,
        "127.0.0.1:0".parse().unwrap(),
    ))
}

/// A door whose https binding, at the address that is given, has a certificate for `shop.test` and these challenges.
async fn challenged(hosts: &[&str]) -> (Door, SocketAddr) {
    let door = Door::open().await;
    let mut snapshot = snapshot(site(&[door.app.address]));
    let pattern = HostPattern::parse("shop.test").unwrap();
    snapshot.bindings.push(https_binding());
    snapshot.certificates.insert(&pattern, certificate("shop", &["shop.test"]));
    for host in hosts {
        snapshot.tls_challenges.insert(Host::parse(host).unwrap(), challenge(host));
    }
    let reports = door.proxy.publish(snapshot).await;
    (door, *reports[1].result.as_ref().unwrap())
}

async fn connect(address: SocketAddr, alpn: &[&str], name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(client(alpn, |_| {}))).connect(name, tcp).await
}

#[tokio::test]
async fn a_connection_for_a_challenge_is_closed_in_order_and_others_go_on() {
    let (door, address) = challenged(&["shop.test", "192.0.2.1"]).await;
    // Open while challenges are answered, and used after.
    let mut other = Peer::secured(TcpStream::connect(address).await.unwrap()).await;
    for name in ["shop.test", "1.2.0.192.in-addr.arpa"] {
        let mut ca = connect(address, &["acme-tls/1"], name).await.unwrap();
        let mut rest = Vec::new();
        // An end without `close_notify` would be an error.
        ca.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "{name}");
    }
    assert!(connect(address, &["acme-tls/1"], "nobody.test").await.is_err());
    let answering = tokio::spawn(async move {
        let mut app = door.app.accept().await;
        app.head().await;
        app.write(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        door
    });
    other.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    assert!(other.head().await.starts_with("HTTP/1.1 204 "));
    let counts = answering.await.unwrap().proxy.counts();
    assert_eq!((counts.handshakes_failed.total(), counts.panics), (1, 0));
}

#[tokio::test]
async fn what_is_said_on_a_connection_for_a_challenge_is_not_heard() {
    let (door, address) = challenged(&["shop.test"]).await;
    let mut ca = Peer::of(connect(address, &["acme-tls/1"], "shop.test").await.unwrap());
    ca.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    assert_eq!(ca.rest().await, "");
    drop(ca);
    door.nothing_else_reached_the_app().await;
}

#[tokio::test]
async fn without_a_challenge_left_the_protocol_is_refused() {
    let (door, address) = challenged(&["shop.test"]).await;
    connect(address, &["acme-tls/1"], "shop.test").await.unwrap();
    let mut without = Snapshot { tls_challenges: Default::default(), ..snapshot(site(&[door.app.address])) };
    without.bindings.push(https_binding());
    without.certificates.insert(&HostPattern::parse("shop.test").unwrap(), certificate("shop", &["shop.test"]));
    let reports = door.proxy.publish(without).await;
    assert_eq!(*reports[1].result.as_ref().unwrap(), address);
    let refused = connect(address, &["acme-tls/1"], "shop.test").await.unwrap_err();
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
    connect(address, &["http/1.1"], "shop.test").await.unwrap();
}
