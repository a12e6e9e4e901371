#![allow(clippy::unwrap_used, reason = "tests")]
use portward_api::SecretText;
use portward_core::Permission;

use super::*;
use crate::{
    app::access::{
        Credential,
        sign_in::{Origin, SignedIn},
    },
    fixture::{Fixture, by},
};

fn create(name: &str, role: &str) -> UserCreate {
    let password = SecretText::new("four plain words here".to_owned());
    UserCreate { name: name.to_owned(), role: role.to_owned(), password, email: None }
}

fn role(role: &str) -> UserUpdate {
    UserUpdate { role: Some(role.to_owned()), ..UserUpdate::default() }
}

fn disable(disabled: bool) -> UserUpdate {
    UserUpdate { disabled: Some(disabled), ..UserUpdate::default() }
}

async fn actor(fixture: &Fixture, name: &str) -> Actor {
    let password = SecretText::new("four plain words here".to_owned());
    let input = portward_api::SignIn { user: name.to_owned(), password, code: None };
    match fixture.app.sign_in(&input, &Origin::default()).await.unwrap() {
        SignedIn::Done(session) => session.actor,
        SignedIn::NeedsCode(_) => unreachable!("there is no second factor"),
    }
}

#[tokio::test]
async fn a_user_is_added_changed_and_removed_with_an_audit_record_each() {
    let fixture = Fixture::start().await;
    fixture.own().await;
    let app = &fixture.app;
    let before = fixture.audited().await;
    let tried = app.add_user(&by(), &create("mara", "operator"), Apply::DryRun).await.unwrap();
    assert_eq!((tried.revision, fixture.audited().await), (None, before));
    let added = app.add_user(&by(), &create("Mara", "operator"), Apply::Now).await.unwrap();
    assert_eq!((added.view.name.as_str(), added.view.role.as_str(), added.view.disabled), ("mara", "operator", false));
    let twice = app.add_user(&by(), &create("MARA", "viewer"), Apply::Now).await.unwrap_err();
    assert_eq!(twice.code(), "user-exists");
    let update = UserUpdate { email: Some("mara@shop.test".to_owned()), ..disable(true) };
    let stale = Precondition::Revision(portward_core::Revision(0));
    assert_eq!(app.edit_user(&by(), "mara", &update, stale, Apply::Now).await.unwrap_err().code(), "changed-meanwhile");
    let held = Precondition::Revision(added.revision.unwrap());
    let edited = app.edit_user(&by(), "mara", &update, held, Apply::Now).await.unwrap();
    assert!(edited.view.disabled && edited.view.email.as_deref() == Some("mara@shop.test"));
    let same = app.edit_user(&by(), "mara", &update, Precondition::None, Apply::Now).await.unwrap();
    assert_eq!(same.revision, edited.revision, "what is so already is no change");
    assert_eq!(app.list_users(&by()).await.unwrap().len(), 2);
    assert_eq!(app.remove_user(&by(), "mara", Precondition::None, Apply::Now).await.unwrap().id, "mara");
    assert_eq!(app.show_user(&by(), "mara").await.unwrap_err().code(), "not-found");
    assert_eq!(fixture.audited().await, before + 3);
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let fixture = Fixture::start().await;
    for (input, code) in [
        (create("ma ra", "viewer"), "invalid-value"),
        (create("mara", "root"), "invalid-value"),
        (UserCreate { email: Some("mara".to_owned()), ..create("mara", "viewer") }, "invalid-value"),
        (
            UserCreate { password: SecretText::new("correct horse".to_owned()), ..create("mara", "viewer") },
            "weak-password",
        ),
        (UserCreate { password: SecretText::new("mara".to_owned()), ..create("mara", "viewer") }, "weak-password"),
    ] {
        let refused = fixture.app.add_user(&by(), &input, Apply::Now).await.unwrap_err();
        assert_eq!(refused.code(), code, "{input:?}");
        assert!(!format!("{refused} {refused:?}").contains("correct horse"));
    }
}

