#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use crate::{
    app::access::Credential,
    fixture::{Fixture, by, now},
};

fn create(permissions: &[&str], expires: Option<&str>) -> TokenCreate {
    TokenCreate {
        name: "deploy from CI".to_owned(),
        permissions: permissions.iter().map(|text| (*text).to_owned()).collect(),
        expires: expires.map(str::to_owned),
    }
}

#[tokio::test]
async fn a_token_is_made_listed_and_revoked() {
    let fixture = Fixture::start().await;
    let app = &fixture.app;
    let tried = app.create_token(&by(), &create(&["view"], None), Apply::DryRun).await.unwrap();
    assert!(tried.secret.is_none() && app.list_tokens(&by()).await.unwrap().is_empty());
    let made = app.create_token(&by(), &create(&["site:change", "view"], Some("90d")), Apply::Now).await.unwrap();
    assert_eq!(made.token.permissions, ["view", "site:change"]);
    assert_eq!(made.token.expires.as_deref(), Some("2027-02-18T12:00:00Z"));
    let secret = made.secret.unwrap();
    assert!(secret.expose().starts_with(&format!("ptw_{}_", made.token.id)));
    app.identify(Credential::Token(secret.expose())).await.unwrap();
    // Written by somebody whom nobody waits for.
    let mut listed = app.list_tokens(&by()).await.unwrap();
    while listed[0].last_used.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        listed = app.list_tokens(&by()).await.unwrap();
    }
    assert_eq!(listed[0], TokenView { last_used: Some(now().to_string()), ..made.token.clone() });
    assert_eq!(app.revoke_token(&by(), "none", Apply::Now).await.unwrap_err().code(), "not-found");
    app.revoke_token(&by(), &made.token.id, Apply::DryRun).await.unwrap();
    app.revoke_token(&by(), &made.token.id, Apply::Now).await.unwrap();
    assert!(app.list_tokens(&by()).await.unwrap().is_empty());
    assert_eq!(app.revoke_token(&by(), &made.token.id, Apply::Now).await.unwrap_err().code(), "not-found");
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let fixture = Fixture::start().await;
    for (input, code) in [
        (create(&[], None), "invalid-value"),
        (create(&["sites"], None), "invalid-value"),
        (create(&["view"], Some("soon")), "invalid-value"),
        (create(&["view"], Some("0d")), "invalid-value"),
        (create(&["view"], Some("11y")), "invalid-value"),
        (TokenCreate { name: " ".to_owned(), ..create(&["view"], None) }, "invalid-value"),
        (TokenCreate { name: "a\nb".to_owned(), ..create(&["view"], None) }, "invalid-value"),
    ] {
        let refused = fixture.app.create_token(&by(), &input, Apply::Now).await.unwrap_err();
        assert_eq!(refused.code(), code, "{input:?}");
    }
}

#[tokio::test]
async fn a_token_has_no_more_and_lives_no_longer_than_its_maker() {
    let fixture = Fixture::start().await;
    let app = &fixture.app;
    let maker = Actor::with(&[Permission::TokenChange, Permission::View]).may().unwrap();
    let beyond = app.create_token(&maker, &create(&["view", "site:change"], None), Apply::Now).await.unwrap_err();
    assert_eq!(beyond.code(), "not-permitted");
    assert!(beyond.to_string().contains("change sites (site:change)"), "{beyond}");
    let made = app.create_token(&maker, &create(&["view", "token:change"], Some("1h")), Apply::Now).await.unwrap();
    let token = app.identify(Credential::Token(made.secret.unwrap().expose())).await.unwrap();
    let longer = app.create_token(&token.may().unwrap(), &create(&["view"], Some("2h")), Apply::Now).await;
    assert_eq!(longer.unwrap_err().code(), "not-permitted");
    let child = app.create_token(&token.may().unwrap(), &create(&["view"], None), Apply::Now).await.unwrap();
    assert_eq!(child.token.expires, made.token.expires);
}

#[tokio::test]
async fn a_revoked_token_is_forgotten_after_a_month() {
    let fixture = Fixture::start().await;
    let app = &fixture.app;
    let made = app.create_token(&by(), &create(&["view"], None), Apply::Now).await.unwrap();
    app.revoke_token(&by(), &made.token.id, Apply::Now).await.unwrap();
    let secret = made.secret.unwrap();
    for (days, code) in [(30, "token-revoked"), (31, "not-authenticated")] {
        fixture.set_now(now().plus(Duration::from_secs(days * 24 * 3600)));
        app.create_token(&by(), &create(&["view"], None), Apply::Now).await.unwrap();
        let refused = app.identify(Credential::Token(secret.expose())).await.unwrap_err();
        assert_eq!(refused.code(), code, "{days}");
    }
}
