#![allow(clippy::unwrap_used, reason = "tests")]

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use portward_core::Permission;
use serde_json::Value;
use tower_service::Service;

use super::*;
use crate::{app::Actor, fixture::Fixture};

async fn ask(fixture: &Fixture, actor: Option<Actor>, request: Request<Body>) -> (StatusCode, Value) {
    let mut request = request;
    if let Some(actor) = actor {
        request.extensions_mut().insert(actor);
    }
    let response = fixture.api().call(request).await.unwrap();
    let (parts, body) = response.into_parts();
    assert_eq!(parts.headers[header::CONTENT_TYPE], "application/json");
    (parts.status, serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap())
}

fn request(method: &M, path: &str, body: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("x-octopus-apikey", "x");
    request.body(Body::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn every_door_refuses_who_is_unknown_or_lacks_its_permission_in_its_manner() {
    let fixture = Fixture::start().await;
    let table = doors(Arc::clone(&fixture.app));
    for route in table.routes() {
        let path = route.path.replace("{id}", "ServerTasks-1-x");
        let manner = Manner::of(&path).unwrap();
        let message = match manner {
            Manner::TeamCity => "errorMessage",
            Manner::Octopus => "ErrorMessage",
        };
        let (status, body) = ask(&fixture, None, request(&route.method, &path, "")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{} {path}", route.method);
        assert!(body[message].as_str().unwrap().contains("token"), "{body}");
        let others: Vec<Permission> =
            Permission::ALL.iter().copied().filter(|permission| *permission != route.permission).collect();
        let (status, body) = ask(&fixture, Some(Actor::with(&others)), request(&route.method, &path, "")).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{} {path}", route.method);
        assert!(body[message].as_str().unwrap().contains(&route.permission.to_string()), "{body}");
    }
    assert_eq!(fixture.audited().await, 0);
}

#[tokio::test]
async fn what_octopus_would_not_take_changes_nothing() {
    let fixture = Fixture::start().await;
    let root = || Some(Actor::local(0, None));
    let configuration = || request(&M::GET, "/api/letsencryptconfiguration", "");
    let (status, body) = ask(&fixture, root(), configuration()).await;
    assert_eq!(
        (status, &body["Enabled"], &body["HttpsPort"]),
        (StatusCode::OK, &Value::from(false), &Value::from(443))
    );
    for name in [
        "AcceptLetsEncryptTermsOfService",
        "CertificateExpiryDate",
        "CertificateThumbprint",
        "DnsName",
        "IPAddress",
        "Path",
        "RegistrationEmailAddress",
        "Id",
        "LastModifiedBy",
        "LastModifiedOn",
        "Links",
    ] {
        assert!(body.get(name).is_some(), "{name}");
    }
    let arguments = |arguments: &str| format!("{{\"Name\":\"ConfigureLetsEncrypt\",\"Arguments\":{arguments}}}");
    for (method, path, body, status) in [
        (M::POST, "/api/tasks", "{}".to_owned(), 400),
        (M::POST, "/api/tasks", "{\"Name\":\"Backup\"}".to_owned(), 400),
        (M::POST, "/api/tasks", "{\"Name\":\"ConfigureLetsEncrypt\"}".to_owned(), 400),
        (M::POST, "/api/tasks", arguments("{}"), 400),
        (M::POST, "/api/tasks", arguments("{\"DnsName\":\"a.test\",\"HttpsPort\":70000}"), 400),
        (M::POST, "/api/tasks", arguments("{\"DnsName\":\"a.test\",\"Path\":\"/octopus\"}"), 422),
        (
            M::POST,
            "/api/tasks",
            arguments("{\"DnsName\":\"not a host\",\"AcceptLetsEncryptTermsOfService\":true}"),
            422,
        ),
        (M::PUT, "/api/letsencryptconfiguration", "{}".to_owned(), 400),
        (M::PUT, "/api/letsencryptconfiguration", "{\"Enabled\":true}".to_owned(), 422),
        (M::PUT, "/api/letsencryptconfiguration", "{\"Enabled\":false,\"DnsName\":null}".to_owned(), 200),
        (M::GET, "/api/tasks/ServerTasks-1", String::new(), 404),
        (M::GET, "/api/tasks/ServerTasks-1-none/details", String::new(), 404),
    ] {
        let (answered, answer) = ask(&fixture, root(), request(&method, path, &body)).await;
        assert_eq!(answered.as_u16(), status, "{method} {path} {body}: {answer}");
        assert_eq!(answer.get("ErrorMessage").is_some(), status >= 400, "{answer}");
    }
    assert_eq!(fixture.audited().await, 0);
}

#[tokio::test]
async fn a_body_without_a_token_says_that_it_is_json() {
    let fixture = Fixture::start().await;
    let body = "{\"Name\":\"Backup\"}";
    let form = Request::builder().method(M::POST).uri("/api/tasks");
    let form = form.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let (status, _) = ask(&fixture, Some(Actor::local(0, None)), form.body(Body::from(body)).unwrap()).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