#[tokio::test]
async fn an_administrator_makes_changes_and_removes_no_owner() {
    let fixture = Fixture::start().await;
    fixture.own().await;
    let app = &fixture.app;
    app.add_user(&by(), &create("adam", "administrator"), Apply::Now).await.unwrap();
    app.add_user(&by(), &create("vera", "viewer"), Apply::Now).await.unwrap();
    let adam: Allowed<right::UserChange> = actor(&fixture, "adam").await.may().unwrap();
    let refused = [
        app.add_user(&adam, &create("otto", "owner"), Apply::Now).await.err(),
        app.edit_user(&adam, "vera", &role("owner"), Precondition::None, Apply::Now).await.err(),
        app.edit_user(&adam, "adam", &role("owner"), Precondition::None, Apply::Now).await.err(),
        app.edit_user(&adam, "olga", &role("viewer"), Precondition::None, Apply::Now).await.err(),
        app.edit_user(&adam, "olga", &disable(true), Precondition::None, Apply::Now).await.err(),
        app.remove_user(&adam, "olga", Precondition::None, Apply::Now).await.err(),
    ];
    for error in refused {
        assert_eq!(error.unwrap().code(), "not-permitted");
    }
    let password =
        UserUpdate { password: Some(SecretText::new("other plain words here".to_owned())), ..UserUpdate::default() };
    let taken = app.edit_user(&adam, "olga", &password, Precondition::None, Apply::Now).await.unwrap_err();
    assert_eq!(taken.code(), "not-permitted", "nobody becomes an owner by choosing an owner's password");
    let own = app.edit_user(&adam, "adam", &password, Precondition::None, Apply::Now).await.unwrap_err();
    assert_eq!(own.code(), "own-password");
    app.edit_user(&adam, "vera", &role("administrator"), Precondition::None, Apply::Now).await.unwrap();
    // A token with one permission makes nobody who has more.
    let narrow = Actor::with(&[Permission::UserChange]).may().unwrap();
    let refused = app.add_user(&narrow, &create("otto", "viewer"), Apply::Now).await.unwrap_err();
    assert_eq!(refused.code(), "not-permitted");
}

#[tokio::test]
async fn there_is_always_an_owner_who_can_sign_in() {
    let fixture = Fixture::start().await;
    fixture.own().await;
    let app = &fixture.app;
    for update in [role("administrator"), disable(true)] {
        let refused = app.edit_user(&by(), "olga", &update, Precondition::None, Apply::Now).await.unwrap_err();
        assert_eq!(refused.code(), "last-owner");
    }
    let removed = app.remove_user(&by(), "olga", Precondition::None, Apply::DryRun).await.unwrap_err();
    assert_eq!(removed.code(), "last-owner");
    app.add_user(&by(), &create("otto", "owner"), Apply::Now).await.unwrap();
    app.edit_user(&by(), "otto", &disable(true), Precondition::None, Apply::Now).await.unwrap();
    let refused = app.remove_user(&by(), "olga", Precondition::None, Apply::Now).await.unwrap_err();
    assert_eq!(refused.code(), "last-owner", "one who is disabled owns nothing");
    app.edit_user(&by(), "otto", &disable(false), Precondition::None, Apply::Now).await.unwrap();
    app.remove_user(&by(), "olga", Precondition::None, Apply::Now).await.unwrap();
}

#[tokio::test]
async fn who_gets_the_name_of_one_who_is_gone_gets_nothing_else_of_theirs() {
    let fixture = Fixture::start().await;
    fixture.own().await;
    let app = &fixture.app;
    app.add_user(&by(), &create("mara", "administrator"), Apply::Now).await.unwrap();
    let mara = actor(&fixture, "mara").await;
    let create_token =
        portward_api::TokenCreate { name: "ci".to_owned(), permissions: vec!["view".to_owned()], expires: None };
    let token = app.create_token(&mara.may().unwrap(), &create_token, Apply::Now).await.unwrap();
    let removed = app.remove_user(&by(), "mara", Precondition::None, Apply::Now).await.unwrap();
    assert_eq!(removed.warnings, ["1 token of theirs counts no more"]);
    app.add_user(&by(), &create("mara", "administrator"), Apply::Now).await.unwrap();
    let shown = Credential::Token(token.secret.as_ref().unwrap().expose());
    assert_eq!(app.identify(shown).await.unwrap_err().code(), "not-authenticated");
    assert_eq!(app.me(&mara).await.err().unwrap().code(), "session-ended");
    assert!(app.list_tokens(&by()).await.unwrap().is_empty());
}
