//! What could become two requests, or another one, in HTTP/1.1: none of it reaches the application.

use super::{
    frames::{END_HEADERS, END_STREAM, Raw, Said, block, frame},
    harness::Door,
};

type Field<'a> = (&'a str, &'a [u8]);
/// What is wrong, the fields, the body.
type Case<'a> = (&'a str, Vec<Field<'a>>, Option<&'a [u8]>);

const GET: [Field<'static>; 4] =
    [(":method", b"GET"), (":scheme", b"https"), (":authority", b"shop.test"), (":path", b"/case")];

/// The plain request with one pseudo-header replaced.
fn with<'a>(name: &'a str, value: &'a [u8]) -> Vec<Field<'a>> {
    GET.into_iter().map(|field| if field.0 == name { (name, value) } else { field }).collect()
}

/// The plain request with more fields.
fn and<'a>(more: &[Field<'a>]) -> Vec<Field<'a>> {
    GET.into_iter().chain(more.iter().copied()).collect()
}

/// The plain request without one pseudo-header.
fn without(name: &str) -> Vec<Field<'static>> {
    GET.into_iter().filter(|field| field.0 != name).collect()
}

#[tokio::test]
async fn ambiguous_requests_are_refused_and_send_no_byte_upstream() {
    let door = Door::open().await;
    let post = |length: &'static [u8]| [with(":method", b"POST"), vec![("content-length", length)]].concat();
    let late_pseudo = [without(":path"), vec![("accept", &b"*/*"[..]), (":path", b"/case")]].concat();
    let cases: Vec<Case<'_>> = vec![
        ("more body than announced", post(b"3"), Some(b"abcSMUGGLED")),
        ("less body than announced", post(b"5"), Some(b"abc")),
        ("no body though announced", post(b"5"), None),
        ("two lengths", [post(b"3"), vec![("content-length", &b"3"[..])]].concat(), Some(b"abc")),
        ("two lengths that differ", [post(b"3"), vec![("content-length", &b"4"[..])]].concat(), Some(b"abc")),
        ("a list of lengths", post(b"3, 3"), Some(b"abc")),
        ("a signed length", post(b"+3"), Some(b"abc")),
        ("a transfer coding", and(&[("transfer-encoding", b"chunked")]), Some(b"0\r\n\r\n")),
        ("a line end in a value", and(&[("x-a", b"b\r\nhost: evil.test")]), None),
        ("a line feed in a value", and(&[("x-a", b"b\nx: y")]), None),
        ("a NUL in a value", and(&[("x-a", b"b\0c")]), None),
        ("a line end in a name", and(&[("x-a: b\r\nx", b"c")]), None),
        ("a colon in a name", and(&[("x:a", b"b")]), None),
        ("a space in a name", and(&[("x a", b"b")]), None),
        ("an upper-case name", and(&[("X-A", b"b")]), None),
        ("an empty name", and(&[("", b"b")]), None),
        ("a space before a value", and(&[("x-a", b" b")]), None),
        ("a space in the path", with(":path", b"/a HTTP/1.1"), None),
        ("a line end in the path", with(":path", b"/a\r\nx: y"), None),
        ("a path that is a URL", with(":path", b"http://evil.test/"), None),
        ("a path that is a name", with(":path", b"evil"), None),
        ("a star for GET", with(":path", b"*"), None),
        ("an empty path", with(":path", b""), None),
        ("no path", without(":path"), None),
        ("two paths", and(&[(":path", b"/other")]), None),
        ("a path behind the headers", late_pseudo, None),
        ("an unknown pseudo-header", and(&[(":protocol", b"websocket")]), None),
        ("a space in the method", with(":method", b"GET /x"), None),
        ("a line end in the method", with(":method", b"GET\r\n"), None),
        ("two methods", and(&[(":method", b"POST")]), None),
        ("CONNECT", with(":method", b"CONNECT"), None),
        ("TRACE", with(":method", b"TRACE"), None),
        ("another host", and(&[("host", b"evil.test")]), None),
        (
            "two hosts",
            [without(":authority"), vec![("host", &b"shop.test"[..]), ("host", b"shop.test")]].concat(),
            None,
        ),
        ("no host", without(":authority"), None),
        ("a user in the authority", with(":authority", b"user@shop.test"), None),
        ("a path in the authority", with(":authority", b"shop.test/x"), None),
        ("another scheme", with(":scheme", b"ftp"), None),
        ("te", and(&[("te", b"gzip")]), None),
        ("connection", and(&[("connection", b"close")]), None),
        ("keep-alive", and(&[("keep-alive", b"1")]), None),
        ("proxy-connection", and(&[("proxy-connection", b"close")]), None),
        ("upgrade", and(&[("upgrade", b"h2c")]), None),
        // The http crate cuts these off before anybody sees them, so once they were forwarded without.
        ("a fragment", with(":path", b"/case#/../secret"), None),
        ("a fragment of the root", with(":path", b"/#"), None),
        ("a path that is a fragment", with(":path", b"#"), None),
        ("a look-alike of a length", and(&[("content_length", b"3")]), None),
    ];
    for (what, fields, body) in cases {
        let mut raw = Raw::open(&door).await;
        let flags = if body.is_some() { END_HEADERS } else { END_HEADERS | END_STREAM };
        let mut bytes = frame(1, flags, 1, &block(&fields));
        if let Some(body) = body {
            bytes.extend(frame(0, END_STREAM, 1, body));
        }
        raw.write(&bytes).await;
        let said = raw.said().await;
        let refused = match said {
            // 400, or a status that is not in the static table: 501 and its like.
            Said::Headers(status) => status == 0x8c || status & 0xc0 == 0x40,
            // PROTOCOL_ERROR
            Said::Reset(code) | Said::GoAway(code) => code == 1,
            Said::Closed => false,
        };
        assert!(refused, "{what}: {said:?}");
    }
    door.nothing_else_reached_the_app("all of them").await;
}
