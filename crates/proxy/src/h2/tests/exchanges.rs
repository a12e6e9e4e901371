//! Requests and responses, whole, large, with trailers, and broken off.

use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request};
use tokio::{join, time::timeout};

use super::{
    frames::{END_HEADERS, END_STREAM, Raw, Said, block, frame},
    harness::{Door, PATIENCE},
};
use crate::{Limits, limits::Pace};

/// Reads a body to its end and makes room for more.
async fn read(body: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut all = Vec::new();
    while let Some(data) = timeout(PATIENCE, body.data()).await.expect("nothing comes") {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        all.extend_from_slice(&data);
    }
    Ok(all)
}

/// Sends a body as far as the windows let it.
async fn send(stream: &mut SendStream<Bytes>, mut body: Bytes) {
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let room = timeout(PATIENCE, std::future::poll_fn(|cx| stream.poll_capacity(cx)));
        let room = room.await.expect("no window comes").unwrap().unwrap();
        let part = body.split_to(room.min(body.len()));
        stream.send_data(part, body.is_empty()).unwrap();
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}

#[tokio::test]
async fn a_get_goes_to_the_app_and_its_response_comes_back() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let request = Request::get("https://shop.test/a?b=c")
        .header("cookie", "a=b")
        .header("cookie", "c=d")
        .header("accept", "text/html")
        .body(())
        .unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    let app = async {
        let mut app = door.app().await;
        let head = app.head().await;
        app.write(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n\
            HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-App: yes\r\nConnection: x-gone\r\nX-Gone: 1\r\nStrict-Transport-Security: max-age=1\r\n\r\nhello",
        )
        .await;
        head
    };
    let (response, head) = join!(response, app);
    assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    for expected in [
        "host: shop.test\r\n",
        "cookie: a=b; c=d\r\n",
        "x-forwarded-proto: https\r\n",
        "x-forwarded-for: 127.0.0.1\r\n",
    ] {
        assert!(head.contains(expected), "{expected}: {head}");
    }
    assert!(!head.contains("transfer-encoding") && !head.contains("content-length"), "{head}");
    let response = response.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-length"], "5");
    assert_eq!(response.headers()["x-app"], "yes");
    for gone in ["connection", "x-gone", "strict-transport-security"] {
        assert!(!response.headers().contains_key(gone), "{gone}: {response:?}");
    }
    assert_eq!(read(&mut response.into_body()).await.unwrap(), b"hello");
}

#[tokio::test]
async fn large_bodies_go_both_ways_at_the_same_time() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let body = pattern(5_000_000);
    let request = Request::post("https://shop.test/echo").header("content-length", body.len()).body(()).unwrap();
    let (response, mut stream) = client.send_request(request, false).unwrap();
    let app = async {
        let mut app = door.app().await;
        let head = app.head().await;
        assert!(head.to_ascii_lowercase().contains("\r\ncontent-length: 5000000\r\n"), "{head}");
        app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n").await;
        let mut left = body.len();
        while left > 0 {
            let some = app.some().await;
            assert!(!some.is_empty(), "the body ends early");
            left -= some.len();
            app.write(&some).await;
        }
    };
    let receive = async { read(&mut response.await.unwrap().into_body()).await.unwrap() };
    let ((), (), received) = join!(app, send(&mut stream, Bytes::from(body.clone())), receive);
    assert!(received == body, "{} bytes came back", received.len());
}

#[tokio::test]
async fn grpc_passes_with_trailers_on_both_sides() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let request = Request::post("https://shop.test/pkg.Service/Method")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (response, mut stream) = client.send_request(request, false).unwrap();
    stream.send_data(Bytes::from_static(b"\0\0\0\0\x02hi"), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("1"));
    stream.send_trailers(trailers).unwrap();
    let app = async {
        let mut app = door.app().await;
        let head = app.head().await.to_ascii_lowercase();
        assert!(head.contains("content-type: application/grpc\r\n"), "{head}");
        assert!(head.contains("te: trailers\r\n"), "{head}");
        assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
        let body = app.until("\r\n\r\n").await;
        assert_eq!(body, "7\r\n\0\0\0\0\u{2}hi\r\n0\r\nx-checksum: 1\r\n\r\n");
        app.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n\
            2\r\nok\r\n0\r\ngrpc-status: 0\r\ngrpc-message: fine\r\n\r\n",
        )
        .await;
    };
    let (response, ()) = join!(response, app);
    let response = response.unwrap();
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let mut body = response.into_body();
    assert_eq!(read(&mut body).await.unwrap(), b"ok");
    let trailers = body.trailers().await.unwrap().unwrap();
    assert_eq!(
        (&trailers["grpc-status"], &trailers["grpc-message"]),
        (&"0".parse().unwrap(), &"fine".parse().unwrap())
    );
}

