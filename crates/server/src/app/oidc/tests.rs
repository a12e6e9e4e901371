#![allow(clippy::unwrap_used, reason = "tests")]
use portward_api::{SecondFactorBegin, SecretText, UserUpdate};
use portward_core::Role;

use super::*;
use crate::{
    app::access::{oidc::fake::Fake, sign_in::Origin},
    fixture::{Fixture, by},
};

fn settings() -> OidcSet {
    OidcSet {
        issuer: "https://login.test:8443/realms/main".to_owned(),
        client_id: "portward".to_owned(),
        client_secret: Some(SecretText::new("client-secret-marker".to_owned())),
        scopes: None,
        groups_claim: None,
        name_claim: None,
        roles: [("ops".to_owned(), "operator".to_owned())].into(),
        authority: None,
        label: None,
    }
}

fn with_role(role: &str) -> OidcSet {
    OidcSet { roles: [("all".to_owned(), role.to_owned())].into(), ..settings() }
}

fn administrator() -> Allowed<right::UserChange> {
    let permissions: Vec<_> = Role::Administrator.permissions().collect();
    Actor::with(&permissions).may().unwrap()
}

#[tokio::test]
async fn what_is_set_is_shown_with_defaults_and_without_its_secret() {
    let fixture = Fixture::start().await;
    let app = &fixture.app;
    assert_eq!(app.show_oidc(&by()).await.unwrap_err().code(), "not-found");
    let tried = app.set_oidc(&by(), &settings(), Precondition::None, Apply::DryRun).await.unwrap();
    assert_eq!((tried.revision, app.oidc_label().await), (None, None));
    let set = app.set_oidc(&by(), &settings(), Precondition::None, Apply::Now).await.unwrap();
    assert_eq!(set.view, tried.view);
    assert_eq!(app.show_oidc(&by()).await.unwrap(), set);
    let view = set.view;
    assert_eq!((view.label.as_str(), view.scopes.join(" ").as_str()), ("login.test", "openid profile"));
    assert_eq!((view.groups_claim.as_str(), view.name_claim.as_str()), ("groups", "preferred_username"));
    assert!(view.client_secret && !serde_json::to_string(&view).unwrap().contains("marker"));

    let stale = Precondition::Revision(portward_core::Revision(1));
    let refused = app.set_oidc(&by(), &settings(), stale, Apply::Now).await.unwrap_err();
    assert_eq!(refused.code(), "changed-meanwhile");
    let removed = app.remove_oidc(&by(), Precondition::None, Apply::Now).await.unwrap();
    assert_eq!((removed.id, removed.warnings), (settings().issuer, vec![]));
    assert_eq!(app.oidc_label().await, None);
    assert_eq!(fixture.audited().await, 2);
}

#[tokio::test]
async fn a_secret_stays_with_its_client_and_goes_nowhere_else() {
    let fixture = Fixture::start().await;
    let set = async |input: &OidcSet| fixture.app.set_oidc(&by(), input, Precondition::None, Apply::Now).await;
    set(&settings()).await.unwrap();
    let kept = OidcSet { client_secret: None, label: Some("Northmole".to_owned()), ..settings() };
    assert!(set(&kept).await.unwrap().view.client_secret);
    let stored = fixture.app.oidc().await.unwrap().value;
    assert_eq!(fixture.app.oidc_secret(&stored).await.unwrap().unwrap().as_str(), "client-secret-marker");
    for elsewhere in [
        OidcSet { issuer: "https://evil.test".to_owned(), ..kept.clone() },
        OidcSet { client_id: "other".to_owned(), ..kept.clone() },
    ] {
        let refused = set(&elsewhere).await.unwrap_err();
        assert!(refused.to_string().starts_with("client_secret: it is of another"), "{refused}");
    }
    let none = OidcSet { client_secret: Some(SecretText::new(String::new())), ..kept };
    assert!(!set(&none).await.unwrap().view.client_secret);
}

