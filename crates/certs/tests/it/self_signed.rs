//! Self-signed certificates, as others see them.

use portward_certs::{Allow, SELF_SIGNED_DAYS, SelfSignedError, check, export_pem, self_signed, self_signed_validity};
use portward_core::{HostPattern, KeyType};

use crate::workbench::{Workbench, now};

fn names(texts: &[&str]) -> Vec<HostPattern> {
    texts.iter().map(|text| HostPattern::parse(text).unwrap()).collect()
}

#[test]
fn it_has_what_browsers_look_for() {
    let bench = Workbench::new();
    let wanted = names(&["shop.test", "*.shop.test", "127.0.0.1", "::1"]);
    let made = self_signed(&wanted, self_signed_validity(now(), SELF_SIGNED_DAYS)).unwrap();
    assert_eq!(*made.facts.names, *wanted);
    assert_eq!(made.facts.key_type, KeyType::P256);
    assert!(made.facts.self_signed && made.key.fits(&made.chain.leaf));
    assert_eq!(check(&made, now(), &wanted, Allow::default()), []);
    assert_eq!(made.facts.serial.len(), 32);

    bench.write("our.pem", export_pem(&made.chain, &made.key).as_bytes());
    let shown = bench.run("openssl x509 -in our.pem -noout -text");
    for part in [
        "Version: 3",
        "Subject: CN = shop.test",
        "DNS:shop.test, DNS:*.shop.test, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
        "CA:FALSE",
        "Digital Signature",
        "TLS Web Server Authentication",
        "Subject Key Identifier",
    ] {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
}

#[test]
fn openssl_accepts_one_that_it_trusts() {
    let bench = Workbench::new();
    let made = self_signed(&names(&["shop.test"]), self_signed_validity(now(), 9)).unwrap();
    bench.write("our.pem", export_pem(&made.chain, &made.key).as_bytes());
    bench.run("openssl verify -x509_strict -purpose sslserver -verify_hostname shop.test -CAfile our.pem our.pem");
    let output = bench.output("openssl verify -purpose sslserver -verify_hostname other.test -CAfile our.pem our.pem");
    assert!(!output.status.success());
}

#[test]
fn a_name_given_twice_is_there_once() {
    let bench = Workbench::new();
    let made = self_signed(&names(&["a.test", "b.test", "A.test."]), self_signed_validity(now(), 9)).unwrap();
    bench.write("our.pem", export_pem(&made.chain, &made.key).as_bytes());
    let shown = bench.run("openssl x509 -in our.pem -noout -ext subjectAltName");
    assert!(shown.contains("DNS:a.test, DNS:b.test\n"), "{shown}");
}

#[test]
fn no_two_are_alike() {
    let make = || self_signed(&names(&["shop.test"]), self_signed_validity(now(), 9)).unwrap();
    let (one, other) = (make(), make());
    assert_ne!(one.facts.serial, other.facts.serial);
    assert_ne!(one.key.as_pkcs8_der(), other.key.as_pkcs8_der());
}

#[test]
fn its_lifetime_is_what_was_asked_for() {
    for days in [1, 90, SELF_SIGNED_DAYS] {
        let validity = self_signed_validity(now(), days);
        assert!(validity.not_before < now());
        assert_eq!(validity.lifetime().as_secs() + 1, u64::from(days) * 24 * 3600);
        assert_eq!(self_signed(&names(&["x.test"]), validity).unwrap().facts.validity, validity);
    }
}

#[test]
fn what_cannot_be_certified_is_refused() {
    let validity = self_signed_validity(now(), 9);
    assert!(matches!(self_signed(&[], validity), Err(SelfSignedError::NoNames)));
    assert!(matches!(self_signed(&names(&["shop.test", "*"]), validity), Err(SelfSignedError::AnyHost)));
    let no_days = self_signed_validity(now(), 0);
    assert!(matches!(self_signed(&names(&["shop.test"]), no_days), Err(SelfSignedError::NoTime)));
    let long = format!("{}.test", ["a".repeat(60), "b".repeat(60)].join("."));
    assert_eq!(&*self_signed(&names(&[&long]), validity).unwrap().facts.subject, "CN=self-signed");
}
