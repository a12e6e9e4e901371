use super::harness::{Door, Peer, SHORT, short};

/// Sends one request over `app`, or over a new connection, and answers it.
async fn exchange(door: &Door, client: &mut Peer, app: Option<Peer>) -> Peer {
    client.write(b"GET /first HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut app = match app {
        Some(app) => app,
        None => door.app.accept().await,
    };
    assert!(app.head().await.starts_with("GET /first "));
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    client.head().await;
    app
}

#[tokio::test]
async fn a_connection_to_the_application_is_used_again_also_by_other_clients() {
    let door = Door::open().await;
    let mut app = None;
    for _ in 0..3 {
        app = Some(exchange(&door, &mut door.connect().await, app).await);
    }
}

#[tokio::test]
async fn a_connection_that_the_application_closed_is_replaced_whatever_the_method() {
    let door = Door::open().await;
    for method in ["GET", "POST"] {
        let mut client = door.connect().await;
        drop(exchange(&door, &mut client, None).await);
        client.write(format!("{method} /second HTTP/1.1\r\nHost: shop.test\r\n\r\n").as_bytes()).await;
        let mut app = door.app.accept().await;
        assert!(app.head().await.starts_with(&format!("{method} /second ")));
        app.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn a_kept_connection_that_dies_with_a_request_is_replaced_once_if_that_does_no_harm() {
    let door = Door::open().await;
    for (request, repeated) in [
        ("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n", true),
        ("PUT / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\n\r\nhello", true),
        ("PUT / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true),
        ("DELETE / HTTP/1.1\r\nHost: shop.test\r\n\r\n", true),
        ("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\n\r\nhello", false),
        ("POST / HTTP/1.1\r\nHost: shop.test\r\n\r\n", false),
        ("PATCH / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\n\r\nhello", false),
    ] {
        let mut client = door.connect().await;
        let mut app = exchange(&door, &mut client, None).await;
        client.write(request.as_bytes()).await;
        let first = app.head().await;
        drop(app);
        if repeated {
            let mut app = door.app.accept().await;
            assert_eq!(app.head().await, first, "{request}");
            if request.starts_with("PUT") {
                app.until("hello").await;
            }
            // A second death is the end of it, also for what does no harm.
            drop(app);
        }
        let answer = client.head().await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{request}: {answer}");
        client.finish().await;
        assert!(client.rest().await.contains("upstream-closed"), "{request}");
    }
}

#[tokio::test]
async fn a_new_connection_that_dies_is_not_replaced() {
    let door = Door::open().await;
    let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    drop(app);
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("upstream-closed"), "{answer}");
    door.nothing_else_reached_the_app().await;
}

#[tokio::test]
async fn nothing_is_repeated_once_a_byte_of_the_response_has_come() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let mut app = exchange(&door, &mut client, None).await;
    client.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n").await;
    app.head().await;
    app.write(b"HTTP/1.1 2").await;
    drop(app);
    assert!(client.rest().await.starts_with("HTTP/1.1 502 "));
    door.nothing_else_reached_the_app().await;
}

#[tokio::test]
async fn a_body_that_is_not_here_any_more_is_not_repeated() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let mut app = exchange(&door, &mut client, None).await;
    client.write(b"PUT / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 300000\r\n\r\n").await;
    app.head().await;
    client.write(&vec![b'x'; 200_000]).await;
    app.take(200_000).await;
    drop(app);
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
    door.nothing_else_reached_the_app().await;
}

#[tokio::test]
async fn a_connection_on_which_something_came_unasked_is_not_used_again() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let mut app = exchange(&door, &mut client, None).await;
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").await;
    let mut app_2 = exchange(&door, &mut client, None).await;
    app.closed().await;
    client.write(b"GET /third HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    assert!(app_2.head().await.starts_with("GET /third "));
}

#[tokio::test]
async fn a_connection_that_waits_too_long_is_closed() {
    let door = Door::open_with(short(|limits| limits.upstream_idle = SHORT), |_| {}).await;
    let mut app = exchange(&door, &mut door.connect().await, None).await;
    assert_eq!(app.rest().await, "");
    exchange(&door, &mut door.connect().await, None).await;
}

#[tokio::test]
async fn a_connection_is_closed_before_the_application_says_that_it_closes() {
    let door = Door::open().await;
    for (hint, used_again) in [("timeout=5, max=100", true), ("max=3, timeout=1", false), ("nonsense", true)] {
        let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
        let mut app = door.app.accept().await;
        app.head().await;
        app.write(format!("HTTP/1.1 204 No Content\r\nKeep-Alive: {hint}\r\n\r\n").as_bytes()).await;
        assert_eq!(client.head().await, "HTTP/1.1 204 No Content\r\n\r\n");
        if used_again {
            client.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
            app.head().await;
            app.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
            client.head().await;
        } else {
            assert_eq!(app.rest().await, "", "{hint}");
        }
    }
}

#[tokio::test]
async fn no_more_connections_wait_than_the_limit() {
    let door = Door::open_with(short(|limits| limits.upstream_idle_connections = 1), |_| {}).await;
    let (mut one, mut other) = (door.connect().await, door.connect().await);
    let request = b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n";
    one.write(request).await;
    let mut first = door.app.accept().await;
    first.head().await;
    other.write(request).await;
    let mut second = door.app.accept().await;
    second.head().await;
    for (app, client) in [(&mut first, &mut one), (&mut second, &mut other)] {
        app.write(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        client.head().await;
    }
    assert_eq!(first.rest().await, "", "the one that came back first has given way");
    exchange(&door, &mut one, Some(second)).await;
}
