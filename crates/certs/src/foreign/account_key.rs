//! Account keys of other programs: PEM, DER or JWK (RFC 7517), of which ECDSA on P-256 can be used here.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portward_core::KeyType;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    PrivateKey, PrivateKeyError,
    acme::AccountKey,
    der::{self, writer},
    oid, pem,
};

/// Says why an account key cannot be used here. A new account is made then; certificates do not depend on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountKeyRefusal {
    /// It is of another kind than ECDSA P-256.
    #[error("the account key is {0}, and accounts are kept with ECDSA P-256 here: a new account takes its place")]
    OtherKind(String),
    /// It is protected by a password.
    #[error("the account key is protected by a password: a new account takes its place")]
    Protected,
    /// It cannot be read.
    #[error("the account key is damaged ({0}): a new account takes its place")]
    Broken(String),
    /// There is none.
    #[error("there is no account key: a new account takes its place")]
    Missing,
}

/// Reads a key in PEM, or in DER of any of the three forms.
pub(super) fn read(bytes: &[u8]) -> Result<AccountKey, AccountKeyRefusal> {
    let text = pem::text::decode(bytes);
    if !pem::is_pem(&text) {
        return of_der(bytes);
    }
    let blocks = pem::blocks(&text).map_err(|error| AccountKeyRefusal::Broken(error.0))?;
    for block in blocks {
        if block.encryption.is_some() || block.label == "ENCRYPTED PRIVATE KEY" {
            return Err(AccountKeyRefusal::Protected);
        }
        if block.label.ends_with("PRIVATE KEY") {
            return of_der(&block.der);
        }
    }
    Err(broken("there is no private key in it"))
}

/// Reads a key in JSON as RFC 7518 section 6 writes it.
pub(super) fn read_jwk(json: &[u8]) -> Result<AccountKey, AccountKeyRefusal> {
    let jwk: Jwk = serde_json::from_slice(json).map_err(|_| broken("it is no JSON Web Key"))?;
    match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("EC", Some("P-256")) => {
            let secret = jwk.d.as_ref().and_then(Secret::decode).ok_or_else(|| broken("its secret part is missing"))?;
            let public = match (&jwk.x, &jwk.y) {
                (Some(x), Some(y)) => Some((coordinate(x)?, coordinate(y)?)),
                _ => None,
            };
            let secret = writer::octet_string(&secret);
            let point = public.map(|(x, y)| {
                let bits = writer::element(der::BIT_STRING, &[&[0, UNCOMPRESSED], &x, &y]);
                writer::element(der::context(1), &[&bits])
            });
            let point: &[u8] = point.as_deref().map_or(&[], Vec::as_slice);
            let sec1 = writer::sequence(&[&writer::unsigned(1), &secret, point]);
            usable(PrivateKey::from_sec1_der(&sec1, Some(oid::P256)))
        }
        ("EC", Some(curve @ ("P-384" | "P-521"))) => Err(AccountKeyRefusal::OtherKind(format!("ECDSA {curve}"))),
        ("RSA", _) => {
            let modulus = jwk.n.as_ref().and_then(Secret::decode);
            let bits = modulus.map_or(0, |modulus| crate::x509::bit_length(crate::x509::significant(&modulus)));
            Err(AccountKeyRefusal::OtherKind(KeyType::Rsa(bits).to_string()))
        }
        _ => Err(AccountKeyRefusal::OtherKind("of another kind".to_owned())),
    }
}

fn of_der(bytes: &[u8]) -> Result<AccountKey, AccountKeyRefusal> {
    // The second element tells the forms apart: an algorithm, the octets of a point's secret, or a modulus.
    let second = |der: &[u8]| -> Option<u8> {
        let mut inside = der::whole(der).ok()?.inside();
        inside.any().ok()?;
        Some(inside.any().ok()?.tag)
    };
    usable(match second(bytes) {
        Some(der::SEQUENCE) => PrivateKey::from_pkcs8_der(bytes),
        Some(der::OCTET_STRING) => PrivateKey::from_sec1_der(bytes, None),
        Some(der::INTEGER) => PrivateKey::from_pkcs1_der(bytes),
        _ => return Err(broken("it is no private key in PEM or DER")),
    })
}

fn usable(key: Result<PrivateKey, PrivateKeyError>) -> Result<AccountKey, AccountKeyRefusal> {
    match key {
        Ok(key) if key.key_type() == KeyType::P256 => {
            Ok(AccountKey::from_pkcs8_der(Zeroizing::new(key.as_pkcs8_der().to_vec())))
        }
        Ok(key) => Err(AccountKeyRefusal::OtherKind(key.key_type().to_string())),
        Err(PrivateKeyError::Weak(bits)) => Err(AccountKeyRefusal::OtherKind(KeyType::Rsa(bits).to_string())),
        Err(PrivateKeyError::Unsupported(kind)) => Err(AccountKeyRefusal::OtherKind(kind)),
        Err(PrivateKeyError::Broken(reason)) => Err(broken(reason)),
    }
}

