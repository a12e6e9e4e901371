#![allow(clippy::unwrap_used, reason = "tests")]

use axum::{body::Body, response::Response};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use portward_api::{PROBLEM_JSON, Problem};
use portward_core::Permission;
use tower_service::Service;

use super::*;
use crate::{
    app::{Actor, access::Credential},
    fixture::Fixture,
    web::{Listener, Way, cookie},
};

async fn ask(api: &Router, actor: Option<Actor>, request: Request<Body>) -> Response {
    let mut request = request;
    if let Some(actor) = actor {
        request.extensions_mut().insert(actor);
    }
    api.clone().call(request).await.unwrap()
}

fn request(method: &Method, path: &str, body: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    request.body(Body::from(body.to_owned())).unwrap()
}

async fn problem(response: Response) -> Problem {
    assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn every_route_refuses_who_is_unknown_or_lacks_its_permission() {
    let fixture = Fixture::start().await;
    let table = table(Arc::clone(&fixture.app));
    let api = fixture.api();
    assert!(table.routes().len() > 46, "only {} routes", table.routes().len());
    for route in table.routes() {
        let path = route.path.replace("{id}", "x");
        let Some(needed) = route.permission else { continue };
        let unknown = ask(&api, None, request(&route.method, &path, "")).await;
        assert_eq!(unknown.status(), StatusCode::UNAUTHORIZED, "{} {path}", route.method);
        let others: Vec<Permission> =
            Permission::ALL.iter().copied().filter(|permission| *permission != needed).collect();
        let refused = ask(&api, Some(Actor::with(&others)), request(&route.method, &path, "")).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{} {path}", route.method);
        let problem = problem(refused).await;
        assert_eq!((problem.code.as_str(), problem.instance), ("not-permitted", Some(path)));
        // Two questions are too long for a URL; they change nothing either.
        let is_question = ["/api/v1/acme/check", "/api/v1/acme/simulate", "/api/v1/explain"].contains(&route.path);
        // What one needs to answer for a change is what the change needed, which is not known before it is found.
        let is_answer = ["/api/v1/confirmations/{id}", "/api/v1/undo/{id}"].contains(&route.path);
        let is_read = route.method == Method::GET || is_question || is_answer;
        assert_eq!(
            matches!(needed, Permission::View | Permission::AuditView | Permission::UserView),
            is_read,
            "{}: what is read needs a right to look, and nothing else does",
            route.path
        );
    }
    assert_eq!(fixture.audited().await, 0);
}

#[tokio::test]
async fn what_is_open_lets_nobody_in_who_shows_nothing() {
    let fixture = Fixture::start().await;
    let open: Vec<_> = table(Arc::clone(&fixture.app)).routes().to_vec();
    let open: Vec<_> = open.into_iter().filter(|route| route.permission.is_none()).collect();
    let listed: Vec<String> = open.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(
        listed,
        [
            "POST /api/v1/setup",
            "GET /api/v1/session",
            "POST /api/v1/session",
            "DELETE /api/v1/session",
            "POST /api/v1/session/password",
            "POST /api/v1/session/second-factor",
            "PUT /api/v1/session/second-factor",
            "DELETE /api/v1/session/second-factor",
        ]
    );
    let bodies = [
        "",
        "{}",
        r#"{"user": "mara", "password": "x"}"#,
        r#"{"name": "mara", "password": "lime tree by the door"}"#,
        r#"{"token": "st_x", "name": "mara", "password": "lime tree by the door"}"#,
    ];
    for owned in [false, true] {
        if owned {
            fixture.own().await;
        }
        let audited = fixture.audited().await;
        for route in &open {
            for body in bodies {
                let mut asked = request(&route.method, route.path, body);
                asked.extensions_mut().insert(way());
                let answered = ask(&fixture.api(), None, asked).await;
                assert!(answered.status().is_client_error(), "{} {} {body}", route.method, route.path);
                assert_eq!(answered.headers().get(header::SET_COOKIE), None);
            }
        }
        assert_eq!(fixture.audited().await, audited);
    }
}

fn way() -> Way {
    Way { listener: Listener::Loopback, client: Some([127, 0, 0, 1].into()), ..Way::socket() }
}

async fn json(response: Response) -> serde_json::Value {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn an_owner_comes_by_the_link_and_signs_in_with_a_cookie() {
    let fixture = Fixture::start().await;
    let (api, root) = (fixture.api(), || Some(Actor::local(0, None)));
    let link = ask(&api, root(), request(&Method::POST, "/api/v1/setup-link", "")).await;
    assert_eq!(link.status(), StatusCode::OK);
    let link = json(link).await;
    let token = link["loopback_link"].as_str().unwrap().split_once("/setup#").unwrap().1.to_owned();
    let body = format!(r#"{{"token": "{token}", "name": "Mara", "password": "lime tree by the door"}}"#);
    let setup = |way: Way| {
        let mut asked = request(&Method::POST, "/api/v1/setup", &body);
        asked.extensions_mut().insert(way);
        asked
    };
    let plain = Way { listener: Listener::Binding, ..way() };
    assert_eq!(problem(ask(&api, None, setup(plain)).await).await.code, "https-required");
    let made = ask(&api, None, setup(way())).await;
    assert_eq!(made.status(), StatusCode::OK);
    assert_eq!(json(made).await["role"], "owner");
    assert_eq!(problem(ask(&api, None, setup(way())).await).await.code, "owner-exists");
    let late = ask(&api, root(), request(&Method::POST, "/api/v1/setup-link", "")).await;
    assert_eq!(problem(late).await.code, "owner-exists");

    let sign_in = |password: &str, way: Way| {
        let body = format!(r#"{{"user": "mara", "password": "{password}"}}"#);
        let mut asked = request(&Method::POST, "/api/v1/session", &body);
        asked.extensions_mut().insert(way);
        asked
    };
    let plain = Way { listener: Listener::Binding, ..way() };
    assert_eq!(problem(ask(&api, None, sign_in("lime tree by the door", plain)).await).await.code, "https-required");
    let wrong = ask(&api, None, sign_in("lime tree", way())).await;
    assert_eq!(wrong.headers()[header::RETRY_AFTER], "1");
    assert_eq!(problem(wrong).await.detail, "User name or password is wrong. You can try again in 1 second.");
    fixture.set_now(crate::fixture::now().plus(std::time::Duration::from_secs(1)));
    let tls = Way { listener: Listener::Binding, is_tls: true, ..way() };
    let done = ask(&api, None, sign_in("lime tree by the door", tls.clone())).await;
    assert_eq!(done.status(), StatusCode::OK);
    let cookie = done.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-portward="), "{cookie}");
    let mut shown = HeaderMap::new();
    shown.insert(header::COOKIE, cookie.split(';').next().unwrap().parse().unwrap());
    let secret = cookie::session_of(&shown, &tls).unwrap();
    let actor = fixture.app.identify(Credential::Session(secret)).await.unwrap();
    assert_eq!((actor.to_string().as_str(), actor.may_all_of(portward_core::Role::Owner)), ("mara", true));
    let mut out = request(&Method::DELETE, "/api/v1/session", "");
    out.extensions_mut().insert(tls);
    let out = ask(&api, Some(actor), out).await;
    assert_eq!(out.status(), StatusCode::OK);
    assert!(out.headers()[header::SET_COOKIE].to_str().unwrap().ends_with("Max-Age=0"));
    assert!(fixture.app.identify(Credential::Session(secret)).await.is_err());
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_document_too() {
    let fixture = Fixture::start().await;
    let (api, root) = (fixture.api(), || Some(Actor::local(0, None)));
    for (method, path, status) in [
        (Method::GET, "/api/v1/nothing", 404),
        (Method::PUT, "/api/v1/sites", 405),
        (Method::DELETE, "/api/v1/sites/none", 404),
        (Method::GET, "/api/v1/certificates/No%20Id", 404),
        (Method::GET, "/api/v1/certificates/none/versions", 404),
    ] {
        let response = ask(&api, root(), request(&method, path, "")).await;
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert_eq!(problem(response).await.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn a_site_goes_through_the_api_with_its_etag() {
    let fixture = Fixture::start().await;
    let (api, root) = (fixture.api(), || Some(Actor::local(0, None)));
    let body = r#"{"names": ["shop.test"], "upstreams": ["http://127.0.0.1:3000"]}"#;
    let dry = ask(&api, root(), request(&Method::POST, "/api/v1/sites?dry_run=true", body)).await;
    assert_eq!((dry.status(), dry.headers().get(header::ETAG)), (StatusCode::OK, None));
    let added = ask(&api, root(), request(&Method::POST, "/api/v1/sites", body)).await;
    assert_eq!(added.status(), StatusCode::CREATED);
    assert_eq!(added.headers()[header::LOCATION], "/api/v1/sites/shop-test");
    assert_eq!(added.headers()[header::CACHE_CONTROL], "no-store");
    let tag = added.headers()[header::ETAG].clone();
    let shown = ask(&api, root(), request(&Method::GET, "/api/v1/sites/shop-test", "")).await;
    assert_eq!(shown.headers()[header::ETAG], tag);

    let edit = |tag: &str| {
        let mut edit = request(&Method::PATCH, "/api/v1/sites/shop-test", r#"{"hsts": "1h"}"#);
        edit.headers_mut().insert(header::IF_MATCH, tag.parse().unwrap());
        edit
    };
    let stale = ask(&api, root(), edit("\"0\"")).await;
    assert_eq!(stale.status(), StatusCode::PRECONDITION_FAILED);
    let edited = ask(&api, root(), edit(tag.to_str().unwrap())).await;
    assert_eq!(edited.status(), StatusCode::OK);
    assert_ne!(edited.headers()[header::ETAG], tag);
}

#[tokio::test]
async fn an_unsafe_request_without_json_is_refused() {
    let fixture = Fixture::start().await;
    let (api, root) = (fixture.api(), || Some(Actor::local(0, None)));
    let mut plain = request(&Method::POST, "/api/v1/sites", "{}");
    plain.headers_mut().insert(header::CONTENT_TYPE, "text/plain".parse().unwrap());
    assert_eq!(ask(&api, root(), plain).await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let restore = request(&Method::POST, "/api/v1/store/restore", "{}");
    assert_eq!(ask(&api, root(), restore).await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let unexpected = request(&Method::POST, "/api/v1/store/backup", "{}");
    assert_eq!(ask(&api, root(), unexpected).await.status(), StatusCode::BAD_REQUEST);
    for path in ["/api/v1/store/backup", "/api/v1/certificates/x/export"] {
        let dry = request(&Method::POST, &format!("{path}?dry_run=true"), "");
        assert_eq!(problem(ask(&api, root(), dry).await).await.code, "unknown-parameter", "{path}");
    }
}

#[tokio::test]
async fn a_list_comes_page_by_page_whatever_happens_meanwhile() {
    let fixture = Fixture::start().await;
    let (api, root) = (fixture.api(), || Some(Actor::local(0, None)));
    for name in ["e.test", "c.test", "a.test", "d.test"] {
        fixture
            .app
            .add_site(&crate::fixture::by(), &crate::fixture::site(&[name]), crate::app::Apply::Now)
            .await
            .unwrap();
    }
    let page = async |address: &str| {
        let response = ask(&api, root(), request(&Method::GET, address, "")).await;
        let link = response.headers().get(header::LINK).map(|value| value.to_str().unwrap().to_owned());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let page: portward_api::Page<portward_api::SiteView> = serde_json::from_slice(&bytes).unwrap();
        let ids: Vec<String> = page.items.into_iter().map(|site| site.id).collect();
        (ids, page.next_cursor, link)
    };
    let (ids, cursor, link) = page("/api/v1/sites?limit=2").await;
    assert_eq!(ids, ["a-test", "c-test"]);
    let next = format!("/api/v1/sites?limit=2&cursor={}", cursor.unwrap());
    assert_eq!(link.unwrap(), format!("<{next}>; rel=\"next\""));
    fixture
        .app
        .remove_site(&crate::fixture::by(), "c-test", crate::app::Precondition::None, crate::app::Apply::Now)
        .await
        .unwrap();
    fixture
        .app
        .add_site(&crate::fixture::by(), &crate::fixture::site(&["b.test"]), crate::app::Apply::Now)
        .await
        .unwrap();
    assert_eq!(page(&next).await, (vec!["d-test".to_owned(), "e-test".to_owned()], None, None));
    assert_eq!(page("/api/v1/sites").await.0.len(), 4);
}

#[tokio::test]
async fn the_same_request_with_the_same_key_is_done_once() {
    let fixture = Fixture::start().await;
    let (api, root) = (fixture.api(), || Some(Actor::local(0, None)));
    let keyed = |body: &str, path: &str| {
        let mut request = request(&Method::POST, path, body);
        request.headers_mut().insert("idempotency-key", "one".parse().unwrap());
        request
    };
    let body = r#"{"names": ["shop.test"], "upstreams": ["http://127.0.0.1:3000"]}"#;
    let first = ask(&api, root(), keyed(body, "/api/v1/sites")).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let again = ask(&api, root(), keyed(body, "/api/v1/sites")).await;
    assert_eq!(
        (again.status(), &again.headers()["idempotency-replayed"]),
        (StatusCode::CREATED, &"true".parse().unwrap())
    );
    assert_eq!(again.headers()[header::ETAG], first.headers()[header::ETAG]);
    assert_eq!(fixture.app.list_sites(&crate::fixture::by()).len(), 1);
    let other = body.replace("shop", "wiki");
    let reused = ask(&api, root(), keyed(&other, "/api/v1/sites")).await;
    assert_eq!(problem(reused).await.code, "idempotency-key-reused");
    let file = ask(&api, root(), keyed("", "/api/v1/store/backup")).await;
    assert_eq!(problem(file).await.code, "idempotency-key");
}

/// Its answer may have 80 MB, and would be kept for a day.
#[tokio::test]
async fn no_answer_of_a_simulation_is_kept() {
    let fixture = Fixture::start().await;
    let mut simulate = request(&Method::POST, "/api/v1/acme/simulate", r#"{"until": "2027-06-01"}"#);
    simulate.headers_mut().insert("idempotency-key", http::HeaderValue::from_static("a"));
    let refused = ask(&fixture.api(), Some(Actor::with(Permission::ALL)), simulate).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(problem(refused).await.code, "idempotency-key");
}
