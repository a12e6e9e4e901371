#![allow(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeSet, path::Path, sync::Arc};

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use serde_json::Value;
use tower_service::Service;

use crate::{app::Actor, fixture::Fixture, rest};

async fn document(fixture: &Fixture) -> String {
    let mut request = Request::builder().uri("/api/v1/openapi.json").body(Body::empty()).unwrap();
    request.extensions_mut().insert(Actor::local(0, None));
    let response = fixture.api().call(request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// All texts at `$ref`, anywhere.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_that_is_served_is_the_one_in_docs() {
    let fixture = Fixture::start().await;
    let served = document(&fixture).await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        std::fs::write(&path, &served).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    let differs = kept.lines().zip(served.lines()).position(|(kept, served)| kept != served);
    assert!(
        kept == served,
        "docs/openapi.json differs from line {differs:?} on. If that is meant, write it anew: \
         INSTA_UPDATE=always cargo test -p portward-server the_document_that_is_served"
    );
}

#[tokio::test]
async fn every_operation_has_its_own_name_and_every_reference_leads_somewhere() {
    let fixture = Fixture::start().await;
    let document: Value = serde_json::from_str(&document(&fixture).await).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let table = rest::table(Arc::clone(&fixture.app));
    let mut ids = BTreeSet::new();
    for route in table.routes() {
        let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
        assert_eq!(operation["operationId"], route.doc.id, "{} {}", route.method, route.path);
        assert!(ids.insert(route.doc.id), "two operations are called {}", route.doc.id);
        let is_name = route.doc.id.contains('_') && route.doc.id.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        assert!(is_name && route.doc.summary.ends_with('.'), "{}", route.doc.id);
        assert!(!route.doc.answers.is_empty(), "{} answers nothing", route.doc.id);
    }
}
