//! Request heads.

use std::net::{IpAddr, Ipv4Addr};

use portward_proxy::h1::{
    KeepAlive, Parsed, Version,
    forwarded::{Believed, Forwarded, Proto, Told, Trust},
    headers::HeaderSlots,
    limits::HeadLimits,
    request::{self, RequestHead},
};

/// Reads a head; what passes goes to an upstream that must read the same.
///
/// The head does not depend on how its bytes come in pieces, and what is written is exactly one head of the same
/// method, path, host and length: nothing of the client's makes two of it.
pub fn request_head(bytes: &[u8]) {
    let limits = HeadLimits::default();
    let mut slots = HeaderSlots::new();
    let whole = request::parse(bytes, &limits, &mut slots);
    let ends_at = match &whole {
        Ok(Parsed::Complete { len, .. }) => *len,
        _ => bytes.len(),
    };
    for end in (0..ends_at).take(LONGEST_IN_PIECES) {
        let mut slots = HeaderSlots::new();
        match request::parse(&bytes[..end], &limits, &mut slots) {
            Ok(Parsed::Partial) => {}
            Ok(Parsed::Complete { len, .. }) => panic!("a head of {ends_at} bytes was complete after {len}"),
            Err(refusal) => assert!(whole.is_err(), "refused after {end} bytes as {refusal:?}, and taken as a whole"),
        }
    }
    let Ok(Parsed::Complete { head, len }) = whole else { return };
    assert!(len <= bytes.len());
    for trust in [Trust::Stranger, Trust::Proxy] {
        let _ = Believed::read(&head.headers, trust);
        is_read_alike(&head, trust);
    }
}

fn is_read_alike(head: &RequestHead<'_>, trust: Trust) {
    let forwarded = Forwarded {
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        proto: Proto::Https,
        port: 443,
        request_id: "0123456789abcdef",
        trust,
        connection: Told::Nothing,
        hidden_cookie: None,
    };
    let mut written = Vec::new();
    request::write_upstream(head, &forwarded, &mut written);
    // What is added must not be what makes it too large.
    let limits = HeadLimits { head_bytes: usize::MAX, ..HeadLimits::default() };
    let lines = written.windows(2).filter(|pair| pair == b"\r\n").count();
    if lines > limits.headers {
        return;
    }
    let mut slots = HeaderSlots::new();
    let again = match request::parse(&written, &limits, &mut slots) {
        Ok(Parsed::Complete { head, len }) => {
            assert_eq!(len, written.len(), "more than one head was written");
            head
        }
        other => panic!("what was written is not read again: {other:?}\n{}", String::from_utf8_lossy(&written)),
    };
    assert_eq!((again.method, again.target, again.host), (head.method, head.path_and_query, head.host));
    assert_eq!(again.body, head.body);
    assert_eq!(again.version, Version::Http11);
    assert_eq!(again.keep_alive, KeepAlive::Keep);
    assert_eq!(again.upgrade, head.upgrade);
    assert!(!again.expect_continue);
}

/// Pieces of longer ones would take longer than they find.
const LONGEST_IN_PIECES: usize = 512;
