#![allow(clippy::unwrap_used, reason = "tests")]
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use super::{super::signer::Signer, *};

const NOW: i64 = 1_800_000_000;

fn expected() -> Expected<'static> {
    Expected {
        issuer: "https://login.test",
        client_id: "portward",
        nonce: "n-1",
        now: Timestamp::from_unix(NOW).unwrap(),
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://login.test", "aud": "portward", "sub": "248289761001", "nonce": "n-1",
        "iat": NOW - 5, "exp": NOW + 300, "groups": ["ops"]
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

fn keys(signers: &[&Signer]) -> Keys {
    Keys::parse(&Signer::set(signers)).unwrap()
}

fn base64(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

#[test]
fn a_token_counts_with_each_of_the_algorithms() {
    for algorithm in ALGORITHMS {
        let signer = Signer::new(algorithm, "k1");
        let checked = verify(&signer.sign(&claims()), &keys(&[&signer]), &expected()).unwrap();
        assert_eq!(checked["groups"], json!(["ops"]), "{algorithm:?}");
    }
}

#[test]
fn a_token_that_nobody_signed_is_refused() {
    let signer = Signer::new(Algorithm::RS256, "k1");
    for alg in ["none", "None", "NONE", ""] {
        for signature in ["", "x"] {
            let token = format!("{}.{}.{signature}", base64(&json!({ "alg": alg, "kid": "k1" })), base64(&claims()));
            assert_eq!(verify(&token, &keys(&[&signer]), &expected()), Err(IdTokenError::Malformed), "{alg}");
        }
    }
}

#[test]
fn a_public_key_is_no_secret_to_sign_with() {
    let signer = Signer::new(Algorithm::RS256, "k1");
    let n = BASE64_URL_SAFE_NO_PAD.decode(signer.jwk["n"].as_str().unwrap()).unwrap();
    for secret in [n.as_slice(), signer.jwk.to_string().as_bytes(), signer.jwk["n"].as_str().unwrap().as_bytes()] {
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::HS256) };
        let token = encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap();
        let refused = verify(&token, &keys(&[&signer]), &expected());
        assert_eq!(refused, Err(IdTokenError::Algorithm("HS256".to_owned())));
    }
    // Nor is a secret that the provider gives out by mistake a key.
    assert_eq!(Keys::parse(&json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0", "kid": "k1" }] })).unwrap().0, []);
}

#[test]
fn a_signature_is_of_the_key_that_the_token_names_and_of_its_kind() {
    let (first, second) = (Signer::new(Algorithm::ES256, "k1"), Signer::new(Algorithm::ES256, "k1"));
    assert_eq!(verify(&second.sign(&claims()), &keys(&[&first]), &expected()), Err(IdTokenError::Signature));
    let other = Signer::new(Algorithm::ES256, "k2");
    assert_eq!(verify(&other.sign(&claims()), &keys(&[&first]), &expected()), Err(IdTokenError::UnknownKey));
    // The key says that it signs in another way.
    let rsa = Signer::new(Algorithm::RS256, "k3");
    let mut jwk = rsa.jwk.clone();
    jwk["alg"] = "PS256".into();
    let said = Keys::parse(&json!({ "keys": [jwk] })).unwrap();
    assert_eq!(verify(&rsa.sign(&claims()), &said, &expected()), Err(IdTokenError::UnknownKey));
    let mut encrypts = rsa.jwk;
    encrypts["use"] = "enc".into();
    assert_eq!(Keys::parse(&json!({ "keys": [encrypts] })).unwrap().0, []);
}

#[test]
fn a_token_without_the_id_of_a_key_is_tried_with_all() {
    let (first, second) = (Signer::new(Algorithm::ES256, "k1"), Signer::new(Algorithm::ES256, "k2").without_kid());
    assert!(verify(&second.sign(&claims()), &keys(&[&first, &second]), &expected()).is_ok());
    assert_eq!(verify(&second.sign(&claims()), &keys(&[&first]), &expected()), Err(IdTokenError::UnknownKey));
}

#[test]
fn every_bit_of_a_token_is_signed() {
    let signer = Signer::new(Algorithm::EdDSA, "k1");
    let token = signer.sign(&claims());
    let keys = keys(&[&signer]);
    for at in 0..token.len() {
        let mut slipped = token.clone().into_bytes();
        slipped[at] = if slipped[at] == b'A' { b'B' } else { b'A' };
        let slipped = String::from_utf8(slipped).unwrap();
        assert!(verify(&slipped, &keys, &expected()).is_err(), "{at} of {token}");
        assert!(verify(&token[..at], &keys, &expected()).is_err(), "{at}");
    }
}

#[test]
fn what_a_token_says_must_be_of_this_sign_in() {
    let signer = Signer::new(Algorithm::EdDSA, "k1");
    let keys = keys(&[&signer]);
    let checked = |claims: &Value| verify(&signer.sign(claims), &keys, &expected()).map(drop);
    for good in [
        with("aud", json!(["portward"])),
        with("azp", json!("portward")),
        with("exp", json!(NOW - 59)),
        with("iat", json!(NOW + 59)),
        with("exp", json!(f64::from(1_800_000_100) + 0.5)),
        with("nbf", json!(NOW + 59)),
    ] {
        assert_eq!(checked(&good), Ok(()), "{good}");
    }
    let both = json!(["portward", "other"]);
    let mut for_both = with("aud", both.clone());
    for_both["azp"] = "portward".into();
    assert_eq!(checked(&for_both), Ok(()));
    for_both["azp"] = "other".into();
    type Is = fn(&IdTokenError) -> bool;
    let (issuer, audience, nonce, time): (Is, Is, Is, Is) = (
        |error| matches!(error, IdTokenError::Issuer { .. }),
        |error| matches!(error, IdTokenError::Audience { .. }),
        |error| matches!(error, IdTokenError::Nonce),
        |error| matches!(error, IdTokenError::Time { .. }),
    );
    let missing: Is = |error| matches!(error, IdTokenError::Missing(_));
    for (bad, is) in [
        (with("iss", json!("https://login.test/")), issuer),
        (with("iss", json!("https://evil.test")), issuer),
        (with("iss", Value::Null), missing),
        (with("aud", json!("other")), audience),
        (with("aud", json!([])), audience),
        (with("aud", both), audience),
        (with("aud", Value::Null), missing),
        (with("azp", json!("other")), audience),
        (for_both, audience),
        (with("nonce", json!("n-2")), nonce),
        (with("nonce", Value::Null), nonce),
        (with("exp", json!(NOW - 60)), time),
        (with("exp", json!("soon")), missing),
        (with("exp", Value::Null), missing),
        (with("iat", json!(NOW + 61)), time),
        (with("iat", Value::Null), missing),
        (with("nbf", json!(NOW + 61)), time),
        (with("sub", Value::Null), missing),
        (with("sub", json!("")), missing),
        (with("sub", json!("a\u{0}b")), missing),
        (with("sub", json!("x".repeat(256))), missing),
    ] {
        let refused = checked(&bad).unwrap_err();
        assert!(is(&refused), "{bad}: {refused}");
    }
}
