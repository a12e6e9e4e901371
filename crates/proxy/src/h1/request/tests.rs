#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use crate::h1::forwarded::{Proto, Told, Trust};

mod refusals;

/// Tells what becomes of the bytes: the refusal's code, `partial`, or what was decided.
pub(crate) fn outcome(input: &[u8]) -> String {
    let mut slots = HeaderSlots::new();
    match parse(input, &HeadLimits::default(), &mut slots) {
        Err(refusal) => refusal.code().to_owned(),
        Ok(Parsed::Partial) => "partial".to_owned(),
        Ok(Parsed::Complete { head, len }) => {
            format!("{} {} {} {:?} {len}", head.method, head.host, head.path_and_query, head.body)
        }
    }
}

pub(crate) fn rewritten(input: &[u8], forwarded: &Forwarded<'_>) -> String {
    let mut slots = HeaderSlots::new();
    let Parsed::Complete { head, .. } = parse(input, &HeadLimits::default(), &mut slots).unwrap() else {
        panic!("a whole head was expected");
    };
    let mut out = Vec::new();
    write_upstream(&head, forwarded, &mut out);
    String::from_utf8(out).unwrap()
}

pub(crate) fn stranger() -> Forwarded<'static> {
    Forwarded {
        peer: [192, 0, 2, 7].into(),
        proto: Proto::Https,
        port: 8443,
        request_id: "01ABC",
        trust: Trust::Stranger,
        connection: Told::Nothing,
        hidden_cookie: None,
    }
}

/// What [`stranger`] makes of a request for `a.test`.
const SET: &str = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\
    X-Forwarded-Host: a.test\r\nX-Forwarded-Port: 8443\r\n\
    Forwarded: for=192.0.2.7;host=a.test;proto=https\r\nX-Request-Id: 01ABC\r\n\r\n";

#[test]
fn a_hidden_cookie_is_not_passed_on_and_the_others_are() {
    let forwarded = Forwarded { hidden_cookie: Some("us"), ..stranger() };
    for (cookies, expected) in [
        ("", ""),
        ("Cookie: us=1\r\n", ""),
        ("Cookie: us=1; us=2;us=3\r\n", ""),
        ("Cookie: a=b; us=1; c=d\r\n", "Cookie: a=b; c=d\r\n"),
        ("Cookie: us=1\r\nX: y\r\nCookie: a=b\r\nCookie: c=\"us=1\"\r\n", "X: y\r\nCookie: a=b; c=\"us=1\"\r\n"),
        ("Cookie: us; uss=1; Us=2\r\n", "Cookie: us; uss=1; Us=2\r\n"),
    ] {
        let input = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{cookies}\r\n");
        let head = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{expected}{SET}");
        assert_eq!(rewritten(input.as_bytes(), &forwarded), head, "{cookies}");
    }
}

