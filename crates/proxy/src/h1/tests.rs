//! Mutated messages: whatever is accepted and rewritten reads the same way again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::chunked::{Decoder, Recoded, recode};
use super::headers::{HeaderSlots, Headers};
use super::length::BodyLength;
use super::limits::HeadLimits;
use super::request::tests::stranger;
use super::request::{self, Asked};
use super::response::{self, Downstream};
use super::{KeepAlive, Parsed, Version};

/// A linear congruential generator: the same inputs on each run (constants of Knuth's MMIX).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    /// Changes the bytes in one to four places, with what is likely to matter to a reader of heads.
    fn mutate(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(12)).min(bytes.len());
            match self.below(4) {
                0 => drop(bytes.splice(at..at, FRAGMENTS[self.below(FRAGMENTS.len())].iter().copied())),
                1 => drop(bytes.splice(at..end, FRAGMENTS[self.below(FRAGMENTS.len())].iter().copied())),
                2 => drop(bytes.drain(at..end)),
                _ => {
                    let byte = self.below(256) as u8;
                    bytes.insert(at, byte);
                }
            }
        }
        bytes
    }
}

const FRAGMENTS: [&[u8]; 30] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b"_",
    b"\r\n\r\n",
    b"\r\n ",
    b"Host: b\r\n",
    b"Content-Length: 5\r\n",
    b"\r\nContent-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"\r\ntransfer-encoding: CHUNKED\r\n",
    b"\r\nConnection: content-length\r\n",
    b"\r\nConnection: host, close\r\n",
    b"chunked",
    b"identity",
    b"0",
    b"5",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"http://b",
    b"#",
    b"\xc3\xa9",
    b"\r\nX-Forwarded-For: 9.9.9.9\r\n",
    b"\r\nX_Forwarded_For: 9.9.9.9\r\n",
    b"\r\nX: y\r\n",
];

const REQUESTS: [&[u8]; 6] = [
    b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    b"POST /x?y HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
    b"POST http://a.test/x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: [::1]:80\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"POST / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nContent-Length: 0\r\n\r\n",
    b"\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nX-Forwarded-For: 1.1.1.1\r\nExpect: 100-continue\r\n\r\n",
];

const ROUNDS: usize = 60_000;

/// How often a header of the name is in the bytes of a head, by nothing but its lines.
fn count(head: &[u8], name: &str) -> usize {
    head.split(|&byte| byte == b'\n')
        .filter(|line| {
            line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
                && line.get(name.len()) == Some(&b':')
        })
        .count()
}

/// Lines end with CR LF, and only the last one is empty.
fn is_strict(head: &[u8]) -> bool {
    let text = &head[..head.len() - 2];
    head.ends_with(b"\r\n\r\n")
        && !head.contains(&0)
        && text.split(|&byte| byte == b'\n').all(|line| {
            line.is_empty() || (line.ends_with(b"\r") && line.len() > 1 && !line[..line.len() - 1].contains(&b'\r'))
        })
        && !text[..text.len() - 2].ends_with(b"\r\n")
}

#[test]
fn an_accepted_request_reads_the_same_after_it_was_rewritten() {
    let mut random = Random(1);
    let mut accepted = 0;
    for round in 0..ROUNDS {
        let input = random.mutate(REQUESTS[round % REQUESTS.len()]);
        let mut slots = HeaderSlots::new();
        let parsed = request::parse(&input, &HeadLimits::default(), &mut slots);
        let Ok(Parsed::Complete { head, len }) = parsed else { continue };
        accepted += 1;
        let mut out = Vec::new();
        request::write_upstream(&head, &stranger(), &mut out);
        let shown = || format!("{:?}\n{:?}", String::from_utf8_lossy(&input), String::from_utf8_lossy(&out));

        assert!(is_strict(&input[if input.starts_with(b"\r\n") { 2 } else { 0 }..len]), "{}", shown());
        assert!(is_strict(&out), "{}", shown());
        assert_eq!(count(&out, "host"), 1, "{}", shown());
        let lengths = [count(&out, "content-length"), count(&out, "transfer-encoding")];
        let expected = match head.body {
            BodyLength::None => [0, 0],
            BodyLength::Exact(_) => [1, 0],
            BodyLength::Chunked => [0, 1],
            BodyLength::UntilClose => panic!("a request until close: {}", shown()),
        };
        assert_eq!(lengths, expected, "{}", shown());
        assert_eq!(count(&out, "x-forwarded-for"), 1, "{}", shown());
        assert_eq!(count(&out, "x_forwarded_for"), 0, "{}", shown());

        let mut slots = HeaderSlots::new();
        let again = request::parse(&out, &HeadLimits::default(), &mut slots);
        let Ok(Parsed::Complete { head: again, len }) = again else {
            panic!("the rewritten head is not accepted: {}", shown());
        };
        assert_eq!(len, out.len(), "{}", shown());
        assert_eq!(
            (again.method, again.path_and_query, again.host, again.body, again.upgrade),
            (head.method, head.path_and_query, head.host, head.body, head.upgrade),
            "{}",
            shown()
        );
    }
    // The test says nothing if nearly all mutations are refused, or none is.
    assert!((ROUNDS / 20..ROUNDS * 19 / 20).contains(&accepted), "{accepted} accepted");
}

