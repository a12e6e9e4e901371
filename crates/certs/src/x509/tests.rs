#![allow(clippy::unwrap_used, reason = "tests")]
use rcgen::{CertificateParams, CustomExtension, KeyPair};

use super::*;
use crate::der::writer;

fn made(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::new(vec!["shop.test".to_owned()]).unwrap();
    change(&mut params);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn date(tag: u8, text: &str) -> Option<String> {
    let element = writer::element(tag, &[text.as_bytes()]);
    timestamp(&mut Reader::new(&element)).ok().map(|time| time.to_string())
}

#[test]
fn dates_are_read_in_the_forms_that_exist() {
    for (tag, text, expected) in [
        (UTC_TIME, "491231235959Z", Some("2049-12-31T23:59:59Z")),
        (UTC_TIME, "500101000000Z", Some("1950-01-01T00:00:00Z")),
        (UTC_TIME, "2611200000Z", Some("2026-11-20T00:00:00Z")),
        (GENERALIZED_TIME, "99991231235959Z", Some("9999-12-31T23:59:59Z")),
        (GENERALIZED_TIME, "20261120143207.123Z", Some("2026-11-20T14:32:07Z")),
        (UTC_TIME, "261120143207", None),
        (UTC_TIME, "261320143207Z", None),
        (UTC_TIME, "260230143207Z", None),
        (UTC_TIME, "261120143207+0100", None),
        (UTC_TIME, "26112014320712Z", None),
        (UTC_TIME, "Z", None),
        (UTC_TIME, "26112014320-Z", None),
        (GENERALIZED_TIME, "00000101000000Z", None),
        (0x13, "261120143207Z", None),
    ] {
        assert_eq!(date(tag, text).as_deref(), expected, "{text}");
    }
}

#[test]
fn names_are_written_for_people() {
    let name = |pairs: &[(&str, u8, &[u8])]| {
        let sets: Vec<_> = pairs
            .iter()
            .map(|(kind, tag, value)| {
                writer::set(&[&writer::sequence(&[&writer::oid(kind), &writer::element(*tag, &[value])])])
            })
            .collect();
        let name = writer::sequence(&sets.iter().map(|set| set.as_slice()).collect::<Vec<_>>());
        name::text(&der::whole(&name).unwrap()).unwrap()
    };
    for (pairs, expected) in [
        (&[("2.5.4.6", 0x13, &b"DE"[..]), ("2.5.4.3", 0x0c, "Läden".as_bytes())][..], "CN=Läden, C=DE"),
        (&[("2.5.4.3", 0x1e, b"\0L\0\xe4")], "CN=Lä"),
        (&[("2.5.4.3", 0x1c, b"\0\x01\xf5\x11")], "CN=\u{1f511}"),
        (&[("2.5.4.3", 0x14, b"L\xe4")], "CN=Lä"),
        (&[("1.2.3", 0x0c, b"x")], "1.2.3=x"),
        (&[("2.5.4.3", 0x02, b"\x07")], "CN=#020107"),
        (&[("2.5.4.3", 0x0c, b"a,b\nc=\"d\"")], "CN=a\\,b\\u{a}c\\=\\\"d\\\""),
        (&[("2.5.4.3", 0x0c, "a\u{202e}b".as_bytes())], "CN=a\\u{202e}b"),
        (&[], ""),
    ] {
        assert_eq!(name(pairs), expected);
    }
}

#[test]
fn malformed_extensions_count_as_absent() {
    for oid in [&[2, 5, 29, 19][..], &[2, 5, 29, 37], &[2, 5, 29, 35], &[1, 3, 6, 1, 5, 5, 7, 1, 1], &[1, 2, 3]] {
        for content in [vec![0x05, 0x00], vec![0x30, 0x02, 0x01, 0x05]] {
            // rcgen takes DER that is whole; what is inside is ours.
            let Ok(_) = der::whole(&content) else { continue };
            let certificate = X509::read(&made(|params| {
                params.custom_extensions = vec![CustomExtension::from_oid_content(oid, content.clone())];
            }));
            let certificate = certificate.unwrap();
            assert_eq!(certificate.extensions.names.len(), 1);
            assert!(!certificate.is_ca());
        }
    }
}

#[test]
fn self_signed_means_by_its_own_key() {
    let key = KeyPair::generate().unwrap();
    let other = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["shop.test".to_owned()]).unwrap();
    let own = X509::read(params.self_signed(&key).unwrap().der()).unwrap();
    assert!(own.is_self_signed());
    // The name of the issuer is its own, the signature another's.
    let issuer = rcgen::Issuer::from_params(&params, &other);
    let posing = X509::read(params.signed_by(&key, &issuer).unwrap().der()).unwrap();
    assert_eq!(posing.issuer, posing.subject);
    assert!(!posing.is_self_signed());
}

#[test]
fn no_prefix_of_a_certificate_is_read_and_no_changed_byte_makes_a_panic() {
    let der = made(|_| {});
    for length in 0..der.len() {
        assert!(X509::read(&der[..length]).is_err(), "the first {length} bytes were read");
    }
    for position in 0..der.len() {
        for mask in [0x01, 0x20, 0x80, 0xff] {
            let mut changed = der.clone();
            changed[position] ^= mask;
            if let Ok(certificate) = X509::read(&changed) {
                assert_ne!(certificate.thumbprint(), Thumbprint::of(&der));
                assert_ne!(certificate.signature.is_by(&certificate.public_key), Some(true), "position {position}");
            }
        }
    }
}
