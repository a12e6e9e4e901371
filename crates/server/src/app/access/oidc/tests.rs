#![allow(clippy::unwrap_used, reason = "tests")]
use std::time::Duration;

use portward_api::{AuditQuery, OidcSet, UserUpdate};
use serde_json::json;

use super::{fake::Fake, *};
use crate::{
    app::{Apply, Precondition, access::Credential},
    fixture::{Fixture, by},
};

const HERE: &str = "https://front.test";

async fn start() -> (Fixture, Fake) {
    let (fixture, fake) = (Fixture::start().await, Fake::start().await);
    fixture.own().await;
    set(&fixture, &fake.settings()).await;
    (fixture, fake)
}

async fn set(fixture: &Fixture, settings: &OidcSet) {
    fixture.app.set_oidc(&by(), settings, Precondition::None, Apply::Now).await.unwrap();
}

fn origin() -> Origin {
    Origin { address: "192.0.2.7".parse().ok(), agent: None }
}

async fn begin(fixture: &Fixture) -> Result<OidcBegun, AppError> {
    fixture.app.begin_oidc(HERE, "/sites".to_owned(), &origin()).await
}

async fn sign_in(fixture: &Fixture, fake: &Fake) -> Result<NewSession, AppError> {
    let begun = begin(fixture).await?;
    let (state, returned) = fake.let_in(&begun);
    let finished = fixture.app.finish_oidc(&OidcReturn { state: &state, ..returned }, &origin()).await;
    finished.map(|(session, _)| session)
}

/// Code and message with which a sign-in is refused.
async fn refused(fixture: &Fixture, fake: &Fake) -> (&'static str, String) {
    let error = sign_in(fixture, fake).await.err().unwrap();
    // Refusals are counted, and nobody waits here.
    fixture.set_now(fixture.app.now().plus(Duration::from_secs(2)));
    (error.code(), error.to_string())
}

async fn role(fixture: &Fixture, name: &str) -> String {
    fixture.app.show_user(&by(), name).await.unwrap().view.role
}

#[tokio::test]
async fn who_comes_for_the_first_time_becomes_a_user_with_the_role_of_their_groups() {
    let (fixture, fake) = start().await;
    let begun = begin(&fixture).await.unwrap();
    let asked = fake.sent(&begun.location);
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "portward"),
        ("redirect_uri", "https://front.test/sign-in/oidc/callback"),
        ("scope", "openid profile"),
        ("code_challenge_method", "S256"),
    ] {
        assert!(asked.contains(&(name.to_owned(), value.to_owned())), "{name}: {asked:?}");
    }
    let (state, returned) = fake.let_in(&begun);
    let returned = OidcReturn { state: &state, issuer: Some(&fake.url), ..returned };
    let (session, next) = fixture.app.finish_oidc(&returned, &origin()).await.unwrap();
    assert_eq!(next, "/sites");
    let actor = fixture.app.identify(Credential::Session(session.secret.expose())).await.unwrap();
    assert_eq!(actor.to_string(), "mara");
    let view = fixture.app.show_user(&by(), "mara").await.unwrap().view;
    assert_eq!((view.role.as_str(), view.issuer.as_deref()), ("operator", Some(fake.url.as_str())));
    assert_eq!(view.subject.as_deref(), Some("u-1"));
    assert!(view.last_sign_in.is_some());
    let audit = fixture.app.list_audit(&by(), &AuditQuery::default()).await.unwrap();
    let what = format!("sign in at {}, add user mara as operator", fake.url);
    assert!(audit.items.iter().any(|item| (item.who.as_str(), &item.what) == ("mara", &what)), "{audit:?}");
    assert_eq!(fake.says().keys_asked, 1);
}

