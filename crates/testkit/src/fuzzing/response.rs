//! Response heads.

use portward_proxy::h1::{
    KeepAlive, Parsed, Version,
    headers::HeaderSlots,
    length::BodyLength,
    limits::HeadLimits,
    request::Asked,
    response::{self, Downstream},
};

/// Reads a head as the answer to each kind of request; what passes goes to a client that must read the same.
pub fn response_head(bytes: &[u8]) {
    for asked in [(false, false), (true, false), (false, true)] {
        let asked = Asked { head: asked.0, upgrade: asked.1 };
        as_an_answer_to(asked, bytes);
    }
}

fn as_an_answer_to(asked: Asked, bytes: &[u8]) {
    let limits = HeadLimits::default();
    let mut slots = HeaderSlots::new();
    let Ok(Parsed::Complete { head, len }) = response::parse(bytes, &limits, asked, &mut slots) else { return };
    assert!(len <= bytes.len());
    for version in [Version::Http10, Version::Http11] {
        if version == Version::Http10 && head.status < 200 {
            continue;
        }
        let to = Downstream { version, keep_alive: KeepAlive::Keep, set: &[], remove: &[], cookie: None, rules: None };
        let mut out = Vec::new();
        let written = response::write_downstream(&head, &to, &mut out);
        let roomy = HeadLimits { head_bytes: usize::MAX, ..limits };
        if out.windows(2).filter(|pair| pair == b"\r\n").count() > limits.headers {
            return;
        }
        let mut slots = HeaderSlots::new();
        let again = match response::parse(&out, &roomy, asked, &mut slots) {
            Ok(Parsed::Complete { head, len }) => {
                assert_eq!(len, out.len(), "more than one head was written");
                head
            }
            other => panic!("what was written is not read again: {other:?}\n{}", String::from_utf8_lossy(&out)),
        };
        assert_eq!(again.status, head.status);
        assert_eq!(again.upgrade, head.upgrade);
        assert_eq!(again.body, written.body, "a client would read another body");
        assert_eq!(again.body == BodyLength::None, head.body == BodyLength::None);
    }
}
