#![allow(clippy::unwrap_used, reason = "tests")]
use portward_core::Permission;

use super::*;
use crate::{
    app::access::oidc::fake::Fake,
    fixture::Fixture,
    portal::browser::{Browser, Guest},
};

const SECRET: &str = "the secret/of=the client";

fn fields<'a>(issuer: &'a str, roles: &'a str, secret: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("issuer", issuer),
        ("client_id", "portward"),
        ("client_secret", secret),
        ("scopes", "openid profile"),
        ("groups_claim", "groups"),
        ("name_claim", "preferred_username"),
        ("roles", roles),
        ("authority", ""),
        ("label", "Northmole"),
    ]
}

#[tokio::test]
async fn a_provider_is_set_tested_and_removed() {
    let (fixture, fake) = (Fixture::start().await, Fake::start().await);
    let browser = Browser::of(&fixture);
    let fresh = browser.get(PATH).await;
    fresh.shows("Users sign in with passwords alone");
    fresh.shows("portward oidc set");
    fresh.hides("Test the provider");

    let wrong = browser.post(PATH, &fields(&fake.url, "ops: operator", SECRET)).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.shows("Roles: &#34;ops: operator&#34; is no line like admins = administrator. Nothing was saved.");
    wrong.hides(SECRET);

    let roles = "ops = operator\r\nCN=Bosses,DC=shop = owner\r\n";
    assert_eq!(browser.post(PATH, &fields(&fake.url, roles, SECRET)).await.location(), PATH);
    let page = browser.get(PATH).await;
    page.shows("CN=Bosses,DC=shop = owner\nops = operator");
    page.shows("There is one, which stays");
    page.shows("--role CN=Bosses,DC=shop=owner");
    page.hides(SECRET);

    let tested = browser.post(&format!("{PATH}/test"), &[]).await;
    tested.shows("The provider answers");
    tested.shows("EdDSA k1");
    assert_eq!(browser.post(PATH, &fields(&fake.url, "ops = viewer", "")).await.location(), PATH);
    browser.get(PATH).await.shows("There is one, which stays");

    fake.says().configuration.insert("issuer".to_owned(), json!("https://other.test"));
    browser.post(&format!("{PATH}/test"), &[]).await.shows("calls itself &#34;https://other.test&#34;");
    assert_eq!(browser.post(&format!("{PATH}/remove"), &[]).await.location(), "/users");
    browser.get(PATH).await.shows("Users sign in with passwords alone");
    assert_eq!(browser.post(&format!("{PATH}/test"), &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_may_only_look_sees_no_button() {
    let fixture = Fixture::start().await;
    let browser = Browser::with(&fixture, &[Permission::View, Permission::UserView]);
    browser.get(PATH).await.hides("btn primary");
    assert_eq!(browser.post(PATH, &[]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_browser_goes_to_the_provider_and_comes_back_signed_in() {
    let (fixture, fake) = (Fixture::start().await, Fake::start().await);
    fixture.own().await;
    let mut guest = Guest::of(&fixture);
    guest.get("/sign-in").await.hides("Sign in with");
    assert_eq!(guest.get("/sign-in/oidc").await.status, StatusCode::NOT_FOUND);
    Browser::of(&fixture).post(PATH, &fields(&fake.url, "ops = operator", SECRET)).await.location();
    let page = guest.get("/sign-in?next=%2Faccount").await;
    page.shows("href=\"/sign-in/oidc?next=%2Faccount\">Sign in with Northmole<");

    let away = guest.get("/sign-in/oidc?next=%2Faccount").await;
    let cookie = away.cookie().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-portward-oidc="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600"), "{cookie}");
    let asked = fake.sent(away.location());
    let of = |name: &str| asked.iter().find(|(known, _)| known == name).unwrap().1.clone();
    assert_eq!(of("redirect_uri"), "https://front.test/sign-in/oidc/callback");
    let callback = format!("/sign-in/oidc/callback?code=code-1&state={}", of("state"));
    let back = guest.get(&callback).await;
    assert_eq!(back.location(), "/account");
    assert!(back.cookie().unwrap().starts_with("__Host-portward="), "{:?}", back.headers);
    let all: Vec<_> = back.headers.get_all(http::header::SET_COOKIE).iter().collect();
    assert!(all[1].to_str().unwrap().starts_with("__Host-portward-oidc=; "), "{all:?}");

    let account = guest.get("/account").await;
    account.shows("You are an operator");
    account.shows(&fake.url);
    account.hides("Change the password");
    account.hides("Set it up");
    let user = Browser::of(&fixture).get("/users/mara/change").await;
    user.shows("follows their groups there");
    user.hides("name=\"role\"");
    user.hides("Set the password");

    // The way back counts once, and a page says so.
    let again = Guest::of(&fixture).get(&callback).await;
    assert_eq!(
        (again.status, again.cookie().map(|cookie| cookie.contains("Max-Age=0"))),
        (StatusCode::FORBIDDEN, Some(true))
    );
    again.shows("This sign-in is over");
    again.shows("name=\"password\"");
    again.shows("Sign in with Northmole");
}
