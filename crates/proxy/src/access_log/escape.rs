//! Bytes of strangers as they may stand in a line: visible ASCII characters alone, whatever was sent.
//!
//! No byte can then end the line, open another field, or tell a terminal what to do.

/// Appends `bytes` as the inside of a JSON string; bytes that are no UTF-8 become U+FFFD.
pub(super) fn json(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.iter().all(|byte| is_plain(*byte)) {
        out.extend_from_slice(bytes);
        return;
    }
    for character in String::from_utf8_lossy(bytes).chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            ' '..='~' => out.push(character as u8),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.extend_from_slice(b"\\u");
                    unit.to_be_bytes().iter().for_each(|byte| hex(*byte, out));
                }
            }
        }
    }
}

/// Appends `bytes` as Apache writes them: `\"`, `\\`, and `\xhh` for all that is not visible ASCII.
pub(super) fn apache(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.iter().all(|byte| is_plain(*byte)) {
        out.extend_from_slice(bytes);
        return;
    }
    for byte in bytes {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b' '..=b'~' => out.push(*byte),
            _ => {
                out.extend_from_slice(b"\\x");
                hex(*byte, out);
            }
        }
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn hex(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn escaped(escape: fn(&[u8], &mut Vec<u8>), bytes: &[u8]) -> String {
        let mut out = Vec::new();
        escape(bytes, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_but_visible_ascii_comes_out() {
        for (bytes, in_json, in_apache) in [
            (&b"/a?b=c d~"[..], "/a?b=c d~", "/a?b=c d~"),
            (b"a\r\nb", "a\\u000d\\u000ab", "a\\x0d\\x0ab"),
            (b"\x1b[2J\x07", "\\u001b[2J\\u0007", "\\x1b[2J\\x07"),
            (b"\" \\", "\\\" \\\\", "\\\" \\\\"),
            (b"\x7f\x00", "\\u007f\\u0000", "\\x7f\\x00"),
            ("é\u{202e}🦀".as_bytes(), "\\u00e9\\u202e\\ud83e\\udd80", "\\xc3\\xa9\\xe2\\x80\\xae\\xf0\\x9f\\xa6\\x80"),
            (b"\xff\x9b", "\\ufffd\\ufffd", "\\xff\\x9b"),
        ] {
            assert_eq!(escaped(json, bytes), in_json);
            assert_eq!(escaped(apache, bytes), in_apache);
        }
        for byte in 0..=255 {
            for escape in [json, apache] {
                let out = escaped(escape, &[byte]);
                assert!(out.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{byte}: {out}");
            }
        }
    }
}
