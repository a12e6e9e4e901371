//! Writes DER (X.690).

use zeroize::Zeroizing;

use super::{INTEGER, NULL, OCTET_STRING, OID, SEQUENCE, SET};

/// An element of that tag whose content is the parts, one after the other.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    // Sized beforehand: a buffer that grows leaves copies of secrets behind.
    let mut out = Zeroizing::new(Vec::with_capacity(length + 2 + size_of::<usize>()));
    out.push(tag);
    match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let significant = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or(0)..];
            out.push(0x80 | significant.len() as u8);
            out.extend_from_slice(significant);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    element(SEQUENCE, parts)
}

pub(crate) fn set(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    element(SET, parts)
}

pub(crate) fn octet_string(content: &[u8]) -> Zeroizing<Vec<u8>> {
    element(OCTET_STRING, &[content])
}

pub(crate) fn null() -> Zeroizing<Vec<u8>> {
    element(NULL, &[])
}

pub(crate) fn unsigned(value: u64) -> Zeroizing<Vec<u8>> {
    let bytes = value.to_be_bytes();
    let significant = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1)..];
    let sign: &[u8] = if significant[0] & 0x80 == 0 { &[] } else { &[0] };
    element(INTEGER, &[sign, significant])
}

/// An object identifier from dotted numbers; only for the constants of [`crate::oid`].
pub(crate) fn oid(dotted: &str) -> Zeroizing<Vec<u8>> {
    let arcs: Vec<u64> = dotted.split('.').filter_map(|arc| arc.parse().ok()).collect();
    let mut body = Vec::new();
    if let [top, second, others @ ..] = arcs.as_slice() {
        for arc in std::iter::once(&(top * 40 + second)).chain(others) {
            let mut digits = vec![(arc & 0x7f) as u8];
            let mut rest = arc >> 7;
            while rest > 0 {
                digits.push((rest & 0x7f) as u8 | 0x80);
                rest >>= 7;
            }
            body.extend(digits.iter().rev());
        }
    }
    element(OID, &[&body])
}
