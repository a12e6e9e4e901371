#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use crate::h1::request::tests::stranger;
use crate::h1::request::write_upstream;

type List<'a> = &'a [(&'a str, &'a [u8])];

const PLAIN: Parts<'static, List<'static>> = Parts {
    method: "GET",
    scheme: Some("https"),
    authority: Some("a.test"),
    path: "/",
    protocol: None,
    headers: &[],
    stream: Stream::Ended,
};

fn outcome(parts: Parts<'_, List<'_>>) -> String {
    match check(parts, &HeadLimits::default()) {
        Err(refusal) => refusal.code().to_owned(),
        Ok(head) => format!("{} {:?}", head.host, head.body),
    }
}

#[test]
fn parts_that_an_http_1_reader_would_read_in_two_ways_are_refused() {
    let table = [
        (Parts { method: "GET / HTTP/1.1\r\nX:", ..PLAIN }, "invalid-method"),
        (Parts { method: "GE T", ..PLAIN }, "invalid-method"),
        (Parts { method: "", ..PLAIN }, "invalid-method"),
        (Parts { method: "CONNECT", ..PLAIN }, "connect-not-supported"),
        (Parts { method: "TRACE", ..PLAIN }, "trace-not-supported"),
        (Parts { scheme: Some("ftp"), ..PLAIN }, "invalid-scheme"),
        (Parts { scheme: Some("https://a/?"), ..PLAIN }, "invalid-scheme"),
        (Parts { path: "", ..PLAIN }, "invalid-target"),
        (Parts { path: "a", ..PLAIN }, "invalid-target"),
        (Parts { path: "/a b", ..PLAIN }, "invalid-target"),
        (Parts { path: "/a#b", ..PLAIN }, "invalid-target"),
        (Parts { path: "/ HTTP/1.1\r\nX: y", ..PLAIN }, "invalid-target"),
        (Parts { path: "/\0", ..PLAIN }, "invalid-target"),
        (Parts { path: "/\u{e9}", ..PLAIN }, "invalid-target"),
        (Parts { path: "/\t", ..PLAIN }, "invalid-target"),
        (Parts { path: "http://b.test/", ..PLAIN }, "invalid-target"),
        (Parts { path: "*", ..PLAIN }, "invalid-target"),
        (Parts { authority: None, ..PLAIN }, "missing-host"),
        (Parts { authority: Some(""), ..PLAIN }, "invalid-host"),
        (Parts { authority: Some("u@a.test"), ..PLAIN }, "invalid-host"),
        (Parts { authority: Some("a.test/x"), ..PLAIN }, "invalid-host"),
        (Parts { authority: Some("a.test\r\nX: y"), ..PLAIN }, "invalid-host"),
        (Parts { authority: Some("a.test b"), ..PLAIN }, "invalid-host"),
    ];
    for (parts, expected) in table {
        assert_eq!(outcome(parts), expected, "{parts:?}");
    }
    let long = "/".repeat(9000);
    assert_eq!(outcome(Parts { path: &long, ..PLAIN }), "target-too-long");
}

