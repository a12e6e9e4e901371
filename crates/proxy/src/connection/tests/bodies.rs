use std::time::Duration;

use tokio::{task::JoinHandle, time::timeout};

use super::harness::{Door, Peer, short};

/// Bytes in which a lost, doubled or swapped piece shows.
fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Reads and writes at the same time, so that neither side waits for the other.
fn writing(peer: Peer, bytes: Vec<u8>) -> JoinHandle<Peer> {
    let mut peer = peer;
    tokio::spawn(async move {
        peer.write(&bytes).await;
        peer
    })
}

#[tokio::test]
async fn a_large_body_of_known_length_arrives_whole_both_ways() {
    let door = Door::open().await;
    let body = pattern(5_000_001);
    let head = format!("PUT / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: {}\r\n\r\n", body.len());
    for _ in 0..2 {
        let sending = writing(door.connect().await, [head.as_bytes(), &body].concat());
        let mut app = door.app.accept().await;
        assert!(app.head().await.contains(&format!("Content-Length: {}\r\n", body.len())));
        assert!(app.take(body.len()).await == body, "the upload is not what was sent");
        let response = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        let responding = writing(app, [response.as_bytes(), &body].concat());
        let mut client = sending.await.unwrap();
        client.head().await;
        assert!(client.take(body.len()).await == body, "the download is not what was sent");
        responding.await.unwrap();
    }
}

