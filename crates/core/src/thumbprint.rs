//! The hashes by which people and machines recognise a certificate.

use std::fmt;

use aws_lc_rs::digest;

/// Identifies a certificate: the SHA-256 of its DER.
///
/// It is public; comparing it needs no constant time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint([u8; 32]);

/// Finds a certificate in tools that know only SHA-1: the SHA-1 of its DER.
///
/// It is shown beside the [`Thumbprint`], labelled SHA-1, and is never accepted as a pin.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha1Thumbprint([u8; 20]);

/// Says why a text is no [`Thumbprint`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThumbprintError {
    /// Nothing is left after separators are taken away.
    #[error("the thumbprint is empty; expected 64 hexadecimal digits (SHA-256)")]
    Empty,
    /// It has the length of a SHA-1 hash.
    #[error(
        "this is a SHA-1 thumbprint (40 digits), which is too weak to trust; give the SHA-256 one (64 digits): openssl x509 -noout -fingerprint -sha256 -in FILE"
    )]
    Sha1,
    /// It has another length.
    #[error("the thumbprint has {0} hexadecimal digits; expected 64 (SHA-256)")]
    Length(usize),
    /// It has a character that is neither a digit nor a separator.
    #[error("the thumbprint has the character {0:?}, which is not a hexadecimal digit")]
    Character(char),
}

impl Thumbprint {
    /// Computes the thumbprint of a certificate in DER.
    pub fn of(der: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
        Self(bytes)
    }

    /// Reads hexadecimal digits of either case.
    ///
    /// Colons, white space and the invisible marks that Windows dialogs copy along (U+200E and its like) are passed over.
    pub fn parse(text: &str) -> Result<Self, ThumbprintError> {
        let mut digits = Vec::with_capacity(64);
        for character in text.chars().filter(|c| !is_separator(*c)) {
            let digit = character.to_digit(16).ok_or(ThumbprintError::Character(character))?;
            digits.push(u8::try_from(digit).map_err(|_| ThumbprintError::Character(character))?);
        }
        match digits.len() {
            0 => Err(ThumbprintError::Empty),
            40 => Err(ThumbprintError::Sha1),
            64 => {
                let mut bytes = [0; 32];
                for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
                    *byte = (pair[0] << 4) | pair[1];
                }
                Ok(Self(bytes))
            }
            other => Err(ThumbprintError::Length(other)),
        }
    }

    /// Takes the 32 bytes of a hash that was computed earlier.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Sha1Thumbprint {
    /// Computes the SHA-1 thumbprint of a certificate in DER.
    pub fn of(der: &[u8]) -> Self {
        let mut bytes = [0; 20];
        bytes.copy_from_slice(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der).as_ref());
        Self(bytes)
    }

    /// Takes the 20 bytes of a hash that was computed earlier.
    pub fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The 20 bytes.
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

/// 64 lower-case hexadecimal digits.
impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

/// 40 upper-case hexadecimal digits, as Windows and Octopus print it.
impl fmt::Display for Sha1Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Sha1Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha1Thumbprint({self})")
    }
}

fn is_separator(character: char) -> bool {
    character == ':'
        || character == '-'
        || character.is_whitespace()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn parse_undoes_display_in_every_spelling() {
        let print = Thumbprint::of(b"certificate");
        let plain = print.to_string();
        let pairs: Vec<&str> = (0..32).map(|i| &plain[2 * i..2 * i + 2]).collect();
        for spelling in
            [plain.clone(), plain.to_uppercase(), pairs.join(":"), pairs.join(" "), format!("\u{200e}{plain}\r\n")]
        {
            assert_eq!(Thumbprint::parse(&spelling).unwrap(), print, "{spelling:?}");
        }
    }

    #[test]
    fn a_wrong_thumbprint_is_refused_with_its_reason() {
        for (text, expected) in [
            ("", ThumbprintError::Empty),
            (" :: ", ThumbprintError::Empty),
            (&"A".repeat(40), ThumbprintError::Sha1),
            ("abcd", ThumbprintError::Length(4)),
            ("xyz", ThumbprintError::Character('x')),
        ] {
            assert_eq!(Thumbprint::parse(text), Err(expected), "{text:?}");
        }
    }
}