#[test]
fn headers_that_an_http_1_reader_would_read_in_two_ways_are_refused() {
    let table: &[(List<'_>, &str)] = &[
        (&[("Accept", b"a")], "upper-case-name"),
        (&[("x:", b"a")], "invalid-header-name"),
        (&[(":path", b"/")], "invalid-header-name"),
        (&[("x: y\r\nz", b"a")], "invalid-header-name"),
        (&[("x\0", b"a")], "invalid-header-name"),
        (&[("x y", b"a")], "invalid-header-name"),
        (&[("", b"a")], "invalid-header-name"),
        (&[("x\u{e9}", b"a")], "invalid-header-name"),
        (&[("x", b"a\r\nTransfer-Encoding: chunked")], "invalid-header-value"),
        (&[("x", b"a\nb")], "invalid-header-value"),
        (&[("x", b"a\rb")], "invalid-header-value"),
        (&[("x", b"a\0b")], "invalid-header-value"),
        (&[("x", b" a")], "invalid-header-value"),
        (&[("x", b"a\t")], "invalid-header-value"),
        (&[("connection", b"close")], "connection-header-in-http-2"),
        (&[("keep-alive", b"5")], "connection-header-in-http-2"),
        (&[("proxy-connection", b"x")], "connection-header-in-http-2"),
        (&[("transfer-encoding", b"chunked")], "connection-header-in-http-2"),
        (&[("upgrade", b"websocket")], "connection-header-in-http-2"),
        (&[("http2-settings", b"x")], "connection-header-in-http-2"),
        (&[("te", b"gzip")], "invalid-te"),
        (&[("te", b"trailers, gzip")], "invalid-te"),
        (&[("host", b"b.test")], "host-mismatch"),
        (&[("host", b"a.test"), ("host", b"a.test")], "duplicate-host"),
        (&[("content-length", b"1"), ("content-length", b"1")], "repeated-content-length"),
        (&[("content-length", b"1,1")], "invalid-content-length"),
        (&[("content-length", b"+1")], "invalid-content-length"),
        (&[("content-length", b"")], "invalid-content-length"),
        (&[("content_length", b"1")], "framing-look-alike"),
        (&[("transfer_encoding", b"chunked")], "framing-look-alike"),
        (&[("expect", b"x")], "unknown-expectation"),
    ];
    for (headers, expected) in table {
        let parts = Parts { headers: *headers, method: "POST", stream: Stream::Open, ..PLAIN };
        assert_eq!(outcome(parts), *expected, "{headers:?}");
    }
    let many = vec![("x", &b"y"[..]); 101];
    assert_eq!(outcome(Parts { headers: &many, ..PLAIN }), "too-many-headers");
    let large = vec![b'x'; 33_000];
    assert_eq!(outcome(Parts { headers: &[("x", &large)], ..PLAIN }), "head-too-large");
}

#[test]
fn the_length_follows_from_content_length_and_the_stream() {
    let table: &[(List<'_>, Stream, &str)] = &[
        (&[], Stream::Ended, "a.test None"),
        (&[], Stream::Open, "a.test Chunked"),
        (&[("content-length", b"0")], Stream::Ended, "a.test Exact(0)"),
        (&[("content-length", b"5")], Stream::Open, "a.test Exact(5)"),
        (&[("content-length", b"0")], Stream::Open, "a.test Exact(0)"),
        (&[("content-length", b"5")], Stream::Ended, "body-mismatch"),
        (&[("host", b"A.TEST")], Stream::Ended, "a.test None"),
    ];
    for (headers, stream, expected) in table {
        let parts = Parts { headers: *headers, stream: *stream, ..PLAIN };
        assert_eq!(outcome(parts), *expected, "{headers:?} {stream:?}");
    }
    let headers: List<'_> = &[("host", b"b.test")];
    let parts = Parts { authority: None, headers, ..PLAIN };
    assert_eq!(outcome(parts), "b.test None");
    assert_eq!(outcome(Parts { method: "OPTIONS", path: "*", ..PLAIN }), "a.test None");
}

#[test]
fn a_header_map_goes_to_the_upstream_with_its_cookies_joined() {
    let mut headers = http::HeaderMap::new();
    for (name, value) in [
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("te", "trailers"),
        ("accept", "*/*"),
        ("x-forwarded-for", "9.9.9.9"),
        ("x-forwarded-host", "evil"),
    ] {
        headers.append(name, value.parse().unwrap());
    }
    let parts = Parts {
        method: "POST",
        scheme: Some("https"),
        authority: Some("a.test"),
        path: "/x?y",
        headers: &headers,
        protocol: None,
        stream: Stream::Open,
    };
    let head = check(parts, &HeadLimits::default()).unwrap();
    let mut out = Vec::new();
    write_upstream(&head, &stranger(), &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "POST /x?y HTTP/1.1\r\nHost: a.test\r\naccept: */*\r\nCookie: a=1; b=2\r\nTransfer-Encoding: chunked\r\n\
         Connection: TE\r\nTE: trailers\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\
         X-Forwarded-Host: a.test\r\nX-Forwarded-Port: 8443\r\n\
         Forwarded: for=192.0.2.7;host=a.test;proto=https\r\nX-Request-Id: 01ABC\r\n\r\n"
    );
}

#[test]
fn a_websocket_is_asked_for_by_connect_and_becomes_an_upgrade() {
    let ask = Parts { method: "CONNECT", protocol: Some("websocket"), stream: Stream::Open, ..PLAIN };
    for (parts, expected) in [
        (Parts { ..ask }, "a.test None"),
        (Parts { protocol: Some("connect-udp"), ..ask }, "connect-not-supported"),
        (Parts { protocol: Some("WebSocket"), ..ask }, "connect-not-supported"),
        (Parts { protocol: Some("websocket"), method: "GET", ..ask }, "connect-not-supported"),
        (Parts { protocol: None, ..ask }, "connect-not-supported"),
        (Parts { stream: Stream::Ended, ..ask }, "body-mismatch"),
        (Parts { headers: &[("content-length", b"0")], ..ask }, "body-mismatch"),
        (Parts { headers: &[("upgrade", b"websocket")], ..ask }, "connection-header-in-http-2"),
        (Parts { path: "*", ..ask }, "invalid-target"),
        (Parts { authority: None, ..ask }, "missing-host"),
    ] {
        assert_eq!(outcome(parts), expected, "{parts:?}");
    }
    let headers: List =
        &[("sec-websocket-key", b"the client's"), ("sec-websocket-version", b"13"), ("origin", b"https://b.test")];
    let head = check(Parts { headers, path: "/chat", ..ask }, &HeadLimits::default()).unwrap();
    let mut out = Vec::new();
    write_upstream(&head, &stranger(), &mut out);
    let written = String::from_utf8(out).unwrap();
    assert!(
        written.starts_with(
            "GET /chat HTTP/1.1\r\nHost: a.test\r\nsec-websocket-version: 13\r\norigin: https://b.test\r\n"
        ),
        "{written}"
    );
    assert!(written.contains("Connection: upgrade\r\nUpgrade: websocket\r\n"), "{written}");
    assert!(!written.contains("the client's"), "{written}");
}
