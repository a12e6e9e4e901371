//! The authority of a request: `host` or `host:port` and nothing else.

use std::net::Ipv6Addr;

use super::limits::HOST_BYTES;

/// Reads an authority of letters, digits, `.`, `-` and `_`, or an IPv6 address in brackets, with an optional port.
///
/// That is less than RFC 3986 allows: user information, percent signs and sub-delimiters never name a site and have
/// been used to make two readers see two hosts.
pub(super) fn parse(value: &[u8]) -> Option<&str> {
    if value.len() > HOST_BYTES {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    let port = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        address.parse::<Ipv6Addr>().ok()?;
        port
    } else {
        let end = value.iter().position(|&byte| byte == b':').unwrap_or(value.len());
        let mut label_bytes = 0;
        for &byte in &value[..end] {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => label_bytes += 1,
                b'.' if label_bytes > 0 => label_bytes = 0,
                _ => return None,
            }
        }
        if end == 0 {
            return None;
        }
        &text[end..]
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => Some(text),
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse::<u16>().ok().map(|_| text)
        }
        _ => None,
    }
}
