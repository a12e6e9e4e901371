#![allow(clippy::unwrap_used, reason = "tests")]
use aws_lc_rs::{
    encoding::AsDer,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair,
    },
};

use super::*;
use crate::{
    der::{self, writer},
    oid,
};

fn ec(algorithm: &'static aws_lc_rs::signature::EcdsaSigningAlgorithm) -> Vec<u8> {
    EcdsaKeyPair::generate(algorithm).unwrap().to_pkcs8v1().unwrap().as_ref().to_vec()
}

/// Secret and point of an EC key in PKCS #8.
fn parts(pkcs8: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut fields = der::whole(pkcs8).unwrap().inside();
    fields.any().unwrap();
    fields.any().unwrap();
    let inner = fields.expect_octets("").unwrap();
    let mut fields = der::whole(&inner).unwrap().inside();
    fields.any().unwrap();
    let secret = fields.any().unwrap().body.to_vec();
    let point = fields.expect(der::context(1), "").unwrap().inside().any().unwrap().bits().unwrap().to_vec();
    (secret, point)
}

fn sec1(secret: &[u8], curve: Option<&str>, point: Option<&[u8]>) -> Vec<u8> {
    let curve = curve.map(|curve| writer::element(der::context(0), &[&writer::oid(curve)]));
    let point =
        point.map(|point| writer::element(der::context(1), &[&writer::element(der::BIT_STRING, &[&[0], point])]));
    writer::sequence(&[
        &writer::unsigned(1),
        &writer::octet_string(secret),
        curve.as_ref().map_or(&[][..], |curve| curve),
        point.as_ref().map_or(&[][..], |point| point),
    ])
    .to_vec()
}

fn pkcs8(version: u64, algorithm: &[&[u8]], key: &[u8]) -> Vec<u8> {
    writer::sequence(&[&writer::unsigned(version), &writer::sequence(algorithm), &writer::octet_string(key)]).to_vec()
}

#[test]
fn every_type_that_is_served_is_read_and_written_the_same_again() {
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let rsa = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&rsa).unwrap().as_ref().to_vec();
    let ed25519 = Ed25519KeyPair::generate().unwrap();
    for (der, key_type) in [
        (rsa, KeyType::Rsa(2048)),
        (ec(&ECDSA_P256_SHA256_ASN1_SIGNING), KeyType::P256),
        (ec(&ECDSA_P384_SHA384_ASN1_SIGNING), KeyType::P384),
        (ec(&ECDSA_P521_SHA512_ASN1_SIGNING), KeyType::P521),
        (ed25519.to_pkcs8v1().unwrap().as_ref().to_vec(), KeyType::Ed25519),
        (ed25519.to_pkcs8().unwrap().as_ref().to_vec(), KeyType::Ed25519),
    ] {
        let key = PrivateKey::from_pkcs8_der(&der).unwrap();
        assert_eq!(key.key_type(), key_type);
        let again = PrivateKey::from_pkcs8_der(key.as_pkcs8_der()).unwrap();
        assert_eq!(again.as_pkcs8_der(), key.as_pkcs8_der());
        assert!(again.is_same(&key));
        assert_eq!(format!("{key:?}"), format!("PrivateKey({key_type})"));
    }
}

#[test]
fn sec1_is_read_with_what_it_leaves_out() {
    let (secret, point) = parts(&ec(&ECDSA_P256_SHA256_ASN1_SIGNING));
    let compressed = [&[2 + (point[64] & 1)], &point[1..33]].concat();
    let padded = [&[0, 0][..], &secret].concat();
    let full = PrivateKey::from_sec1_der(&sec1(&secret, Some(oid::P256), Some(&point)), None).unwrap();
    for (key, curve) in [
        (sec1(&secret, Some(oid::P256), None), None),
        (sec1(&secret, None, Some(&point)), Some(oid::P256)),
        (sec1(&secret, None, None), Some(oid::P256)),
        (sec1(&secret, Some(oid::P256), Some(&compressed)), Some(oid::P256)),
        (sec1(&padded, Some(oid::P256), None), None),
    ] {
        let key = PrivateKey::from_sec1_der(&key, curve).unwrap();
        assert_eq!(key.as_pkcs8_der(), full.as_pkcs8_der());
    }
}

#[test]
fn keys_that_contradict_themselves_are_refused() {
    let (secret, point) = parts(&ec(&ECDSA_P256_SHA256_ASN1_SIGNING));
    let (_, other_point) = parts(&ec(&ECDSA_P256_SHA256_ASN1_SIGNING));
    let zero = [0; 32];
    let order_or_more = [0xff; 32];
    let too_long = [1; 33];
    for (name, der, curve) in [
        ("another point", sec1(&secret, Some(oid::P256), Some(&other_point)), None),
        ("two curves", sec1(&secret, Some(oid::P256), Some(&point)), Some(oid::P384)),
        ("no curve", sec1(&secret, None, Some(&point)), None),
        ("zero", sec1(&zero, Some(oid::P256), None), None),
        ("above the order", sec1(&order_or_more, Some(oid::P256), None), None),
        ("too long", sec1(&too_long, Some(oid::P256), None), None),
    ] {
        let error = PrivateKey::from_sec1_der(&der, curve).unwrap_err();
        assert!(matches!(error, PrivateKeyError::Broken(_)), "{name}: {error}");
    }
    let version_9 = pkcs8(9, &[&writer::oid(oid::EC), &writer::oid(oid::P256)], &sec1(&secret, None, None));
    assert_eq!(PrivateKey::from_pkcs8_der(&version_9).unwrap_err(), PrivateKeyError::Broken("its version is unknown"));
}

#[test]
fn algorithms_that_are_not_served_are_named() {
    let (secret, _) = parts(&ec(&ECDSA_P256_SHA256_ASN1_SIGNING));
    let key = sec1(&secret, None, None);
    for (algorithm, parameters, name) in [
        ("1.2.840.10040.4.1", None, "DSA"),
        ("1.2.840.113549.1.1.10", None, "RSA-PSS"),
        ("1.3.101.113", None, "Ed448"),
        ("1.3.101.110", None, "X25519"),
        (oid::EC, Some("1.3.132.0.10"), "ECDSA secp256k1"),
        (oid::EC, Some("1.3.36.3.3.2.8.1.1.7"), "ECDSA brainpoolP256r1"),
        (oid::EC, None, "ECDSA with explicit curve parameters"),
        ("1.2.3.4", None, "1.2.3.4"),
    ] {
        let parameters = parameters.map_or_else(|| writer::sequence(&[]), writer::oid);
        let der = pkcs8(0, &[&writer::oid(algorithm), &parameters], &key);
        assert_eq!(PrivateKey::from_pkcs8_der(&der).unwrap_err(), PrivateKeyError::Unsupported(name.to_owned()));
    }
}

#[test]
fn no_prefix_and_no_flipped_bit_of_a_key_makes_a_panic() {
    let der = ec(&ECDSA_P384_SHA384_ASN1_SIGNING);
    for length in 0..der.len() {
        assert!(PrivateKey::from_pkcs8_der(&der[..length]).is_err());
    }
    for position in 0..der.len() {
        let mut flipped = der.clone();
        flipped[position] ^= 1 << (position % 8);
        if let Ok(key) = PrivateKey::from_pkcs8_der(&flipped) {
            // A flip that is taken must not be one that changes what the key is.
            assert!(key.is_same(&PrivateKey::from_pkcs8_der(&der).unwrap()), "position {position}");
        }
    }
}
