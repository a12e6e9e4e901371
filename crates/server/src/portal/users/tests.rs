#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{
    fixture::Fixture,
    portal::browser::{Browser, Guest},
};

const PASSWORD: &str = "four plain words here";

async fn owner(fixture: &Fixture) -> Guest {
    fixture.own().await;
    let mut guest = Guest::of(fixture);
    guest.post("/sign-in", &[("user", "olga"), ("password", "a lime tree by the door")]).await.location();
    guest
}

#[tokio::test]
async fn a_token_is_shown_once_and_revoked() {
    let fixture = Fixture::start().await;
    let mut olga = owner(&fixture).await;
    olga.get("/tokens/new").await.shows("value=\"site:change\"");
    let fields =
        [("name", "deploy from CI"), ("permission", "view"), ("permission", "site:change"), ("expires", "90d")];
    let made = olga.post("/tokens/new", &fields).await;
    assert_eq!(made.status, StatusCode::OK);
    let secret = made.text.split("id=\"token\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(secret.starts_with("ptw_") && made.text.matches(&secret).count() == 1, "{secret}");
    for path in ["/users", "/account", "/tokens/new"] {
        olga.get(path).await.hides(&secret);
    }
    let list = olga.get("/users").await;
    list.shows("deploy from CI");
    let id = list.text.split("/tokens/").nth(2).unwrap().split('/').next().unwrap().to_owned();
    assert_eq!(olga.post(&format!("/tokens/{id}/revoke"), &[]).await.location(), "/users#tokens");
    let list = olga.get("/users").await;
    list.shows("The token is revoked");
    list.hides("deploy from CI");

    let refused = olga.post("/tokens/new", &[("name", "x")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.shows("id=\"refused\"");
    refused.shows("--permission PERMISSION");
}

#[tokio::test]
async fn a_user_is_added_changed_disabled_and_removed() {
    let fixture = Fixture::start().await;
    let mut olga = owner(&fixture).await;
    let fields = [("name", "mara"), ("role", "operator"), ("password", PASSWORD), ("email", "mara@front.test")];
    assert_eq!(olga.post("/users/new", &fields).await.location(), "/users");
    let list = olga.get("/users").await;
    list.shows("mara may sign in now, as an operator.");
    list.hides(PASSWORD);
    let again = olga.post("/users/new", &fields).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    again.hides(PASSWORD);

    let mut mara = Guest::of(&fixture);
    mara.post("/sign-in", &[("user", "mara"), ("password", PASSWORD)]).await.location();
    mara.get("/account").await.shows("You are an operator");
    assert_eq!(mara.post("/users/olga/remove", &[]).await.status, StatusCode::FORBIDDEN);

    let page = "/users/mara/change";
    let refused = olga.post(page, &[("what", "role"), ("role", "viewer"), ("email", "no address")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.shows("value=\"viewer\" checked");
    refused.shows("value=\"no address\"");
    let role = [("what", "role"), ("role", "viewer"), ("email", "")];
    assert_eq!(olga.post(page, &role).await.location(), page);
    let shown = olga.get(page).await;
    shown.shows("value=\"viewer\" checked");
    shown.hides("mara@front.test");
    assert_eq!(mara.get("/account").await.location(), "/sign-in?next=%2Faccount", "the session has ended");
    olga.post(page, &[("what", "disable")]).await.location();
    let refused = mara.post("/sign-in", &[("user", "mara"), ("password", PASSWORD)]).await;
    assert_eq!((refused.status, refused.cookie()), (StatusCode::UNPROCESSABLE_ENTITY, None));
    let asked = olga.get("/users/mara/remove").await;
    for text in ["Their sessions end", "Remove the user", "portward user remove mara"] {
        asked.shows(text);
    }
    assert_eq!(olga.post("/users/mara/remove", &[]).await.location(), "/users");
    assert_eq!(olga.get(page).await.status, StatusCode::NOT_FOUND);

    olga.get("/users/olga/change").await.shows("href=\"/users/olga/remove\"");
    let asked = olga.get("/users/olga/remove").await;
    asked.shows("only owner");
    asked.hides("Remove the user");
    asked.hides("portward user add");
    let last = olga.post("/users/olga/remove", &[]).await;
    assert_eq!(last.status, StatusCode::UNPROCESSABLE_ENTITY);
    last.shows("only owner");
}

#[tokio::test]
async fn one_changes_ones_own_password_with_the_one_before() {
    let fixture = Fixture::start().await;
    let mut olga = owner(&fixture).await;
    let wrong = olga.post("/account/password", &[("current", "wrong"), ("new", PASSWORD)]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.shows("The password is wrong. You can try again in ");
    fixture.set_now(fixture.app.now().plus(std::time::Duration::from_secs(60)));
    let mut elsewhere = Guest::of(&fixture);
    elsewhere.post("/sign-in", &[("user", "olga"), ("password", "a lime tree by the door")]).await.location();
    let done = olga.post("/account/password", &[("current", "a lime tree by the door"), ("new", PASSWORD)]).await;
    assert_eq!(done.location(), "/account");
    olga.get("/account").await.shows("Your password is changed.");
    assert_eq!(elsewhere.get("/account").await.location(), "/sign-in?next=%2Faccount");
}

#[tokio::test]
async fn who_only_looks_is_offered_nothing_to_change() {
    let fixture = Fixture::start().await;
    fixture.own().await;
    let viewer = Browser::with(&fixture, &[Permission::View, Permission::UserView]);
    let list = viewer.get("/users").await;
    list.shows("olga");
    list.hides("/users/new");
    list.hides("/tokens/new");
    viewer.get("/users/olga/change").await.hides("<form method=\"post\" action=\"/users/");
    assert_eq!(viewer.get("/users/new").await.status, StatusCode::FORBIDDEN);
}
