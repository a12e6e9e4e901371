//! Who shows what is public, and lacks what is not: the key.

use std::sync::Arc;

use portward_core::Sha1Thumbprint;
use portward_link::{LinkError, Stage};
use rustls::{SignatureScheme, sign::CertifiedKey};

use crate::{
    certificates::{Forged, Key, Only, SCHEMES, Written, pin, shown},
    peers::{dial_false_server, dialled, false_client, false_server, welcome_false_client},
};

/// What each side says of somebody who shows that: the dialler, and the dialled one.
async fn both(pinned: &[portward_core::Thumbprint], shown: &Arc<CertifiedKey>) -> [Result<(), LinkError>; 2] {
    let server = dial_false_server(false_server(Arc::clone(shown)), pinned).await;
    let client = welcome_false_client(false_client(Arc::clone(shown)), &dialled(&Key::new().identity())).await;
    [server.map(|_| ()), client.map(|_| ())]
}

#[tokio::test]
async fn who_has_the_key_is_let_in_with_every_signature() {
    for scheme in SCHEMES {
        let key = Key::of(scheme);
        let identity = key.identity();
        let signer = Arc::new(Only(Arc::clone(&key.signing), scheme));
        let shown = shown(&[identity.certificate()], signer);
        for came in both(&pin(&identity), &shown).await {
            came.unwrap_or_else(|error| panic!("{scheme:?}: {error}"));
        }
    }
}

#[tokio::test]
async fn the_public_certificate_with_another_key_is_refused_with_every_signature() {
    for scheme in SCHEMES {
        let [pinned, other] = Key::two_of(scheme);
        let pinned = pinned.identity();
        assert_ne!(other.identity().certificate(), pinned.certificate(), "they are the same");
        let signer = Arc::new(Only(other.signing, scheme));
        for came in both(&pin(&pinned), &shown(&[pinned.certificate()], signer)).await {
            let error = came.unwrap_err();
            assert!(matches!(&error, LinkError::Tls(text) if text.contains("BadSignature")), "{scheme:?}: {error}");
            assert_eq!(error.stage(), Stage::Tls);
        }
    }
}

#[tokio::test]
async fn the_public_certificate_with_a_key_of_another_kind_is_refused() {
    // The last three are one kind.
    for (pinned, other) in SCHEMES[..5].iter().zip(SCHEMES[..5].iter().cycle().skip(1)) {
        let (pinned, other) = (Key::of(*pinned).identity(), Key::of(*other));
        for came in both(&pin(&pinned), &other.showing(&[pinned.certificate()])).await {
            assert!(matches!(came, Err(LinkError::Tls(_))), "{came:?}");
        }
    }
}

