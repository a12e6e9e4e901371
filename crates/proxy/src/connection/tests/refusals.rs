use super::harness::Door;

/// A request behind the one under test: if it is ever carried out, the two of us read the first one differently.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n";

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_and_not_a_byte_of_it_is_forwarded() {
    let door = Door::open().await;
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: shop.test\r\n\r\n", "a".repeat(9000));
    let long_head = format!("GET / HTTP/1.1\r\nHost: shop.test\r\nX: {}\r\n\r\n", "a".repeat(40_000));
    let many_headers = format!("GET / HTTP/1.1\r\nHost: shop.test\r\n{}\r\n", "X: y\r\n".repeat(200));
    let head = |lines: &str| format!("POST / HTTP/1.1\r\nHost: shop.test\r\n{lines}\r\n");
    let owned = |text: &str| text.to_owned();
    for (name, status, request) in [
        ("no Host", 400, owned("GET / HTTP/1.1\r\n\r\n")),
        ("no Host in HTTP/1.0", 400, owned("GET / HTTP/1.0\r\n\r\n")),
        ("two Hosts", 400, owned("GET / HTTP/1.1\r\nHost: shop.test\r\nHost: shop.test\r\n\r\n")),
        ("two different Hosts", 400, owned("GET / HTTP/1.1\r\nHost: shop.test\r\nHost: evil.test\r\n\r\n")),
        ("empty Host", 400, owned("GET / HTTP/1.1\r\nHost:\r\n\r\n")),
        ("user in Host", 400, owned("GET / HTTP/1.1\r\nHost: a@shop.test\r\n\r\n")),
        ("path in Host", 400, owned("GET / HTTP/1.1\r\nHost: shop.test/a\r\n\r\n")),
        ("empty label in Host", 400, owned("GET / HTTP/1.1\r\nHost: shop..test\r\n\r\n")),
        ("space in Host", 400, owned("GET / HTTP/1.1\r\nHost: shop test\r\n\r\n")),
        ("Host is not the URL's", 400, owned("GET http://evil.test/ HTTP/1.1\r\nHost: shop.test\r\n\r\n")),
        ("URL of another scheme", 400, owned("GET ftp://shop.test/ HTTP/1.1\r\nHost: shop.test\r\n\r\n")),
        ("length and encoding", 400, head("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n")),
        ("encoding and length", 400, head("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n")),
        ("two equal lengths", 400, head("Content-Length: 4\r\nContent-Length: 4\r\n")),
        ("two lengths", 400, head("Content-Length: 4\r\nContent-Length: 0\r\n")),
        ("a list of lengths", 400, head("Content-Length: 4, 4\r\n")),
        ("a length with a sign", 400, head("Content-Length: +4\r\n")),
        ("a negative length", 400, head("Content-Length: -4\r\n")),
        ("a hexadecimal length", 400, head("Content-Length: 0x4\r\n")),
        ("a length with a space in it", 400, head("Content-Length: 4 4\r\n")),
        ("an empty length", 400, head("Content-Length:\r\n")),
        ("a length beyond 64 bits", 400, head("Content-Length: 18446744073709551616\r\n")),
        ("a length spelled with _", 400, head("Content_Length: 4\r\n")),
        ("an encoding spelled with _", 400, head("Transfer_Encoding: chunked\r\n")),
        ("an unknown encoding", 501, head("Transfer-Encoding: gzip\r\n")),
        ("identity", 501, head("Transfer-Encoding: identity\r\n")),
        ("chunked twice", 400, head("Transfer-Encoding: chunked, chunked\r\n")),
        ("chunked not last", 400, head("Transfer-Encoding: chunked, gzip\r\n")),
        ("an encoding in two lines", 400, head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
        ("an encoding with a vertical tab", 400, head("Transfer-Encoding: \x0bchunked\r\n")),
        ("an encoding with a semicolon", 400, head("Transfer-Encoding: chunked;q=1\r\n")),
        (
            "an encoding in HTTP/1.0",
            400,
            owned("POST / HTTP/1.0\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        ("LF alone", 400, owned("GET / HTTP/1.1\nHost: shop.test\n\n")),
        ("LF alone in one line", 400, owned("GET / HTTP/1.1\r\nHost: shop.test\nX: y\r\n\r\n")),
        ("CR alone", 400, owned("GET / HTTP/1.1\r\nHost: shop.test\r\nX: a\rb\r\n\r\n")),
        ("NUL", 400, owned("GET / HTTP/1.1\r\nHost: shop.test\r\nX: a\0b\r\n\r\n")),
        ("a folded line", 400, head("X: a\r\n b\r\n")),
        ("a folded length", 400, head("Content-Length:\r\n 4\r\n")),
        ("a folded first line", 400, owned("GET / HTTP/1.1\r\n Host: shop.test\r\n\r\n")),
        ("a space before the colon", 400, head("Content-Length : 4\r\n")),
        ("a header without a name", 400, head(": 4\r\n")),
        ("a header without a colon", 400, head("Content-Length 4\r\n")),
        ("a name with a bracket", 400, head("Content[Length: 4\r\n")),
        ("two empty lines in front", 400, owned("\r\n\r\nGET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")),
        ("a method that is no token", 400, owned("GE(T / HTTP/1.1\r\nHost: shop.test\r\n\r\n")),
        ("no target", 400, owned("GET HTTP/1.1\r\nHost: shop.test\r\n\r\n")),
        ("a space in the target", 400, owned("GET /a b HTTP/1.1\r\nHost: shop.test\r\n\r\n")),
        ("a tab in the target", 400, owned("GET /a\tb HTTP/1.1\r\nHost: shop.test\r\n\r\n")),
        ("a fragment in the target", 400, owned("GET /a#b HTTP/1.1\r\nHost: shop.test\r\n\r\n")),
        ("a relative target", 400, owned("GET a HTTP/1.1\r\nHost: shop.test\r\n\r\n")),
        ("a star without OPTIONS", 400, owned("GET * HTTP/1.1\r\nHost: shop.test\r\n\r\n")),
        ("two spaces", 400, owned("GET  / HTTP/1.1\r\nHost: shop.test\r\n\r\n")),
        ("CONNECT", 501, owned("CONNECT shop.test:80 HTTP/1.1\r\nHost: shop.test:80\r\n\r\n")),
        ("TRACE", 501, owned("TRACE / HTTP/1.1\r\nHost: shop.test\r\n\r\n")),
        ("HTTP/0.9", 400, owned("GET /\r\n\r\n")),
        ("HTTP/1.2", 505, owned("GET / HTTP/1.2\r\nHost: shop.test\r\n\r\n")),
        ("HTTP/2 preface", 505, owned("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
        ("lower-case version", 400, owned("GET / http/1.1\r\nHost: shop.test\r\n\r\n")),
        ("an unknown expectation", 417, head("Expect: 200-ok\r\n")),
        ("a Connection that is no list", 400, head("Connection: a b\r\n")),
        ("two Upgrades", 400, head("Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n")),
        ("a long target", 414, long_target),
        ("a long head", 431, long_head),
        ("many headers", 431, many_headers),
        ("a bad first chunk", 400, head("Transfer-Encoding: chunked\r\n") + "x\r\n"),
        ("a chunk size with a space", 400, head("Transfer-Encoding: chunked\r\n") + "3 \r\nabc\r\n0\r\n\r\n"),
        ("a chunk size with 0x", 400, head("Transfer-Encoding: chunked\r\n") + "0x3\r\nabc\r\n0\r\n\r\n"),
        ("a chunk size beyond 64 bits", 400, head("Transfer-Encoding: chunked\r\n") + "10000000000000003\r\nabc\r\n"),
        ("a chunk line that ends with LF", 400, head("Transfer-Encoding: chunked\r\n") + "3\nabc\r\n0\r\n\r\n"),
        ("a chunk extension with LF", 400, head("Transfer-Encoding: chunked\r\n") + "3;a\nb\r\nabc\r\n0\r\n\r\n"),
    ] {
        let mut client = door.send((request + SMUGGLED).as_bytes()).await;
        let answer = client.rest().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name} is followed by something: {answer}");
        assert!(answer.contains("Connection: close\r\n"), "{name}: {answer}");
        door.nothing_else_reached_the_app().await;
    }
}

#[tokio::test]
async fn a_body_that_goes_wrong_later_never_looks_complete_to_the_application() {
    let door = Door::open().await;
    for (name, wrong) in [
        ("chunk-invalid-size", "zz\r\n"),
        ("chunk-missing-data-end", "3\r\nabcd\r\n0\r\n\r\n"),
        ("chunk-invalid-trailer", "0\r\nA: b\r\n c\r\n\r\n"),
        ("chunk-invalid-trailer", "0\r\nA b\r\n\r\n"),
    ] {
        let mut client =
            door.send(b"POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
        let mut app = door.app.accept().await;
        app.head().await;
        app.until("5\r\nhello\r\n").await;
        client.write((wrong.to_owned() + SMUGGLED).as_bytes()).await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(name), "{name}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer}");
        let heard = app.rest().await;
        assert!(!heard.contains("0\r\n\r\n") && !heard.contains("smuggled"), "{name}: {heard:?}");
    }
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let door = Door::open().await;
    let mut client = door.send(b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 9, 9\r\n\r\n").await;
    client.write(&vec![b'x'; 1 << 20]).await;
    client.finish().await;
    assert!(client.rest().await.starts_with("HTTP/1.1 400 "));
}
