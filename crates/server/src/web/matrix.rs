//! Who gets what: every route there is, asked by everybody there can be.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use http::{HeaderName, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use portward_api::{SecretText, SignIn, TokenCreate, UserCreate, UserUpdate};
use portward_core::{Host, Permission, Role};

use super::{Entrance, Listener, Way, router};
use crate::{
    app::{
        Apply, Precondition,
        access::sign_in::{Origin, SignedIn},
    },
    doors,
    fixture::{Fixture, by, now},
    portal, rest,
};

/// Is somebody who asks, with what they should get.
struct Asker {
    what: String,
    headers: Vec<(&'static str, String)>,
    query: &'static str,
    way: Way,
    gets: Gets,
}

/// Says what somebody gets of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gets {
    /// What the role permits.
    Role(Role),
    /// Everything that can be asked for with that permission, and what is looked at.
    Only(Permission),
    /// 401, and pages lead to where one signs in.
    SignIn,
    /// As the role permits what changes nothing; else 403 with that code.
    ReadsOnly(Role, &'static str),
    /// That, whatever is asked for.
    Refusal(StatusCode, &'static str),
}

/// Is what a route did.
#[derive(Debug)]
struct Answered {
    status: StatusCode,
    code: String,
    location: String,
}

fn binding() -> Way {
    Way {
        listener: Listener::Binding,
        is_tls: true,
        client: "192.0.2.7".parse().ok(),
        host: Some(Host::parse("front.test").unwrap()),
        port: Some(443),
        bound: Some(443),
        is_outdated: false,
    }
}

fn asker(what: impl Into<String>, headers: &[(&'static str, &str)], gets: Gets) -> Asker {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Asker { what: what.into(), headers, query: "", way: binding(), gets }
}

async fn session(fixture: &Fixture, name: &str, role: Role) -> String {
    let password = SecretText::new("four plain words here".to_owned());
    let create =
        UserCreate { name: name.to_owned(), role: role.as_str().to_owned(), password: password.clone(), email: None };
    fixture.app.add_user(&by(), &create, Apply::Now).await.unwrap();
    let shown = SignIn { user: name.to_owned(), password, code: None };
    match fixture.app.sign_in(&shown, &Origin::default()).await.unwrap() {
        SignedIn::Done(session) => format!("__Host-portward={}", session.secret.expose()),
        SignedIn::NeedsCode(_) => unreachable!("nobody set up a second factor"),
    }
}

async fn token(fixture: &Fixture, permissions: &[Permission], expires: Option<&str>) -> (String, String) {
    let create = TokenCreate {
        name: "matrix".to_owned(),
        permissions: permissions.iter().map(ToString::to_string).collect(),
        expires: expires.map(str::to_owned),
    };
    let created = fixture.app.create_token(&by(), &create, Apply::Now).await.unwrap();
    (format!("Bearer {}", created.secret.unwrap().expose()), created.token.id)
}

async fn askers(fixture: &Fixture) -> Vec<Asker> {
    const HERE: (&str, &str) = ("sec-fetch-site", "same-origin");
    let mut askers = vec![
        asker("nobody", &[], Gets::SignIn),
        asker("a session that never was", &[("cookie", "__Host-portward=made-up"), HERE], Gets::SignIn),
        asker("a token that never was", &[("authorization", "Bearer ptw_1_made-up")], Gets::SignIn),
        asker(
            "a password",
            &[("authorization", "Basic b2xnYTpsaW1l")],
            Gets::Refusal(StatusCode::UNAUTHORIZED, "not-authenticated"),
        ),
    ];
    for role in Role::ALL {
        let cookie = session(fixture, role.as_str(), role).await;
        askers.push(asker(format!("{} with a session", role.as_str()), &[("cookie", &cookie), HERE], Gets::Role(role)));
        let elsewhere: [(&str, &[(&str, &str)]); 4] = [
            ("another site", &[("sec-fetch-site", "cross-site")]),
            ("another port", &[("sec-fetch-site", "same-site")]),
            ("an old browser elsewhere", &[("origin", "https://evil.example")]),
            ("an old browser that says nothing", &[]),
        ];
        for (where_from, more) in elsewhere {
            let headers = [&[("cookie", cookie.as_str())][..], more].concat();
            let what = format!("{} through {where_from}", role.as_str());
            askers.push(asker(what, &headers, Gets::ReadsOnly(role, "cross-origin")));
        }
    }
    let disabled = session(fixture, "gone", Role::Owner).await;
    let update = UserUpdate { disabled: Some(true), ..UserUpdate::default() };
    fixture.app.edit_user(&by(), "gone", &update, Precondition::None, Apply::Now).await.unwrap();
    askers.push(asker("a disabled user", &[("cookie", &disabled), HERE], Gets::SignIn));

    for permission in Permission::ALL {
        // Whoever changes something is shown what came of it.
        let (bearer, _) = token(fixture, &[*permission, Permission::View], None).await;
        askers.push(asker(format!("a token for {permission}"), &[("authorization", &bearer)], Gets::Only(*permission)));
    }
    let all = Permission::ALL;
    let (expired, _) = token(fixture, all, Some("1h")).await;
    askers.push(asker("a token that has expired", &[("authorization", &expired)], Gets::SignIn));
    let (revoked, id) = token(fixture, all, None).await;
    fixture.app.revoke_token(&by(), &id, Apply::Now).await.unwrap();
    askers.push(asker("a token that was revoked", &[("authorization", &revoked)], Gets::SignIn));

    let (good, _) = token(fixture, all, None).await;
    let with_token = |what: &str, gets| asker(what, &[("authorization", &good)], gets);
    let query = with_token("a token in the address", Gets::Refusal(StatusCode::BAD_REQUEST, "token-in-query"));
    askers.push(Asker { query: "?access_token=ptw_1_x", ..query });
    let rebinding =
        with_token("a name that somebody pointed here", Gets::Refusal(StatusCode::MISDIRECTED_REQUEST, "misdirected"));
    let evil = Way { host: Some(Host::parse("evil.example").unwrap()), ..binding() };
    askers.push(Asker { way: evil.clone(), ..rebinding });
    let loopback =
        with_token("that at the loopback listener", Gets::Refusal(StatusCode::MISDIRECTED_REQUEST, "misdirected"));
    askers.push(Asker { way: Way { listener: Listener::Loopback, is_tls: false, ..evil }, ..loopback });
    let clear = with_token("a token over plain http", Gets::Refusal(StatusCode::FORBIDDEN, "token-over-http"));
    let in_the_clear = Way { is_tls: false, port: Some(80), bound: Some(80), ..binding() };
    askers.push(Asker { way: in_the_clear.clone(), ..clear });
    let owner = session(fixture, "second", Role::Owner).await;
    let clear = asker(
        "a session over plain http",
        &[("cookie", &owner), HERE],
        Gets::Refusal(StatusCode::FORBIDDEN, "https-required"),
    );
    askers.push(Asker { way: in_the_clear, ..clear });
    askers
}

async fn ask(entrance: &Entrance, asker: &Asker, method: &Method, path: &str, is_page: bool) -> Answered {
    let uri = format!("{path}{}", asker.query);
    let mut request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
    for (name, value) in &asker.headers {
        request.headers_mut().insert(HeaderName::from_static(name), value.parse().unwrap());
    }
    if is_page {
        request.headers_mut().insert(header::ACCEPT, "text/html".parse().unwrap());
    }
    let response = entrance.answer(Some(asker.way.clone()), request).await;
    let (parts, body) = response.into_parts();
    let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (location, is_json) = (text(header::LOCATION), text(header::CONTENT_TYPE).contains("json"));
    let mut code = String::new();
    if parts.status.as_u16() >= 400 && is_json {
        let body: serde_json::Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
        code = body["code"].as_str().or_else(|| body["Code"].as_str()).unwrap_or_default().to_owned();
    }
    Answered { status: parts.status, code, location }
}

/// Whether somebody who may was let in; what is wrong with what they sent is another matter.
fn is_in(answered: &Answered) -> bool {
    let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::MISDIRECTED_REQUEST];
    !refused.contains(&answered.status)
        // Those who listened before are still counted.
        && (!answered.status.is_server_error() || answered.code == "too-many-listeners")
        && !answered.location.starts_with("/sign-in")
        && !["token-in-query", "cross-origin"].contains(&answered.code.as_str())
}

fn is_expected(asker: &Asker, method: &Method, needs: Option<Permission>, is_page: bool, answered: &Answered) -> bool {
    let code_is = |code: &str| is_page || answered.code == code;
    let not_permitted = answered.status == StatusCode::FORBIDDEN && code_is("not-permitted");
    match (asker.gets, needs) {
        (Gets::Refusal(status, code), _) => answered.status == status && code_is(code),
        (Gets::ReadsOnly(_, code), _) if !super::origin::is_safe(method) => {
            answered.status == StatusCode::FORBIDDEN && code_is(code)
        }
        // What is open decides by itself; that it refuses other pages and ways is seen above.
        (_, None) => true,
        (Gets::SignIn, _) if is_page => {
            answered.status == StatusCode::SEE_OTHER && answered.location.starts_with("/sign-in")
        }
        (Gets::SignIn, _) => answered.status == StatusCode::UNAUTHORIZED,
        (Gets::Role(role) | Gets::ReadsOnly(role, _), Some(needs)) if role.has(needs) => is_in(answered),
        (Gets::Only(has), Some(needs)) if [has, Permission::View].contains(&needs) => is_in(answered),
        (Gets::Role(_) | Gets::ReadsOnly(..) | Gets::Only(_), _) => not_permitted,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_gives_everybody_what_they_may_and_nothing_else() {
    let fixture = Fixture::start().await;
    fixture.own().await;
    let app = Arc::clone(&fixture.app);
    let entrance = Entrance::new(Arc::clone(&app), router(Arc::clone(&app)), "front.test");
    let askers = askers(&fixture).await;
    fixture.set_now(now().plus(Duration::from_secs(2 * 3600)));
    let rows = |is_page| move |(method, path, needs)| (method, path, needs, is_page);
    let api = rest::rows(Arc::clone(&app)).into_iter().map(rows(false));
    let pages = portal::rows(Arc::clone(&app)).into_iter().map(rows(true));
    let doors = doors::rows(app).into_iter().map(rows(false));
    let (mut asked, mut unexpected) = (0, Vec::new());
    for (method, path, needs, is_page) in api.chain(pages).chain(doors) {
        // Style sheet, script and icons are for everybody, by any way.
        if path.starts_with("/assets/") {
            continue;
        }
        let path = path.replace("{id}", "ServerTasks-1-none").replace("{name}", "none");
        for asker in &askers {
            // These end the session of who asks.
            let ends_session = needs.is_none() || path == "/sign-out";
            if ends_session && matches!(asker.gets, Gets::Role(_)) && !super::origin::is_safe(&method) {
                continue;
            }
            // It is for somebody on the machine itself, whatever else they may.
            let needs_machine = ["/api/v1/setup-link", "/api/v1/upgrade"].contains(&path.as_str()) && needs.is_some();
            // A token has no account of its own.
            let needs_session = path.starts_with("/account") && matches!(asker.gets, Gets::Only(_));
            let answered = ask(&entrance, asker, &method, &path, is_page).await;
            asked += 1;
            let is_fine = is_expected(asker, &method, needs, is_page, &answered)
                || ((needs_machine || needs_session) && answered.status == StatusCode::FORBIDDEN);
            if !is_fine {
                unexpected.push(format!("{method} {path} ({needs:?}) by {}: {answered:?}", asker.what));
            }
        }
    }
    assert!(asked > 2000, "only {asked} questions");
    assert!(unexpected.is_empty(), "{} of {asked} unexpected:\n{}", unexpected.len(), unexpected.join("\n"));
}
