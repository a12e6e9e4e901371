#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use portward_core::{
    AttemptId, CertificateId, IssuerId, Management,
    acme::{Attempt, Issuer, KeyAlgorithm, KeyReuse, Managed},
};
use portward_store::change::{Change, commit};

use super::super::browser::Browser;
use crate::fixture::{Fixture, now};

#[tokio::test]
async fn one_name_is_configured_renewed_and_disabled() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    browser.get("/lets-encrypt").await.shows("Get the certificate");
    let fields = |name, port| {
        [
            ("dns_name", name),
            ("email", "ops@shop.test"),
            ("https_port", port),
            ("ip_address", "127.0.0.1"),
            ("directory", "https://127.0.0.1:1/directory"),
            ("accept_terms", "yes"),
        ]
    };
    for (name, port, place) in [("no name", "0", "dns_name-err"), ("door.test", "many", "https_port-err")] {
        let refused = browser.post("/lets-encrypt", &fields(name, port)).await;
        assert_eq!(refused.status, 422);
        refused.shows(place);
        refused.shows("value=\"ops@shop.test\"");
    }
    let not_agreed = browser.post("/lets-encrypt", &fields("door.test", "0")[..5]).await;
    assert_eq!(not_agreed.status, 422);
    not_agreed.shows("terms-err");
    assert!(fixture.stored().await.certificates.is_empty());

    let configured = browser.post("/lets-encrypt", &fields("door.test", "0")).await;
    assert_eq!(configured.location(), "/lets-encrypt");
    let page = browser.get("/lets-encrypt").await;
    for text in ["Portward keeps a certificate for door.test.", "Due to expire", "Renew now", "Disable"] {
        page.shows(text);
    }
    assert_eq!(browser.post("/lets-encrypt/renew", &[]).await.location(), "/lets-encrypt");
    assert_eq!(browser.post("/lets-encrypt/disable", &[]).await.location(), "/lets-encrypt");
    let again = browser.post("/lets-encrypt/disable", &[]).await;
    assert_eq!(again.status, 409);
    again.shows("id=\"refused\"");
}

const STAGING: [(&str, &str); 6] = [
    ("dns_name", "door.test"),
    ("email", "ops@shop.test"),
    ("https_port", "0"),
    ("ip_address", "127.0.0.1"),
    ("accept_terms", "yes"),
    ("staging", "yes"),
];

async fn managed(fixture: &Fixture) -> Managed {
    let stored = fixture.stored().await;
    let id = stored.settings.letsencrypt.clone().unwrap();
    Managed::clone(stored.certificate(&id).unwrap().value.management.managed().unwrap())
}

/// Saving another port moved a certificate of the staging environment to the real one.
#[tokio::test]
async fn a_change_is_typed_over_what_is_configured_and_keeps_the_rest() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    browser.post("/lets-encrypt", &[&STAGING[..], &[("renew_days_before", "21")]].concat()).await.location();
    let page = browser.get("/lets-encrypt").await;
    for text in [
        "value=\"door.test\"",
        "value=\"ops@shop.test\"",
        "name=\"https_port\" inputmode=\"numeric\" value=\"0\"",
        "value=\"127.0.0.1\"",
        "name=\"accept_terms\" value=\"yes\" checked",
        "name=\"staging\" value=\"yes\" checked",
        "value=\"21\"",
    ] {
        page.shows(text);
    }
    // What this page does not have was asked for on another one.
    let stored = fixture.stored().await;
    let certificate = stored.certificate(stored.settings.letsencrypt.as_ref().unwrap()).unwrap();
    let other = Managed { key: KeyAlgorithm::Rsa2048, reuse: KeyReuse::Keep, ..managed(&fixture).await };
    let mut change = Change::new("test", "ask for another key", now());
    change.edit_certificate(certificate, "door.test", &Management::Managed(other.into()));
    commit(&fixture.store, change).await.unwrap();
    browser.post("/lets-encrypt", &[&STAGING[..], &[("renew_days_before", "14")]].concat()).await.location();
    let after = managed(&fixture).await;
    assert_eq!((after.key, after.reuse), (KeyAlgorithm::Rsa2048, KeyReuse::Keep));
    assert_eq!(after.renew_before, Some(Duration::from_secs(14 * 24 * 3600)));
    let issuer = fixture.stored().await.issuer(&after.issuers[0]).unwrap().value.issuer.clone();
    assert_eq!(issuer.directory, Issuer::LETS_ENCRYPT_STAGING);
}

/// The page of an attempt that had ended long ago followed upon every change.
#[tokio::test]
async fn a_change_does_not_lead_to_an_attempt_of_before() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    browser.post("/lets-encrypt", &STAGING).await.location();
    let attempt = Attempt {
        id: AttemptId::parse("000000001-0000000001").unwrap(),
        certificate: CertificateId::parse("door-test").unwrap(),
        issuer: IssuerId::parse("letsencrypt-staging").unwrap(),
        names: Vec::new(),
        why: "no CA has issued it yet".to_owned(),
        began: now(),
        order: None,
        timeline: Vec::new(),
        outcome: None,
    };
    let mut change = Change::of_work();
    change.put_attempt(&attempt);
    commit(&fixture.store, change).await.unwrap();
    assert_eq!(browser.post("/lets-encrypt", &STAGING).await.location(), "/lets-encrypt");
}
