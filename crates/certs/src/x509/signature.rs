//! The signature of a certificate: which algorithm, and whether it is by a given key.

use aws_lc_rs::signature::{self as aws, UnparsedPublicKey, VerificationAlgorithm};

use super::PublicKey;
use crate::{
    der::{self, DerError, Element},
    oid,
};

/// Holds what was signed and the signature.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    /// Dotted numbers.
    algorithm: String,
    /// The hash of RSA-PSS, in dotted numbers.
    pss_hash: Option<String>,
    bits: Vec<u8>,
    signed: Vec<u8>,
}

impl Signature {
    pub(crate) fn read(signed: &Element<'_>, algorithm: &Element<'_>, bits: &Element<'_>) -> Result<Self, DerError> {
        let mut fields = algorithm.inside();
        let name = fields.oid()?;
        let pss_hash = match name.as_str() {
            // Without parameters it is SHA-1 (RFC 8017 appendix A.2.3).
            oid::RSA_PSS => Some(pss_hash(fields).unwrap_or_else(|| oid::SHA1.to_owned())),
            _ => None,
        };
        Ok(Self { algorithm: name, pss_hash, bits: bits.bits()?.to_vec(), signed: signed.raw.to_vec() })
    }

    /// The algorithm for people.
    pub(crate) fn name(&self) -> String {
        match &self.pss_hash {
            Some(hash) => format!("RSA-PSS with {}", oid::name(hash)),
            None => oid::name(&self.algorithm),
        }
    }

    /// Whether it uses a hash that can be made to collide.
    pub(crate) fn is_weak(&self) -> bool {
        matches!(
            self.algorithm.as_str(),
            oid::MD2_RSA | oid::MD5_RSA | oid::SHA1_RSA | oid::SHA1_RSA_OIW | oid::SHA1_DSA | oid::SHA1_ECDSA
        ) || matches!(self.pss_hash.as_deref(), Some(oid::SHA1))
    }

    /// Whether the holder of that key made it; none if the algorithm is not known here.
    pub(crate) fn is_by(&self, key: &PublicKey) -> Option<bool> {
        let algorithm = self.verification(key)?;
        Some(UnparsedPublicKey::new(algorithm, &key.bits).verify(&self.signed, &self.bits).is_ok())
    }

    fn verification(&self, key: &PublicKey) -> Option<&'static dyn VerificationAlgorithm> {
        Some(match (self.algorithm.as_str(), key.algorithm.as_str(), key.curve.as_deref()) {
            (oid::SHA1_RSA | oid::SHA1_RSA_OIW, oid::RSA, _) => &aws::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            (oid::SHA256_RSA, oid::RSA, _) => &aws::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            (oid::SHA384_RSA, oid::RSA, _) => &aws::RSA_PKCS1_2048_8192_SHA384,
            (oid::SHA512_RSA, oid::RSA, _) => &aws::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
            (oid::RSA_PSS, oid::RSA, _) => match self.pss_hash.as_deref()? {
                oid::SHA256 => &aws::RSA_PSS_2048_8192_SHA256,
                oid::SHA384 => &aws::RSA_PSS_2048_8192_SHA384,
                oid::SHA512 => &aws::RSA_PSS_2048_8192_SHA512,
                _ => return None,
            },
            (oid::SHA1_ECDSA, oid::EC, Some(oid::P256)) => &aws::ECDSA_P256_SHA1_ASN1,
            (oid::SHA256_ECDSA, oid::EC, Some(oid::P256)) => &aws::ECDSA_P256_SHA256_ASN1,
            (oid::SHA384_ECDSA, oid::EC, Some(oid::P256)) => &aws::ECDSA_P256_SHA384_ASN1,
            (oid::SHA512_ECDSA, oid::EC, Some(oid::P256)) => &aws::ECDSA_P256_SHA512_ASN1,
            (oid::SHA256_ECDSA, oid::EC, Some(oid::P384)) => &aws::ECDSA_P384_SHA256_ASN1,
            (oid::SHA384_ECDSA, oid::EC, Some(oid::P384)) => &aws::ECDSA_P384_SHA384_ASN1,
            (oid::SHA512_ECDSA, oid::EC, Some(oid::P384)) => &aws::ECDSA_P384_SHA512_ASN1,
            (oid::SHA256_ECDSA, oid::EC, Some(oid::P521)) => &aws::ECDSA_P521_SHA256_ASN1,
            (oid::SHA384_ECDSA, oid::EC, Some(oid::P521)) => &aws::ECDSA_P521_SHA384_ASN1,
            (oid::SHA512_ECDSA, oid::EC, Some(oid::P521)) => &aws::ECDSA_P521_SHA512_ASN1,
            (oid::ED25519, oid::ED25519, _) => &aws::ED25519,
            _ => return None,
        })
    }
}

/// Reads `[0] hashAlgorithm` of the parameters of RSA-PSS.
fn pss_hash(mut fields: der::Reader<'_>) -> Option<String> {
    let parameters = fields.optional(der::SEQUENCE).ok()??;
    let hash = parameters.inside().optional(der::context(0)).ok()??;
    hash.inside().expect(der::SEQUENCE, "").ok()?.inside().oid().ok()
}