#[tokio::test]
async fn a_reset_ends_the_work_for_it() {
    let door = Door::open().await;
    let mut client = door.client().await;
    for (answered, what) in [(false, "before the response"), (true, "in the middle of it")] {
        let request = Request::get("https://shop.test/slow").body(()).unwrap();
        let (response, mut stream) = client.send_request(request, true).unwrap();
        let mut app = door.app().await;
        app.head().await;
        if answered {
            app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc").await;
            assert_eq!(response.await.unwrap().status(), 200);
        }
        stream.send_reset(Reason::CANCEL);
        assert!(app.some().await.is_empty(), "{what}: the connection to the application stays");
    }
}

#[tokio::test]
async fn an_answer_before_the_body_is_there_reaches_the_client() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let request = Request::post("https://shop.test/upload").body(()).unwrap();
    let (response, mut stream) = client.send_request(request, false).unwrap();
    stream.send_data(Bytes::from_static(b"begin"), false).unwrap();
    let mut app = door.app().await;
    app.head().await;
    app.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig").await;
    let response = response.await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(read(&mut response.into_body()).await.unwrap(), b"big");
    let reset = timeout(PATIENCE, std::future::poll_fn(|cx| stream.poll_reset(cx))).await.unwrap();
    assert_eq!(reset.unwrap(), Reason::NO_ERROR);
}

#[tokio::test]
async fn a_client_that_ends_its_body_behind_the_last_byte_is_not_reset() {
    let door = Door::open().await;
    let mut raw = Raw::open(&door).await;
    let fields = |method, length| {
        let (scheme, host) = ((":scheme", &b"https"[..]), (":authority", &b"shop.test"[..]));
        block(&[(":method", method), scheme, host, (":path", b"/"), ("content-length", length)])
    };
    // curl sends the end on its own, and drops a response that a reset comes with.
    raw.write(&[frame(1, END_HEADERS, 1, &fields(b"POST", b"3")), frame(0, 0, 1, b"abc")].concat()).await;
    let mut app = door.app().await;
    app.until("abc").await;
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(raw.said().await, Said::Headers(0x88));
    raw.write(&frame(0, END_STREAM, 1, &[])).await;
    raw.write(&frame(1, END_HEADERS | END_STREAM, 3, &fields(b"GET", b"0"))).await;
    app.head().await;
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(raw.said().await, Said::Headers(0x88));
}

#[tokio::test]
async fn a_response_that_is_cut_short_is_seen_to_be() {
    let door = Door::open().await;
    let mut client = door.client().await;
    for framing in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let request = Request::get("https://shop.test/").body(()).unwrap();
        let (response, _) = client.send_request(request, true).unwrap();
        let mut app = door.app().await;
        app.head().await;
        app.write(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n").as_bytes()).await;
        let response = response.await.unwrap();
        app.write(b"3\r\nabc\r\n").await;
        drop(app);
        let error = read(&mut response.into_body()).await.unwrap_err();
        assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR), "{framing}");
    }
}

