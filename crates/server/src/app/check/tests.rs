#![allow(clippy::unwrap_used, reason = "tests")]

use portward_core::acme::DirectoryTrust;
use portward_store::change::Expected;

use super::*;
use crate::{
    app::Apply,
    fixture::{Fixture, binding, by, free_port},
};

/// Stores an issuer at whose directory nobody answers.
async fn put_issuer(fixture: &Fixture, id: &str, http: u16) {
    let issuer = Issuer {
        id: IssuerId::parse(id).unwrap(),
        directory: "https://127.0.0.1:1/dir".to_owned(),
        trust: DirectoryTrust::System,
        contacts: Vec::new(),
        terms_agreed: true,
        eab_key_id: None,
        profile: None,
        challenge: None,
        preferred_chain: None,
        ports: IssuerPorts { http, tls: 1 },
        resolvers: vec!["127.0.0.1:1".parse().unwrap()],
    };
    let app = &fixture.app;
    let sealer = app.sealer(&app.desired().await.unwrap()).unwrap();
    let mut change = app.change(&by::<right::View>(), "add an issuer");
    change.put_issuer(&issuer, None, &sealer, Expected::Absent);
    let revision = app.commit(change).await.unwrap();
    app.in_effect(revision).await.unwrap();
}

async fn check(fixture: &Fixture, name: &str, issuer: Option<&str>) -> Result<CheckView, AppError> {
    let input = AcmeCheck { name: name.to_owned(), issuer: issuer.map(str::to_owned), challenge: None };
    fixture.app.check_name(&by(), &input).await
}

fn verdict<'a>(view: &'a CheckView, check: &str) -> Option<&'a str> {
    view.advice.iter().find(|advice| advice.check == check).map(|advice| advice.verdict.as_str())
}

#[tokio::test]
async fn a_name_is_looked_at_as_the_only_issuer_would() {
    let fixture = Fixture::start().await;
    let port = free_port();
    fixture.app.add_binding(&by(), &binding(&format!("http://127.0.0.1:{port}")), Apply::Now).await.unwrap();
    put_issuer(&fixture, "ca", port).await;
    let view = check(&fixture, "127.0.0.1", None).await.unwrap();
    assert_eq!((view.name.as_str(), view.challenge.as_deref()), ("127.0.0.1", Some("http-01")));
    for (what, expected) in [
        ("directory", Some("warning")),
        ("budget", Some("good")),
        ("addresses", Some("good")),
        ("binding", Some("good")),
        ("port", Some("good")),
        ("redirect", Some("good")),
        ("caa", None),
    ] {
        assert_eq!(verdict(&view, what), expected, "{what}: {:#?}", view.advice);
    }
    // The resolver does not answer, which is no reason to say no.
    let view = check(&fixture, "shop.test", Some("ca")).await.unwrap();
    for what in ["addresses", "caa", "dnssec"] {
        assert_eq!(verdict(&view, what), Some("unknown"), "{what}: {:#?}", view.advice);
    }
}

#[tokio::test]
async fn a_wildcard_that_nobody_can_show_is_told_of_and_looked_at_all_the_same() {
    let fixture = Fixture::start().await;
    put_issuer(&fixture, "ca", 1).await;
    let view = check(&fixture, "*.shop.test", None).await.unwrap();
    assert_eq!((view.name.as_str(), view.challenge.as_deref()), ("*.shop.test", None));
    assert_eq!(view.advice[0].check, "challenge");
    assert!(view.advice[0].remedy.as_deref().unwrap().contains("portward acme dns add"), "{:?}", view.advice);
    assert_eq!(verdict(&view, "caa"), Some("unknown"));
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused() {
    let fixture = Fixture::start().await;
    put_issuer(&fixture, "ca", 1).await;
    put_issuer(&fixture, "other", 1).await;
    for (name, issuer, status) in
        [("*", None, 422), ("a b", None, 422), ("127.0.0.1", Some("none"), 404), ("127.0.0.1", Some("A B"), 404)]
    {
        let error = check(&fixture, name, issuer).await.unwrap_err();
        assert_eq!(error.status().as_u16(), status, "{name} {issuer:?}: {error}");
    }
    let odd = AcmeCheck { name: "127.0.0.1".to_owned(), issuer: None, challenge: Some("http-02".to_owned()) };
    assert_eq!(fixture.app.check_name(&by(), &odd).await.unwrap_err().code(), "invalid-value");
    // Two issuers and none named: what needs no issuer is looked at.
    let view = check(&fixture, "127.0.0.1", None).await.unwrap();
    assert_eq!((verdict(&view, "directory"), verdict(&view, "budget")), (None, None));
    assert!(verdict(&view, "binding").is_some(), "{view:?}");
}

/// Whoever may look must not find out what other machines of the network answer.
#[tokio::test]
async fn who_only_looks_has_no_other_machine_looked_at() {
    let fixture = Fixture::start().await;
    put_issuer(&fixture, "ca", 80).await;
    let viewer = crate::app::Actor::with(&[Permission::View]).may().unwrap();
    let input = |name: &str, challenge: &str| AcmeCheck {
        name: name.to_owned(),
        issuer: Some("ca".to_owned()),
        challenge: Some(challenge.to_owned()),
    };
    // Nobody has that address (RFC 5737), so that whoever asks waits for it in vain.
    for challenge in ["http-01", "tls-alpn-01"] {
        let view = fixture.app.check_name(&viewer, &input("192.0.2.9", challenge)).await.unwrap();
        let port = view.advice.iter().find(|advice| advice.check == "port").unwrap();
        assert_eq!(port.verdict, "unknown", "{port:?}");
        assert!(port.message.starts_with("it was not looked at who answers on port"), "{port:?}");
        assert!(port.message.contains("no site and no certificate of this server has the name"), "{port:?}");
    }
    // The name is a matter of this server, or of who asks.
    let said = |view: &CheckView| view.advice.iter().any(|advice| advice.message.contains("was not looked at"));
    let view = fixture.app.check_name(&by(), &input("192.0.2.9", "http-01")).await.unwrap();
    assert!(!said(&view), "{view:?}");
    fixture.app.add_site(&by(), &crate::fixture::site(&["192.0.2.9"]), Apply::Now).await.unwrap();
    let view = fixture.app.check_name(&viewer, &input("192.0.2.9", "http-01")).await.unwrap();
    assert!(!said(&view), "{view:?}");
}