#[tokio::test]
async fn a_response_flows_while_its_request_is_still_being_sent() {
    let door = Door::open().await;
    let mut client = door.send(b"POST /echo HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.head().await;
    for word in ["one", "two", "six"] {
        let chunk = format!("3\r\n{word}\r\n");
        client.write(chunk.as_bytes()).await;
        app.until(&chunk).await;
        app.write(chunk.as_bytes()).await;
        client.until(&chunk).await;
    }
    client.write(b"0\r\n\r\n").await;
    app.until("0\r\n\r\n").await;
    app.write(b"0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
    client.write(b"GET /next HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    assert!(app.head().await.starts_with("GET /next "), "both connections go on");
}

#[tokio::test]
async fn an_upload_waits_in_a_window_when_the_application_does_not_read() {
    let door = Door::open().await;
    let client = door.send(b"PUT / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1000000000\r\n\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    let mut taken = 0;
    // Until nothing moves any more: the buffers of four sockets and the window are full.
    while timeout(Duration::from_millis(500), client.tcp.writable()).await.is_ok() {
        taken += client.tcp.try_write(&[b'x'; 1 << 16]).unwrap_or(0);
        assert!(taken < 64 << 20, "the proxy takes what nobody reads");
    }
    assert!(taken > 0);
}

#[tokio::test]
async fn chunks_are_checked_and_written_anew_with_the_trailers_that_may_pass() {
    let door = Door::open().await;
    let mut client = door
        .send(
            b"POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n\
              00003;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\nHost: evil\r\n\r\n",
        )
        .await;
    let mut app = door.app.accept().await;
    let head = app.head().await;
    assert!(head.contains("Transfer-Encoding: chunked\r\n") && head.contains("TE: trailers\r\n"), "{head}");
    assert_eq!(app.until("\r\n\r\n").await, "3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n");
    app.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2;e\r\nok\r\n0\r\nX-Sum: 2\r\nSet-Cookie: a=b\r\n\r\n").await;
    client.head().await;
    assert_eq!(client.until("\r\n\r\n").await, "2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n");
}

#[tokio::test]
async fn a_response_that_ends_with_its_connection_becomes_chunked() {
    let door = Door::open().await;
    let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(b"HTTP/1.0 200 OK\r\n\r\nabc").await;
    assert_eq!(client.head().await, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.until("3\r\nabc\r\n").await;
    drop(app);
    client.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn an_http_1_0_client_gets_a_body_until_close_and_no_interim_response() {
    let door = Door::open().await;
    let mut client = door.send(b"GET / HTTP/1.0\r\nHost: shop.test\r\nConnection: keep-alive\r\n\r\n").await;
    let mut app = door.app.accept().await;
    assert!(app.head().await.starts_with("GET / HTTP/1.1\r\n"));
    app.write(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n").await;
    app.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").await;
    assert_eq!(client.rest().await, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
}

#[tokio::test]
async fn an_http_1_0_client_keeps_its_connection_if_it_asks_and_the_length_is_known() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let mut app = None;
    for _ in 0..2 {
        client.write(b"GET / HTTP/1.0\r\nHost: shop.test\r\nConnection: keep-alive\r\n\r\n").await;
        if app.is_none() {
            app = Some(door.app.accept().await);
        }
        let app = app.as_mut().unwrap();
        app.head().await;
        app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(client.head().await, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n");
        client.take(2).await;
    }
    client.write(b"GET / HTTP/1.0\r\nHost: shop.test\r\n\r\n").await;
    let mut app = app.unwrap();
    app.head().await;
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.rest().await, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
}

#[tokio::test]
async fn a_response_that_is_cut_short_looks_cut_short() {
    let door = Door::open().await;
    for (head, body, seen) in [
        ("Content-Length: 10", "hello", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", "9\r\nhello", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\nxx\r\n", "5\r\nhello\r\n"),
    ] {
        let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
        let mut app = door.app.accept().await;
        app.head().await;
        app.write(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes()).await;
        client.head().await;
        app.write(body.as_bytes()).await;
        client.until(seen).await;
        drop(app);
        assert_eq!(client.rest().await, "", "after {body:?} of {head}");
    }
}

#[tokio::test]
async fn bytes_behind_a_response_go_to_nobody() {
    let door = Door::open().await;
    let mut client = door.send(b"GET /1 HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").await;
    client.head().await;
    client.take(2).await;
    client.write(b"GET /2 HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut other = door.app.accept().await;
    assert!(other.head().await.starts_with("GET /2 "));
    other.write(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(app.rest().await, "", "the connection with too many bytes was closed");
}

#[tokio::test]
async fn responses_without_a_body_have_none_whatever_they_announce() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let mut app = None;
    for (method, response, passed) in [
        ("HEAD", "200 OK\r\nContent-Length: 7", "200 OK\r\nContent-Length: 7"),
        ("HEAD", "200 OK\r\nTransfer-Encoding: chunked", "200 OK"),
        ("GET", "304 Not Modified\r\nContent-Length: 7", "304 Not Modified\r\nContent-Length: 7"),
        ("GET", "204 No Content", "204 No Content"),
    ] {
        client.write(format!("{method} / HTTP/1.1\r\nHost: shop.test\r\n\r\n").as_bytes()).await;
        if app.is_none() {
            app = Some(door.app.accept().await);
        }
        let app = app.as_mut().unwrap();
        app.head().await;
        app.write(format!("HTTP/1.1 {response}\r\n\r\n").as_bytes()).await;
        assert_eq!(client.head().await, format!("HTTP/1.1 {passed}\r\n\r\n"));
    }
}

#[tokio::test]
async fn interim_responses_pass_before_the_final_one() {
    let door = Door::open().await;
    let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
    app.write(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 103 Early Hints\r\n\r\n");
    assert_eq!(client.head().await, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

#[tokio::test]
async fn an_endless_row_of_interim_responses_is_a_bad_response() {
    let door = Door::open().await;
    let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(&b"HTTP/1.1 102 Processing\r\n\r\n".repeat(100)).await;
    let seen = client.rest().await;
    assert!(seen.contains("HTTP/1.1 502 "), "{seen}");
    assert!(seen.contains("upstream-bad-response"), "{seen}");
}

#[tokio::test]
async fn who_expects_to_be_asked_is_asked_when_the_application_has_the_head() {
    let door = Door::open().await;
    let request = b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    let mut client = door.send(request).await;
    let mut app = door.app.accept().await;
    let head = app.head().await;
    assert!(!head.contains("Expect"), "{head}");
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write(b"abc").await;
    assert_eq!(app.take(3).await, b"abc");
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    // One that sends its body at once is not asked.
    client.write(&[&request[..], b"abc"].concat()).await;
    app.head().await;
    assert_eq!(app.take(3).await, b"abc");
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

#[tokio::test]
async fn an_early_response_passes_and_the_rest_of_the_body_goes_to_nobody() {
    let door = Door::open().await;
    let mut client = door.send(b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 10000000\r\n\r\nabc").await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.take(3).await;
    app.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno").await;
    drop(app);
    assert!(client.head().await.starts_with("HTTP/1.1 413 Too Large\r\n"));
    client.take(2).await;
    client.write(b"GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    client.write(&vec![b'x'; 500_000]).await;
    assert_eq!(client.rest().await, "");
    door.nothing_else_reached_the_app().await;
}

#[tokio::test]
async fn after_an_early_response_a_short_rest_is_read_and_the_connection_kept() {
    let door = Door::open().await;
    let mut client = door.send(b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 10\r\n\r\nabc").await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.take(3).await;
    app.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
    client.head().await;
    client.take(2).await;
    client.write(b"defghijGET /next HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    // The old connection to the application has half a request on it.
    let mut other = door.app.accept().await;
    assert!(other.head().await.starts_with("GET /next "));
    assert!(!app.rest().await.contains("GET"));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let door = Door::open_with(short(|limits| limits.body = Some(10)), |_| {}).await;
    for request in [
        "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 11\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n",
    ] {
        let mut client = door.send(request.as_bytes()).await;
        client.finish().await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{request}: {answer}");
    }
    let mut client = door.send(b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 10\r\n\r\n0123456789").await;
    loop {
        // The chunked ones above may have got as far as a connection.
        let mut app = door.app.accept().await;
        if app.rest_or_head().await.contains("Content-Length: 10\r\n") {
            app.write(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            break;
        }
    }
    client.head().await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_breaks_off_for_the_application_too() {
    let door = Door::open().await;
    for (head, body) in [("Content-Length: 10", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n")] {
        for reset in [true, false] {
            let mut client =
                door.send(format!("POST / HTTP/1.1\r\nHost: shop.test\r\n{head}\r\n\r\n{body}").as_bytes()).await;
            let mut app = door.app.accept().await;
            app.head().await;
            app.until(body).await;
            if reset {
                client.reset();
            } else {
                client.finish().await;
                assert_eq!(client.rest().await, "");
            }
            assert_eq!(app.rest().await, "", "after {body:?} of {head}");
        }
    }
}

#[tokio::test]
async fn a_client_that_has_finished_sending_still_gets_its_response() {
    let door = Door::open().await;
    let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    client.finish().await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.rest().await, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

#[tokio::test]
async fn a_client_that_resets_takes_its_request_back() {
    let door = Door::open().await;
    let client = door.send(b"GET /slow HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    client.reset();
    assert_eq!(app.rest().await, "");
}