#[tokio::test]
async fn faults_are_told_in_words() {
    let door = Door::open().await;
    let mut client = door.client().await;
    for (url, accept, status, expected) in [
        ("https://down.test/", "*/*", 502, "502 upstream-refused\n"),
        ("https://down.test/", "text/html", 502, "<h1>down.test is not answering</h1>"),
        ("https://unknown.test/", "*/*", 421, "421 misdirected\n"),
    ] {
        let request = Request::get(url).header("accept", accept).body(()).unwrap();
        let (response, _) = client.send_request(request, true).unwrap();
        let response = timeout(PATIENCE, response).await.unwrap().unwrap();
        assert_eq!(response.status(), status, "{url}");
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body = String::from_utf8(read(&mut response.into_body()).await.unwrap()).unwrap();
        assert!(body.contains(expected) && body.contains(&id), "{body}");
    }
    let request = Request::head("https://down.test/").body(()).unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    let response = response.await.unwrap();
    assert_ne!(response.headers()["content-length"], "0");
    assert!(read(&mut response.into_body()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused() {
    let door = Door::open_with(Limits { body: Some(10), ..Limits::default() }).await;
    let mut client = door.client().await;
    for announced in [Some(11), None] {
        let mut request = Request::post("https://shop.test/");
        if let Some(length) = announced {
            request = request.header("content-length", length);
        }
        let (response, mut stream) = client.send_request(request.body(()).unwrap(), false).unwrap();
        stream.send_data(Bytes::from_static(b"hello world"), true).unwrap();
        let response = timeout(PATIENCE, response).await.unwrap().unwrap();
        assert_eq!(response.status(), 413, "{announced:?}");
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_is_asked_for_its_body() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let request = Request::post("https://shop.test/")
        .header("expect", "100-continue")
        .header("content-length", 2)
        .body(())
        .unwrap();
    let (mut response, mut stream) = client.send_request(request, false).unwrap();
    let mut app = door.app().await;
    assert!(!app.head().await.to_ascii_lowercase().contains("expect"));
    let interim = std::future::poll_fn(|cx| response.poll_informational(cx));
    let interim = timeout(PATIENCE, interim).await.expect("no invitation").unwrap().unwrap();
    assert_eq!(interim.status(), 100);
    stream.send_data(Bytes::from_static(b"hi"), true).unwrap();
    assert_eq!(app.until("hi").await, "hi");
    app.write(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(response.await.unwrap().status(), 204);
}

#[tokio::test]
async fn a_drain_says_goaway_and_lets_open_streams_finish() {
    let door = Door::open().await;
    let (client, connection) = h2::client::handshake(door.connect().await).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = Request::get("https://shop.test/").body(()).unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    let mut app = door.app().await;
    app.head().await;
    let (drained, ()) = join!(door.proxy.drain(PATIENCE), async {
        // The connection is closed to new streams, and the open one goes on.
        while client.clone().ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
        app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
        let response = response.await.unwrap();
        assert_eq!(read(&mut response.into_body()).await.unwrap(), b"done");
        timeout(PATIENCE, connection).await.expect("the connection stays").unwrap().unwrap();
    });
    assert_eq!((drained.finished, drained.cut), (1, 0));
}

/// The application has long sent all, and most of it waits in the kernel for the client.
#[tokio::test]
async fn a_client_that_takes_an_answer_slowly_has_all_of_it_after_a_drain() {
    const LENGTH: usize = 1_500_000;
    let door = Door::open().await;
    let mut client = Raw::open_narrowly(&door).await;
    let request = block(&[(":method", b"GET"), (":scheme", b"https"), (":authority", b"shop.test"), (":path", b"/")]);
    client.write(&frame(1, END_HEADERS | END_STREAM, 1, &request)).await;
    let mut app = door.app().await;
    app.head().await;
    let answer =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n").into_bytes(), pattern(LENGTH)].concat();
    let sent = tokio::spawn(async move { app.write(&answer).await });
    let taken = async {
        let (mut taken, mut told, mut is_whole) = (0, 0, false);
        while let Some((kind, flags, _, payload)) = client.frame().await {
            match kind {
                0 => {
                    taken += payload.len();
                    is_whole |= flags & END_STREAM != 0;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                6 if flags == 0 => client.write(&frame(6, 1, 0, &payload)).await,
                _ => {}
            }
            // As every client does, which meets a closed socket if the server has left.
            if taken - told > 100_000 {
                client.write(&frame(8, 0, 0, &100_000_u32.to_be_bytes())).await;
                told = taken;
            }
        }
        (taken, is_whole)
    };
    let (drained, taken) = join!(door.proxy.drain(Duration::from_secs(60)), taken);
    assert_eq!((taken, drained.cut), ((LENGTH, true), 0));
    sent.await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_order() {
    let idle = Duration::from_millis(30);
    let door = Door::open_with(Limits { idle, ..Limits::default() }).await;
    let (_client, connection) = h2::client::handshake(door.connect().await).await.unwrap();
    timeout(PATIENCE, connection).await.expect("the connection stays").unwrap();
}

#[tokio::test]
async fn a_stream_without_a_window_is_reset_and_its_application_freed() {
    let hasty =
        Pace { grace: Duration::from_millis(50), bytes_per_second: 1_000_000, stall: Duration::from_millis(50) };
    let door = Door::open_with(Limits { pace: hasty, ..Limits::default() }).await;
    let (client, connection) =
        h2::client::Builder::new().initial_window_size(0).handshake::<_, Bytes>(door.connect().await).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://shop.test/").body(()).unwrap();
    let (response, _stream) = client.ready().await.unwrap().send_request(request, true).unwrap();
    let mut app = door.app().await;
    app.head().await;
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc").await;
    let mut body = response.await.unwrap().into_body();
    assert!(timeout(PATIENCE, body.data()).await.unwrap().unwrap().is_err());
    assert!(app.some().await.is_empty(), "the connection to the application stays");
}
