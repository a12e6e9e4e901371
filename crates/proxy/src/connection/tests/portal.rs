use std::time::Duration;

use portward_core::Upstream;
use tokio::{net::UnixStream, task::JoinSet, time::timeout};

use super::harness::{Door, Peer, short, site, snapshot};
use crate::Limits;

async fn door(limits: Limits) -> Door {
    let portal = |served: &mut crate::Snapshot| {
        let mut site = site(&[]);
        site.upstreams = vec![Upstream::Portal].into();
        *served = snapshot(site);
    };
    Door::open_with(limits, portal).await
}

async fn accept(door: &Door) -> Peer<UnixStream> {
    let pair = timeout(Duration::from_secs(20), door.proxy.accept_portal()).await.unwrap().unwrap();
    Peer::of(UnixStream::from_std(pair).unwrap())
}

#[tokio::test]
async fn the_portal_is_an_upstream_within_the_process() {
    let door = door(Limits::default()).await;
    let forged = "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n";
    let mut client = door.send(format!("GET /a HTTP/1.1\r\nHost: shop.test:81\r\n{forged}\r\n").as_bytes()).await;
    let mut portal = accept(&door).await;
    let head = portal.head().await;
    assert!(head.starts_with("GET /a HTTP/1.1\r\n"), "{head}");
    for line in ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: shop.test:81"] {
        assert_eq!(head.matches(line).count(), 1, "{line}: {head}");
    }
    assert!(!head.contains("https") && !head.contains("evil.example"), "{head}");
    portal.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    client.until("ok").await;

    // The connection is kept for the next request, and both directions go at the same time.
    client.write(b"POST /b HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert!(portal.head().await.starts_with("POST /b "));
    portal.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.head().await;
    for word in ["one", "two", "six"] {
        let chunk = format!("3\r\n{word}\r\n");
        client.write(chunk.as_bytes()).await;
        portal.until(&chunk).await;
        portal.write(chunk.as_bytes()).await;
        client.until(&chunk).await;
    }
    client.write(b"0\r\n\r\n").await;
    portal.until("0\r\n\r\n").await;
    portal.write(b"0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;

    // One that the portal closed is replaced.
    drop(portal);
    client.write(b"GET /c HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut portal = accept(&door).await;
    assert!(portal.head().await.starts_with("GET /c "));
    portal.write(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    client.head().await;
}

#[tokio::test]
async fn a_portal_that_nobody_serves_is_an_upstream_that_is_away() {
    let door = door(short(|limits| limits.upstream_connect = Duration::from_millis(50))).await;
    let request = b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n";
    // 128 may wait to be accepted; the others are told.
    let mut asking = JoinSet::new();
    for _ in 0..140 {
        let mut client = door.send(request).await;
        asking.spawn(async move { client.rest().await });
    }
    for _ in 0..12 {
        let answer = asking.join_next().await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    }
    for _ in 0..128 {
        accept(&door).await.write(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    }
    while let Some(answer) = asking.join_next().await {
        assert!(answer.unwrap().starts_with("HTTP/1.1 204 "));
    }
}
