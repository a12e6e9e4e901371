#![allow(clippy::unwrap_used, reason = "tests")]
use std::time::Duration;

use portward_api::{
    BindingCreate, PasswordChange, SecondFactorBegin, SecondFactorEnd, SecretText, SetupInput, SignIn, SiteCreate,
    TokenCreate, UserCreate, UserUpdate,
};
use portward_core::{Host, Permission, Timestamp};

use super::{
    sign_in::{NewSession, Origin, SignedIn},
    *,
};
use crate::{
    app::{Apply, Precondition, right},
    fixture::{Fixture, binding, bundle, by, import, now, portal},
    handshake::{Greeting, shake_hands},
};

const PASSWORD: &str = "four plain words here";

fn text(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

fn sign_in(user: &str, password: &str, code: Option<&str>) -> SignIn {
    SignIn { user: user.to_owned(), password: text(password), code: code.map(text) }
}

fn origin() -> Origin {
    Origin { address: Some("192.0.2.7".parse().unwrap()), agent: Some("Firefox".to_owned()) }
}

fn after(seconds: u64) -> Timestamp {
    now().plus(Duration::from_secs(seconds))
}

async fn with_mara() -> Fixture {
    let fixture = Fixture::start().await;
    fixture.own().await;
    let create =
        UserCreate { name: "mara".to_owned(), role: "administrator".to_owned(), password: text(PASSWORD), email: None };
    fixture.app.add_user(&by(), &create, Apply::Now).await.unwrap();
    fixture
}

async fn try_in(fixture: &Fixture, user: &str, password: &str) -> Result<NewSession, AppError> {
    match fixture.app.sign_in(&sign_in(user, password, None), &origin()).await? {
        SignedIn::Done(session) => Ok(session),
        SignedIn::NeedsCode(_) => Err(unauthenticated("needs-code", "")),
    }
}

async fn code_of(fixture: &Fixture, session: &NewSession) -> Option<&'static str> {
    fixture.app.identify(Credential::Session(session.secret.expose())).await.err().map(|error| error.code())
}

async fn edit(fixture: &Fixture, update: UserUpdate) {
    fixture.app.edit_user(&by(), "mara", &update, Precondition::None, Apply::Now).await.unwrap();
}

#[tokio::test]
async fn who_signed_in_is_known_by_the_session_until_it_ends() {
    let fixture = with_mara().await;
    let session = try_in(&fixture, "Mara", PASSWORD).await.unwrap();
    let actor = fixture.app.identify(Credential::Session(session.secret.expose())).await.unwrap();
    assert_eq!(actor, session.actor);
    assert!(actor.may::<right::UserChange>().is_ok() && actor.may::<right::StoreRestore>().is_err());
    for other in ["", "x", &session.secret.expose()[1..], "Ä"] {
        let refused = fixture.app.identify(Credential::Session(other)).await.unwrap_err();
        assert_eq!((refused.status(), refused.code()), (StatusCode::UNAUTHORIZED, "session-ended"), "{other}");
    }
    let other = try_in(&fixture, "mara", PASSWORD).await.unwrap();
    assert_ne!(session.secret, other.secret);
    fixture.app.sign_out(&actor).await.unwrap();
    assert_eq!(code_of(&fixture, &session).await, Some("session-ended"));
    assert_eq!(code_of(&fixture, &other).await, None);
    let fixture = fixture.restart().await;
    assert_eq!(code_of(&fixture, &other).await, None, "a restart ends no session");
}

