//! The public key of a certificate (RFC 5280 section 4.1.2.7).

use portward_core::KeyType;

use crate::{
    der::{self, DerError, Element},
    oid,
};

/// Holds a subjectPublicKeyInfo, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// Dotted numbers.
    pub(crate) algorithm: String,
    /// Dotted numbers of the named curve.
    pub(crate) curve: Option<String>,
    /// The key itself: an `RSAPublicKey`, a point, or the octets of an Edwards key.
    pub(crate) bits: Vec<u8>,
}

impl PublicKey {
    pub(crate) fn read(element: &Element<'_>) -> Result<Self, DerError> {
        let mut parts = element.inside();
        let mut algorithm = parts.expect(der::SEQUENCE, "the algorithm of the public key is missing")?.inside();
        let name = algorithm.oid()?;
        let curve = algorithm.optional(der::OID)?.map(|curve| curve.oid()).transpose()?;
        let bits = parts.expect(der::BIT_STRING, "the public key is missing")?.bits()?;
        Ok(Self { algorithm: name, curve, bits: bits.to_vec() })
    }

    /// The type, or the name of an algorithm that is not served.
    pub(crate) fn key_type(&self) -> Result<KeyType, String> {
        match (self.algorithm.as_str(), self.curve.as_deref()) {
            (oid::RSA, _) => self
                .rsa()
                .map(|(modulus, _)| KeyType::Rsa(bit_length(modulus)))
                .map_err(|_| "RSA with a malformed public key".to_owned()),
            (oid::EC, Some(oid::P256)) => Ok(KeyType::P256),
            (oid::EC, Some(oid::P384)) => Ok(KeyType::P384),
            (oid::EC, Some(oid::P521)) => Ok(KeyType::P521),
            (oid::EC, Some(other)) => Err(format!("ECDSA {}", oid::name(other))),
            (oid::EC, None) => Err("ECDSA with explicit curve parameters".to_owned()),
            (oid::ED25519, _) => Ok(KeyType::Ed25519),
            (other, _) => Err(oid::name(other)),
        }
    }

    /// Whether both are the same key, however their points and numbers are written.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        if self.algorithm != other.algorithm || self.curve != other.curve {
            return false;
        }
        if self.bits == other.bits {
            return true;
        }
        match self.algorithm.as_str() {
            oid::RSA => matches!((self.rsa(), other.rsa()), (Ok(own), Ok(others)) if own == others),
            oid::EC => match (x_and_parity(&self.bits), x_and_parity(&other.bits)) {
                // One compressed and one not: a point is its x and the parity of its y (SEC 1 section 2.3.3).
                (Some(own), Some(others)) => own == others && self.bits.len() != other.bits.len(),
                _ => false,
            },
            _ => false,
        }
    }

    /// Modulus and exponent without leading zeros.
    fn rsa(&self) -> Result<(&[u8], &[u8]), DerError> {
        let mut numbers = der::whole(&self.bits)?.inside();
        let modulus = numbers.expect(der::INTEGER, "the modulus is missing")?.body;
        let exponent = numbers.expect(der::INTEGER, "the exponent is missing")?.body;
        Ok((significant(modulus), significant(exponent)))
    }
}

/// The size of a number in big endian without leading zeros.
pub(crate) fn bit_length(number: &[u8]) -> u32 {
    let leading = number.first().map_or(0, |byte| byte.leading_zeros());
    u32::try_from(number.len()).unwrap_or(u32::MAX / 8).saturating_mul(8) - leading
}

/// A number in big endian without leading zeros.
pub(crate) fn significant(number: &[u8]) -> &[u8] {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    &number[start..]
}

fn x_and_parity(point: &[u8]) -> Option<(&[u8], u8)> {
    match point.split_first()? {
        (2 | 3, x) => Some((x, point[0] & 1)),
        (4, both) if both.len() % 2 == 0 => Some((&both[..both.len() / 2], both.last()? & 1)),
        _ => None,
    }
}
