#![allow(clippy::unwrap_used, reason = "tests")]

use portward_api::acme::IssuerCreate;
use portward_core::{AttemptId, IssuerId, acme::Attempt};
use portward_store::{
    Key, Store, Txn,
    change::{Change, commit},
    work::{self, Hold},
};

use super::*;
use crate::fixture::{Fixture, by, now};

/// A certificate for each name, asked of a CA that never answers.
async fn requested(fixture: &Fixture, names: &[&str]) {
    let issuer = IssuerCreate {
        id: Some("house".to_owned()),
        directory: "https://127.0.0.1:1/directory".to_owned(),
        accept_terms: true,
        ..IssuerCreate::default()
    };
    fixture.app.add_issuer(&by(), &issuer, Apply::Now).await.unwrap();
    for name in names {
        let create = CertificateRequestCreate { names: vec![(*name).to_owned()], ..Default::default() };
        fixture.app.request_certificate(&by(), &create, Precondition::None, Apply::Now).await.unwrap();
    }
}

fn id(text: &str) -> CertificateId {
    CertificateId::parse(text).unwrap()
}

async fn damage(fixture: &Fixture, key: &str) {
    fixture.store.txn(Txn::new().put(Key::parse(key).unwrap(), "no JSON")).await.unwrap();
}

#[tokio::test]
async fn who_has_a_certificate_renewed_is_in_the_audit() {
    let fixture = Fixture::start().await;
    requested(&fixture, &["shop.test"]).await;
    for (force, what) in [(false, "renew certificate shop-test"), (true, "renew certificate shop-test without waiting")]
    {
        assert!(!fixture.is_audited(what).await);
        let input = CertificateRenew { force, placed: false };
        fixture.app.renew_certificate(&by(), "shop-test", &input).await.unwrap();
        assert!(fixture.is_audited(what).await, "{what}");
    }
    assert!(RenewalRequest::read(&fixture.store, &id("shop-test")).await.unwrap().unwrap().force);
}

/// What the engine learned while the CA was asked to revoke was written over.
#[tokio::test]
async fn a_revocation_leaves_alone_what_the_engine_remembers() {
    let fixture = Fixture::start().await;
    requested(&fixture, &["shop.test"]).await;
    let shop = id("shop-test");
    let hold = Hold { issuer: IssuerId::parse("house").unwrap(), until: now() };
    let renewal = Renewal { failures: 3, holds: vec![hold], ..Renewal::default() };
    let mut change = Change::of_work();
    change.put_renewal(&shop, &renewal);
    commit(&fixture.store, change).await.unwrap();
    let stored = fixture.stored().await;
    let version = stored.certificate(&shop).unwrap().value.current_version().unwrap();
    let (version, reason) = ((version.number, version.facts.thumbprint), RevocationReason::KeyCompromise);
    assert!(fixture.app.note_revocation(&by(), &shop, version, reason).await.unwrap());
    assert_eq!(Renewal::read(&fixture.store, &shop).await.unwrap(), Some(renewal));
    assert_eq!(work::compromised(&fixture.store, &shop).await.unwrap(), Some(version.1));
    assert!(RenewalRequest::read(&fixture.store, &shop).await.unwrap().unwrap().force);
    assert!(fixture.is_audited(&format!("revoke certificate shop-test version {}", version.0)).await);
    // Another certificate with its id has no past.
    fixture.app.remove_certificate(&by(), "shop-test", Precondition::None, Apply::Now).await.unwrap();
    assert_eq!(work::compromised(&fixture.store, &shop).await.unwrap(), None);
}

/// A page of one renewal read all of them, and one attempt all attempts: both are seen by what cannot be read.
#[tokio::test]
async fn what_is_not_asked_for_is_not_read() {
    let fixture = Fixture::start().await;
    requested(&fixture, &["a.test", "b.test"]).await;
    damage(&fixture, "work/renewal/b-test").await;
    let ids = fixture.app.list_managed(&by());
    assert_eq!(ids, [id("a-test"), id("b-test")]);
    let listed = fixture.app.list_renewals(&by(), &ids[..1]).await.unwrap();
    assert_eq!(listed[0].certificate, "a-test");
    fixture.app.list_renewals(&by(), &ids).await.unwrap_err();

    let attempt = Attempt {
        id: AttemptId::parse("a1").unwrap(),
        certificate: id("b-test"),
        issuer: IssuerId::parse("house").unwrap(),
        names: Vec::new(),
        why: "it is due".to_owned(),
        began: now(),
        order: None,
        timeline: Vec::new(),
        outcome: None,
    };
    let mut change = Change::of_work();
    change.put_attempt(&attempt);
    commit(&fixture.store, change).await.unwrap();
    damage(&fixture, "work/attempt/a-test/a2").await;
    assert_eq!(fixture.app.show_attempt(&by(), "a1").await.unwrap().certificate, "b-test");
    for unknown in ["a3", "no id"] {
        assert_eq!(fixture.app.show_attempt(&by(), unknown).await.unwrap_err().code(), "not-found");
    }
}
