use tokio::io::AsyncWriteExt;

use super::harness::{Door, SHORT, short};
use crate::limits::Pace;

#[tokio::test]
async fn a_head_that_does_not_end_in_time_is_answered_and_the_connection_closed() {
    let door = Door::open_with(short(|limits| limits.head = SHORT), |_| {}).await;
    let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("Connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_connection_that_idles_too_long_is_closed_without_a_word() {
    let door = Door::open_with(short(|limits| limits.idle = SHORT), |_| {}).await;
    assert_eq!(door.connect().await.rest().await, "");
    let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    // The time in which a response is awaited is no idle time.
    assert_eq!(door.connect().await.rest().await, "");
    app.write(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(client.rest().await, "HTTP/1.1 204 No Content\r\n\r\n");
}

#[tokio::test]
async fn an_empty_line_left_over_from_a_request_begins_none() {
    let door = Door::open_with(short(|limits| limits.idle = SHORT), |_| {}).await;
    let mut client = door.send(b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1\r\n\r\nx\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    assert_eq!(app.take(1).await, b"x");
    app.write(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(client.rest().await, "HTTP/1.1 204 No Content\r\n\r\n");
}

#[tokio::test]
async fn a_response_that_does_not_come_in_time_is_a_504() {
    let door = Door::open_with(short(|limits| limits.upstream_response = SHORT), |_| {}).await;
    let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    assert!(client.head().await.starts_with("HTTP/1.1 504 "));
    assert_eq!(app.rest().await, "", "a response that comes too late must not be taken for the next one's");
    client.write(b"GET /next HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    assert!(door.app.accept().await.head().await.starts_with("GET /next "));
}

#[tokio::test]
async fn a_request_body_that_stops_is_a_408() {
    let door = Door::open_with(short(|limits| limits.body_idle = SHORT), |_| {}).await;
    let mut client = door.send(b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 10\r\n\r\nabc").await;
    let mut app = door.app.accept().await;
    app.head().await;
    assert!(client.head().await.starts_with("HTTP/1.1 408 "));
    assert_eq!(app.rest().await, "abc");
}

#[tokio::test]
async fn a_response_body_that_stops_is_cut_short() {
    let door = Door::open_with(short(|limits| limits.body_idle = SHORT), |_| {}).await;
    let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
    client.head().await;
    assert_eq!(client.rest().await, "abc");
}

#[tokio::test]
async fn a_body_that_goes_on_slowly_may_take_longer_than_the_limit_between_two_reads() {
    let limits = short(|limits| (limits.idle, limits.body_idle) = (SHORT, SHORT * 8));
    let door = Door::open_with(limits, |_| {}).await;
    let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n").await;
    client.head().await;
    for _ in 0..12 {
        // An idle connection tells that its time has passed.
        assert_eq!(door.connect().await.rest().await, "");
        app.write(b"x").await;
        assert_eq!(client.take(1).await, b"x");
    }
}

#[tokio::test]
async fn an_application_that_cannot_be_reached_in_time_is_a_fault_of_its_own() {
    // A listener whose queue is full takes no further connection and refuses none.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(tcp) = tokio::time::timeout(SHORT, tokio::net::TcpStream::connect(address)).await {
        queued.push(tcp.unwrap());
    }
    let door = Door::open_with(short(|limits| limits.upstream_connect = SHORT), |snapshot| {
        *snapshot = super::harness::snapshot(super::harness::site(&[address]));
    })
    .await;
    let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 50") && answer.contains("upstream-unreachable"), "{answer}");
}

/// 30 s without progress, as `Limits::pace` has it, are tried in `forward/paced.rs`.
fn hasty() -> Pace {
    Pace { grace: SHORT, bytes_per_second: 1_000_000, stall: SHORT }
}

#[tokio::test]
async fn a_body_that_was_announced_and_does_not_come_is_a_408_long_before_the_limit_of_a_stream() {
    let door = Door::open_with(short(|limits| limits.pace = hasty()), |_| {}).await;
    let mut client = door.send(b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 10\r\n\r\nabc").await;
    let mut app = door.app.accept().await;
    app.head().await;
    assert!(client.head().await.starts_with("HTTP/1.1 408 "));
    assert_eq!(app.rest().await, "abc");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_and_its_application_freed() {
    let door = Door::open_with(short(|limits| limits.pace = hasty()), |_| {}).await;
    let _client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(b"HTTP/1.1 200 OK\r\n\r\n").await;
    // Everything between here and the client is full at some point; then the connection is gone.
    let all = [b'x'; 64 * 1024];
    while app.tcp.write_all(&all).await.is_ok() {}
}