#[test]
fn what_is_common_or_harmless_is_accepted() {
    let table: &[(&[u8], &str)] = &[
        (b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET a.test / None"),
        (b"\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET a.test / None"),
        (b"GET / HTTP/1.0\r\nHost: a\r\n\r\nnext", "GET a / None"),
        (b"GET /?a=|{}\"<>^`\\[] HTTP/1.1\r\nHost: a\r\n\r\n", "GET a /?a=|{}\"<>^`\\[] None"),
        (b"GET //x HTTP/1.1\r\nHost: A.Test.:80\r\n\r\n", "GET A.Test.:80 //x None"),
        (b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n\r\n", "GET [2001:db8::1]:8443 / None"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "GET 127.0.0.1 / None"),
        (b"GET / HTTP/1.1\r\nHost: my_host\r\n\r\n", "GET my_host / None"),
        (b"GET http://a/x?y HTTP/1.1\r\nHost: A\r\n\r\n", "GET a /x?y None"),
        (b"GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n", "GET a / None"),
        (b"GET http://a/ HTTP/1.1\r\n\r\n", "GET a / None"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS a * None"),
        (b"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS a * None"),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", "get a / None"),
        (b"M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n", "M-SEARCH a / None"),
        (b"GET / HTTP/1.1\r\nHost:a\r\nX:\r\nY: \r\nZ: caf\xe9\t x \r\n\r\n", "GET a / None"),
    ];
    for (input, expected) in table {
        let outcome = outcome(input);
        let (decided, _len) = outcome.rsplit_once(' ').unwrap();
        assert_eq!(decided, *expected, "{:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn every_prefix_of_a_valid_head_is_partial() {
    let inputs: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"\r\nPOST http://a.test/x?y HTTP/1.0\r\nContent-Length: 12\r\nHost: a.test\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nX:\r\nHost: [::1]:80\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX: \xc3\xa9 \r\n\r\n",
    ];
    for input in inputs {
        for end in 0..input.len() {
            assert_eq!(outcome(&input[..end]), "partial", "{end} of {input:?}");
        }
        assert!(outcome(input).ends_with(&format!(" {}", input.len())));
    }
}

#[test]
fn limits_are_kept_with_whole_and_with_partial_heads() {
    let limits = HeadLimits { head_bytes: 200, target_bytes: 20, headers: 3 };
    let judge = |input: &str| {
        let mut slots = HeaderSlots::new();
        match parse(input.as_bytes(), &limits, &mut slots) {
            Err(refusal) => (refusal.status(), refusal.code()),
            Ok(Parsed::Partial) => (0, "partial"),
            Ok(Parsed::Complete { .. }) => (0, "complete"),
        }
    };
    let path = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
    let padded = |bytes: usize| {
        let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        format!("{start}{}\r\n\r\n", "x".repeat(bytes - start.len() - 4))
    };
    let table = [
        (format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", path(20)), (0, "complete")),
        (format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", path(21)), (414, "target-too-long")),
        (format!("GET {}", path(20)), (0, "partial")),
        (format!("GET {}", path(21)), (414, "target-too-long")),
        // Whatever is behind it is waited for by nobody.
        (format!("GET {} HTTP/1.1\r\nHost", path(21)), (414, "target-too-long")),
        (format!("{} / HTTP/1.1\r\nHost", "K".repeat(32)), (0, "partial")),
        (format!("{} / HTTP/1.1\r\nHost", "K".repeat(33)), (400, "invalid-method")),
        ("K".repeat(33), (400, "invalid-method")),
        (padded(200), (0, "complete")),
        (padded(201), (431, "head-too-large")),
        (padded(300)[..199].to_owned(), (0, "partial")),
        (padded(300)[..200].to_owned(), (431, "head-too-large")),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\n\r\n".to_owned(), (0, "complete")),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n".to_owned(), (431, "too-many-headers")),
    ];
    for (input, expected) in table {
        assert_eq!(judge(&input), expected, "{input:?}");
    }
}

#[test]
fn a_limit_above_the_array_is_the_arrays_size() {
    let limits = HeadLimits { headers: 1000, ..HeadLimits::default() };
    for (lines, fits) in [(HEADERS_MAX - 1, true), (HEADERS_MAX, false)] {
        let input = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(lines));
        let mut slots = HeaderSlots::new();
        assert_eq!(parse(input.as_bytes(), &limits, &mut slots).is_ok(), fits);
    }
}

#[test]
fn the_rewritten_head_is_exact() {
    let table: &[(&[u8], &str)] = &[
        (
            b"GET /a?b HTTP/1.1\r\nhost: a.test\r\nAccept: */*\r\nX_Custom: 1\r\n\r\n",
            "GET /a?b HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nX_Custom: 1\r\n",
        ),
        // An HTTP/1.0 request goes on as HTTP/1.1; a length is written anew.
        (
            b"POST http://a.test/x HTTP/1.0\r\nContent-Length:  0042 \r\nConnection: keep-alive\r\n\r\n",
            "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 42\r\n",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: CHUNKED\r\nTrailer: X-Sum\r\nExpect: 100-Continue\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n",
        ),
        // Hop-by-hop headers, and those that Connection names.
        (
            b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close, X-Hop ,\tx-other\r\nX-Hop: 1\r\nX-Other: 2\r\n\
              Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy: http://evil\r\nX-Stay: 3\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX-Stay: 3\r\n",
        ),
        // Connection cannot name away what must stay or what we set.
        (
            b"POST / HTTP/1.1\r\nHost: a.test\r\nConnection: host, content-length, x-forwarded-for, X-Request-Id\r\n\
              Content-Length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a.test\r\nConnection: Transfer-Encoding, Forwarded\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n",
        ),
        // Upgrades.
        (
            b"GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\nOrigin: o\r\n\r\n",
            "GET /ws HTTP/1.1\r\nHost: a.test\r\nSec-WebSocket-Key: k\r\nOrigin: o\r\nConnection: upgrade\r\nUpgrade: websocket\r\n",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\n",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\n",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: H2C\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\n",
        ),
        (
            b"GET / HTTP/1.0\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\n",
        ),
        // TE.
        (
            b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: TE\r\nTE: gzip, trailers\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: TE\r\nTE: trailers\r\n",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a.test\r\nTE: gzip\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\n",
        ),
    ];
    for (input, expected) in table {
        let expected = format!("{expected}{SET}");
        assert_eq!(rewritten(input, &stranger()), expected, "{:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn keep_alive_expectation_and_upgrade_are_read() {
    let table: &[(&str, KeepAlive, bool, Option<&str>)] = &[
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", KeepAlive::Keep, false, None),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n", KeepAlive::Close, false, None),
        ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", KeepAlive::Close, false, None),
        ("GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n", KeepAlive::Keep, false, None),
        (
            "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
            KeepAlive::Close,
            false,
            None,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
            KeepAlive::Keep,
            true,
            None,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
            KeepAlive::Keep,
            false,
            None,
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", KeepAlive::Keep, false, None),
        (
            "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
            KeepAlive::Close,
            false,
            None,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a/1, b\r\n\r\n",
            KeepAlive::Keep,
            false,
            Some("a/1, b"),
        ),
    ];
    for (input, keep_alive, expect_continue, upgrade) in table {
        let mut slots = HeaderSlots::new();
        let Ok(Parsed::Complete { head, .. }) = parse(input.as_bytes(), &HeadLimits::default(), &mut slots) else {
            panic!("{input:?} is valid");
        };
        let found = (head.keep_alive, head.expect_continue, head.upgrade);
        assert_eq!(found, (*keep_alive, *expect_continue, *upgrade), "{input:?}");
    }
}

#[test]
fn statuses_differ_where_the_rfc_has_them_differ() {
    let table = [
        (Refusal::MissingHost, 400),
        (Refusal::TargetTooLong, 414),
        (Refusal::UnknownExpectation, 417),
        (Refusal::HeadTooLarge, 431),
        (Refusal::TooManyHeaders, 431),
        (Refusal::UnknownTransferCoding, 501),
        (Refusal::ConnectNotSupported, 501),
        (Refusal::TraceNotSupported, 501),
        (Refusal::UnsupportedVersion, 505),
    ];
    for (refusal, status) in table {
        assert_eq!(refusal.status(), status, "{refusal}");
    }
}
