//! A reader for DER (X.690) that copes with the BER of older Windows and Java.
//!
//! Read are BER's indefinite lengths, lengths that are longer than need be, and strings in segments.
//! It borrows from the input, so that what was signed stays byte for byte as it came.

pub(crate) mod writer;

use zeroize::Zeroizing;

/// Says where the structure breaks off. It never quotes content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DerError(pub(crate) &'static str);

/// Walks over the elements of one constructed value.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

/// Is one element: identifier and content.
#[derive(Clone, Copy)]
pub(crate) struct Element<'a> {
    /// The identifier octet; one with the number 31 stands for all higher ones.
    pub(crate) tag: u8,
    /// The element with its header, as it came.
    pub(crate) raw: &'a [u8],
    /// The content without header and end marker.
    pub(crate) body: &'a [u8],
}

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// The identifier of `[number]` with constructed content.
pub(crate) const fn context(number: u8) -> u8 {
    CONTEXT | CONSTRUCTED | number
}

/// The identifier of `[number] IMPLICIT` with primitive content.
pub(crate) const fn context_primitive(number: u8) -> u8 {
    CONTEXT | number
}

/// Reads the one element that the bytes consist of.
pub(crate) fn whole(bytes: &[u8]) -> Result<Element<'_>, DerError> {
    let mut reader = Reader::new(bytes);
    let element = reader.any()?;
    reader.end()?;
    Ok(element)
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads the next element, whatever it is.
    pub(crate) fn any(&mut self) -> Result<Element<'a>, DerError> {
        let input = self.rest;
        let header = header(input)?;
        let (body_end, end) = match header.length {
            Some(length) => {
                let end = header.size.checked_add(length).ok_or(TOO_SHORT)?;
                (end, end)
            }
            None => indefinite_end(input, header.size)?,
        };
        let body = input.get(header.size..body_end).ok_or(TOO_SHORT)?;
        let raw = input.get(..end).ok_or(TOO_SHORT)?;
        self.rest = input.get(end..).ok_or(TOO_SHORT)?;
        Ok(Element { tag: header.tag, raw, body })
    }

    /// Reads the next element, which must have that tag.
    pub(crate) fn expect(&mut self, tag: u8, otherwise: &'static str) -> Result<Element<'a>, DerError> {
        let element = self.any()?;
        if element.tag == tag { Ok(element) } else { Err(DerError(otherwise)) }
    }

    /// Reads the next element if it has that tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, DerError> {
        if self.rest.first() == Some(&tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// Reads the content of an OCTET STRING, in one piece or in segments.
    pub(crate) fn expect_octets(&mut self, otherwise: &'static str) -> Result<Zeroizing<Vec<u8>>, DerError> {
        let element = self.any()?;
        if element.tag & !CONSTRUCTED != OCTET_STRING {
            return Err(DerError(otherwise));
        }
        element.octets()
    }

    /// Reads an object identifier as dotted numbers.
    pub(crate) fn oid(&mut self) -> Result<String, DerError> {
        self.expect(OID, "an object identifier is missing")?.oid()
    }

    /// Makes sure that nothing follows.
    pub(crate) fn end(&self) -> Result<(), DerError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DerError("there are bytes after its end")) }
    }
}

