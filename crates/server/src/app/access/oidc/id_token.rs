//! Checking an ID token: who signed it, for whom, when, and for which sign-in (OpenID Connect Core section 3.1.3.7).
//!
//! Which algorithms count is said here and by the kind of the key, never by the token alone.

use std::time::Duration;

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, Header, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use portward_core::Timestamp;
use serde_json::{Map, Value};

/// Holds what a provider says of somebody.
pub(super) type Claims = Map<String, Value>;

/// Holds the keys by which a provider signs (RFC 7517 section 5).
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Vec<Jwk>);

/// Says what a token must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: Timestamp,
}

/// Says why a token counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IdTokenError {
    /// It is no token, or says nothing that is known of how it is signed.
    #[error("it cannot be read, or its algorithm is not known")]
    Malformed,
    /// It is signed in a way that does not count.
    #[error("it is signed with {0}; what counts is {known}", known = known_algorithms())]
    Algorithm(String),
    /// None of the keys is the one that it names.
    #[error("none of the provider's keys is the one that signed it")]
    UnknownKey,
    /// The signature is not right.
    #[error("its signature is wrong")]
    Signature,
    /// It is of somebody else.
    #[error("it is of the issuer \"{got}\", and \"{expected}\" was asked")]
    Issuer {
        /// Whose it is.
        got: String,
        /// Whose it must be.
        expected: String,
    },
    /// It is for somebody else.
    #[error("it is for {got}, and not for the client \"{expected}\"")]
    Audience {
        /// For whom it is.
        got: String,
        /// For whom it must be.
        expected: String,
    },
    /// It is not of this sign-in.
    #[error("it belongs to another sign-in")]
    Nonce,
    /// A claim that each has is not there.
    #[error("it has no usable claim \"{0}\"")]
    Missing(&'static str),
    /// It does not count any more, or not yet; clocks differ if it is fresh.
    #[error("it counts from {from} to {until}, and here it is {now}")]
    Time {
        /// When it begins to count.
        from: String,
        /// Until when it counts.
        until: String,
        /// What time it is here.
        now: Timestamp,
    },
}

impl Keys {
    /// Reads a set; keys of a kind that is not known are left out, as RFC 7517 section 5 wants it.
    pub(super) fn parse(set: &Value) -> Option<Self> {
        let all = set.get("keys")?.as_array()?;
        let keys = all.iter().filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
        Some(Self(keys.filter(|key| !algorithms_of(key).is_empty()).collect()))
    }

    /// Each key with what it is used for, for people.
    pub(super) fn described(&self) -> Vec<String> {
        let described = self.0.iter().map(|key| {
            let algorithms: Vec<String> = algorithms_of(key).iter().map(|alg| format!("{alg:?}")).collect();
            format!("{} {}", algorithms.join("/"), key.common.key_id.as_deref().unwrap_or("(no id)"))
        });
        described.collect()
    }

    fn matching<'a>(&'a self, header: &'a Header) -> impl Iterator<Item = &'a Jwk> {
        self.0.iter().filter(|key| {
            let is_named = header.kid.is_none() || key.common.key_id == header.kid;
            is_named && algorithms_of(key).contains(&header.alg)
        })
    }
}

/// Checks a token, and gives what it says.
pub(super) fn verify(token: &str, keys: &Keys, expected: &Expected<'_>) -> Result<Claims, IdTokenError> {
    let header = decode_header(token).map_err(|_| IdTokenError::Malformed)?;
    if !ALGORITHMS.contains(&header.alg) || header.crit.is_some() {
        return Err(IdTokenError::Algorithm(format!("{:?}", header.alg)));
    }
    let mut error = IdTokenError::UnknownKey;
    for key in keys.matching(&header) {
        match signed_by(token, key, header.alg) {
            Some(claims) => return check(claims, expected),
            // Without the id of a key another one may be meant, which is not known yet.
            None if header.kid.is_some() => error = IdTokenError::Signature,
            None => {}
        }
    }
    Err(error)
}

