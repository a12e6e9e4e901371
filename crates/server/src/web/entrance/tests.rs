#![allow(clippy::unwrap_used, reason = "tests")]

use http::HeaderName;
use http_body_util::BodyExt;
use portward_core::Host;

use super::*;
use crate::{
    fixture::{Fixture, binding, by, import, site},
    web::{self, Listener},
};

/// A request that came by TLS at a binding, for a host.
fn way(host: &str) -> Way {
    Way {
        listener: Listener::Binding,
        is_tls: true,
        client: "192.0.2.7".parse().ok(),
        host: Some(Host::parse(host).unwrap()),
        port: Some(443),
        bound: None,
        is_outdated: false,
    }
}

fn in_the_clear(host: &str) -> Way {
    Way { is_tls: false, port: Some(80), ..way(host) }
}

fn ask(method: Method, path: &str, headers: &[(&'static str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    for (name, value) in headers {
        request.headers_mut().append(HeaderName::from_static(name), value.parse().unwrap());
    }
    request
}

fn entrance(fixture: &Fixture) -> Entrance {
    Entrance::new(Arc::clone(&fixture.app), web::router(Arc::clone(&fixture.app)), "box.lan")
}

/// Status, code of the problem or place to go on, and the text.
async fn answer(entrance: &Entrance, way: Way, request: Request<Body>) -> (u16, String, String) {
    let response = entrance.answer(Some(way), request).await;
    let (parts, body) = response.into_parts();
    for name in ["content-security-policy", "x-content-type-options", "cache-control", "referrer-policy"] {
        assert!(parts.headers.contains_key(name), "{name} is missing: {parts:?}");
    }
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let problem: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let code = problem["code"].as_str().or_else(|| problem["Code"].as_str()).unwrap_or_default().to_owned();
    let location = parts.headers.get(header::LOCATION).map(|value| value.to_str().unwrap().to_owned());
    (parts.status.as_u16(), location.unwrap_or(code), text)
}

const PAGE: (&str, &str) = ("accept", "text/html");

#[tokio::test]
async fn before_anybody_owns_the_server_only_its_setup_is_answered() {
    let fixture = Fixture::start().await;
    fixture.served.until(|served| served.is_published).await;
    let entrance = entrance(&fixture);
    for (method, path, headers, status, word) in [
        (Method::GET, "/healthz", &[][..], 200, ""),
        (Method::GET, "/readyz", &[], 200, ""),
        (Method::GET, "/assets/portward.css", &[], 200, ""),
        (Method::GET, "/", &[PAGE], 303, "/setup"),
        (Method::GET, "/sign-in", &[PAGE], 303, "/setup"),
        (Method::GET, "/", &[], 403, "setup-required"),
        (Method::GET, "/api/v1/status", &[], 403, "setup-required"),
        (Method::GET, "/api/v1/status", &[PAGE], 403, "setup-required"),
        (Method::POST, "/api/v1/sites", &[("authorization", "Bearer ptw_x")], 403, "setup-required"),
        (Method::GET, "/metrics", &[], 403, "setup-required"),
        (Method::GET, "/setup/../sites", &[], 400, "ambiguous-path"),
        (Method::POST, "/setup/", &[], 403, "setup-required"),
    ] {
        let answered = answer(&entrance, way("10.0.0.7"), ask(method.clone(), path, headers)).await;
        assert_eq!((answered.0, answered.1.as_str()), (status, word), "{method} {path} {headers:?}");
    }
    for path in ["/setup", "/api/v1/setup"] {
        let (_, word, _) = answer(&entrance, way("10.0.0.7"), ask(Method::POST, path, &[])).await;
        assert_ne!(word, "setup-required", "{path}");
    }
}

#[tokio::test]
async fn over_plain_http_nothing_is_taken_that_others_may_not_read() {
    let fixture = Fixture::start().await;
    let entrance = entrance(&fixture);
    let token = ("authorization", "Bearer ptw_marker");
    for (method, path, headers, word) in [
        (Method::GET, "/", &[PAGE][..], ""),
        (Method::GET, "/api/v1/status", &[], "https-required"),
        (Method::GET, "/api/v1/status", &[token], "token-over-http"),
        (Method::GET, "/api/tasks", &[("x-octopus-apikey", "ptw_marker")], "token-over-http"),
        (Method::GET, "/nothing", &[], "https-required"),
    ] {
        let (status, code, text) = answer(&entrance, in_the_clear("10.0.0.7"), ask(method, path, headers)).await;
        assert_eq!((status, code.as_str()), (403, word), "{path} {headers:?}");
        assert!(text.contains("portward binding add https://[::]:443") && !text.contains("ptw_marker"), "{text}");
        assert_eq!(text.contains("revoke it"), word == "token-over-http", "{text}");
    }
    for path in ["/healthz", "/assets/portward.css"] {
        assert_eq!(answer(&entrance, in_the_clear("10.0.0.7"), ask(Method::GET, path, &[])).await.0, 200, "{path}");
    }

    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), crate::app::Apply::Now).await.unwrap();
    let port = fixture.served.now().bindings[0].result.as_ref().unwrap().port();
    let url = format!("https://10.0.0.7:{port}/sites?x=1");
    let (status, place, _) = answer(&entrance, in_the_clear("10.0.0.7"), ask(Method::GET, "/sites?x=1", &[PAGE])).await;
    assert_eq!((status, place), (308, url.clone()));
    for (method, headers) in [(Method::GET, &[][..]), (Method::GET, &[PAGE, token]), (Method::POST, &[PAGE])] {
        let (status, _, text) = answer(&entrance, in_the_clear("10.0.0.7"), ask(method, "/sites?x=1", headers)).await;
        assert!(status == 403 && text.replace("&#x2F;", "/").contains("https://10.0.0.7:"), "{status} {text}");
    }
}