#[test]
fn an_accepted_response_reads_the_same_after_it_was_rewritten() {
    let seeds: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n",
        b"HTTP/1.0 404 Not Found\r\nContent-Type: text/html\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: \"x\"\r\n\r\n",
    ];
    let asked = Asked { head: false, upgrade: false };
    let to = Downstream {
        version: Version::Http11,
        keep_alive: KeepAlive::Keep,
        set: &[],
        remove: &[],
        cookie: None,
        rules: None,
    };
    let mut random = Random(2);
    let mut accepted = 0;
    for round in 0..ROUNDS {
        let input = random.mutate(seeds[round % seeds.len()]);
        let mut slots = HeaderSlots::new();
        let parsed = response::parse(&input, &HeadLimits::default(), asked, &mut slots);
        let Ok(Parsed::Complete { head, len }) = parsed else { continue };
        accepted += 1;
        let mut out = Vec::new();
        let written = response::write_downstream(&head, &to, &mut out);
        let shown = || format!("{:?}\n{:?}", String::from_utf8_lossy(&input), String::from_utf8_lossy(&out));
        assert!(is_strict(&input[..len]) && is_strict(&out), "{}", shown());
        assert!(count(&out, "content-length") + count(&out, "transfer-encoding") <= 1, "{}", shown());

        let mut slots = HeaderSlots::new();
        let again = response::parse(&out, &HeadLimits::default(), asked, &mut slots);
        let Ok(Parsed::Complete { head: again, len }) = again else {
            panic!("the rewritten head is not accepted: {}", shown());
        };
        assert_eq!((again.status, again.body, len), (head.status, written.body, out.len()), "{}", shown());
    }
    assert!((ROUNDS / 20..ROUNDS * 19 / 20).contains(&accepted), "{accepted} accepted");
}

#[test]
fn an_accepted_chunked_body_reads_the_same_after_it_was_recoded() {
    let seed = b"5;a=b\r\nhello\r\n00b\r\n world, yes\r\n0\r\nX-Sum: 7\r\n\r\nGET /";
    let read = |input: &[u8]| {
        let (mut decoder, mut out) = (Decoder::new(), Vec::new());
        match recode(&mut decoder, input, &mut out) {
            Ok(Recoded::End { used }) => Some((used, out)),
            _ => None,
        }
    };
    let mut random = Random(3);
    let mut accepted = 0;
    for _ in 0..ROUNDS {
        let input = random.mutate(seed);
        let Some((used, once)) = read(&input) else { continue };
        accepted += 1;
        assert_eq!(read(&input[..used]), Some((used, once.clone())));
        assert_eq!(read(&once), Some((once.len(), once)));
    }
    assert!(accepted > ROUNDS / 50, "{accepted} accepted");
}

#[test]
fn arbitrary_bytes_neither_panic_nor_stall() {
    let mut random = Random(4);
    for _ in 0..ROUNDS / 4 {
        let input: Vec<u8> = (0..random.below(80)).map(|_| random.below(256) as u8).collect();
        let limits = HeadLimits { head_bytes: 64, target_bytes: 16, headers: 4 };
        let mut slots = HeaderSlots::new();
        if let Ok(Parsed::Complete { head, .. }) = request::parse(&input, &limits, &mut slots) {
            assert!(head.headers.walk().count() <= 4);
        }
        let _ = recode(&mut Decoder::new(), &input, &mut Vec::new());
    }
}
