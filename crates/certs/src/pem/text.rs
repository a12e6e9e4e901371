//! Text out of the bytes of a file, whatever editor wrote it.

use zeroize::Zeroizing;

/// Reads UTF-8, also with a byte order mark, and UTF-16 with one or beginning with a dash, as Windows editors write it.
///
/// Bytes that are neither are replaced: they can stand only around the blocks of PEM, and are no base64.
pub(crate) fn decode(bytes: &[u8]) -> Zeroizing<String> {
    if let Some(rest) = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]) {
        return Zeroizing::new(String::from_utf8_lossy(rest).into_owned());
    }
    let (unit, rest): (fn([u8; 2]) -> u16, _) = match bytes {
        [0xff, 0xfe, rest @ ..] => (u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => (u16::from_be_bytes, rest),
        [b'-', 0, b'-', 0, ..] => (u16::from_le_bytes, bytes),
        [0, b'-', 0, b'-', ..] => (u16::from_be_bytes, bytes),
        _ => return Zeroizing::new(String::from_utf8_lossy(bytes).into_owned()),
    };
    let mut text = Zeroizing::new(String::with_capacity(bytes.len()));
    let (pairs, _) = rest.as_chunks::<2>();
    for character in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        text.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    text
}
