//! A request as a line.

use std::{io::Write, net::SocketAddr, time::Duration};

use portward_core::Timestamp;
use rustls::CipherSuite;

use super::{
    entry::{By, Entry, Word, Words},
    escape,
};
use crate::h1::{
    Version,
    text::{push_address, push_decimal},
};

/// Remembers how the last second was written, as most lines are of the same one.
#[derive(Default)]
pub(super) struct Date {
    second: Option<u64>,
    /// `2026-11-20T14:32:07Z`.
    text: String,
}

/// Appends a line of JSON. Every line has every key, in the same order.
pub(super) fn json(entry: &Entry, date: &mut Date, out: &mut Vec<u8>) {
    let outcome = entry.outcome.get();
    let words = entry.words.borrow();
    out.extend_from_slice(b"{\"time\":\"");
    let text = date.of(entry.at);
    out.extend_from_slice(text.as_bytes().get(..19).unwrap_or_default());
    let millis = entry.at.subsec_millis();
    out.push(b'.');
    out.extend([millis / 100, millis / 10 % 10, millis % 10].map(|digit| b'0' + digit as u8));
    out.extend_from_slice(b"Z\",\"request.id\":\"");
    out.extend_from_slice(entry.id.as_str().as_bytes());
    out.extend_from_slice(b"\",\"client.address\":\"");
    push_address(entry.client.ip(), out);
    out.extend_from_slice(b"\",\"client.peer\":\"");
    address_and_port(entry.peer, out);
    out.extend_from_slice(b"\",\"binding.id\":\"");
    out.extend_from_slice(entry.binding.id.as_str().as_bytes());
    out.push(b'"');
    string(b",\"site.id\":", entry.site.get().map(|site| site.id.as_str().as_bytes()), out);
    string(b",\"host\":", words.get(Word::Host), out);
    string(b",\"method\":", words.get(Word::Method), out);
    string(b",\"target\":", shown(entry, &words, Word::Target), out);
    string(b",\"protocol\":", entry.version.map(|version| protocol(version).as_bytes()), out);
    number(b",\"status\":", outcome.status.map(u64::from), out);
    number(b",\"bytes.received\":", Some(outcome.received), out);
    number(b",\"bytes.sent\":", Some(outcome.sent), out);
    number(b",\"duration_us\":", Some(micros(entry.took())), out);
    number(b",\"upstream_us\":", outcome.upstream.map(micros), out);
    string(b",\"upstream.url\":", words.get(Word::Upstream), out);
    string(b",\"tls.version\":", entry.cipher.map(version_name), out);
    string(b",\"tls.cipher\":", entry.cipher.map(cipher_name), out);
    string(b",\"tls.sni\":", words.get(Word::Sni), out);
    string(b",\"referer\":", shown(entry, &words, Word::Referer), out);
    string(b",\"user_agent\":", words.get(Word::UserAgent), out);
    let by = outcome.by.map(|by| match by {
        By::Portward => &b"portward"[..],
        By::Upstream => b"upstream",
    });
    string(b",\"answer.by\":", by, out);
    string(b",\"answer.code\":", outcome.code.map(str::as_bytes), out);
    out.extend_from_slice(if outcome.complete { b",\"complete\":true}\n" } else { b",\"complete\":false}\n" });
}

/// Appends a line of Apache's combined format: `%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`.
pub(super) fn combined(entry: &Entry, date: &mut Date, out: &mut Vec<u8>) {
    let outcome = entry.outcome.get();
    let words = entry.words.borrow();
    let text = date.of(entry.at);
    let part = |range| text.get(range).unwrap_or_default();
    let month = part(5..7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    let (day, month, year, clock) = (part(8..10), month.copied().unwrap_or_default(), part(0..4), part(11..19));
    push_address(entry.client.ip(), out);
    let _ = write!(out, " - - [{day}/{month}/{year}:{clock} +0000] \"");
    match (words.get(Word::Method), shown(entry, &words, Word::Target)) {
        (Some(method), Some(target)) => {
            escape::apache(method, out);
            out.push(b' ');
            escape::apache(target, out);
            out.push(b' ');
            out.extend_from_slice(entry.version.map(protocol).unwrap_or_default().as_bytes());
        }
        _ => out.push(b'-'),
    }
    out.extend_from_slice(b"\" ");
    push_decimal(outcome.status.unwrap_or(CLIENT_GONE).into(), out);
    out.push(b' ');
    match outcome.sent {
        0 => out.push(b'-'),
        sent => push_decimal(sent, out),
    }
    for word in [shown(entry, &words, Word::Referer), words.get(Word::UserAgent)] {
        out.extend_from_slice(b" \"");
        match word {
            Some(word) => escape::apache(word, out),
            None => out.push(b'-'),
        }
        out.push(b'"');
    }
    out.push(b'\n');
}

/// A target or a referer without what must not be read: see [`Entry::may_be_for_portal`].
fn shown<'w>(entry: &Entry, words: &'w Words, word: Word) -> Option<&'w [u8]> {
    let text = words.get(word)?;
    match text.iter().position(|byte| *byte == b'?') {
        Some(query) if entry.may_be_for_portal() => text.get(..query),
        _ => Some(text),
    }
}

fn string(key: &[u8], value: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    match value {
        Some(value) => {
            out.push(b'"');
            escape::json(value, out);
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
}

fn number(key: &[u8], value: Option<u64>, out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    match value {
        Some(value) => push_decimal(value, out),
        None => out.extend_from_slice(b"null"),
    }
}

fn address_and_port(address: SocketAddr, out: &mut Vec<u8>) {
    match address {
        SocketAddr::V4(_) => {
            push_address(address.ip(), out);
            out.push(b':');
            push_decimal(address.port().into(), out);
        }
        // It may have a scope.
        SocketAddr::V6(_) => {
            let _ = write!(out, "{address}");
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
        Version::Http2 => "HTTP/2",
    }
}

/// There are no other versions here, and each has suites of its own.
fn version_name(cipher: CipherSuite) -> &'static [u8] {
    if cipher_name(cipher).starts_with(b"TLS_ECDHE_") { b"TLS 1.2" } else { b"TLS 1.3" }
}

/// The name that IANA has for it.
fn cipher_name(cipher: CipherSuite) -> &'static [u8] {
    match cipher {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => b"TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => b"TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => b"TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or("unknown").as_bytes(),
    }
}

impl Date {
    fn of(&mut self, at: Duration) -> &str {
        let second = at.as_secs();
        if self.second != Some(second) {
            let time = i64::try_from(second).ok().and_then(|second| Timestamp::from_unix(second).ok());
            self.text = time.unwrap_or(Timestamp::EPOCH).to_string();
            self.second = Some(second);
        }
        &self.text
    }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Stands for an answer that nobody was there to take, as in nginx.
const CLIENT_GONE: u16 = 499;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn addresses_are_written_as_everywhere_else() {
        for text in ["127.0.0.1:80", "10.20.255.0:65535", "[::1]:443", "[2001:db8::1]:1", "[fe80::1%3]:9"] {
            let socket: SocketAddr = text.parse().unwrap();
            let (mut with_port, mut alone) = (Vec::new(), Vec::new());
            address_and_port(socket, &mut with_port);
            push_address(socket.ip(), &mut alone);
            assert_eq!(String::from_utf8(with_port).unwrap(), text);
            assert_eq!(String::from_utf8(alone).unwrap(), socket.ip().to_string());
        }
    }
}
