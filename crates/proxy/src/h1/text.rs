//! The little grammar that heads, trailers and chunks share (RFC 9110, section 5.6).

use std::{io::Write as _, net::IpAddr};

/// Tells whether a byte may stand in a token.
pub(super) const fn is_tchar(byte: u8) -> bool {
    TCHAR[byte as usize]
}

/// Tells whether the bytes are a token: a method or a header name.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_tchar(byte))
}

/// Tells whether the bytes may be a header's value: no controls but tab. Bytes above ASCII pass: RFC 9110 calls them
/// opaque, and applications send file names in them.
pub(super) fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

/// Removes spaces and tabs at both ends.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Walks the elements of a comma-separated list without quoting, empty ones left out.
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// Splits at `separator` outside of quoted strings; a quoted string that does not end makes it none.
///
/// An open quote would swallow whatever is appended to the list later.
pub(super) fn split_unquoted(value: &[u8], separator: u8) -> Option<Vec<&[u8]>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, &byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => {
                parts.push(trim(&value[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    if quoted {
        return None;
    }
    parts.push(trim(&value[start..]));
    Some(parts)
}

/// Appends a number in decimal digits.
pub(crate) fn push_decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends an address as it is shown, without brackets and port.
pub(crate) fn push_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        // Most are, and the formatting of the standard library takes ten times as long.
        IpAddr::V4(address) => {
            for (at, octet) in address.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                push_decimal(octet.into(), out);
            }
        }
        IpAddr::V6(address) => {
            // Writing to a Vec cannot fail.
            let _ = write!(out, "{address}");
        }
    }
}

/// Appends one header line.
#[inline]
pub(super) fn push_header(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

const TCHAR: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    let marks = b"!#$%&'*+-.^_`|~";
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
};
