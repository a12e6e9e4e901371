//! Upstreams that are asked how they are, and told who the client is.

use std::time::Duration;

use portward_core::{HealthPath, ProxyProtocol};

use super::harness::{Door, Peer, short, site, snapshot};
use crate::UpstreamState;

#[tokio::test]
async fn an_upstream_is_asked_for_its_health_path_and_judged_by_its_answers() {
    let door = Door::open_with(short(|limits| limits.check_every = Duration::from_millis(20)), |_| {}).await;
    let mut site = site(&[door.app.address]);
    std::sync::Arc::make_mut(&mut site.forwarding).health = Some(HealthPath::parse("/health?deep=1").unwrap());
    let groups = site.upstreams.clone();
    door.proxy.publish(snapshot(site)).await;
    let state = || groups.view()[0].health.state;
    for (status, times, expected) in [
        ("204 No Content", 1, UpstreamState::Well),
        ("500 Oh", 3, UpstreamState::Unwell),
        ("302 Found", 2, UpstreamState::Recovering),
        ("404 Not Found", 3, UpstreamState::Unwell),
    ] {
        for _ in 0..times {
            let mut app = door.app.accept().await;
            let head = app.head().await;
            let expected = "GET /health?deep=1 HTTP/1.1\r\nHost: shop.test\r\n";
            assert!(head.starts_with(expected) && head.contains("\r\nConnection: close\r\n"), "{head}");
            let answer = format!("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            app.write(answer.as_bytes()).await;
            app.closed().await;
        }
        // The last answer is read, and noted a moment later.
        while state() != expected {
            tokio::task::yield_now().await;
        }
    }
    let reason = groups.view()[0].health.reason.clone().unwrap();
    assert_eq!(reason, "a check was answered 404; 200 to 399 is well");
}

#[tokio::test]
async fn each_connection_says_who_its_client_is_and_serves_nobody_else() {
    let door = Door::open().await;
    let with = |version| {
        let mut site = site(&[door.app.address]);
        std::sync::Arc::make_mut(&mut site.forwarding).proxy_protocol = version;
        snapshot(site)
    };
    // One that says nothing is kept, and must not be taken for one that has.
    once(&door, &mut door.connect().await).await;
    for version in [ProxyProtocol::V1, ProxyProtocol::V2] {
        door.proxy.publish(with(version)).await;
        let mut client = door.connect().await;
        for _ in 0..2 {
            let port = client.tcp.local_addr().unwrap().port();
            let header = once(&door, &mut client).await;
            if version == ProxyProtocol::V1 {
                let listener = door.address.port();
                assert_eq!(header, format!("PROXY TCP4 127.0.0.1 127.0.0.1 {port} {listener}\r\n").into_bytes());
            } else {
                assert_eq!(header[..16], *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
                assert_eq!((&header[16..20], &header[24..26]), (&[127, 0, 0, 1][..], &port.to_be_bytes()[..]));
            }
        }
    }
}

/// Sends a request over a connection of its own to the application, and gives what came before its head.
async fn once(door: &Door, client: &mut Peer) -> Vec<u8> {
    client.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut app = door.app.accept().await;
    let mut header = Vec::new();
    while !header.ends_with(b"GET / HTTP/1.1\r\n") {
        header.extend(app.take(1).await);
    }
    header.truncate(header.len() - b"GET / HTTP/1.1\r\n".len());
    app.head().await;
    app.write(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    client.head().await;
    header
}
