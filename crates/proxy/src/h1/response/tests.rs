#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;

const GET: Asked = Asked { head: false, upgrade: false };
const HEAD: Asked = Asked { head: true, upgrade: false };
const UPGRADE: Asked = Asked { head: false, upgrade: true };

fn outcome(input: &[u8], asked: Asked) -> String {
    let mut slots = HeaderSlots::new();
    match parse(input, &HeadLimits::default(), asked, &mut slots) {
        Err(fault) => fault.code().to_owned(),
        Ok(Parsed::Partial) => "partial".to_owned(),
        Ok(Parsed::Complete { head, len }) => {
            assert!(len <= input.len());
            format!("{} {:?} {:?} {:?}", head.status, head.body, head.content_length, head.keep_alive)
        }
    }
}

fn rewritten(input: &[u8], asked: Asked, to: &Downstream<'_>) -> (String, Written) {
    let mut slots = HeaderSlots::new();
    let Parsed::Complete { head, .. } = parse(input, &HeadLimits::default(), asked, &mut slots).unwrap() else {
        panic!("a whole head was expected");
    };
    let mut out = Vec::new();
    let written = write_downstream(&head, to, &mut out);
    (String::from_utf8(out).unwrap(), written)
}

fn to(version: Version, keep_alive: KeepAlive) -> Downstream<'static> {
    Downstream { version, keep_alive, set: &[], remove: &[], cookie: None, rules: None }
}