#[tokio::test]
async fn a_name_that_nobody_gave_us_is_refused_with_the_command_that_gives_it() {
    let fixture = Fixture::start().await;
    let entrance = entrance(&fixture);
    let status = async |host: &str| answer(&entrance, way(host), ask(Method::GET, "/healthz", &[])).await;
    for host in ["10.0.0.7", "[2001:db8::1]", "localhost", "box", "box.lan"] {
        assert_eq!(status(host).await.0, 200, "{host}");
    }
    let (code, word, text) = status("portal.test").await;
    assert_eq!((code, word.as_str()), (421, "misdirected"));
    assert!(text.contains("portward site add portal.test --upstream portal") && !text.contains("box.lan"), "{text}");

    let mut portal = site(&["portal.test", "*"]);
    portal.upstreams = vec!["portal".to_owned()];
    fixture.app.add_site(&by(), &portal, crate::app::Apply::Now).await.unwrap();
    assert_eq!(status("portal.test").await.0, 200);
    assert_eq!(status("shop.test").await.0, 421, "a site for any name gives none");
    fixture.app.add_site(&by(), &site(&["other.test"]), crate::app::Apply::Now).await.unwrap();
    assert_eq!(status("other.test").await.0, 421, "the site of an application gives none");

    let bundle = crate::fixture::bundle(&["shop.test", "*.shop.test"], 90);
    fixture
        .app
        .import_certificate(&by(), import(&bundle, None), crate::app::Precondition::None, crate::app::Apply::Now)
        .await
        .unwrap();
    assert_eq!((status("shop.test").await.0, status("a.shop.test").await.0), (200, 200));
    assert_eq!(status("shop.test.evil.example").await.0, 421);
}

#[test]
fn a_token_is_read_from_one_header() {
    let read = |headers: &[(&'static str, &str)], path: &str| {
        let request = ask(Method::GET, "/", headers);
        bearer(request.headers(), path).map(|token| token.map(str::to_owned).map_err(|_| ()))
    };
    let authorization = |value: &'static str| read(&[("authorization", value)], "/api/v1/status");
    assert_eq!(authorization("Bearer ptw_a"), Some(Ok("ptw_a".to_owned())));
    assert_eq!(authorization("bearer  ptw_a "), Some(Ok("ptw_a".to_owned())));
    for bad in ["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "ptw_a", ""] {
        assert_eq!(authorization(bad), Some(Err(())), "{bad}");
    }
    assert_eq!(read(&[("authorization", "Bearer a"), ("authorization", "Bearer b")], "/"), Some(Err(())));
    assert_eq!(read(&[("x-octopus-apikey", "ptw_a")], "/api/tasks/1"), Some(Ok("ptw_a".to_owned())));
    assert_eq!(read(&[("x-octopus-apikey", "ptw_a")], "/api/v1/status"), None);
    assert_eq!(read(&[], "/"), None);
}

#[test]
fn a_token_in_a_query_is_found_however_it_is_written() {
    for (query, expected) in [
        ("token=x", Some("token")),
        ("a=1&access_token=x", Some("access_token")),
        ("a=1&TOKEN", Some("token")),
        ("%74oken=x", Some("token")),
        ("apikey=API-X", Some("apikey")),
        ("tokens=x&my_token=1", None),
        ("next=%2Fx%3Ftoken%3D1", None),
        ("", None),
    ] {
        assert_eq!(token_in_query(query), expected, "{query}");
    }
}

#[test]
fn a_change_is_taken_from_pages_of_ours_alone() {
    let way = way("front.test");
    let (here, there) = (("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site"));
    for (method, headers, has_session, expected) in [
        (Method::GET, &[there][..], true, true),
        (Method::POST, &[here], true, true),
        (Method::POST, &[there], true, false),
        (Method::POST, &[], true, false),
        (Method::POST, &[("origin", "https://front.test")], true, true),
        (Method::POST, &[("origin", "https://evil.example")], true, false),
        (Method::DELETE, &[], true, false),
        // Nobody has signed in, so a page can only make somebody sign in, and not even that.
        (Method::POST, &[], false, true),
        (Method::POST, &[there], false, false),
        (Method::POST, &[("origin", "null")], false, false),
    ] {
        let request = ask(method.clone(), "/sign-in", headers);
        let taken = check_origin(&request, &way, has_session);
        assert_eq!(taken.is_ok(), expected, "{method} {headers:?} {has_session}");
    }
}
