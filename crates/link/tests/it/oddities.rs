//! Certificates that other programs would not take, and that are good enough to be known by, or not.

use std::sync::Arc;

use portward_link::{Identity, IdentityError, LinkError};
use rustls::SignatureScheme;
use zeroize::Zeroizing;

use crate::{
    certificates::{CRITICAL, Forged, Key, Written, extension, pin, rsa_public, shown},
    peers::{dial_false_server, dialled, false_client, false_server, welcome_false_client},
};

#[tokio::test]
async fn what_a_pinned_certificate_says_does_not_matter() {
    let octopus = Written::default();
    let with = |extensions| Written { extensions, ..Written::default() };
    for (what, key, written) in [
        ("Octopus: RSA 2048, version 3 without extensions, 100 years", Key::rsa(), octopus.clone()),
        ("version 1", Key::new(), Written { version: None, ..octopus.clone() }),
        ("version 2", Key::new(), Written { version: Some(1), ..octopus.clone() }),
        ("an extension that nobody knows", Key::new(), with(vec![extension(&[])])),
        ("a critical extension that nobody knows", Key::new(), with(vec![extension(CRITICAL)])),
        ("the same extension twice", Key::new(), with(vec![extension(CRITICAL), extension(CRITICAL)])),
        ("expired", Key::new(), Written { from: "19990101000000Z", until: "20000101000000Z", ..octopus.clone() }),
        ("not yet valid", Key::new(), Written { from: "29990101000000Z", until: "30000101000000Z", ..octopus.clone() }),
        (
            "ends before it begins",
            Key::new(),
            Written { from: "30000101000000Z", until: "20000101000000Z", ..octopus.clone() },
        ),
        (
            "without an end (RFC 5280 section 4.1.2.5)",
            Key::new(),
            Written { until: "99991231235959Z", ..octopus.clone() },
        ),
        ("from the year 0", Key::new(), Written { from: "00000101000000Z", ..octopus.clone() }),
        ("without a name", Key::new(), Written::named("")),
    ] {
        let identity = key.identity_of(&written);
        let server = dial_false_server(false_server(identity.certified_key()), &pin(&identity)).await;
        let client =
            welcome_false_client(false_client(identity.certified_key()), &dialled(&Key::new().identity())).await;
        for came in [server, client] {
            let session = came.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(session.peer.shown.thumbprint, identity.thumbprint(), "{what}");
        }
        // It shows it itself, too.
        let opened =
            welcome_false_client(false_client(Key::new().identity().certified_key()), &dialled(&identity)).await;
        assert_eq!(opened.unwrap().peer.ours, identity.thumbprint(), "{what}");
    }
}

#[tokio::test]
async fn a_small_rsa_key_is_refused_and_named() {
    for bits in [512, 1024, 1536] {
        let small = Written::default().for_key(&rsa_public(bits));
        let forged = Arc::new(Forged(vec![7; bits / 8], SignatureScheme::RSA_PSS_SHA256));
        let thumbprint = portward_core::Thumbprint::of(&small);
        let server = dial_false_server(false_server(shown(&[&small], forged.clone())), &[thumbprint]).await;
        let client =
            welcome_false_client(false_client(shown(&[&small], forged)), &dialled(&Key::new().identity())).await;
        for came in [server, client] {
            let error = came.unwrap_err();
            assert!(matches!(error, LinkError::Weak(_)), "{error}");
            assert!(error.to_string().contains(&format!("RSA key of {bits} bits; at least 2048")), "{error}");
        }
        let key = Zeroizing::new(Key::new().pkcs8);
        assert!(matches!(Identity::from_der(small, key), Err(IdentityError::Weak(found)) if found == bits));
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_refused_and_nobody_panics() {
    let key = Key::new();
    let good = Written::default().for_key(&key.public());
    let mut bad = vec![Vec::new(), vec![0x30], vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff], vec![0x30; 4000]];
    bad.push([good.as_slice(), b"and more"].concat());
    // Every prefix would do; these are spread over the whole of it.
    bad.extend((1..good.len()).step_by(7).map(|end| good[..end].to_vec()));
    // A key that is none, and one of a curve that nobody has.
    bad.push(Written::default().for_key(&[0x30, 0x00]));
    for certificate in bad {
        let shown = key.showing(&[&certificate]);
        let thumbprint = portward_core::Thumbprint::of(&certificate);
        let server = dial_false_server(false_server(Arc::clone(&shown)), &[thumbprint]).await;
        let client = welcome_false_client(false_client(shown), &dialled(&Key::new().identity())).await;
        for came in [server, client] {
            let error = came.map(|_| certificate.len()).unwrap_err();
            assert!(matches!(error, LinkError::Unreadable(_) | LinkError::Tls(_)), "{error}");
        }
    }
}

#[tokio::test]
async fn a_name_that_is_long_or_unprintable_is_shown_on_one_short_line() {
    let evil = format!("web\u{1b}[31m\n\r\u{202e}{}", "x".repeat(20_000));
    let (identity, pinned) = (Key::new().identity_of(&Written::named(&evil)), Key::new().identity());
    let error = dial_false_server(false_server(identity.certified_key()), &pin(&pinned)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.len() < 1000 && !text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
}
