//! For tests: a key of a provider, which signs whatever it is told to.

#![allow(clippy::unwrap_used, reason = "tests")]

use aws_lc_rs::{
    encoding::AsDer,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// Is a key with its id.
pub(super) struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    /// The public half, as a JWK.
    pub(super) jwk: Value,
    kid: Option<String>,
}

impl Signer {
    pub(super) fn new(algorithm: Algorithm, kid: &str) -> Self {
        let base64 = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let (key, mut jwk) = match algorithm {
            Algorithm::ES256 => {
                let random = aws_lc_rs::rand::SystemRandom::new();
                let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
                let public = pair.public_key().as_ref();
                let jwk =
                    json!({ "kty": "EC", "crv": "P-256", "x": base64(&public[1..33]), "y": base64(&public[33..]) });
                (EncodingKey::from_ec_der(pkcs8.as_ref()), jwk)
            }
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::generate().unwrap();
                let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
                let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key().as_ref()) });
                (EncodingKey::from_ed_der(pkcs8.as_ref()), jwk)
            }
            _ => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
                let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
                let public = pair.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                let jwk = json!({
                    "kty": "RSA",
                    "n": base64(n.big_endian_without_leading_zero()),
                    "e": base64(e.big_endian_without_leading_zero())
                });
                // What follows the 26 bytes that say what it is: the key of RFC 8017, appendix A.1.2.
                (EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..]), jwk)
            }
        };
        jwk["kid"] = kid.into();
        jwk["use"] = "sig".into();
        Self { algorithm, key, jwk, kid: Some(kid.to_owned()) }
    }

    /// The same key, whose tokens do not name it.
    pub(super) fn without_kid(self) -> Self {
        Self { kid: None, ..self }
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: self.kid.clone(), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.key).unwrap()
    }

    /// A set with the public halves of keys.
    pub(super) fn set(signers: &[&Self]) -> Value {
        json!({ "keys": signers.iter().map(|signer| signer.jwk.clone()).collect::<Vec<_>>() })
    }
}
