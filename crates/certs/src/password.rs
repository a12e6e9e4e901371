//! The password of a file, in the encodings that the formats want.

use std::fmt;

use zeroize::Zeroizing;

/// Holds the password of a PFX or of an encrypted key; it is wiped when dropped and never shown.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes the password as the operator gave it, without the line end.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// UTF-8, as PBES2, PBMAC1 (RFC 9579 with its erratum) and PEM encryption want it.
    pub(crate) fn utf8(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// UTF-16 in big endian with two zero octets at the end, as RFC 7292 appendix B.1 wants it.
    pub(crate) fn bmp(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(self.0.len() * 2 + 2));
        for unit in self.0.encode_utf16().chain([0]) {
            out.extend_from_slice(&unit.to_be_bytes());
        }
        out
    }

    /// Whether it has no characters.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Lists what the password can be for the key derivation of PKCS #12, likeliest first.
///
/// Some programs encode an empty password as nothing and others as the end mark alone; none given means either.
/// OpenSSL before 1.1 widened the octets of UTF-8 one by one.
pub(crate) fn for_pkcs12(password: Option<&Password>) -> Vec<Zeroizing<Vec<u8>>> {
    let Some(password) = password.filter(|password| !password.is_empty()) else {
        return vec![Zeroizing::new(vec![]), Zeroizing::new(vec![0, 0])];
    };
    let mut encodings = vec![password.bmp()];
    if !password.0.is_ascii() {
        let mut widened = Zeroizing::new(Vec::with_capacity(password.0.len() * 2 + 2));
        for byte in password.utf8().iter().chain(&[0]) {
            widened.extend_from_slice(&[0, *byte]);
        }
        encodings.push(widened);
    }
    encodings
}

/// Lists what the password can be for the key derivations of PKCS #5, likeliest first.
///
/// The second is what NSS wrote into PBES2 for years.
pub(crate) fn for_pkcs5(password: Option<&Password>) -> Vec<Zeroizing<Vec<u8>>> {
    let Some(password) = password.filter(|password| !password.is_empty()) else {
        return vec![Zeroizing::new(vec![]), Zeroizing::new(vec![0, 0])];
    };
    vec![Zeroizing::new(password.utf8().to_vec()), password.bmp()]
}

/// Lists what the password can be for PBMAC1: UTF-8 alone, whatever RFC 9579 says before its erratum.
pub(crate) fn for_pbmac1(password: Option<&Password>) -> Vec<Zeroizing<Vec<u8>>> {
    vec![Zeroizing::new(password.map_or_else(Vec::new, |password| password.utf8().to_vec()))]
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encodings(of: fn(Option<&Password>) -> Vec<Zeroizing<Vec<u8>>>, text: &str) -> Vec<Vec<u8>> {
        of(Some(&Password::new(text.to_owned()))).iter().map(|encoding| encoding.to_vec()).collect()
    }

    #[test]
    fn pkcs12_takes_utf16_with_an_end_mark() {
        assert_eq!(encodings(for_pkcs12, "ab"), [vec![0, b'a', 0, b'b', 0, 0]]);
        assert_eq!(
            encodings(for_pkcs12, "\u{1F600}"),
            [vec![0xd8, 0x3d, 0xde, 0x00, 0, 0], vec![0, 0xf0, 0, 0x9f, 0, 0x98, 0, 0x80, 0, 0]]
        );
    }

    #[test]
    fn none_and_empty_are_tried_as_each_other() {
        assert_eq!(for_pkcs12(None), for_pkcs12(Some(&Password::new(String::new()))));
        assert_eq!(encodings(for_pkcs12, ""), [vec![], vec![0, 0]]);
    }

    #[test]
    fn pkcs5_takes_utf8_first() {
        assert_eq!(encodings(for_pkcs5, "é"), [vec![0xc3, 0xa9], vec![0, 0xe9, 0, 0]]);
    }

    #[test]
    fn debug_tells_nothing() {
        assert_eq!(format!("{:?}", Password::new("secret".to_owned())), "Password(..)");
    }
}
