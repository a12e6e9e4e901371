//! The hash functions that files name, and what they are used for here.

use aws_lc_rs::{digest, hmac};
use md5::Digest as _;
use zeroize::Zeroizing;

use crate::oid;

/// Names a hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    /// Only for the encryption of old PEM files.
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(crate) fn from_digest_oid(dotted: &str) -> Option<Self> {
        Some(match dotted {
            oid::SHA1 => Self::Sha1,
            oid::SHA224 => Self::Sha224,
            oid::SHA256 => Self::Sha256,
            oid::SHA384 => Self::Sha384,
            oid::SHA512 => Self::Sha512,
            _ => return None,
        })
    }

    pub(crate) fn from_hmac_oid(dotted: &str) -> Option<Self> {
        Some(match dotted {
            oid::HMAC_SHA1 => Self::Sha1,
            oid::HMAC_SHA224 => Self::Sha224,
            oid::HMAC_SHA256 => Self::Sha256,
            oid::HMAC_SHA384 => Self::Sha384,
            oid::HMAC_SHA512 => Self::Sha512,
            _ => return None,
        })
    }

    /// Octets that the function works on at once.
    pub(crate) fn block_len(self) -> usize {
        match self {
            Self::Sha384 | Self::Sha512 => 128,
            Self::Md5 | Self::Sha1 | Self::Sha224 | Self::Sha256 => 64,
        }
    }

    pub(crate) fn output_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The hash of the parts, one after the other.
    pub(crate) fn of(self, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        let Some(algorithm) = self.algorithm() else {
            let mut context = md5::Md5::new();
            parts.iter().for_each(|part| context.update(part));
            return Zeroizing::new(context.finalize().to_vec());
        };
        let mut context = digest::Context::new(algorithm);
        parts.iter().for_each(|part| context.update(part));
        Zeroizing::new(context.finish().as_ref().to_vec())
    }

    /// Hashes a value of its own length again and again, in place.
    pub(crate) fn repeat(self, value: &mut [u8], times: u32) {
        let algorithm = self.algorithm();
        for _ in 0..times {
            match algorithm {
                Some(algorithm) => value.copy_from_slice(digest::digest(algorithm, value).as_ref()),
                None => value.copy_from_slice(&md5::Md5::digest(&value)),
            }
        }
    }

    /// The function of the TLS library; none for MD5.
    fn algorithm(self) -> Option<&'static digest::Algorithm> {
        Some(match self {
            Self::Md5 => return None,
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &digest::SHA224,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        })
    }

    /// The HMAC of it; none for MD5.
    pub(crate) fn hmac(self) -> Option<hmac::Algorithm> {
        Some(match self {
            Self::Md5 => return None,
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => hmac::HMAC_SHA224,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        })
    }
}