/// The claims, if that key signed them; what they say is checked by [`check`], with the time that everything is told.
fn signed_by(token: &str, key: &Jwk, algorithm: Algorithm) -> Option<Claims> {
    let key = DecodingKey::from_jwk(key).ok()?;
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    decode::<Claims>(token, &key, &validation).ok().map(|data| data.claims)
}

fn check(claims: Claims, expected: &Expected<'_>) -> Result<Claims, IdTokenError> {
    let text = |name: &'static str| claims.get(name).and_then(Value::as_str).ok_or(IdTokenError::Missing(name));
    let issuer = text("iss")?;
    if issuer != expected.issuer {
        return Err(IdTokenError::Issuer { got: issuer.to_owned(), expected: expected.issuer.to_owned() });
    }
    check_audience(&claims, expected.client_id)?;
    if text("nonce").ok() != Some(expected.nonce) {
        return Err(IdTokenError::Nonce);
    }
    let subject = text("sub")?;
    // OpenID Connect Core section 2: at most 255 characters.
    if subject.is_empty() || subject.len() > 255 || subject.chars().any(char::is_control) {
        return Err(IdTokenError::Missing("sub"));
    }
    let until = seconds(&claims, "exp").ok_or(IdTokenError::Missing("exp"))?;
    let issued = seconds(&claims, "iat").ok_or(IdTokenError::Missing("iat"))?;
    let from = seconds(&claims, "nbf").map_or(issued, |from| from.max(issued));
    let (leeway, now) = (LEEWAY.as_secs().cast_signed(), expected.now.unix());
    if now >= until.saturating_add(leeway) || now < from.saturating_sub(leeway) {
        let shown = |at: i64| Timestamp::from_unix(at).map_or_else(|_| at.to_string(), |at| at.to_string());
        return Err(IdTokenError::Time { from: shown(from), until: shown(until), now: expected.now });
    }
    Ok(claims)
}

/// The client must be meant, and must be who asked where that is said.
fn check_audience(claims: &Claims, client_id: &str) -> Result<(), IdTokenError> {
    let all: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => return Err(IdTokenError::Missing("aud")),
    };
    let asked = claims.get("azp");
    let is_asked_for = match asked {
        None => all.len() == 1,
        Some(asked) => asked.as_str() == Some(client_id),
    };
    if all.contains(&client_id) && is_asked_for {
        return Ok(());
    }
    let got = match asked.and_then(Value::as_str) {
        Some(asked) => format!("\"{}\", asked for by \"{asked}\"", all.join(", ")),
        None => format!("\"{}\"", all.join(", ")),
    };
    Err(IdTokenError::Audience { got, expected: client_id.to_owned() })
}

/// A moment in seconds, of which some providers write fractions.
fn seconds(claims: &Claims, name: &str) -> Option<i64> {
    let value = claims.get(name)?;
    #[expect(clippy::cast_possible_truncation, reason = "fractions of a second do not count, and `as` saturates")]
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
}

/// What a key can have signed; nothing if it is of no use here.
fn algorithms_of(key: &Jwk) -> Vec<Algorithm> {
    if matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_))) {
        return Vec::new();
    }
    let family = match &key.algorithm {
        AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => AlgorithmFamily::Ec,
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => AlgorithmFamily::Ed,
        _ => return Vec::new(),
    };
    let own = key.common.key_algorithm;
    let is_its = |alg: &Algorithm| {
        alg.family() == family && own.is_none_or(|own| Algorithm::try_from(own).is_ok_and(|own| own == *alg))
    };
    ALGORITHMS.into_iter().filter(is_its).collect()
}

fn known_algorithms() -> String {
    ALGORITHMS.map(|alg| format!("{alg:?}")).join(", ")
}

/// Signatures with a key of which only the provider has the private half; `none` and HMAC are not among them.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];
/// Clocks that are kept differ by less.
const LEEWAY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