#[tokio::test]
async fn nobody_maps_a_role_that_may_more_than_they_do() {
    let fixture = Fixture::start().await;
    let app = &fixture.app;
    let refused = app.set_oidc(&administrator(), &with_role("owner"), Precondition::None, Apply::Now).await;
    assert_eq!(refused.unwrap_err().code(), "not-permitted");
    app.set_oidc(&administrator(), &with_role("administrator"), Precondition::None, Apply::Now).await.unwrap();
    // Nor do they send owners to another provider, or shut them out.
    app.set_oidc(&by(), &with_role("owner"), Precondition::None, Apply::Now).await.unwrap();
    let refused = app.set_oidc(&administrator(), &with_role("viewer"), Precondition::None, Apply::Now).await;
    assert_eq!(refused.unwrap_err().code(), "not-permitted");
    let refused = app.remove_oidc(&administrator(), Precondition::None, Apply::Now).await;
    assert_eq!(refused.unwrap_err().code(), "not-permitted");
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let fixture = Fixture::start().await;
    for (input, field) in [
        (OidcSet { issuer: "http://login.test".to_owned(), ..settings() }, "issuer"),
        (OidcSet { client_id: " ".to_owned(), ..settings() }, "client_id"),
        (OidcSet { scopes: Some(vec!["a b".to_owned()]), ..settings() }, "scopes"),
        (OidcSet { groups_claim: Some("a\nb".to_owned()), ..settings() }, "groups_claim"),
        (OidcSet { label: Some("x".repeat(300)), ..settings() }, "label"),
        (OidcSet { authority: Some("no PEM".to_owned()), ..settings() }, "authority"),
        (OidcSet { roles: Default::default(), ..settings() }, "roles"),
        (with_role("root"), "roles"),
    ] {
        let refused = fixture.app.set_oidc(&by(), &input, Precondition::None, Apply::Now).await.unwrap_err();
        assert!(refused.to_string().starts_with(&format!("{field}: ")), "{refused}");
    }
    assert_eq!(fixture.audited().await, 0);
}

#[tokio::test]
async fn a_test_tells_what_the_provider_says_of_itself() {
    let (fixture, fake) = (Fixture::start().await, Fake::start().await);
    let input = OidcSet { scopes: Some(vec!["groups".to_owned()]), ..fake.settings() };
    fixture.app.set_oidc(&by(), &input, Precondition::None, Apply::Now).await.unwrap();
    fake.says().configuration.extend([
        ("code_challenge_methods_supported".to_owned(), serde_json::json!(["plain"])),
        ("scopes_supported".to_owned(), serde_json::json!(["openid"])),
    ]);
    let tested = fixture.app.test_oidc(&by()).await.unwrap();
    assert_eq!((tested.issuer.as_str(), tested.keys), (fake.url.as_str(), vec!["EdDSA k1".to_owned()]));
    assert_eq!(tested.token_endpoint, format!("{}/token", fake.url));
    let all = tested.warnings.join("\n");
    for words in ["PKCE with S256", "the scope \"groups\"", "no name with https yet"] {
        assert!(all.contains(words), "{words}: {all}");
    }
}

#[tokio::test]
async fn an_owner_of_the_provider_is_no_owner_to_rely_on() {
    let (fixture, fake) = (Fixture::start().await, Fake::start().await);
    fixture.own().await;
    let app = &fixture.app;
    app.set_oidc(&by(), &fake.settings(), Precondition::None, Apply::Now).await.unwrap();
    fake.says().claims.insert("groups".to_owned(), serde_json::json!(["bosses"]));
    let begun = app.begin_oidc("https://front.test", "/".to_owned(), &Origin::default()).await.unwrap();
    let (state, returned) = fake.let_in(&begun);
    let returned = crate::app::access::oidc::OidcReturn { state: &state, ..returned };
    let (session, _) = app.finish_oidc(&returned, &Origin::default()).await.unwrap();
    assert_eq!(app.show_user(&by(), "mara").await.unwrap().view.role, "owner");
    let edit = async |name: &str, update: UserUpdate| {
        app.edit_user(&by(), name, &update, Precondition::None, Apply::Now).await.map(drop).map_err(|e| e.code())
    };
    let role = |role: &str| UserUpdate { role: Some(role.to_owned()), ..UserUpdate::default() };
    assert_eq!(edit("olga", role("viewer")).await, Err("last-owner"));
    assert_eq!(edit("olga", UserUpdate { disabled: Some(true), ..UserUpdate::default() }).await, Err("last-owner"));
    let refused = app.remove_user(&by(), "olga", Precondition::None, Apply::Now).await.unwrap_err();
    assert_eq!(refused.code(), "last-owner");

    // What is decided at the provider is not decided here.
    assert_eq!(edit("mara", role("viewer")).await, Err("external-user"));
    let password =
        UserUpdate { password: Some(SecretText::new("four plain words here".to_owned())), ..UserUpdate::default() };
    assert_eq!(edit("mara", password).await, Err("external-user"));
    let me = app.me(&session.actor).await.unwrap();
    let shown = SecondFactorBegin { password: SecretText::new("any".to_owned()) };
    let refused = app.begin_second_factor(&me, &shown, &Origin::default()).await.err();
    assert_eq!(refused.map(|error| error.code()), Some("external-user"));

    let removed = app.remove_oidc(&by(), Precondition::None, Apply::DryRun).await.unwrap();
    assert!(removed.warnings[0].starts_with("1 user cannot sign in any more"), "{:?}", removed.warnings);
    app.remove_user(&by(), "mara", Precondition::None, Apply::Now).await.unwrap();
}