/// A coordinate of P-256 in its full length.
fn coordinate(text: &Secret) -> Result<[u8; 32], AccountKeyRefusal> {
    let bytes = text.decode().ok_or_else(|| broken("its public part is no base64url"))?;
    <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| broken("its public part has not the length of its curve"))
}

fn broken(reason: &str) -> AccountKeyRefusal {
    AccountKeyRefusal::Broken(reason.to_owned())
}

/// Holds a text out of JSON that is wiped when dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
pub(super) struct Secret(pub(super) Zeroizing<String>);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl Secret {
    fn decode(&self) -> Option<Zeroizing<Vec<u8>>> {
        URL_SAFE_NO_PAD.decode(self.0.trim_end_matches('=')).ok().map(Zeroizing::new)
    }
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    d: Option<Secret>,
    x: Option<Secret>,
    y: Option<Secret>,
    n: Option<Secret>,
}

/// Stands before the coordinates of a point (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use portward_core::acme::KeyAlgorithm;

    use super::*;
    use crate::{acme::new_private_key, der::Element};

    #[test]
    fn a_p256_key_signs_as_before_in_each_of_its_forms() {
        let key = new_private_key(KeyAlgorithm::EcdsaP256).unwrap();
        let pair = |der: &[u8]| EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).unwrap();
        let public = pair(key.as_pkcs8_der()).public_key().as_ref().to_vec();
        let sec1 = sec1_of(&key);
        let mut pem_sec1 = String::new();
        pem::write("EC PARAMETERS", &writer::oid(oid::P256), &mut pem_sec1);
        // As Go and OpenSSL write it: with the curve inside.
        let secret = secret_of(&sec1);
        let curve = writer::element(der::context(0), &[&writer::oid(oid::P256)]);
        let full = writer::sequence(&[&writer::unsigned(1), &writer::octet_string(&secret), &curve]);
        pem::write("EC PRIVATE KEY", &full, &mut pem_sec1);
        let mut pem_pkcs8 = String::new();
        pem::write("PRIVATE KEY", key.as_pkcs8_der(), &mut pem_pkcs8);
        let url = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = format!(
            r#"{{"kty":"EC","crv":"P-256","d":"{}","x":"{}","y":"{}"}}"#,
            url(&secret),
            url(&public[1..33]),
            url(&public[33..])
        );
        for read in [
            read(key.as_pkcs8_der()),
            read(&full),
            read(pem_sec1.as_bytes()),
            read(pem_pkcs8.as_bytes()),
            read_jwk(jwk.as_bytes()),
        ] {
            assert_eq!(pair(read.unwrap().as_pkcs8_der()).public_key().as_ref(), public);
        }
        let other = new_private_key(KeyAlgorithm::EcdsaP256).unwrap();
        let wrong = jwk.replace(&url(&secret), &url(&secret_of(&sec1_of(&other))));
        assert!(matches!(read_jwk(wrong.as_bytes()), Err(AccountKeyRefusal::Broken(_))));
        for length in 0..jwk.len() {
            assert!(read_jwk(&jwk.as_bytes()[..length]).is_err(), "{length}");
        }
        for length in 0..full.len() {
            assert!(super::read(&full[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn keys_of_other_kinds_are_refused_by_name() {
        for (algorithm, name) in [(KeyAlgorithm::EcdsaP384, "ECDSA P-384"), (KeyAlgorithm::Rsa2048, "RSA 2048")] {
            let key = new_private_key(algorithm).unwrap();
            let refusal = read(key.as_pkcs8_der()).unwrap_err();
            assert_eq!(refusal, AccountKeyRefusal::OtherKind(name.to_owned()));
        }
        let n = URL_SAFE_NO_PAD.encode([0xc5; 256]);
        let jwk = format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB","d":"AQAB","p":"AQAB"}}"#);
        assert_eq!(
            read_jwk(jwk.as_bytes()).unwrap_err().to_string(),
            "the account key is RSA 2048, and accounts are kept with ECDSA P-256 here: a new account takes its place"
        );
    }

    fn sec1_of(key: &PrivateKey) -> Vec<u8> {
        let mut fields = der::whole(key.as_pkcs8_der()).unwrap().inside();
        fields.any().unwrap();
        fields.any().unwrap();
        fields.expect_octets("").unwrap().to_vec()
    }

    fn secret_of(sec1: &[u8]) -> Vec<u8> {
        let mut fields = der::whole(sec1).unwrap().inside();
        let _: Element<'_> = fields.any().unwrap();
        fields.expect_octets("").unwrap().to_vec()
    }
}
