use std::time::Duration;

use super::harness::Door;

const GRACE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn on_a_drain_an_idle_connection_closes_at_once_and_a_busy_one_after_its_response() {
    let door = Door::open().await;
    let request = b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n";
    let mut idle = door.send(request).await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    idle.head().await;
    idle.take(2).await;
    let mut busy = door.send(request).await;
    app.head().await;
    let draining = tokio::spawn(async move { door.proxy.drain(GRACE).await });
    assert_eq!(idle.rest().await, "");
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(busy.rest().await, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    assert_eq!(draining.await.unwrap().cut, 0);
}

#[tokio::test]
async fn on_a_drain_a_connection_without_a_request_so_far_gets_one_answer() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    // The proxy has taken the connection when it has taken a later one.
    let mut later = door.send(b"HEAD / HTTP/1.1\r\nHost: nobody.test\r\n\r\n").await;
    later.head().await;
    let draining = tokio::spawn(async move { door.proxy.drain(GRACE).await });
    assert_eq!(later.rest().await, "");
    client.write(b"GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("Connection: close\r\n"), "{answer}");
    assert_eq!(draining.await.unwrap().cut, 0);
}

#[tokio::test]
async fn on_a_drain_a_tunnel_is_cut_when_the_grace_is_over() {
    let door = Door::open().await;
    let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    client.head().await;
    let draining = tokio::spawn(async move { door.proxy.drain(Duration::from_millis(300)).await });
    client.write(b"still here").await;
    app.until("still here").await;
    assert_eq!(client.rest().await, "");
    assert_eq!(app.rest().await, "");
    assert_eq!(draining.await.unwrap().cut, 1);
}
