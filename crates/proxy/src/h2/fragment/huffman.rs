//! The Huffman code of HPACK (RFC 7541 section 5.2, appendix B).
//!
//! The code is canonical: codes of one length are consecutive and in the order of their symbols, so the lengths are all
//! that there is to know of it.

/// Decodes, and shows each byte; none if it is no string in this code.
pub(super) fn decode(bytes: &[u8], mut each: impl FnMut(u8)) -> Option<()> {
    let (mut value, mut length) = (0_u32, 0_usize);
    for byte in bytes {
        for bit in (0..8).rev() {
            value = value << 1 | u32::from(byte >> bit & 1);
            length += 1;
            let Row { first, at, count } = *CODE.rows.get(length)?;
            if let Some(offset) = value.checked_sub(first).filter(|offset| *offset < count) {
                let symbol = *CODE.symbols.get(at + offset as usize)?;
                // The end of a string is never written out.
                each(u8::try_from(symbol).ok()?);
                (value, length) = (0, 0);
            }
        }
    }
    // Up to seven bits of ones fill the last byte.
    (length < 8 && value == (1 << length) - 1).then_some(())
}

/// Is the code, by length.
struct Code {
    rows: [Row; LONGEST + 1],
    /// In the order of their codes.
    symbols: [u16; LENGTHS.len()],
}

/// Is the codes of one length.
#[derive(Clone, Copy)]
struct Row {
    first: u32,
    /// Where their symbols begin.
    at: usize,
    count: u32,
}

static CODE: Code = Code::new();

impl Code {
    const fn new() -> Self {
        let none = Row { first: 0, at: 0, count: 0 };
        let mut code = Self { rows: [none; LONGEST + 1], symbols: [0; LENGTHS.len()] };
        let (mut next, mut at, mut length) = (0, 0, 1);
        while length <= LONGEST {
            next <<= 1;
            let (mut count, mut symbol) = (0, 0);
            while symbol < LENGTHS.len() {
                if LENGTHS[symbol] as usize == length {
                    code.symbols[at + count] = symbol as u16;
                    count += 1;
                }
                symbol += 1;
            }
            code.rows[length] = Row { first: next, at, count: count as u32 };
            next += count as u32;
            at += count;
            length += 1;
        }
        code
    }
}

const LONGEST: usize = 30;

/// How many bits each byte has, and last the end of a string.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];
