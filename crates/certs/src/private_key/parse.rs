//! Reads private keys in DER and writes each anew as plain PKCS #8.
//!
//! What is kept is what this module wrote, never what came: no attributes, no odd encodings, one form per algorithm.

use aws_lc_rs::{
    rsa,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair,
    },
};
use portward_core::KeyType;
use zeroize::Zeroizing;

use super::{MIN_RSA_BITS, PrivateKey, PrivateKeyError};
use crate::{
    der::{self, DerError, writer},
    oid,
    x509::PublicKey,
};

/// Reads `OneAsymmetricKey` (RFC 5958), versions 1 and 2.
pub(super) fn pkcs8(der: &[u8]) -> Result<PrivateKey, PrivateKeyError> {
    let mut fields = der::whole(der)?.inside();
    if fields.expect(der::INTEGER, "the version is missing")?.unsigned()? > 1 {
        return Err(PrivateKeyError::Broken("its version is unknown"));
    }
    let mut algorithm = fields.expect(der::SEQUENCE, "the algorithm is missing")?.inside();
    let name = algorithm.oid()?;
    let content = fields.expect_octets("the key itself is missing")?;
    match name.as_str() {
        oid::RSA => pkcs1(&content),
        oid::EC => match algorithm.optional(der::OID)? {
            Some(curve) => sec1(&content, Some(&curve.oid()?)),
            None => Err(PrivateKeyError::Unsupported("ECDSA with explicit curve parameters".to_owned())),
        },
        oid::ED25519 => ed25519(&content),
        other => Err(PrivateKeyError::Unsupported(oid::name(other))),
    }
}

/// Reads `RSAPrivateKey` (RFC 8017 appendix A.1.2).
pub(super) fn pkcs1(der: &[u8]) -> Result<PrivateKey, PrivateKeyError> {
    let mut numbers = der::whole(der)?.inside();
    if numbers.expect(der::INTEGER, "the version is missing")?.unsigned()? > 0 {
        return Err(PrivateKeyError::Unsupported("RSA with more than two primes".to_owned()));
    }
    let modulus = numbers.expect(der::INTEGER, "the modulus is missing")?;
    let modulus = modulus.body.iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<u8>>();
    let bits = crate::x509::bit_length(&modulus);
    if bits < MIN_RSA_BITS {
        return Err(PrivateKeyError::Weak(bits));
    }
    if bits > MAX_RSA_BITS {
        return Err(PrivateKeyError::Unsupported(format!("RSA with {bits} bits (at most {MAX_RSA_BITS})")));
    }
    let pair = rsa::KeyPair::from_der(der).map_err(|_| CONTRADICTION)?;
    Ok(PrivateKey {
        pkcs8: wrap(&[&writer::oid(oid::RSA), &writer::null()], der),
        key_type: KeyType::Rsa(bits),
        public: PublicKey { algorithm: oid::RSA.to_owned(), curve: None, bits: pair.public_key().as_ref().to_vec() },
    })
}

/// Reads `ECPrivateKey` (RFC 5915); its own curve and the one from outside must agree.
pub(super) fn sec1(der: &[u8], outside: Option<&str>) -> Result<PrivateKey, PrivateKeyError> {
    let mut fields = der::whole(der)?.inside();
    if fields.expect(der::INTEGER, "the version is missing")?.unsigned()? != 1 {
        return Err(PrivateKeyError::Broken("its version is unknown"));
    }
    let secret = fields.expect_octets("the key itself is missing")?;
    let inside = match fields.optional(der::context(0))? {
        None => None,
        Some(parameters) => match parameters.inside().optional(der::OID)? {
            Some(curve) => Some(curve.oid()?),
            None => return Err(PrivateKeyError::Unsupported("ECDSA with explicit curve parameters".to_owned())),
        },
    };
    let named = match fields.optional(der::context(1))? {
        None => None,
        Some(point) => Some(point.inside().expect(der::BIT_STRING, "the public key in it is malformed")?.bits()?),
    };
    let curve = match (inside.as_deref(), outside) {
        (Some(inside), Some(outside)) if inside != outside => {
            return Err(PrivateKeyError::Broken("it names two different curves"));
        }
        (Some(curve), _) | (None, Some(curve)) => curve.to_owned(),
        (None, None) => return Err(PrivateKeyError::Broken("it does not name its curve")),
    };
    let (key_type, signing, length) = match curve.as_str() {
        oid::P256 => (KeyType::P256, &ECDSA_P256_SHA256_ASN1_SIGNING, 32_usize),
        oid::P384 => (KeyType::P384, &ECDSA_P384_SHA384_ASN1_SIGNING, 48),
        oid::P521 => (KeyType::P521, &ECDSA_P521_SHA512_ASN1_SIGNING, 66),
        other => return Err(PrivateKeyError::Unsupported(format!("ECDSA {}", oid::name(other)))),
    };
    // Some writers drop leading zeros, others add one.
    let significant = crate::x509::significant(&secret);
    let padding =
        length.checked_sub(significant.len()).ok_or(PrivateKeyError::Broken("the key is too long for its curve"))?;
    let secret = writer::element(der::OCTET_STRING, &[&vec![0; padding], significant]);

    let algorithm = [writer::oid(oid::EC), writer::oid(&curve)];
    let algorithm: [&[u8]; 2] = [&algorithm[0], &algorithm[1]];
    let bare = writer::sequence(&[&writer::unsigned(1), &secret]);
    let pair = EcdsaKeyPair::from_pkcs8(signing, &wrap(&algorithm, &bare)).map_err(|_| CONTRADICTION)?;
    let public =
        PublicKey { algorithm: oid::EC.to_owned(), curve: Some(curve), bits: pair.public_key().as_ref().to_vec() };
    if let Some(named) = named
        && !public.is_same(&PublicKey { bits: named.to_vec(), ..public.clone() })
    {
        return Err(CONTRADICTION);
    }
    let point = writer::element(der::context(1), &[&writer::element(der::BIT_STRING, &[&[0], &public.bits])]);
    let full = writer::sequence(&[&writer::unsigned(1), &secret, &point]);
    Ok(PrivateKey { pkcs8: wrap(&algorithm, &full), key_type, public })
}

/// Reads `CurvePrivateKey` (RFC 8410 section 7).
fn ed25519(content: &[u8]) -> Result<PrivateKey, PrivateKeyError> {
    let seed = der::whole(content)?;
    if seed.tag != der::OCTET_STRING {
        return Err(DerError("the key itself is missing").into());
    }
    let pkcs8 = wrap(&[&writer::oid(oid::ED25519)], seed.raw);
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).map_err(|_| CONTRADICTION)?;
    let bits = pair.public_key().as_ref().to_vec();
    let public = PublicKey { algorithm: oid::ED25519.to_owned(), curve: None, bits };
    Ok(PrivateKey { pkcs8, key_type: KeyType::Ed25519, public })
}

/// Writes `PrivateKeyInfo` of version 1 (RFC 5208).
fn wrap(algorithm: &[&[u8]], key: &[u8]) -> Zeroizing<Vec<u8>> {
    writer::sequence(&[&writer::unsigned(0), &writer::sequence(algorithm), &writer::octet_string(key)])
}

const CONTRADICTION: PrivateKeyError = PrivateKeyError::Broken("its parts contradict one another");
/// What the TLS library takes.
const MAX_RSA_BITS: u32 = 8192;