#[tokio::test]
async fn a_state_counts_once_in_its_browser_for_ten_minutes() {
    let (fixture, fake) = start().await;
    let over = async |state: &str, browser: Option<&str>| {
        let returned = OidcReturn { state, code: Some("code-1"), browser, ..OidcReturn::default() };
        let code = fixture.app.finish_oidc(&returned, &origin()).await.err().map(|error| error.code());
        assert_eq!(code, Some("oidc-state-expired"), "{state} {browser:?}");
    };
    let state_of = |begun: &OidcBegun| fake.let_in(begun).0;

    let used = begin(&fixture).await.unwrap();
    let state = state_of(&used);
    let returned = fake.let_in(&used).1;
    fixture.app.finish_oidc(&OidcReturn { state: &state, ..returned }, &origin()).await.unwrap();
    over(&state, Some(used.browser.expose())).await;

    let no_cookie = begin(&fixture).await.unwrap();
    over(&state_of(&no_cookie), None).await;
    // Nor with its cookie after that.
    over(&state_of(&no_cookie), Some(no_cookie.browser.expose())).await;
    let (one, other) = (begin(&fixture).await.unwrap(), begin(&fixture).await.unwrap());
    over(&state_of(&one), Some(other.browser.expose())).await;
    over("", None).await;
    over("made-up", Some(other.browser.expose())).await;

    // Any page can have its visitors ask that: they are not counted, and their address is not slowed down.
    for number in 0..50 {
        over(&format!("made-up-{number}"), None).await;
    }
    sign_in(&fixture, &fake).await.unwrap();

    let late = begin(&fixture).await.unwrap();
    fixture.set_now(fixture.app.now().plus(flows::LIFETIME));
    over(&state_of(&late), Some(late.browser.expose())).await;
    assert_eq!(fixture.app.sign_ins_refused(), 0);
}

