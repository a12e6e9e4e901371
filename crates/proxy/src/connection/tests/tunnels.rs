use super::harness::{Door, SHORT, short};

const UPGRADE: &[u8] =
    b"GET /chat HTTP/1.1\r\nHost: shop.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nOrigin: http://shop.test\r\n\r\n";
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[tokio::test]
async fn after_a_101_bytes_go_both_ways_and_none_is_lost() {
    let door = Door::open().await;
    let mut client = door.send(&[UPGRADE, b"early from the client"].concat()).await;
    let mut app = door.app.accept().await;
    let head = app.head().await;
    for expected in ["Connection: upgrade\r\n", "Upgrade: websocket\r\n", "Origin: http://shop.test\r\n"] {
        assert!(head.contains(expected), "{head}");
    }
    app.write(&[SWITCH, b"early from the application"].concat()).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert!(head.contains("Connection: upgrade\r\n") && head.contains("Upgrade: websocket\r\n"), "{head}");
    client.until("early from the application").await;
    app.until("early from the client").await;
    for turn in 0..10 {
        let word = format!("\r\n\r\nGET {turn} HTTP/1.1\r\n");
        client.write(word.as_bytes()).await;
        assert_eq!(app.until(&word).await, word);
        app.write(word.as_bytes()).await;
        assert_eq!(client.until(&word).await, word);
    }
    let large = vec![b'x'; 3_000_000];
    let sending = tokio::spawn(async move {
        client.write(&vec![b'x'; 3_000_000]).await;
        client
    });
    assert!(app.take(large.len()).await == large);
    let mut client = sending.await.unwrap();
    client.finish().await;
    assert_eq!(app.rest().await, "");
    app.write(b"the other direction is still open").await;
    drop(app);
    assert_eq!(client.rest().await, "the other direction is still open");
}

#[tokio::test]
async fn an_upgrade_that_the_application_does_not_grant_is_a_request_like_any_other() {
    let door = Door::open().await;
    let mut client = door.send(&[UPGRADE, b"GET /next HTTP/1.1\r\nHost: shop.test\r\n\r\n"].concat()).await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno").await;
    assert_eq!(client.head().await, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    client.take(2).await;
    let next = app.head().await;
    assert!(next.starts_with("GET /next ") && next.contains("X-Request-Id"), "read as a request: {next}");
}

#[tokio::test]
async fn a_101_that_nobody_asked_for_is_a_bad_response() {
    let door = Door::open().await;
    for request in [
        "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: shop.test\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: shop.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    ] {
        let mut client = door.send(request.as_bytes()).await;
        let mut app = door.app.accept().await;
        app.head().await;
        app.write(SWITCH).await;
        let answer = client.head().await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{request}: {answer}");
        assert_eq!(app.rest().await, "", "{request}");
    }
}

#[tokio::test]
async fn a_tunnel_does_not_begin_before_the_body_of_its_request_has_gone() {
    let door = Door::open().await;
    let mut client = door
        .send(
            b"POST / HTTP/1.1\r\nHost: shop.test\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 10\r\n\r\nabc",
        )
        .await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.take(3).await;
    app.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
    assert_eq!(app.rest().await, "");
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_moves_is_closed() {
    let door = Door::open_with(short(|limits| limits.body_idle = SHORT), |_| {}).await;
    let mut client = door.send(UPGRADE).await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(SWITCH).await;
    client.head().await;
    assert_eq!(client.rest().await, "");
    assert_eq!(app.rest().await, "");
}
