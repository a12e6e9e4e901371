//! Ambiguous messages stop at the door: what the upstream receives is recorded byte by byte.

use portward_testkit::{Connection, TestServer, Upstream};

#[tokio::test(flavor = "multi_thread")]
async fn no_ambiguous_message_reaches_the_upstream() {
    let upstream = Upstream::start("shop").await;
    let server = TestServer::start_before(&upstream).await;
    let payloads: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: user@a.test\r\n\r\n",
        b"GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1, 1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: +1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0x1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 99999999999999999999\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length : 1\r\n\r\nx",
        b"GET / HTTP/1.1\nHost: a.test\n\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\rb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\n b\r\n\r\n",
        b"GET /\x7f HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET /a#b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"G(T / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nBad Name: x\r\n\r\n",
    ];
    for payload in payloads {
        for tls in [false, true] {
            let mut connection = if tls {
                Connection::tls(server.https, "a.test").await.unwrap()
            } else {
                Connection::plain(server.http).await.unwrap()
            };
            connection.send(payload).await.unwrap();
            let shown = String::from_utf8_lossy(payload).into_owned();
            let response = connection.response().await.unwrap_or_else(|error| panic!("{shown:?}: {error}"));
            assert!(matches!(response.status, 400 | 405 | 414 | 421 | 431 | 501 | 505), "{shown:?}: {}", response.head);
            assert!(response.header("x-request-id").is_some(), "{shown:?}: {}", response.head);
            assert!(connection.is_closed().await, "{shown:?} must end the connection");
        }
    }
    let received = upstream.received();
    assert!(received.is_empty(), "the upstream received {:?}", String::from_utf8_lossy(&received));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_say_of_forwarding_is_replaced() {
    let upstream = Upstream::start("shop").await;
    let server = TestServer::start_before(&upstream).await;
    let mut connection = Connection::tls(server.https, "shop.test").await.unwrap();
    let lies = "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-proto: gopher\r\nX_Forwarded_Host: evil.test\r\nForwarded: for=6.6.6.6\r\nConnection: X-Forwarded-For, X-Keep\r\nX-Keep: gone\r\nX-Other: stays\r\n";
    let response = connection.request("GET", "shop.test", "/", lies).await.unwrap();
    let received = response.text().to_lowercase();
    for gone in ["6.6.6.6", "gopher", "evil.test", "x-keep"] {
        assert!(!received.contains(gone), "{gone} reached the upstream: {received}");
    }
    for there in [
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: https",
        "x-forwarded-host: shop.test",
        "x-other: stays",
        "host: shop.test",
    ] {
        assert!(received.contains(there), "{there} did not reach the upstream: {received}");
    }
    assert!(received.contains(&format!("x-forwarded-port: {}", server.https.port())), "{received}");
}