#[tokio::test]
async fn an_open_page_keeps_no_session_from_ending() {
    let fixture = with_mara().await;
    let session = try_in(&fixture, "mara", PASSWORD).await.unwrap();
    let asked_by_page = async || fixture.app.identify(Credential::OpenPage(session.secret.expose())).await;
    for hours in 1..8 {
        fixture.set_now(after(hours * 3600));
        assert!(asked_by_page().await.is_ok(), "{hours}");
        // What is written is written by others, soon.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    fixture.set_now(after(8 * 3600));
    assert_eq!(asked_by_page().await.unwrap_err().code(), "session-ended");
}

#[tokio::test]
async fn a_session_ends_for_want_of_use_and_after_a_week() {
    let fixture = with_mara().await;
    let (idle, used) =
        (try_in(&fixture, "mara", PASSWORD).await.unwrap(), try_in(&fixture, "mara", PASSWORD).await.unwrap());
    let mut hours = 0;
    while hours < 7 * 24 - 7 {
        hours += 7;
        fixture.set_now(after(hours * 3600));
        assert_eq!(code_of(&fixture, &used).await, None, "{hours}");
        // Written by somebody whom nobody waits for.
        let sha256 = sha256(used.secret.expose());
        for _ in 0..500 {
            let seen = work::read_session(&fixture.store, &sha256).await.unwrap().unwrap().value.seen;
            if seen == after(hours * 3600) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(code_of(&fixture, &idle).await, Some("session-ended"));
    fixture.set_now(after(7 * 24 * 3600));
    assert_eq!(code_of(&fixture, &used).await, Some("session-ended"));
}

#[tokio::test]
async fn sessions_end_when_a_user_may_no_more_what_they_could() {
    let fixture = with_mara().await;
    let role = |role: &str| UserUpdate { role: Some(role.to_owned()), ..UserUpdate::default() };
    for update in [
        role("viewer"),
        role("administrator"),
        UserUpdate { password: Some(text("other plain words here")), ..UserUpdate::default() },
        UserUpdate { password: Some(text(PASSWORD)), ..UserUpdate::default() },
    ] {
        let password = if update.password.as_ref().is_some_and(|new| new.expose() == PASSWORD) {
            "other plain words here"
        } else {
            PASSWORD
        };
        let session = try_in(&fixture, "mara", password).await.unwrap();
        edit(&fixture, update).await;
        assert_eq!(code_of(&fixture, &session).await, Some("session-ended"));
    }
    let session = try_in(&fixture, "mara", PASSWORD).await.unwrap();
    edit(&fixture, UserUpdate { email: Some("m@shop.test".to_owned()), ..UserUpdate::default() }).await;
    assert_eq!(code_of(&fixture, &session).await, None, "another address ends nothing");
    let disable = |disabled| UserUpdate { disabled: Some(disabled), ..UserUpdate::default() };
    edit(&fixture, disable(true)).await;
    assert_eq!(code_of(&fixture, &session).await, Some("session-ended"));
    assert_eq!(try_in(&fixture, "mara", PASSWORD).await.err().unwrap().code(), "user-disabled");
    assert_eq!(try_in(&fixture, "mara", "x").await.err().unwrap().code(), "wrong-password", "strangers learn nothing");
    edit(&fixture, disable(false)).await;
    assert_eq!(code_of(&fixture, &session).await, Some("session-ended"), "what ended stays ended");
    fixture.set_now(after(10));
    let session = try_in(&fixture, "mara", PASSWORD).await.unwrap();
    fixture.app.remove_user(&by(), "mara", Precondition::None, Apply::Now).await.unwrap();
    assert_eq!(code_of(&fixture, &session).await, Some("session-ended"));
}

#[tokio::test]
async fn whoever_guesses_waits_longer_each_time_and_nobody_else_does() {
    let fixture = with_mara().await;
    let mut seconds = 0;
    for (wait, told) in [(1, "1 second"), (2, "2 seconds"), (4, "4 seconds")] {
        for user in ["mara", "nobody"] {
            let refused = try_in(&fixture, user, "wrong").await.err().unwrap();
            assert_eq!(
                (refused.code(), refused.to_string()),
                ("wrong-password", format!("User name or password is wrong. You can try again in {told}."))
            );
            let refused = try_in(&fixture, user, PASSWORD).await.err().unwrap();
            assert_eq!((refused.status(), refused.code()), (StatusCode::TOO_MANY_REQUESTS, "too-many-tries"));
        }
        seconds += wait;
        fixture.set_now(after(seconds));
    }
    assert!(try_in(&fixture, "mara", PASSWORD).await.is_ok());
    let refused = try_in(&fixture, "mara", "wrong").await.err().unwrap();
    assert_eq!(refused.to_string(), "User name or password is wrong. You can try again in 1 second.");
}

#[tokio::test]
async fn a_token_lets_in_until_it_ends_and_is_told_why_not() {
    let fixture = with_mara().await;
    let actor = try_in(&fixture, "mara", PASSWORD).await.unwrap().actor;
    let create = |expires: Option<&str>| TokenCreate {
        name: "ci".to_owned(),
        permissions: vec!["view".to_owned(), "user:change".to_owned()],
        expires: expires.map(str::to_owned),
    };
    let mut made = Vec::new();
    for expires in [None, Some("1h"), None] {
        let created = fixture.app.create_token(&actor.may().unwrap(), &create(expires), Apply::Now).await.unwrap();
        made.push((created.token.id, created.secret.unwrap()));
    }
    let code = async |secret: &SecretText| {
        fixture.app.identify(Credential::Token(secret.expose())).await.err().map(|error| error.code())
    };
    for (_, secret) in &made {
        let actor = fixture.app.identify(Credential::Token(secret.expose())).await.unwrap();
        assert_eq!(actor.permissions().collect::<Vec<_>>(), [Permission::View, Permission::UserChange]);
        assert_eq!(actor.to_string(), "mara (token ci)");
    }
    fixture.set_now(after(3600));
    assert_eq!(code(&made[1].1).await, Some("token-expired"));
    fixture.app.revoke_token(&by(), &made[2].0, Apply::Now).await.unwrap();
    assert_eq!(code(&made[2].1).await, Some("token-revoked"));
    // Another secret with the id of a token that there is.
    let forged = TokenText::new(portward_core::TokenId::parse(&made[0].0).unwrap(), &"0".repeat(43));
    assert_eq!(code(&text(forged.expose())).await, Some("not-authenticated"));
    for end in 0..made[0].1.expose().len() {
        assert_eq!(code(&text(&made[0].1.expose()[..end])).await, Some("not-authenticated"), "{end}");
    }
    edit(&fixture, UserUpdate { role: Some("viewer".to_owned()), ..UserUpdate::default() }).await;
    let cut = fixture.app.identify(Credential::Token(made[0].1.expose())).await.unwrap();
    assert_eq!(cut.permissions().collect::<Vec<_>>(), [Permission::View], "no more than its owner may now");
    edit(&fixture, UserUpdate { disabled: Some(true), ..UserUpdate::default() }).await;
    assert_eq!(code(&made[0].1).await, Some("user-disabled"));
    fixture.app.remove_user(&by(), "mara", Precondition::None, Apply::Now).await.unwrap();
    assert_eq!(code(&made[0].1).await, Some("not-authenticated"));
}

#[tokio::test]
async fn a_setup_link_counts_once_and_for_an_hour() {
    let fixture = Fixture::start().await;
    let root = Actor::local(0, None);
    let input = |token: Option<&str>, password: &str| SetupInput {
        token: token.map(text),
        name: "mara".to_owned(),
        password: text(password),
        email: Some("mara@shop.test".to_owned()),
    };
    let fresh = async || {
        let link = fixture.app.make_setup_link(&root).await.unwrap();
        link.loopback_link.expose().split_once('#').unwrap().1.to_owned()
    };
    let code = async |token: Option<&str>, password: &str| {
        fixture.app.create_owner(None, &input(token, password), &origin()).await.err().map(|error| error.code())
    };
    let file = fixture.directory.path().join("setup-link");
    let old = fresh().await;
    let token = fresh().await;
    assert!(token.starts_with("st_") && token.len() == 46, "{token}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("http://127.0.0.1:8442/setup#{token}\n"));
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap()) & 0o777, 0o600);
    assert_eq!(code(None, PASSWORD).await, Some("setup-token-missing"));
    assert_eq!(code(Some(&old), PASSWORD).await, Some("setup-token-wrong"), "a fresh link replaces the old one");
    assert_eq!(code(Some(&token[..45]), PASSWORD).await, Some("setup-token-wrong"));
    assert_eq!(code(Some(&token), "correct horse").await, Some("weak-password"), "a slip does not use it up");
    fixture.set_now(after(3600));
    assert_eq!(code(Some(&token), PASSWORD).await, Some("setup-token-wrong"));
    let token = fresh().await;
    assert_eq!(code(Some(&token), PASSWORD).await, None);
    assert!(!file.exists());
    assert_eq!(code(Some(&token), PASSWORD).await, Some("owner-exists"));
    assert_eq!(fixture.app.make_setup_link(&root).await.unwrap_err().code(), "owner-exists");
    assert!(try_in(&fixture, "mara", PASSWORD).await.unwrap().actor.may_all_of(portward_core::Role::Owner));
}

#[tokio::test]
async fn a_setup_link_has_the_thumbprint_of_what_is_presented_where_it_leads() {
    for (url, host, of_site) in [
        ("https://0.0.0.0:0", "front.test", None),
        ("https://127.0.0.1:0", "127.0.0.1", None),
        // Who comes to an address asks for no name, so that the site does not decide.
        ("https://127.0.0.1:0", "127.0.0.1", Some("front-test")),
    ] {
        let fixture = Fixture::start().await;
        for name in ["other.test", "front.test", "127.0.0.1"] {
            let input = import(&bundle(&[name], 90), None);
            fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
        }
        let at = BindingCreate { default_certificate: Some("other-test".to_owned()), ..binding(url) };
        fixture.app.add_binding(&by(), &at, Apply::Now).await.unwrap();
        let site = SiteCreate { certificate: of_site.map(str::to_owned), ..portal(&["*"]) };
        fixture.app.add_site(&by(), &site, Apply::Now).await.unwrap();
        let made = fixture.app.make_setup_link(&Actor::local(0, None)).await.unwrap();
        let port = fixture.served.now().bindings[0].result.as_ref().unwrap().port();
        assert!(made.link.unwrap().expose().starts_with(&format!("https://{host}:{port}/setup#")));
        let host = Host::parse(host).unwrap();
        let seen = shake_hands(([127, 0, 0, 1], port).into(), Greeting::Nothing, &host).await.unwrap().leaf();
        assert_eq!(made.thumbprint, Some(seen.to_string()), "{host} {of_site:?}");
        let presented = fixture.stored().await.certificates.iter().find_map(|stored| {
            let facts = &stored.value.current_version()?.facts;
            (facts.thumbprint == seen).then(|| facts.names[0].to_string())
        });
        assert_eq!(presented, Some(host.to_string()));
    }
}

/// The codes that an authenticator program shows.
fn code_at(secret: &SecretText, at: Timestamp) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret.expose()).unwrap();
    let totp = totp_rs::Builder::new().with_algorithm(totp_rs::Algorithm::SHA1).with_secret(secret).build().unwrap();
    totp.generate(u64::try_from(at.unix()).unwrap()).to_string()
}

