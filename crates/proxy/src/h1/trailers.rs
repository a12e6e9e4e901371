//! Trailers: which may be passed on, and how (RFC 9110, section 6.5).

use super::headers::{Kind, kind};
use super::text::{is_token, is_value, push_header, trim};

/// A trailer section with only what may be passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trailers {
    /// Whole lines, `name: value` CR LF.
    lines: Vec<u8>,
}

impl Trailers {
    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Walks the trailers in their order, as name and value.
    pub fn walk(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines.split_inclusive(|&byte| byte == b'\n').filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let name = std::str::from_utf8(&line[..colon]).ok()?;
            Some((name, trim(line[colon + 1..].strip_suffix(b"\r\n")?)))
        })
    }

    /// Collects trailers that came as a list (HTTP/2), leaving out what [`is_allowed`] does not allow and what is
    /// not a valid header.
    pub fn collect<'a>(trailers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut collected = Self::default();
        for (name, value) in trailers {
            collected.push(name, value);
        }
        collected
    }

    /// Takes one trailer in, if it may be passed on.
    pub(super) fn push(&mut self, name: &str, value: &[u8]) {
        if is_token(name.as_bytes()) && is_value(value) && is_allowed(name) {
            push_header(name, value, &mut self.lines);
        }
    }

    /// Appends the lines, without the empty line that ends the section.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.lines);
    }
}

/// Tells whether a header may come as a trailer: nothing that frames, routes, authenticates, steers a cache or
/// describes the content, and nothing that Portward sets (RFC 9110, section 6.5.1). Digests pass (RFC 9530).
pub fn is_allowed(name: &str) -> bool {
    let starts = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    matches!(kind(name), Kind::Other)
        && !FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden))
        && !FORBIDDEN_PREFIXES.iter().any(|prefix| starts(prefix))
}

const FORBIDDEN: [&str; 34] = [
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "clear-site-data",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-location",
    "content-range",
    "content-security-policy",
    "content-security-policy-report-only",
    "content-type",
    "date",
    "expires",
    "last-modified",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referer",
    "refresh",
    "retry-after",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "trailer",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-accel-redirect",
];

/// Whole families: conditions, proxy authentication, what browsers take as policy.
const FORBIDDEN_PREFIXES: [&str; 6] = ["if-", "proxy-", "access-control-", "cross-origin-", "sec-", "authentication-"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_describes_the_end_may_come_at_the_end() {
        for name in ["grpc-status", "Grpc-Message", "X-Checksum", "Server-Timing", "Content-Digest", "ETag"] {
            assert!(is_allowed(name), "{name}");
        }
        for name in [
            "Transfer-Encoding",
            "content-length",
            "Content_Length",
            "Host",
            "Trailer",
            "TE",
            "Connection",
            "Upgrade",
            "Keep-Alive",
            "Authorization",
            "Proxy-Authorization",
            "Cookie",
            "Set-Cookie",
            "WWW-Authenticate",
            "Content-Type",
            "Content-Encoding",
            "Content-Range",
            "If-Match",
            "Range",
            "Expect",
            "Cache-Control",
            "Location",
            "X-Forwarded-For",
            "X_Forwarded_For",
            "Forwarded",
            "X-Real-IP",
            "X-Request-Id",
            "Strict-Transport-Security",
            "Access-Control-Allow-Origin",
            "Content-Security-Policy",
        ] {
            assert!(!is_allowed(name), "{name}");
        }
    }

    #[test]
    fn a_list_loses_what_is_forbidden_or_invalid_and_keeps_its_order() {
        let list: [(&str, &[u8]); 6] = [
            ("b", b"2"),
            ("host", b"evil"),
            ("x\r\ny", b"1"),
            ("x", b"1\r\nhost: evil"),
            ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", b"1"),
            ("a", b""),
        ];
        let trailers = Trailers::collect(list.into_iter());
        let kept: Vec<_> = trailers.walk().collect();
        assert_eq!(kept, [("b", &b"2"[..]), ("a", &b""[..])]);
        assert!(!trailers.is_empty() && Trailers::default().is_empty());
    }
}
