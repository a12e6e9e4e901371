//! Distinguished names as people read them.

use crate::der::{self, DerError, Element};

/// Writes a `Name` in the manner of RFC 4514, in the order in which it stands in the certificate reversed.
///
/// Characters that could hide or break a line are written as escapes.
pub(super) fn text(name: &Element<'_>) -> Result<String, DerError> {
    let mut parts = Vec::new();
    let mut sets = name.inside();
    while !sets.is_empty() {
        let mut pairs = sets.expect(der::SET, "a distinguished name is malformed")?.inside();
        let mut joined = Vec::new();
        while !pairs.is_empty() {
            let mut pair = pairs.expect(der::SEQUENCE, "a distinguished name is malformed")?.inside();
            let kind = pair.oid()?;
            let value = pair.any()?;
            joined.push(format!("{}={}", short_name(&kind), escape(&string(&value))));
        }
        parts.push(joined.join("+"));
    }
    parts.reverse();
    Ok(parts.join(", "))
}

fn short_name(kind: &str) -> &str {
    match kind {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.42" => "GN",
        "2.5.4.97" => "organizationIdentifier",
        "1.2.840.113549.1.9.1" => "emailAddress",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        other => other,
    }
}

/// Reads the string types that names are made of; an unknown one is shown as hexadecimal digits.
fn string(value: &Element<'_>) -> String {
    match value.tag {
        UTF8_STRING => String::from_utf8_lossy(value.body).into_owned(),
        NUMERIC_STRING | PRINTABLE_STRING | IA5_STRING | VISIBLE_STRING | TELETEX_STRING => {
            // Teletex is in practice Latin-1, if not UTF-8 by mistake.
            match std::str::from_utf8(value.body) {
                Ok(text) => text.to_owned(),
                Err(_) => value.body.iter().map(|byte| char::from(*byte)).collect(),
            }
        }
        BMP_STRING => {
            let units = value.body.chunks(2).map(|unit| unit.iter().fold(0, |sum, byte| sum << 8 | u16::from(*byte)));
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        UNIVERSAL_STRING => value
            .body
            .chunks(4)
            .map(|unit| unit.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
            .map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        _ => std::iter::once("#".to_owned()).chain(value.raw.iter().map(|byte| format!("{byte:02x}"))).collect(),
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => out.extend(['\\', character]),
            hidden if hidden.is_control() || is_invisible(hidden) => out.extend(hidden.escape_unicode()),
            plain => out.push(plain),
        }
    }
    out
}

/// Marks that turn or hide text, by which one name could pose as another.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

const UTF8_STRING: u8 = 0x0c;
const NUMERIC_STRING: u8 = 0x12;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const VISIBLE_STRING: u8 = 0x1a;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;