impl<'a> Element<'a> {
    /// Walks over the elements inside.
    pub(crate) fn inside(&self) -> Reader<'a> {
        Reader::new(self.body)
    }

    /// The content of an OCTET STRING, also when it comes in segments, tagged explicitly or implicitly.
    pub(crate) fn octets(&self) -> Result<Zeroizing<Vec<u8>>, DerError> {
        let mut out = Zeroizing::new(Vec::with_capacity(self.body.len()));
        self.collect_octets(MAX_SEGMENT_DEPTH, &mut out)?;
        Ok(out)
    }

    fn collect_octets(&self, depth: u8, out: &mut Vec<u8>) -> Result<(), DerError> {
        if self.tag & CONSTRUCTED == 0 {
            out.extend_from_slice(self.body);
            return Ok(());
        }
        let depth = depth.checked_sub(1).ok_or(TOO_DEEP)?;
        let mut segments = self.inside();
        while !segments.is_empty() {
            let segment = segments.any()?;
            if segment.tag & !CONSTRUCTED != OCTET_STRING {
                return Err(DerError("a string in segments has a segment of another kind"));
            }
            segment.collect_octets(depth, out)?;
        }
        Ok(())
    }

    /// The content of a BIT STRING of whole octets.
    pub(crate) fn bits(&self) -> Result<&'a [u8], DerError> {
        match self.body.split_first() {
            Some((0, bits)) if self.tag & CONSTRUCTED == 0 => Ok(bits),
            _ => Err(DerError("a bit string is malformed")),
        }
    }

    /// A non-negative INTEGER that fits 64 bits.
    pub(crate) fn unsigned(&self) -> Result<u64, DerError> {
        let [first, ..] = self.body else {
            return Err(DerError("a number is empty"));
        };
        if self.tag != INTEGER || first & 0x80 != 0 {
            return Err(DerError("a number is negative or of another kind"));
        }
        let significant = self.body.iter().position(|byte| *byte != 0).unwrap_or(self.body.len());
        let digits = &self.body[significant..];
        if digits.len() > 8 {
            return Err(DerError("a number is too large"));
        }
        Ok(digits.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// The object identifier as dotted numbers.
    pub(crate) fn oid(&self) -> Result<String, DerError> {
        let mut arcs = Vec::new();
        let mut value: u64 = 0;
        let mut open = false;
        for byte in self.body {
            value = value.checked_mul(128).ok_or(BAD_OID)? | u64::from(byte & 0x7f);
            open = byte & 0x80 != 0;
            if !open {
                arcs.push(value);
                value = 0;
            }
        }
        let Some((first, others)) = arcs.split_first().filter(|_| !open) else {
            return Err(BAD_OID);
        };
        let top = (first / 40).min(2);
        let mut text = format!("{top}.{}", first - top * 40);
        for arc in others {
            text.push('.');
            text.push_str(&arc.to_string());
        }
        Ok(text)
    }
}

struct Header {
    tag: u8,
    size: usize,
    /// None if the content ends with an end marker.
    length: Option<usize>,
}

fn header(input: &[u8]) -> Result<Header, DerError> {
    let tag = *input.first().ok_or(TOO_SHORT)?;
    let mut size = 1;
    if tag & 0x1f == 0x1f {
        // A number above 30 follows in base 128; which one is of no interest here.
        loop {
            let byte = *input.get(size).ok_or(TOO_SHORT)?;
            size += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    let first = *input.get(size).ok_or(TOO_SHORT)?;
    size += 1;
    let length = match first {
        0..=0x7f => Some(usize::from(first)),
        0x80 if tag & CONSTRUCTED != 0 => None,
        0x80 => return Err(DerError("a simple value has no length")),
        _ => {
            let mut length: usize = 0;
            for _ in 0..first & 0x7f {
                let byte = *input.get(size).ok_or(TOO_SHORT)?;
                size += 1;
                length = length.checked_mul(256).ok_or(TOO_SHORT)? | usize::from(byte);
            }
            Some(length)
        }
    };
    Ok(Header { tag, size, length })
}

/// Finds the end marker of an element whose content begins at `start`: ends without and with the marker.
fn indefinite_end(input: &[u8], start: usize) -> Result<(usize, usize), DerError> {
    let mut at = start;
    let mut open = 1_u32;
    loop {
        let rest = input.get(at..).ok_or(TOO_SHORT)?;
        if rest.starts_with(&END_MARKER) {
            open -= 1;
            if open == 0 {
                return Ok((at, at + END_MARKER.len()));
            }
            at += END_MARKER.len();
            continue;
        }
        let header = header(rest)?;
        at = at.checked_add(header.size).ok_or(TOO_SHORT)?;
        match header.length {
            Some(length) => at = at.checked_add(length).ok_or(TOO_SHORT)?,
            None => open += 1,
        }
        if open > MAX_INDEFINITE_DEPTH {
            return Err(TOO_DEEP);
        }
    }
}

const CONSTRUCTED: u8 = 0x20;
const CONTEXT: u8 = 0x80;
const END_MARKER: [u8; 2] = [0, 0];
/// A PFX nests about ten deep; every level is searched again, so that depth is what bounds the work.
const MAX_INDEFINITE_DEPTH: u32 = 32;
/// Writers cut strings into one layer of segments; BER allows more.
const MAX_SEGMENT_DEPTH: u8 = 4;

const TOO_SHORT: DerError = DerError("it is cut off, or a length in it is wrong");
const TOO_DEEP: DerError = DerError("it is nested too deeply");
const BAD_OID: DerError = DerError("an object identifier is malformed");

#[cfg(test)]
mod tests;