#[tokio::test]
async fn the_role_follows_the_groups_and_another_one_ends_all_sessions_before() {
    let (fixture, fake) = start().await;
    let first = sign_in(&fixture, &fake).await.unwrap();
    let again = sign_in(&fixture, &fake).await.unwrap();
    let is_in =
        async |session: &NewSession| fixture.app.identify(Credential::Session(session.secret.expose())).await.is_ok();
    assert!(is_in(&first).await && is_in(&again).await);
    fake.says().claims.insert("groups".to_owned(), json!(["bosses", "nobody knows"]));
    let higher = sign_in(&fixture, &fake).await.unwrap();
    assert_eq!(role(&fixture, "mara").await, "owner");
    assert!(!is_in(&first).await && !is_in(&again).await && is_in(&higher).await);
    fake.says().claims.insert("groups".to_owned(), json!("all"));
    sign_in(&fixture, &fake).await.unwrap();
    assert_eq!(role(&fixture, "mara").await, "viewer");

    // No name is looked at any more: who they are says the provider's own id.
    fake.says().claims.insert("preferred_username".to_owned(), json!("olga"));
    sign_in(&fixture, &fake).await.unwrap();
    assert_eq!(role(&fixture, "olga").await, "owner");
    assert_eq!(fixture.app.list_users(&by()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn nobody_becomes_somebody_else_by_a_name() {
    let (fixture, fake) = start().await;
    fake.says().claims.insert("preferred_username".to_owned(), json!("Olga"));
    let (code, text) = refused(&fixture, &fake).await;
    assert_eq!(code, "oidc-name-taken");
    assert!(text.contains("\"olga\" already, who signs in with a password here"), "{text}");
    assert_eq!(role(&fixture, "olga").await, "owner");
    assert_eq!(fixture.app.show_user(&by(), "olga").await.unwrap().view.issuer, None);

    fake.says().claims.insert("preferred_username".to_owned(), json!("mara"));
    sign_in(&fixture, &fake).await.unwrap();
    fake.says().claims.insert("sub".to_owned(), json!("u-2"));
    let (code, text) = refused(&fixture, &fake).await;
    assert_eq!(code, "oidc-name-taken");
    assert!(text.contains("somebody else at the same provider"), "{text}");
    fake.says().claims.insert("preferred_username".to_owned(), json!("Mära Ö"));
    assert_eq!(refused(&fixture, &fake).await.0, "oidc-claim-unusable");
}

#[tokio::test]
async fn who_is_disabled_or_has_no_mapped_group_stays_out() {
    let (fixture, fake) = start().await;
    let session = sign_in(&fixture, &fake).await.unwrap();
    fake.says().claims.insert("groups".to_owned(), json!(["Ops", "guests"]));
    let (code, text) = refused(&fixture, &fake).await;
    assert_eq!(code, "oidc-groups-unmapped");
    assert_eq!(
        text,
        "none of your groups gives a role here: the groups that came are \"Ops\", \"guests\". An administrator maps one of them: portward oidc set --role GROUP=ROLE"
    );
    // The role that they had stays, until they come with another one.
    assert_eq!(role(&fixture, "mara").await, "operator");
    fake.says().claims.insert("groups".to_owned(), json!(["bosses"]));
    let disable = UserUpdate { disabled: Some(true), ..UserUpdate::default() };
    fixture.app.edit_user(&by(), "mara", &disable, Precondition::None, Apply::Now).await.unwrap();
    assert_eq!(refused(&fixture, &fake).await.0, "user-disabled");
    assert_eq!(role(&fixture, "mara").await, "operator");
    assert!(fixture.app.identify(Credential::Session(session.secret.expose())).await.is_err());
}

#[tokio::test]
async fn claims_that_the_token_lacks_are_asked_for() {
    let (fixture, fake) = start().await;
    fake.says().claims.extend([("groups".to_owned(), Value::Null), ("preferred_username".to_owned(), Value::Null)]);
    fake.says().userinfo = json!({ "sub": "u-1", "groups": ["ops"], "preferred_username": "mara", "iss": "x" });
    sign_in(&fixture, &fake).await.unwrap();
    assert_eq!(role(&fixture, "mara").await, "operator");
    fake.says().userinfo = json!({ "sub": "u-2", "groups": ["bosses"] });
    let (code, text) = refused(&fixture, &fake).await;
    assert!(code == "oidc-provider-unusable" && text.contains("told of somebody else"), "{text}");
    fake.says().userinfo = json!({ "sub": "u-1", "roles": ["bosses"] });
    let (code, text) = refused(&fixture, &fake).await;
    assert_eq!(code, "oidc-claim-missing");
    assert!(text.contains("no usable claim \"groups\"; what it sent is ") && text.contains("roles"), "{text}");

    let settings = OidcSet {
        groups_claim: Some("realm_access.roles".to_owned()),
        name_claim: Some("upn".to_owned()),
        client_secret: None,
        ..fake.settings()
    };
    set(&fixture, &settings).await;
    fake.says().claims.insert("realm_access".to_owned(), json!({ "roles": ["all"] }));
    fake.says().userinfo = Value::Null;
    sign_in(&fixture, &fake).await.unwrap();
    assert_eq!(role(&fixture, "mara").await, "viewer");
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_asked_for_once_in_a_while() {
    let (fixture, fake) = start().await;
    sign_in(&fixture, &fake).await.unwrap();
    fake.rotate("k2");
    let (code, text) = refused(&fixture, &fake).await;
    assert!(code == "oidc-token-refused" && text.contains("Sign in again in a minute"), "{text}");
    assert_eq!(fake.says().keys_asked, 1);
    fixture.set_now(fixture.app.now().plus(Duration::from_secs(60)));
    sign_in(&fixture, &fake).await.unwrap();
    assert_eq!(fake.says().keys_asked, 2);
    sign_in(&fixture, &fake).await.unwrap();
    assert_eq!(fake.says().keys_asked, 2);
}

#[tokio::test]
async fn each_trouble_has_its_own_text_with_what_to_do() {
    let (fixture, fake) = start().await;
    let told = async |code: &str, words: &[&str]| {
        let (got, text) = refused(&fixture, &fake).await;
        assert_eq!(got, code, "{text}");
        for word in words {
            assert!(text.contains(word), "\"{word}\" is not in: {text}");
        }
        fake.says().claims.clear();
    };
    fake.says().secret = "another".to_owned();
    told("oidc-client-refused", &["client \"portward\" or its secret (invalid_client)", "--client-secret-file"]).await;
    fake.says().secret = "the secret/of=the client".to_owned();
    let now = fixture.app.now().unix();
    fake.says().claims.extend([("iat".to_owned(), json!(now + 3600)), ("exp".to_owned(), json!(now + 3900))]);
    told("oidc-clock", &["it counts from 2026-11-20T13:0", "here it is 2026-11-20T12:0", "timedatectl"]).await;
    fake.says().claims.extend([("iat".to_owned(), json!(now - 900)), ("exp".to_owned(), json!(now - 600))]);
    told("oidc-clock", &["to 2026-11-20T11:5"]).await;
    for (claim, value, words) in [
        ("nonce", json!("n"), "it belongs to another sign-in"),
        ("aud", json!("other"), "it is for \"other\", and not for the client \"portward\""),
        ("iss", json!("https://evil.test"), "it is of the issuer \"https://evil.test\""),
    ] {
        fake.says().claims.insert(claim.to_owned(), value);
        told("oidc-token-refused", &[words]).await;
    }
    fake.says().claims.insert("groups".to_owned(), Value::Null);
    fake.says().userinfo = json!({ "sub": "u-1" });
    told("oidc-claim-missing", &["claim \"groups\"", "preferred_username", "--groups-claim"]).await;

    // What it says of itself is asked for anew.
    fixture.set_now(fixture.app.now().plus(Duration::from_secs(3600)));
    let says_of_itself = |name: &str, value: Value| {
        fake.says().configuration = [(name.to_owned(), value)].into_iter().collect();
    };
    says_of_itself("issuer", json!(format!("{}/", fake.url)));
    let own = format!("portward oidc set --issuer {}/", fake.url);
    told("oidc-issuer-mismatch", &["each character counts", &own]).await;
    says_of_itself("jwks_uri", json!("http://keys.evil.test/"));
    told("oidc-provider-unusable", &["names \"http://keys.evil.test/\" as its jwks_uri"]).await;
    says_of_itself("token_endpoint", Value::Null);
    told("oidc-provider-unusable", &["does not say \"token_endpoint\""]).await;
}

#[tokio::test]
async fn an_answer_of_another_provider_or_with_an_error_is_refused() {
    let (fixture, fake) = start().await;
    fake.says().configuration.insert("authorization_response_iss_parameter_supported".to_owned(), json!(true));
    let answered = async |change: &dyn Fn(&mut OidcReturn<'_>)| {
        let begun = begin(&fixture).await.unwrap();
        let (state, returned) = fake.let_in(&begun);
        let mut returned = OidcReturn { state: &state, issuer: Some(fake.url.as_str()), ..returned };
        change(&mut returned);
        let error = fixture.app.finish_oidc(&returned, &origin()).await.err();
        error.map(|error| (error.code(), error.to_string()))
    };
    assert_eq!(answered(&|_| {}).await, None);
    for change in [
        (&|returned: &mut OidcReturn<'_>| returned.issuer = Some("https://evil.test")) as &dyn Fn(&mut OidcReturn<'_>),
        &|returned| returned.issuer = None,
        &|returned| returned.code = None,
    ] {
        assert_eq!(answered(change).await.unwrap().0, "oidc-answer-refused");
    }
    let (code, text) = answered(&|returned| {
        (returned.error, returned.description) = (Some("access_denied"), Some("Mara\u{1b}[2J said no"));
    })
    .await
    .unwrap();
    assert_eq!(code, "oidc-denied");
    assert!(text.contains("lets nobody in (access_denied: Mara [2J said no)"), "{text}");
    assert_eq!(answered(&|returned| returned.code = Some("code-2")).await.unwrap().0, "oidc-code-refused");
}

#[tokio::test]
async fn a_provider_that_is_down_is_in_nobodys_way() {
    let (fixture, fake) = start().await;
    drop(fake);
    let begun = std::time::Instant::now();
    let error = loop {
        // The task that ends is given the time to.
        match begin(&fixture).await {
            Err(error) => break error,
            Ok(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!((error.status(), error.code()), (StatusCode::BAD_GATEWAY, "oidc-provider-down"));
    assert!(error.to_string().contains("portward oidc test"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(fixture.app.oidc_label().await.as_deref(), Some("Northmole"));
    let input = portward_api::SignIn {
        user: "olga".to_owned(),
        password: SecretText::new("a lime tree by the door".to_owned()),
        code: None,
    };
    assert!(fixture.app.sign_in(&input, &origin()).await.is_ok());
    // Nothing of it counts as a guess.
    assert_eq!(fixture.app.sign_ins_refused(), 0);
}

#[tokio::test]
async fn whoever_is_refused_often_waits() {
    let (fixture, fake) = start().await;
    fake.says().claims.insert("groups".to_owned(), json!([]));
    for _ in 0..21 {
        assert_eq!(sign_in(&fixture, &fake).await.err().unwrap().code(), "oidc-groups-unmapped");
    }
    let error = sign_in(&fixture, &fake).await.err().unwrap();
    assert_eq!((error.status(), error.code()), (StatusCode::TOO_MANY_REQUESTS, "too-many-tries"));
}