#[tokio::test]
async fn a_forged_signature_is_refused() {
    let nothing = vec![0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00];
    for scheme in SCHEMES.into_iter().chain([
        SignatureScheme::RSA_PKCS1_SHA256,
        SignatureScheme::RSA_PKCS1_SHA1,
        SignatureScheme::ECDSA_SHA1_Legacy,
        SignatureScheme::ED448,
        SignatureScheme::Unknown(0xfefe),
    ]) {
        let pinned = if SCHEMES.contains(&scheme) { Key::of(scheme) } else { Key::of(SignatureScheme::RSA_PSS_SHA256) };
        let pinned = pinned.identity();
        for bytes in [Vec::new(), nothing.clone(), vec![0; 64], vec![0; 256], vec![0xff; 512]] {
            let forged = shown(&[pinned.certificate()], Arc::new(Forged(bytes, scheme)));
            for came in both(&pin(&pinned), &forged).await {
                assert!(matches!(came, Err(LinkError::Tls(_))), "{scheme:?}: {came:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_rsa_key_does_not_sign_as_before_tls13() {
    let key = Key::rsa();
    let identity = key.identity();
    for scheme in [SignatureScheme::RSA_PKCS1_SHA256, SignatureScheme::RSA_PKCS1_SHA512] {
        let old = shown(&[identity.certificate()], Arc::new(Only(Arc::clone(&key.signing), scheme)));
        for came in both(&pin(&identity), &old).await {
            assert!(matches!(came, Err(LinkError::Tls(_))), "{came:?}");
        }
    }
}

#[tokio::test]
async fn the_pinned_certificate_somewhere_in_a_chain_proves_nothing() {
    let (owner, attacker) = (Key::new(), Key::new());
    let (pinned, own) = (owner.identity(), attacker.identity());
    let appended = attacker.showing(&[own.certificate(), pinned.certificate()]);
    let [dialler, dialled] = both(&pin(&pinned), &appended).await;
    assert!(matches!(dialler, Err(LinkError::Mismatch(_))), "{dialler:?}");
    assert!(matches!(dialled, Err(LinkError::Chain(_))), "{dialled:?}");
    // Also who has the key shows one certificate only: a second one means that something else is meant.
    for second in [own.certificate(), pinned.certificate()] {
        for came in both(&pin(&pinned), &owner.showing(&[pinned.certificate(), second])).await {
            let error = came.unwrap_err();
            assert!(matches!(error, LinkError::Chain(_)), "{error}");
            assert_eq!(error.to_string(), "the peer showed 2 certificates; an identity is one, without issuers");
            assert_eq!(error.stage(), Stage::Thumbprint);
        }
    }
}

#[tokio::test]
async fn the_same_name_with_a_new_key_is_refused_with_both_thumbprints() {
    let written = Written { issuer: "Zscaler Root".to_owned(), ..Written::named("web-03") };
    let (pinned, other) = (Key::new().identity_of(&written), Key::new().identity_of(&written));
    let came = dial_false_server(false_server(other.certified_key()), &pin(&pinned)).await;
    let error = came.unwrap_err();
    let LinkError::Mismatch(mismatch) = &error else { panic!("{error}") };
    assert_eq!(mismatch.shown.sha1, Sha1Thumbprint::of(other.certificate()));
    assert_eq!(
        error.to_string(),
        format!(
            "expected the thumbprint {}, and {} came (of \"CN=web-03\", issued by \"CN=Zscaler Root\")",
            pinned.thumbprint(),
            other.thumbprint()
        )
    );
    assert_eq!(error.stage(), Stage::Thumbprint);
}

#[tokio::test]
async fn the_same_key_with_a_new_certificate_is_refused_with_both_thumbprints() {
    let key = Key::new();
    let (pinned, renewed) = (key.identity(), key.identity_of(&Written::named("the next one")));
    let came = dial_false_server(false_server(renewed.certified_key()), &pin(&pinned)).await;
    let error = came.unwrap_err().to_string();
    for part in [&pinned.thumbprint().to_string(), &renewed.thumbprint().to_string(), "CN=the next one"] {
        assert!(error.contains(part), "{error}");
    }
    // The dialled side judges after the handshake: it must see the new one, and not the one with the same key.
    let (dialled, client) = (dialled(&Key::new().identity()), false_client(renewed.certified_key()));
    let seen = welcome_false_client(client, &dialled).await.unwrap();
    assert_eq!(seen.peer.shown.thumbprint, renewed.thumbprint());
    assert_ne!(seen.peer.shown.thumbprint, pinned.thumbprint());
    assert_eq!(seen.peer.shown.subject, "CN=the next one");
}

#[tokio::test]
async fn a_public_certificate_of_an_authority_does_not_take_the_place_of_a_pin() {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "Public Authority R3");
    let authority_key = KeyPair::generate().unwrap();
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let key = Key::new();
    let pair = KeyPair::try_from(key.pkcs8.as_slice()).unwrap();
    let leaf = CertificateParams::new(vec!["portward.example".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&pair, &Issuer::new(authority, authority_key)).unwrap();
    let pinned = Key::new().identity();
    let shown = key.showing(&[leaf.der(), authority_certificate.der()]);
    let error = dial_false_server(false_server(shown), &pin(&pinned)).await.unwrap_err();
    assert!(matches!(error, LinkError::Mismatch(_)), "{error}");
    assert!(error.to_string().contains("issued by \"CN=Public Authority R3\""), "{error}");
}

#[tokio::test]
async fn one_of_several_pins_is_enough_and_no_pin_is_not() {
    let (first, second) = (Key::new().identity(), Key::new().identity());
    let pins = [first.thumbprint(), second.thumbprint()];
    assert!(dial_false_server(false_server(second.certified_key()), &pins).await.is_ok());
    assert!(dial_false_server(false_server(second.certified_key()), &pins[..1]).await.is_err());
    let none = dial_false_server(false_server(second.certified_key()), &[]).await.unwrap_err();
    assert!(none.to_string().contains("no thumbprint is trusted"), "{none}");
}
