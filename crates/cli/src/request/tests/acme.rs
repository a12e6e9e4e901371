//! Words about ACME, and what the API gets of them.

use std::path::PathBuf;

use portward_api::acme::CertificateRenew;
use serde_json::{Value, json};

use super::*;
use crate::{args::ForeignKind, request::certificate::Waiting};

fn issuer(words: &str) -> (Value, Option<PathBuf>, Option<(String, PathBuf)>, Effect) {
    let request = request(&format!("acme issuer add {words}"));
    let Request::Acme(AcmeRequest::Issuer(IssuerRequest::Add(add))) = request else { panic!("{words}") };
    (serde_json::to_value(&add.create).unwrap(), add.directory_ca, add.eab, add.effect)
}

#[test]
fn every_setting_of_an_issuer_reaches_the_api() {
    let (create, directory_ca, eab, effect) = issuer(
        "https://ca.test/dir --id ca --directory-ca root.pem --contact a@b.test --contact mailto:c@d.test --accept-terms \
         --eab-key-id k --eab-mac-key-file mac --profile short --challenge dns-01 --preferred-chain Root \
         --http-port 5002 --tls-port 5001 --resolver 192.0.2.53 --resolver [2001:db8::53]:5353 --dry-run",
    );
    assert_eq!(
        create,
        json!({
            "id": "ca", "directory": "https://ca.test/dir", "contacts": ["a@b.test", "mailto:c@d.test"],
            "accept_terms": true, "profile": "short", "challenge": "dns-01", "preferred_chain": "Root",
            "http_port": 5002, "tls_port": 5001, "resolvers": ["192.0.2.53", "[2001:db8::53]:5353"],
        })
    );
    assert_eq!(directory_ca, Some("root.pem".into()));
    assert_eq!(eab, Some(("k".to_owned(), "mac".into())));
    assert_eq!(effect, Effect::DryRun);
    for word in ["letsencrypt", "letsencrypt-staging"] {
        assert_eq!(issuer(word).0, json!({ "directory": word, "accept_terms": false }));
    }
}

#[test]
fn every_setting_of_a_managed_certificate_reaches_the_api() {
    let managed = |words: &str| {
        let request = request(&format!("certificate request {words}"));
        let Request::Certificate(CertificateRequest::Managed(ManagedRequest::Request {
            create, effect, waiting, ..
        })) = request
        else {
            panic!("{words}")
        };
        (serde_json::to_value(create).unwrap(), effect, waiting)
    };
    let (create, effect, waiting) = managed(
        "Shop.Test *.shop.test 192.0.2.1 --issuer a --issuer b --name Shop --challenge dns-01 --profile short \
         --dns d --key rsa-2048 --reuse-key --renew-days-before 21 --replace c1 --wait",
    );
    assert_eq!(
        create,
        json!({
            "names": ["shop.test", "*.shop.test", "192.0.2.1"], "issuers": ["a", "b"], "name": "Shop",
            "challenge": "dns-01", "profile": "short", "dns": "d", "key": "rsa-2048", "reuse_key": true,
            "renew_days_before": 21, "replace": "c1",
        })
    );
    assert_eq!((effect, waiting), (Effect::Apply, Waiting::Yes));
    let (create, effect, waiting) = managed("a.test --dry-run");
    assert_eq!(create, json!({ "names": ["a.test"], "reuse_key": false }));
    assert_eq!((effect, waiting), (Effect::DryRun, Waiting::No));
}

#[test]
fn every_setting_of_lets_encrypt_reaches_the_api() {
    for (words, expected) in [
        ("--dns-name Shop.Test", json!({ "dns_name": "shop.test", "accept_terms": false, "staging": false })),
        (
            "--dns-name a.test --email o@a.test --accept-terms --https-port 8443 --ip-address 192.0.2.1 --staging \
             --renew-days-before 21",
            json!({
                "dns_name": "a.test", "email": "o@a.test", "accept_terms": true, "https_port": 8443,
                "ip_address": "192.0.2.1", "staging": true, "renew_days_before": 21,
            }),
        ),
        (
            "--dns-name a.test --directory https://ca.test/dir",
            json!({
                "dns_name": "a.test", "accept_terms": false, "staging": false, "directory": "https://ca.test/dir",
            }),
        ),
    ] {
        let request = request(&format!("letsencrypt configure {words}"));
        let Request::LetsEncrypt(LetsEncryptRequest::Configure { configure, .. }) = request else { panic!("{words}") };
        assert_eq!(serde_json::to_value(configure).unwrap(), expected, "{words}");
    }
}

#[test]
fn renewals_say_how_and_whether_the_end_is_waited_for() {
    for (words, force, placed, waiting) in [
        ("", false, false, Waiting::No),
        (" --force", true, false, Waiting::No),
        (" --placed --wait", false, true, Waiting::Yes),
    ] {
        let id = CertificateId::parse("c1").unwrap();
        let expected = ManagedRequest::Renew(id, CertificateRenew { force, placed }, waiting);
        let request = request(&format!("certificate renew c1{words}"));
        assert_eq!(request, Request::Certificate(CertificateRequest::Managed(expected)), "{words}");
    }
    let expected = LetsEncryptRequest::Renew(CertificateRenew { force: true, placed: false }, Waiting::Yes);
    assert_eq!(request("letsencrypt renew --force --wait"), Request::LetsEncrypt(expected));
}

#[test]
fn advice_and_simulations_are_asked_for_as_they_are() {
    let Request::Acme(AcmeRequest::Check(check)) = request("acme check *.A.test --issuer i1 --challenge dns-01") else {
        panic!("no check")
    };
    assert_eq!(
        serde_json::to_value(check).unwrap(),
        json!({ "name": "*.a.test", "issuer": "i1", "challenge": "dns-01" })
    );
    for until in ["2027-03-31", "2027-03-31T12:00:00Z"] {
        let request = request(&format!("acme simulate --until {until}"));
        let Request::Acme(AcmeRequest::Simulate(simulate)) = request else { panic!("{until}") };
        assert_eq!(simulate.until, until);
    }
}

#[test]
fn every_program_can_be_moved_in_from() {
    for (word, kind) in [
        ("certbot", ForeignKind::Certbot),
        ("acme.sh", ForeignKind::AcmeSh),
        ("caddy", ForeignKind::Caddy),
        ("traefik", ForeignKind::Traefik),
    ] {
        assert_eq!(kind.as_str(), word);
        let import = ImportRequest { kind, path: "/p".into(), effect: Effect::DryRun };
        assert_eq!(request(&format!("import {word} /p --dry-run")), Request::Import(import));
    }
}
