//! Signed requests (RFC 8555 section 6, RFC 7515).

use aws_lc_rs::{
    hmac,
    signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, Web};
use crate::fault_ca::{direct::last_number, perform::Refusal, state::no_account, thumbprint};

/// Is a request whose signature is good.
pub(super) struct Signed {
    pub(super) signer: SignedBy,
    /// Null for POST-as-GET.
    pub(super) payload: Value,
}

/// Says who signed.
#[derive(Clone)]
pub(super) enum SignedBy {
    Account(u64),
    Key(Key),
}

/// Is a public key of ECDSA on P-256.
#[derive(Clone, PartialEq)]
pub(super) struct Key {
    x: String,
    y: String,
    /// As in certificates: 4, x, y.
    pub(super) point: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flattened {
    protected: String,
    payload: String,
    signature: String,
}

#[derive(Deserialize)]
struct Protected {
    alg: String,
    url: String,
    nonce: Option<String>,
    kid: Option<String>,
    jwk: Option<Value>,
}

impl Web {
    /// Checks a request as a whole: nonce, URL, key, signature.
    pub(super) fn verify(&self, asked: &Asked) -> Result<Signed, Refusal> {
        if asked.content_type.as_deref() != Some("application/jose+json") {
            let detail = "Invalid Content-Type header on POST. Content-Type must be \"application/jose+json\"";
            return Err(Refusal::new(415, "malformed", detail));
        }
        if !asked.has_user_agent {
            return Err(malformed("a client sends a User-Agent (RFC 8555 section 6.1)"));
        }
        let (flattened, protected) = read(&asked.body)?;
        let nonce = protected.nonce.as_deref().unwrap_or_default();
        if !self.nonces.lock().unwrap().remove(nonce) {
            return Err(Refusal::new(400, "badNonce", format!("JWS has an invalid anti-replay nonce: \"{nonce}\"")));
        }
        self.check_url(&protected, &asked.path)?;
        let (signer, key) = match (&protected.kid, &protected.jwk) {
            (Some(kid), None) => {
                let id = kid.strip_prefix(&format!("{}/account/", self.base)).and_then(last_number);
                let jwk = id.and_then(|id| self.ca.lock().accounts.get(&id).map(|account| account.jwk.clone()));
                let (Some(id), Some(jwk)) = (id, jwk) else { return Err(no_account()) };
                (SignedBy::Account(id), Key::read(&jwk)?)
            }
            (None, Some(jwk)) => {
                let key = Key::read(jwk)?;
                (SignedBy::Key(key.clone()), key)
            }
            _ => return Err(malformed("a JWS has either kid or jwk (RFC 8555 section 6.2)")),
        };
        Ok(Signed { signer, payload: flattened.check(&protected, &key)? })
    }

    /// Checks the inner request of a key change: the new key, and what it signs.
    pub(super) fn verify_new_key(&self, inner: &Value, path: &str) -> Result<(Key, Value), Refusal> {
        let (flattened, protected) = read(inner.to_string().as_bytes())?;
        self.check_url(&protected, path)?;
        if protected.nonce.is_some() {
            return Err(malformed("the inner JWS has a nonce (RFC 8555 section 7.3.5)"));
        }
        let jwk = protected.jwk.as_ref().ok_or_else(|| malformed("the inner JWS has no jwk"))?;
        let key = Key::read(jwk)?;
        let payload = flattened.check(&protected, &key)?;
        Ok((key, payload))
    }

    /// Checks an external account binding (RFC 8555 section 7.3.4).
    pub(super) fn verify_binding(&self, binding: &Value, key: &Key, path: &str) -> Result<(), Refusal> {
        let Some((key_id, mac_key)) = self.ca.lock().config.eab.clone() else { return Ok(()) };
        if binding.is_null() {
            let detail = "this CA requires an external account binding";
            return Err(Refusal::new(403, "externalAccountRequired", detail));
        }
        let (flattened, protected) = read(binding.to_string().as_bytes())?;
        self.check_url(&protected, path)?;
        if protected.alg != "HS256" || protected.nonce.is_some() {
            return Err(malformed("the external account binding must be HS256 without a nonce"));
        }
        let bound = Key::read(&serde_json::from_slice(&decode(&flattened.payload)?).unwrap_or(Value::Null))?;
        let mac = hmac::Key::new(hmac::HMAC_SHA256, &mac_key);
        let is_good = hmac::verify(&mac, flattened.signed().as_bytes(), &decode(&flattened.signature)?).is_ok();
        if protected.kid.as_ref() != Some(&key_id) || bound != *key || !is_good {
            return Err(Refusal::new(403, "unauthorized", "the external account binding is not one of ours"));
        }
        Ok(())
    }

    fn check_url(&self, protected: &Protected, path: &str) -> Result<(), Refusal> {
        let expected = format!("{}{path}", self.base);
        if protected.url == expected {
            return Ok(());
        }
        let detail = format!("JWS header parameter 'url' is \"{}\", expected \"{expected}\"", protected.url);
        Err(Refusal::new(401, "unauthorized", detail))
    }
}

impl Flattened {
    fn signed(&self) -> String {
        format!("{}.{}", self.protected, self.payload)
    }

    /// The payload, if the signature is good.
    fn check(&self, protected: &Protected, key: &Key) -> Result<Value, Refusal> {
        if protected.alg != "ES256" {
            let detail = format!("JWS has the algorithm {}, expected ES256", protected.alg);
            return Err(Refusal::new(400, "badSignatureAlgorithm", detail));
        }
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.point)
            .verify(self.signed().as_bytes(), &decode(&self.signature)?)
            .map_err(|_| malformed("JWS verification error"))?;
        let payload = decode(&self.payload)?;
        if payload.is_empty() {
            return Ok(Value::Null);
        }
        let payload: Value = serde_json::from_slice(&payload).map_err(|_| malformed("the payload is not JSON"))?;
        if payload.is_object() { Ok(payload) } else { Err(malformed("the payload is no JSON object")) }
    }
}

impl Key {
    pub(super) fn read(jwk: &Value) -> Result<Self, Refusal> {
        let member = |name: &str| jwk[name].as_str().unwrap_or_default().to_owned();
        let (x, y) = (member("x"), member("y"));
        let point = [vec![4], decode(&x)?, decode(&y)?].concat();
        if member("kty") != "EC" || member("crv") != "P-256" || point.len() != 65 {
            return Err(Refusal::new(400, "badPublicKey", "account keys here are EC on P-256"));
        }
        Ok(Self { x, y, point })
    }

    pub(super) fn thumbprint(&self) -> String {
        thumbprint(&self.x, &self.y)
    }

    pub(super) fn jwk(&self) -> Value {
        json!({ "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y })
    }
}

pub(super) fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal::new(400, "malformed", detail)
}

pub(super) fn decode(text: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed("something is not base64url without padding"))
}

fn read(body: &[u8]) -> Result<(Flattened, Protected), Refusal> {
    let flattened: Flattened =
        serde_json::from_slice(body).map_err(|error| malformed(format!("Parse error reading JWS: {error}")))?;
    let protected = serde_json::from_slice(&decode(&flattened.protected)?)
        .map_err(|error| malformed(format!("Parse error reading the protected header: {error}")))?;
    Ok((flattened, protected))
}
