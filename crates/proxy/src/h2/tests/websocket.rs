//! WebSockets by extended CONNECT (RFC 8441).

use std::future::poll_fn;

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::ResponseFuture, ext::Protocol};
use http::{Method, Request};
use tokio::time::timeout;

use super::harness::{App, Door, PATIENCE};
use crate::{Limits, h2::websocket::proof};

/// Asks for a WebSocket, and gives what the application hears of it.
async fn ask(door: &Door) -> (ResponseFuture, SendStream<Bytes>, App, String) {
    let mut client = door.client().await;
    // Before the server's SETTINGS nobody knows that it may be asked (section 3).
    for _ in 0..1000 {
        if client.is_extended_connect_protocol_enabled() {
            break;
        }
        tokio::task::yield_now().await;
        client = poll_fn(|cx| client.poll_ready(cx)).await.map(|()| client).unwrap();
    }
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri("https://shop.test/chat")
        .header("origin", "https://other.test")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "v1")
        .body(())
        .unwrap();
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    let (response, send) = client.send_request(request, false).unwrap();
    let mut app = door.app().await;
    let head = app.head().await;
    (response, send, app, head)
}

/// The answer of an application that has understood.
fn switch(head: &str) -> String {
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: v1\r\n\r\n",
        proof(key)
    )
}

/// The next bytes; an empty frame has none.
async fn next(body: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    loop {
        let data = timeout(PATIENCE, body.data()).await.expect("nothing comes");
        if let Some(Ok(data)) = &data {
            body.flow_control().release_capacity(data.len()).unwrap();
            if data.is_empty() {
                continue;
            }
        }
        return data;
    }
}

#[tokio::test]
async fn a_stream_becomes_a_tunnel() {
    let door = Door::open().await;
    let (response, mut send, mut app, head) = ask(&door).await;
    assert!(head.starts_with("GET /chat HTTP/1.1\r\nHost: shop.test\r\n"), "{head}");
    for expected in ["Connection: upgrade\r\n", "Upgrade: websocket\r\n", "origin: https://other.test\r\n"] {
        assert!(head.contains(expected), "{expected}: {head}");
    }
    app.write(&[switch(&head).as_bytes(), b"early"].concat()).await;
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["sec-websocket-protocol"], "v1");
    for gone in ["sec-websocket-accept", "upgrade", "connection"] {
        assert!(!response.headers().contains_key(gone), "{gone}");
    }
    let mut body = response.into_body();
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "early");
    for turn in 0..10 {
        let word = format!("word {turn}.");
        send.send_data(word.clone().into(), false).unwrap();
        assert_eq!(app.until(".").await, word);
        app.write(word.as_bytes()).await;
        assert_eq!(next(&mut body).await.unwrap().unwrap(), word);
    }
    // One side ends, and the other may go on.
    send.send_data(Bytes::new(), true).unwrap();
    assert!(app.some().await.is_empty());
    app.write(b"last words").await;
    drop(app);
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "last words");
    assert!(next(&mut body).await.is_none());
}

#[tokio::test]
async fn whoever_goes_ends_the_tunnel_for_the_other() {
    let door = Door::open().await;
    let (response, mut send, mut app, head) = ask(&door).await;
    app.write(switch(&head).as_bytes()).await;
    response.await.unwrap();
    send.send_reset(Reason::CANCEL);
    assert!(app.some().await.is_empty());

    let (response, _send, mut app, head) = ask(&door).await;
    app.write(switch(&head).as_bytes()).await;
    let mut body = response.await.unwrap().into_body();
    app.tcp.set_zero_linger().unwrap();
    drop(app);
    assert_eq!(next(&mut body).await.unwrap().unwrap_err().reason(), Some(Reason::CANCEL));
}

#[tokio::test]
async fn nothing_but_a_proven_switch_is_a_tunnel() {
    let door = Door::open().await;
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 502),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 502),
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            502,
        ),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403),
        ("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 302),
    ] {
        let (response, _send, mut app, _) = ask(&door).await;
        app.write(answer.as_bytes()).await;
        assert_eq!(response.await.unwrap().status(), expected, "{answer}");
    }
    let (response, _send, mut app, head) = ask(&door).await;
    app.write(switch(&head).replace("Upgrade: websocket", "Upgrade: other").as_bytes()).await;
    assert_eq!(response.await.unwrap().status(), 502);
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_moves_is_closed() {
    let limits = Limits { body_idle: std::time::Duration::from_millis(50), ..Limits::default() };
    let door = Door::open_with(limits).await;
    let (response, _send, mut app, head) = ask(&door).await;
    app.write(switch(&head).as_bytes()).await;
    let mut body = response.await.unwrap().into_body();
    assert_eq!(next(&mut body).await.unwrap().unwrap_err().reason(), Some(Reason::CANCEL));
    assert!(app.some().await.is_empty());
}

#[tokio::test]
async fn on_a_drain_a_tunnel_is_cut_when_the_grace_is_over() {
    let door = Door::open().await;
    let (response, mut send, mut app, head) = ask(&door).await;
    app.write(switch(&head).as_bytes()).await;
    let mut body = response.await.unwrap().into_body();
    let proxy = door.proxy;
    let draining = tokio::spawn(async move { proxy.drain(std::time::Duration::from_millis(300)).await });
    send.send_data("still here".into(), false).unwrap();
    assert_eq!(app.until("here").await, "still here");
    assert!(next(&mut body).await.unwrap().is_err());
    assert!(app.some().await.is_empty());
    assert_eq!(draining.await.unwrap().cut, 1);
}
