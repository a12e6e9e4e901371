//! Signed requests (RFC 8555 section 6.2) for the calls that the library does not have, or not as they are needed here:
//! an account for a key that is there already with contacts and external account binding, key roll-over to a key that
//! is stored before, authorizations and challenges by their URL, the list of orders, and alternate chains.

use aws_lc_rs::{
    digest, hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::acme::{AccountKey, EabKey};

/// Signs by ES256 with an account key.
pub(super) struct Signer(EcdsaKeyPair);

/// Says why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[error("the account key cannot be used: it is not an ECDSA key on P-256")]
pub(super) struct SignError;

/// Says by what the CA knows the key.
#[derive(Clone, Copy)]
pub(super) enum Known<'a> {
    /// By nothing yet: the public key is sent.
    Key,
    /// By the URL of its account.
    Account(&'a str),
}

impl Signer {
    pub(super) fn new(key: &AccountKey) -> Result<Self, SignError> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_pkcs8_der()).map(Self).map_err(|_| SignError)
    }

    /// Signs a payload for a URL; an empty payload makes a POST-as-GET. The inner part of a roll-over has no nonce.
    pub(super) fn sign(
        &self,
        known: Known<'_>,
        nonce: Option<&str>,
        url: &str,
        payload: &[u8],
    ) -> Result<Value, SignError> {
        let mut protected = json!({ "alg": "ES256", "url": url });
        match known {
            Known::Key => protected["jwk"] = self.jwk(),
            Known::Account(account) => protected["kid"] = account.into(),
        }
        if let Some(nonce) = nonce {
            protected["nonce"] = nonce.into();
        }
        put_together(&protected, payload, |input| {
            let signature = self.0.sign(&SystemRandom::new(), input).map_err(|_| SignError)?;
            Ok(BASE64_URL_SAFE_NO_PAD.encode(signature))
        })
    }

    /// The public key (RFC 7517).
    pub(super) fn jwk(&self) -> Value {
        let (x, y) = self.point();
        json!({ "crv": "P-256", "kty": "EC", "x": x, "y": y })
    }

    /// The name of the key in key authorizations (RFC 7638).
    pub(super) fn thumbprint(&self) -> String {
        let (x, y) = self.point();
        // The RFC fixes order and spacing.
        let text = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
    }

    /// The coordinates of the public key: an uncompressed point is an octet and two numbers of 32 octets.
    fn point(&self) -> (String, String) {
        let numbers = self.0.public_key().as_ref().get(1..).unwrap_or_default();
        let (x, y) = numbers.split_at(numbers.len() / 2);
        (BASE64_URL_SAFE_NO_PAD.encode(x), BASE64_URL_SAFE_NO_PAD.encode(y))
    }
}

/// Signs a public key with the MAC key of an external account (RFC 8555 section 7.3.4).
pub(super) fn bind_external_account(eab: &EabKey, jwk: &Value, url: &str) -> Result<Value, SignError> {
    let protected = json!({ "alg": "HS256", "kid": eab.key_id, "url": url });
    let key = hmac::Key::new(hmac::HMAC_SHA256, &eab.mac_key);
    put_together(&protected, jwk.to_string().as_bytes(), |input| {
        Ok(BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, input)))
    })
}

fn put_together(
    protected: &Value,
    payload: &[u8],
    sign: impl FnOnce(&[u8]) -> Result<String, SignError>,
) -> Result<Value, SignError> {
    let protected = BASE64_URL_SAFE_NO_PAD.encode(protected.to_string());
    let payload = BASE64_URL_SAFE_NO_PAD.encode(payload);
    let signature = sign(format!("{protected}.{payload}").as_bytes())?;
    Ok(json!({ "protected": protected, "payload": payload, "signature": signature }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use zeroize::Zeroizing;

    use super::*;

    fn decoded(jws: &Value, part: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(jws[part].as_str().unwrap()).unwrap()
    }

    fn input(jws: &Value) -> String {
        format!("{}.{}", jws["protected"].as_str().unwrap(), jws["payload"].as_str().unwrap())
    }

    #[test]
    fn what_is_signed_verifies_with_the_key_that_it_names() {
        let key = AccountKey::generate().unwrap();
        let signer = Signer::new(&key).unwrap();
        let jws = signer.sign(Known::Account("https://ca.test/a/1"), Some("n1"), "https://ca.test/o", b"{}").unwrap();
        let protected: Value = serde_json::from_slice(&decoded(&jws, "protected")).unwrap();
        assert_eq!(
            protected,
            json!({ "alg": "ES256", "kid": "https://ca.test/a/1", "nonce": "n1", "url": "https://ca.test/o" })
        );
        assert_eq!(decoded(&jws, "payload"), b"{}");
        let jwk = signer.jwk();
        let point = [vec![4], decoded(&jwk, "x"), decoded(&jwk, "y")].concat();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        public.verify(input(&jws).as_bytes(), &decoded(&jws, "signature")).unwrap();

        let inner = signer.sign(Known::Key, None, "https://ca.test/k", b"").unwrap();
        let protected: Value = serde_json::from_slice(&decoded(&inner, "protected")).unwrap();
        assert_eq!(protected, json!({ "alg": "ES256", "jwk": jwk, "url": "https://ca.test/k" }));
        assert_eq!(inner["payload"], "");
    }

    #[test]
    fn an_external_account_signs_the_public_key() {
        let signer = Signer::new(&AccountKey::generate().unwrap()).unwrap();
        let eab = EabKey { key_id: "kid-1".to_owned(), mac_key: Zeroizing::new(b"secret".to_vec()) };
        let jws = bind_external_account(&eab, &signer.jwk(), "https://ca.test/new").unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&decoded(&jws, "payload")).unwrap(), signer.jwk());
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        hmac::verify(&key, input(&jws).as_bytes(), &decoded(&jws, "signature")).unwrap();
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let key = AccountKey::from_pkcs8_der(Zeroizing::new(vec![0x30, 0]));
        assert!(Signer::new(&key).is_err());
    }
}
