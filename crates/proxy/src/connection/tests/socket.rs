use portward_core::Upstream;
use tokio::net::UnixListener;

use super::harness::{Door, Peer, site, snapshot};
use crate::Limits;

#[tokio::test]
async fn an_upstream_at_a_unix_socket_is_spoken_to_as_one_at_an_address() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let upstream = Upstream::parse(&format!("unix:{}", path.display())).unwrap();
    let at_a_socket = |served: &mut crate::Snapshot| {
        let mut site = site(&[]);
        site.upstreams = vec![upstream].into();
        *served = snapshot(site);
    };
    let door = Door::open_with(Limits::default(), at_a_socket).await;
    let get = b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n";
    let refused = async || {
        let answer = door.send(get).await.rest().await;
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("upstream-refused"), "{answer}");
    };
    // Nothing is there; then a file is that nobody listens at any more.
    refused().await;
    drop(UnixListener::bind(&path).unwrap());
    refused().await;

    std::fs::remove_file(&path).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    let mut client = door.send(b"POST /a HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 3\r\n\r\nabc").await;
    let mut app = Peer::of(listener.accept().await.unwrap().0);
    let head = app.head().await;
    assert!(head.starts_with("POST /a HTTP/1.1\r\n") && head.contains("X-Forwarded-For: 127.0.0.1\r\n"), "{head}");
    assert_eq!(app.take(3).await, b"abc");
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    client.until("ok").await;
    // The connection is kept for the next request.
    client.write(b"GET /b HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    assert!(app.head().await.starts_with("GET /b "));
    app.write(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    client.head().await;
}