#[test]
fn each_faulty_response_has_its_name() {
    let table: &[(&[u8], &str)] = &[
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "repeated-content-length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", "invalid-content-length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "invalid-content-length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", "invalid-content-length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "length-and-encoding"),
        (b"HTTP/1.1 204 No\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "length-and-encoding"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "unknown-transfer-coding"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", "unknown-transfer-coding"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", "invalid-transfer-encoding"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "repeated-transfer-encoding",
        ),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "transfer-encoding-in-http-1-0"),
        (b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n", "body-not-allowed"),
        (b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n", "body-not-allowed"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n", "unasked-upgrade"),
        (b"HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\n", "bare-lf"),
        (b"HTTP/1.1 200\nContent-Length: 1\r\n\r\n", "bare-lf"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\n\r\n", "bare-lf"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\n", "bare-lf"),
        (b"HTTP/1.1 200 OK\n\n", "bare-lf"),
        (b"HTTP/1.1 200 OK\r\nX: a\rY: b\r\n\r\n", "bare-cr"),
        (b"HTTP/1.1 200 OK\r\nX: a\0\r\n\r\n", "nul"),
        (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", "folded-line"),
        (b"HTTP/1.1 200 OK\r\n X: a\r\n\r\n", "folded-line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n", "space-before-colon"),
        (b"HTTP/1.1 200 OK\r\nX(: 1\r\n\r\n", "invalid-header-name"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "invalid-header-name"),
        (b"HTTP/1.1 200 OK\r\nX: \x07\r\n\r\n", "invalid-header-value"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "invalid-status-line"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "invalid-status-line"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "invalid-status-line"),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", "invalid-status-line"),
        (b"HTTP/1.1  200 OK\r\n\r\n", "invalid-status-line"),
        (b"HTTP/1.1 200 O\x01K\r\n\r\n", "invalid-status-line"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "invalid-status-line"),
        (b"HTTP/1.2 200 OK\r\n\r\n", "invalid-status-line"),
        (b"ICY 200 OK\r\n\r\n", "invalid-status-line"),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", "invalid-status-line"),
        (b"<html>", "invalid-status-line"),
        (b"HTTP/1.1 200 OK\r\nConnection: a b\r\n\r\n", "invalid-connection"),
    ];
    for (input, expected) in table {
        assert_eq!(outcome(input, GET), *expected, "{:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn a_switch_of_protocols_needs_a_request_for_it_and_one_protocol() {
    let table: &[(&[u8], Asked, &str)] = &[
        (b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", UPGRADE, "101 None None Keep"),
        (b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n", HEAD, "unasked-upgrade"),
        (b"HTTP/1.1 101 S\r\nConnection: upgrade\r\n\r\n", UPGRADE, "invalid-upgrade"),
        (b"HTTP/1.1 101 S\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n", UPGRADE, "invalid-upgrade"),
        (b"HTTP/1.1 101 S\r\nUpgrade: a b\r\n\r\n", UPGRADE, "invalid-upgrade"),
        (b"HTTP/1.1 101 S\r\nUpgrade: a\r\nContent-Length: 9\r\n\r\n", UPGRADE, "body-not-allowed"),
        (b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nContent-Length: 9\r\n\r\n", UPGRADE, "200 Exact(9) Some(9) Keep"),
    ];
    for (input, asked, expected) in table {
        assert_eq!(outcome(input, *asked), *expected, "{:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn the_length_follows_from_status_request_and_headers() {
    let table: &[(&str, Asked, &str)] = &[
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", GET, "200 Exact(5) Some(5) Keep"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", GET, "200 Exact(0) Some(0) Keep"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", GET, "200 Chunked None Keep"),
        ("HTTP/1.1 200 OK\r\n\r\n", GET, "200 UntilClose None Close"),
        ("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n", GET, "200 UntilClose None Close"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", GET, "200 Exact(5) Some(5) Close"),
        ("HTTP/1.0 200 OK\r\n\r\n", GET, "200 UntilClose None Close"),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", GET, "200 Exact(5) Some(5) Close"),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", GET, "200 Exact(5) Some(5) Keep"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HEAD, "200 None Some(5) Keep"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HEAD, "200 None None Keep"),
        ("HTTP/1.1 200 OK\r\n\r\n", HEAD, "200 None None Keep"),
        ("HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n", GET, "304 None Some(5) Keep"),
        ("HTTP/1.1 304 N\r\n\r\n", GET, "304 None None Keep"),
        ("HTTP/1.1 204 N\r\n\r\n", GET, "204 None None Keep"),
        ("HTTP/1.1 204 N\r\nContent-Length: 0\r\n\r\n", GET, "204 None Some(0) Keep"),
        // A body that must not be there may come all the same: the connection is not used again.
        ("HTTP/1.1 204 N\r\nContent-Length: 5\r\n\r\n", GET, "204 None Some(5) Close"),
        ("HTTP/1.1 204 N\r\nTransfer-Encoding: chunked\r\n\r\n", GET, "204 None None Close"),
        ("HTTP/1.1 100 C\r\n\r\n", GET, "100 None None Keep"),
        ("HTTP/1.1 103 E\r\nLink: </a>\r\n\r\n", GET, "103 None None Keep"),
        ("HTTP/1.1 999 Odd\r\nContent-Length: 1\r\n\r\n", GET, "999 Exact(1) Some(1) Keep"),
        ("HTTP/1.1 200\r\nContent-Length: 1\r\n\r\n", GET, "200 Exact(1) Some(1) Keep"),
        ("HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n", GET, "200 Exact(1) Some(1) Keep"),
    ];
    for (input, asked, expected) in table {
        assert_eq!(outcome(input.as_bytes(), *asked), *expected, "{input:?} {asked:?}");
    }
}

#[test]
fn every_prefix_of_a_valid_head_is_partial() {
    let inputs: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.0 404\r\nX:\r\nY: \xe9 \r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ];
    for input in inputs {
        for end in 0..input.len() {
            assert_eq!(outcome(&input[..end], UPGRADE), "partial", "{end} of {input:?}");
        }
        assert!(outcome(input, UPGRADE).contains(' '));
    }
}

#[test]
fn a_head_over_the_limits_is_refused() {
    let limits = HeadLimits { head_bytes: 64, headers: 2, ..HeadLimits::default() };
    let judge = |input: &str| {
        let mut slots = HeaderSlots::new();
        parse(input.as_bytes(), &limits, GET, &mut slots).map(|_| ())
    };
    assert_eq!(judge(&format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(64))), Err(BadResponse::HeadTooLarge));
    assert_eq!(judge(&format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(64))), Err(BadResponse::HeadTooLarge));
    assert_eq!(judge("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"), Err(BadResponse::TooManyHeaders));
    assert_eq!(judge("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n\r\n"), Ok(()));
}

#[test]
fn the_rewritten_head_is_exact() {
    use BodyLength::{Chunked, Exact, None, UntilClose};
    use KeepAlive::{Close, Keep};
    use Version::{Http10, Http11};
    let table: &[(&str, Asked, Downstream<'_>, &str, BodyLength, KeepAlive)] = &[
        (
            "HTTP/1.1 200 OK\r\nserver: x\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\ncontent-length: 05\r\n\r\n",
            GET,
            to(Http11, Keep),
            "HTTP/1.1 200 OK\r\nserver: x\r\nContent-Length: 5\r\n\r\n",
            Exact(5),
            Keep,
        ),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
            GET,
            to(Http11, Close),
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
            Exact(5),
            Close,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            GET,
            to(Http10, Keep),
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n",
            Exact(5),
            Keep,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n",
            GET,
            to(Http11, Keep),
            "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n",
            Chunked,
            Keep,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            GET,
            to(Http10, Keep),
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
            UntilClose,
            Close,
        ),
        (
            "HTTP/1.0 200 OK\r\n\r\n",
            GET,
            to(Http11, Keep),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            Chunked,
            Keep,
        ),
        (
            "HTTP/1.1 200\r\n\r\n",
            GET,
            to(Http10, Keep),
            "HTTP/1.1 200 \r\nConnection: close\r\n\r\n",
            UntilClose,
            Close,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
            HEAD,
            to(Http11, Keep),
            "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
            None,
            Keep,
        ),
        ("HTTP/1.1 204 No\r\nContent-Length: 7\r\n\r\n", GET, to(Http11, Keep), "HTTP/1.1 204 No\r\n\r\n", None, Keep),
        (
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: close\r\n\r\n",
            GET,
            to(Http11, Close),
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
            None,
            Close,
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: k\r\n\r\n",
            UPGRADE,
            to(Http11, Keep),
            "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: k\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            None,
            Keep,
        ),
        // Connection cannot name away the length.
        (
            "HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 7\r\n\r\n",
            GET,
            to(Http11, Keep),
            "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
            Exact(7),
            Keep,
        ),
    ];
    for (input, asked, to, expected, body, keep_alive) in table {
        let (text, written) = rewritten(input.as_bytes(), *asked, to);
        assert_eq!(text, *expected, "{input:?}");
        assert_eq!(written, Written { body: *body, keep_alive: *keep_alive }, "{input:?}");
    }
}

#[test]
fn headers_of_ours_replace_the_upstreams_and_removed_ones_go() {
    let to = Downstream {
        set: &[("Strict-Transport-Security", b"max-age=1"), ("X-Request-Id", b"01ABC")],
        remove: &["server"],
        ..to(Version::Http11, KeepAlive::Keep)
    };
    let input = b"HTTP/1.1 200 OK\r\nSERVER: x\r\nstrict-transport-security: max-age=0\r\nSet-Cookie: a\r\n\
        Set-Cookie: b\r\nStrict-Transport-Security: x\r\nContent-Length: 0\r\n\r\n";
    let expected = "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\
        Strict-Transport-Security: max-age=1\r\nX-Request-Id: 01ABC\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(rewritten(input, GET, &to).0, expected);
}

#[test]
fn rules_of_the_site_hold_for_final_responses() {
    let set = vec![("X-Frame-Options".to_owned(), "DENY".to_owned())];
    let rules = HeaderRules::new(set, vec!["Server".to_owned(), "Link".to_owned()]).unwrap();
    let to = Downstream { rules: Some(&rules), ..to(Version::Http11, KeepAlive::Keep) };
    let input = b"HTTP/1.1 200 OK\r\nserver: x\r\nx-frame-options: ALLOWALL\r\nX-A: b\r\nContent-Length: 0\r\n\r\n";
    let expected = "HTTP/1.1 200 OK\r\nX-A: b\r\nX-Frame-Options: DENY\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(rewritten(input, GET, &to).0, expected);
    let hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    assert_eq!(rewritten(hint, GET, &to).0, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
}

#[test]
fn a_cookie_of_ours_stands_beside_the_upstreams() {
    let to = Downstream { cookie: Some(b"us=1"), ..to(Version::Http11, KeepAlive::Keep) };
    let input = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n";
    let expected = "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nSet-Cookie: us=1\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(rewritten(input, GET, &to).0, expected);
    let hint = b"HTTP/1.1 103 Early Hints\r\n\r\n";
    assert_eq!(rewritten(hint, GET, &to).0, "HTTP/1.1 103 Early Hints\r\n\r\n");
}

#[test]
fn http_2_gets_no_framing_and_no_connection_headers() {
    let input = b"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTransfer-Encoding: chunked\r\n\
        Upgrade: h2c\r\nContent-Type: text/plain\r\n\r\n";
    let mut slots = HeaderSlots::new();
    let Ok(Parsed::Complete { head, .. }) = parse(input, &HeadLimits::default(), GET, &mut slots) else {
        panic!("the head is valid");
    };
    let to = Downstream { set: &[("via", b"p")], ..to(Version::Http2, KeepAlive::Keep) };
    let names: Vec<_> = head.end_to_end(&to).map(|(name, _)| name).collect();
    assert_eq!(names, ["Content-Type", "via"]);
}

#[test]
fn a_response_of_http2_is_held_to_the_same_rules() {
    use super::{Stream, of_http2};
    let asked = |head| Asked { head, upgrade: false };
    let read = |status: u16, headers: &[(&str, &str)], stream, head| {
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let (response, mut lines) = (response.body(()).unwrap(), Vec::new());
        let read = of_http2(&response, stream, &HeadLimits::default(), asked(head), &mut lines);
        read.map(|head| (head.body, head.content_length))
    };
    use BodyLength::{Chunked, Exact, None as Nothing};
    for (status, headers, stream, head, expected) in [
        (200, &[][..], Stream::Open, false, Ok((Chunked, None))),
        (200, &[], Stream::Ended, false, Ok((Exact(0), None))),
        (200, &[("content-length", "5")], Stream::Open, false, Ok((Exact(5), Some(5)))),
        (200, &[("content-length", "5")], Stream::Ended, false, Err(BadResponse::BodyMismatch)),
        (200, &[("content-length", "5")], Stream::Ended, true, Ok((Nothing, Some(5)))),
        (304, &[("content-length", "5")], Stream::Ended, false, Ok((Nothing, Some(5)))),
        (204, &[], Stream::Ended, false, Ok((Nothing, None))),
        (103, &[("link", "x")], Stream::Open, false, Ok((Nothing, None))),
        (103, &[("content-length", "5")], Stream::Open, false, Err(BadResponse::BodyNotAllowed)),
        (101, &[], Stream::Open, false, Err(BadResponse::UnaskedUpgrade)),
        (
            200,
            &[("content-length", "5"), ("content-length", "5")],
            Stream::Open,
            false,
            Err(BadResponse::RepeatedContentLength),
        ),
        (200, &[("content-length", "+5")], Stream::Open, false, Err(BadResponse::InvalidContentLength)),
        (200, &[("connection", "close")], Stream::Open, false, Err(BadResponse::ConnectionHeaderInHttp2)),
        (200, &[("transfer-encoding", "chunked")], Stream::Open, false, Err(BadResponse::ConnectionHeaderInHttp2)),
        (200, &[("keep-alive", "timeout=5")], Stream::Open, false, Err(BadResponse::ConnectionHeaderInHttp2)),
    ] {
        assert_eq!(read(status, headers, stream, head), expected, "{status} {headers:?} {stream:?}");
    }
    let many: Vec<_> = (0..101).map(|_| ("x", "y")).collect();
    assert_eq!(read(200, &many, Stream::Open, false), Err(BadResponse::TooManyHeaders));
    let large = "x".repeat(40_000);
    assert_eq!(read(200, &[("x", &large)], Stream::Open, false), Err(BadResponse::HeadTooLarge));
}