fn begin(password: &str) -> SecondFactorBegin {
    SecondFactorBegin { password: text(password) }
}

#[tokio::test]
async fn a_session_that_somebody_left_open_does_not_lock_them_out() {
    let fixture = with_mara().await;
    let session = try_in(&fixture, "mara", PASSWORD).await.unwrap();
    let me = fixture.app.me(&session.actor).await.unwrap();
    let guessed = fixture.app.begin_second_factor(&me, &begin("another one altogether"), &origin()).await;
    assert_eq!(guessed.err().unwrap().code(), "wrong-password");
}

#[tokio::test]
async fn the_same_code_twice_at_once_lets_one_in() {
    let fixture = with_mara().await;
    let app = &fixture.app;
    let first = try_in(&fixture, "mara", PASSWORD).await.unwrap();
    let me = app.me(&first.actor).await.unwrap();
    let begun = app.begin_second_factor(&me, &begin(PASSWORD), &origin()).await.unwrap();
    app.finish_second_factor(&me, &text(&code_at(&begun.secret, now())), &origin()).await.unwrap();
    fixture.set_now(after(60));
    let user = access::read_user(&*app.parts.store, &me.stored.value.user.name).await.unwrap().unwrap().value;
    let code = text(&code_at(&begun.secret, after(60)));
    // Both look before either counts.
    let one = app.check_code(&user, &code).await.unwrap();
    let other = app.check_code(&user, &code).await.unwrap();
    assert!(app.begin_session(&user, one, &origin()).await.is_ok());
    assert_eq!(app.begin_session(&user, other, &origin()).await.err().unwrap().code(), "wrong-code");
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_each_code_counts_once() {
    let fixture = with_mara().await;
    let app = &fixture.app;
    let first = try_in(&fixture, "mara", PASSWORD).await.unwrap();
    let me = app.me(&first.actor).await.unwrap();
    assert_eq!(
        app.finish_second_factor(&me, &text("123456"), &origin()).await.err().unwrap().code(),
        "second-factor-not-begun"
    );
    let begun = app.begin_second_factor(&me, &begin(PASSWORD), &origin()).await.unwrap();
    assert!(begun.url.expose().starts_with("otpauth://totp/Portward%3Amara?secret="), "{}", begun.url.expose());
    assert_eq!(app.finish_second_factor(&me, &text("000000"), &origin()).await.err().unwrap().code(), "wrong-code");
    let (codes, second) =
        app.finish_second_factor(&me, &text(&code_at(&begun.secret, now())), &origin()).await.unwrap();
    assert_eq!(codes.len(), 10);
    assert_eq!((code_of(&fixture, &first).await, code_of(&fixture, &second).await), (Some("session-ended"), None));

    let with = async |code: &str| match app.sign_in(&sign_in("mara", PASSWORD, Some(code)), &origin()).await {
        Ok(SignedIn::Done(_)) => "done",
        Ok(SignedIn::NeedsCode(_)) => "needs-code",
        Err(error) => error.code(),
    };
    assert_eq!(with(&code_at(&begun.secret, now())).await, "wrong-code", "it was shown when it was set up");
    let at = |seconds| {
        fixture.set_now(after(seconds));
        code_at(&begun.secret, after(seconds))
    };
    assert_eq!(with(&at(60)).await, "done");
    assert_eq!(with(&at(60)).await, "wrong-code", "a code counts once");
    assert_eq!(with(&at(60)).await, "too-many-tries");
    let late = code_at(&begun.secret, after(120));
    fixture.set_now(after(150));
    assert_eq!(with(&late).await, "done", "the one before counts");
    fixture.set_now(after(300));
    assert_eq!(with(&code_at(&begun.secret, after(210))).await, "wrong-code");
    fixture.set_now(after(310));
    assert_eq!(with(&second_factor::grouped(&codes[3]).expose().to_uppercase()).await, "done");
    assert_eq!(with(codes[3].expose()).await, "wrong-code", "a recovery code counts once");

    fixture.set_now(after(400));
    let SignedIn::NeedsCode(ticket) = app.sign_in(&sign_in("mara", PASSWORD, None), &origin()).await.unwrap() else {
        unreachable!("a second factor is on");
    };
    let done = app.finish_sign_in(&ticket, &text(&code_at(&begun.secret, after(400))), &origin()).await.unwrap();
    let again = app.finish_sign_in(&ticket, &text(&code_at(&begun.secret, after(430))), &origin()).await;
    assert_eq!(again.err().unwrap().code(), "ticket-expired", "a ticket counts once");

    let me = app.me(&done.actor).await.unwrap();
    let wrong = app.end_second_factor(&me, &SecondFactorEnd { password: text("wrong") }, &origin()).await;
    assert_eq!(wrong.err().unwrap().code(), "wrong-password");
    fixture.set_now(after(410));
    app.end_second_factor(&me, &SecondFactorEnd { password: text(PASSWORD) }, &origin()).await.unwrap();
    assert!(try_in(&fixture, "mara", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_short_password_stands_beside_a_second_factor_alone() {
    let fixture = with_mara().await;
    let app = &fixture.app;
    let session = try_in(&fixture, "mara", PASSWORD).await.unwrap();
    let me = app.me(&session.actor).await.unwrap();
    let change = |current: &str, new: &str| PasswordChange { current: text(current), new: text(new) };
    let refused = app.change_own_password(&me, &change(PASSWORD, "lime tree"), &origin()).await.err().unwrap();
    assert_eq!(
        (refused.code(), refused.to_string().as_str()),
        ("weak-password", "password: 9 characters. 15 or more.")
    );
    let refused = app.change_own_password(&me, &change("wrong", "other plain words here"), &origin()).await;
    assert_eq!(refused.err().unwrap().code(), "wrong-password");
    fixture.set_now(after(10));
    let begun = app.begin_second_factor(&me, &begin(PASSWORD), &origin()).await.unwrap();
    let code = text(&code_at(&begun.secret, after(10)));
    let (_, session) = app.finish_second_factor(&me, &code, &origin()).await.unwrap();
    let me = app.me(&session.actor).await.unwrap();
    let other = app.change_own_password(&me, &change(PASSWORD, "lime tree"), &origin()).await.unwrap();
    assert_eq!((code_of(&fixture, &session).await, code_of(&fixture, &other).await), (Some("session-ended"), None));
    let me = app.me(&other.actor).await.unwrap();
    let end = app.end_second_factor(&me, &SecondFactorEnd { password: text("lime tree") }, &origin()).await;
    assert_eq!(end.err().unwrap().code(), "weak-password");
}

#[tokio::test]
async fn everybody_sees_and_ends_their_own_sessions_and_no_others() {
    let fixture = with_mara().await;
    let app = &fixture.app;
    let (one, other) =
        (try_in(&fixture, "mara", PASSWORD).await.unwrap(), try_in(&fixture, "mara", PASSWORD).await.unwrap());
    let olga = try_in(&fixture, "olga", "a lime tree by the door").await.unwrap();
    let me = app.me(&one.actor).await.unwrap();
    let own = app.list_own_sessions(&me).await.unwrap();
    assert_eq!(own.len(), 2);
    assert_eq!(own.iter().filter(|own| own.is_this).count(), 1);
    let theirs = app.list_own_sessions(&app.me(&olga.actor).await.unwrap()).await.unwrap();
    assert_eq!(app.end_own_session(&me, &theirs[0].id).await.unwrap_err().code(), "not-found");
    let id = &own.iter().find(|own| !own.is_this).unwrap().id;
    app.end_own_session(&me, id).await.unwrap();
    assert_eq!((code_of(&fixture, &other).await, code_of(&fixture, &olga).await), (Some("session-ended"), None));
    assert_eq!(app.me(&Actor::local(0, None)).await.err().unwrap().code(), "no-account");
}

#[tokio::test]
async fn nothing_that_lets_in_is_stored_or_audited() {
    let fixture = with_mara().await;
    let session = try_in(&fixture, "mara", PASSWORD).await.unwrap();
    let me = fixture.app.me(&session.actor).await.unwrap();
    let begun = fixture.app.begin_second_factor(&me, &begin(PASSWORD), &origin()).await.unwrap();
    let code = text(&code_at(&begun.secret, now()));
    let (codes, session) = fixture.app.finish_second_factor(&me, &code, &origin()).await.unwrap();
    let create = TokenCreate { name: "ci".to_owned(), permissions: vec!["view".to_owned()], expires: None };
    let token = fixture.app.create_token(&session.actor.may().unwrap(), &create, Apply::Now).await.unwrap();
    let listed = {
        use portward_store::{Page, Prefix, Store};
        fixture.store.list(&Prefix::all(), None, Page::first(1000)).await.unwrap().kvs
    };
    let all: String = listed.iter().map(|kv| format!("{} {}\n", kv.key, String::from_utf8_lossy(&kv.value))).collect();
    assert!(all.contains("turn on the second factor of user mara"), "{all}");
    let secrets = [PASSWORD, session.secret.expose(), begun.secret.expose(), token.secret.as_ref().unwrap().expose()];
    for secret in secrets.into_iter().chain(codes.iter().map(SecretText::expose)) {
        assert!(!all.contains(secret), "{secret}");
    }
}
