//! Proxies before a binding that say who the client is, by the PROXY protocol.

use std::sync::Arc;

use portward_core::{BindingProtocol, HostPattern, Network};
use tokio::net::TcpStream;

use super::harness::{Door, Peer};
use crate::{Limits, tls::fixture::certificate};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
const V1: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 443\r\n";
/// `2001:db8::7` on port 50000, with a TLV behind the addresses.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x29\
    \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\xc3\x50\x01\xbb\x04\0\x02ab";
const LOCAL: &[u8] = crate::proxy_header::LOCAL_HEADER;

/// A door whose binding believes peers in `network`.
async fn door(network: &str, protocol: BindingProtocol) -> Door {
    let network = Network::parse(network).unwrap();
    Door::open_with(Limits::default(), |snapshot| {
        let binding = Arc::make_mut(&mut snapshot.bindings[0]);
        (binding.accept_proxy_from, binding.protocol) = (vec![network], protocol);
        snapshot.certificates.insert(&HostPattern::parse("shop.test").unwrap(), certificate("shop", &["shop.test"]));
    })
    .await
}

#[tokio::test]
async fn the_client_is_who_the_proxy_says() {
    let door = door("127.0.0.0/8", BindingProtocol::Http).await;
    for (header, client) in
        [(V1, "192.0.2.7"), (V2, "2001:db8::7"), (LOCAL, "127.0.0.1"), (b"PROXY UNKNOWN\r\n", "127.0.0.1")]
    {
        for piece in [1, usize::MAX] {
            let mut proxy = door.connect().await;
            let sent = [header, REQUEST].concat();
            for part in sent.chunks(piece.min(sent.len())) {
                proxy.write(part).await;
            }
            let mut app = door.app.accept().await;
            let head = app.head().await;
            assert!(head.contains(&format!("X-Forwarded-For: {client}\r\n")), "{head}");
            app.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
            assert!(proxy.head().await.starts_with("HTTP/1.1 204 "));
        }
    }
}

#[tokio::test]
async fn a_client_with_too_many_connections_is_told_so() {
    let limits = Limits { connections_of_client: Some(1), ..Limits::default() };
    let door = Door::open_with(limits, |snapshot| {
        Arc::make_mut(&mut snapshot.bindings[0]).accept_proxy_from = vec![Network::parse("127.0.0.1").unwrap()];
    })
    .await;
    let _first = door.send(&[V1, REQUEST].concat()).await;
    let _app = door.app.accept().await;
    let mut second = door.send(&[V1, REQUEST].concat()).await;
    assert!(second.head().await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn the_header_comes_before_tls() {
    let door = door("127.0.0.0/8", BindingProtocol::Https).await;
    let mut tcp = Peer::new(TcpStream::connect(door.address).await.unwrap());
    tcp.write(V2).await;
    let mut client = Peer::secured(tcp.tcp).await;
    client.write(REQUEST).await;
    let mut app = door.app.accept().await;
    let head = app.head().await;
    assert!(
        head.contains("X-Forwarded-For: 2001:db8::7\r\n") && head.contains("X-Forwarded-Proto: https\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn a_proxy_that_does_not_say_it_is_cut() {
    let door = door("127.0.0.0/8", BindingProtocol::Http).await;
    for sent in [REQUEST, b"PROXY TCP4 nobody\r\n", b"\r\n\r\n\0\r\nQUIT\n\x31", &[22, 3, 1]] {
        let mut proxy = door.send(sent).await;
        proxy.closed().await;
    }
    for sent in [&b""[..], b"PROXY", &V2[..20]] {
        let mut proxy = door.send(sent).await;
        proxy.finish().await;
        proxy.closed().await;
    }
    let mut proxy = door.send(&[V1, b"GET /marker HTTP/1.1\r\nHost: shop.test\r\n\r\n"].concat()).await;
    let mut app = door.app.accept().await;
    assert!(app.head().await.starts_with("GET /marker "));
    app.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
    proxy.head().await;
    let counts = door.proxy.counts();
    assert_eq!((counts.requests, counts.panics), (1, 0));
}

#[tokio::test]
async fn a_proxy_that_falls_silent_is_not_waited_for_long() {
    let limits = Limits { handshake: std::time::Duration::from_millis(100), ..Limits::default() };
    let door = Door::open_with(limits, |snapshot| {
        Arc::make_mut(&mut snapshot.bindings[0]).accept_proxy_from = vec![Network::parse("127.0.0.1").unwrap()];
    })
    .await;
    let mut proxy = door.send(b"PROXY TCP4 ").await;
    proxy.closed().await;
}

#[tokio::test]
async fn the_word_of_a_stranger_is_no_header() {
    let door = door("10.0.0.0/8", BindingProtocol::Http).await;
    for header in [V1, V2] {
        let mut stranger = door.send(&[header, REQUEST].concat()).await;
        let answer = stranger.rest_or_head().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    door.nothing_else_reached_the_app().await;
}

#[tokio::test]
async fn a_changed_list_holds_for_the_next_connection() {
    let door = door("10.0.0.0/8", BindingProtocol::Http).await;
    let mut snapshot = super::harness::snapshot(super::harness::site(&[door.app.address]));
    Arc::make_mut(&mut snapshot.bindings[0]).accept_proxy_from = vec![Network::parse("127.0.0.1").unwrap()];
    let reports = door.proxy.publish(snapshot).await;
    assert_eq!(*reports[0].result.as_ref().unwrap(), door.address);
    let mut proxy = door.send(REQUEST).await;
    proxy.closed().await;
}

#[tokio::test]
async fn the_word_of_a_trusted_proxy_is_taken_and_that_of_nobody_else() {
    let door = Door::open().await;
    let mut trusting = super::harness::snapshot(super::harness::site(&[door.app.address]));
    trusting.trusted_proxies = vec![Network::parse("127.0.0.1").unwrap(), Network::parse("10.0.0.0/8").unwrap()];
    let mut site = (**trusting.sites.at(&HostPattern::parse("shop.test").unwrap()).unwrap()).clone();
    site.force_https = portward_core::ForceHttps::All;
    trusting.sites.insert(&HostPattern::parse("shop.test").unwrap(), Arc::new(site));
    let request = b"GET / HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 10.9.9.9, 203.0.113.9\r\n\
        x_forwarded_for: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: front.test\r\nConnection: close\r\n\r\n";
    let mut heads = Vec::new();
    for snapshot in [trusting, super::harness::snapshot(super::harness::site(&[door.app.address]))] {
        door.proxy.publish(snapshot).await;
        let mut client = door.send(request).await;
        let mut app = door.app.accept().await;
        heads.push(app.head().await);
        app.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
        // It came over https, as the proxy says: no redirect.
        assert!(client.head().await.starts_with("HTTP/1.1 204 "));
    }
    for expected in [
        "X-Forwarded-For: 10.9.9.9, 203.0.113.9, 127.0.0.1\r\n",
        "X-Forwarded-Proto: https\r\n",
        "X-Forwarded-Host: front.test\r\n",
    ] {
        assert!(heads[0].contains(expected), "{}", heads[0]);
    }
    for expected in ["X-Forwarded-For: 127.0.0.1\r\n", "X-Forwarded-Proto: http\r\n", "X-Forwarded-Host: shop.test\r\n"]
    {
        assert!(heads[1].contains(expected), "{}", heads[1]);
    }
    assert!(heads.iter().all(|head| !head.contains("1.1.1.1")), "{heads:?}");
}
