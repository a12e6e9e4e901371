//! The kinds of private key that Portward serves.

use std::fmt;

/// Names the algorithm and size of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// RSA with a modulus of that many bits.
    Rsa(u32),
    /// ECDSA on NIST P-256.
    P256,
    /// ECDSA on NIST P-384.
    P384,
    /// ECDSA on NIST P-521.
    P521,
    /// Ed25519.
    Ed25519,
}

impl KeyType {
    /// Reads what `Display` writes; nothing else is a key type.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "ECDSA P-256" => Some(Self::P256),
            "ECDSA P-384" => Some(Self::P384),
            "ECDSA P-521" => Some(Self::P521),
            "Ed25519" => Some(Self::Ed25519),
            _ => text.strip_prefix("RSA ")?.parse().ok().map(Self::Rsa),
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::P256 => f.write_str("ECDSA P-256"),
            Self::P384 => f.write_str("ECDSA P-384"),
            Self::P521 => f.write_str("ECDSA P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_undoes_display() {
        for key in [KeyType::Rsa(2048), KeyType::P256, KeyType::P384, KeyType::P521, KeyType::Ed25519] {
            assert_eq!(KeyType::parse(&key.to_string()), Some(key));
        }
        assert_eq!(KeyType::parse("RSA"), None);
        assert_eq!(KeyType::parse("DSA 1024"), None);
    }
}
