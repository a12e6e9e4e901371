//! The pages that look closer, as a browser gets them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod scale;

use std::sync::Arc;

use axum::{Router, body::Body, response::Response};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use portward_core::Permission;
use tower_service::Service;

use super::*;
use crate::{
    app::{Actor, Apply},
    fixture::{Fixture, by, site},
};

async fn ask(portal: &Router, permissions: &[Permission], request: Request<Body>) -> Response {
    let mut request = request;
    request.extensions_mut().insert(Actor::with(permissions));
    portal.clone().call(request).await.unwrap()
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8_lossy(&response.into_body().collect().await.unwrap().to_bytes()).into_owned()
}

async fn page(portal: &Router, path: &str) -> String {
    let response = ask(portal, Permission::ALL, get(path)).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    text(response).await
}

#[tokio::test]
async fn the_audit_shows_who_did_what_with_older_ones_and_its_chain() {
    let fixture = Fixture::start().await;
    let portal = router(Arc::clone(&fixture.app));
    assert!(page(&portal, "/audit").await.contains("No change yet"));
    for n in 0..51 {
        fixture.app.add_site(&by(), &site(&[&format!("s{n}.test")]), Apply::Now).await.unwrap();
    }
    let newest = page(&portal, "/audit").await;
    assert!(newest.contains("add site s50-test for s50.test") && newest.contains("sites/s50-test"), "{newest}");
    assert!(!newest.contains("add site s0-test"));
    let older = newest.split("href=\"/audit?before=").nth(1).unwrap().split('"').next().unwrap();
    assert!(page(&portal, &format!("/audit?before={older}")).await.contains("add site s0-test"));
    let filtered = page(&portal, "/audit?what=s7-test&who=test").await;
    assert!(filtered.contains("add site s7-test") && !filtered.contains("add site s8-test"));
    assert!(page(&portal, "/audit?who=eve").await.contains("No such record here"));
    let verified = page(&portal, "/audit?verify=1").await;
    assert!(verified.contains("The audit is whole: 51 records"), "{verified}");
    let refused = ask(&portal, Permission::ALL, get("/audit?day=yesterday")).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let not_permitted = ask(&portal, &[Permission::View], get("/audit")).await;
    assert_eq!(not_permitted.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn explain_teaches_refuses_and_tells() {
    let fixture = Fixture::start().await;
    let portal = router(Arc::clone(&fixture.app));
    assert!(page(&portal, "/explain").await.contains("Ask about a host name"));
    let refused = ask(&portal, Permission::ALL, get("/explain?host=ftp%3A%2F%2Fx")).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let told = page(&portal, "/explain?host=127.0.0.1%3A1%2F%3Cb%3E").await;
    assert!(told.contains("There is no site") && told.contains("portward site add 127.0.0.1"), "{told}");
    let mut linked = get("/explain?host=127.0.0.1%3A1");
    linked.headers_mut().insert("sec-fetch-site", http::HeaderValue::from_static("cross-site"));
    let linked = text(ask(&portal, Permission::ALL, linked).await).await;
    assert!(linked.contains("value=\"127.0.0.1:1\"") && !linked.contains("There is no site"), "{linked}");
    assert!(!told.contains("<b>\"") && told.contains("/&#60;b&#62;"), "what was typed is escaped");
}

#[tokio::test]
async fn a_backup_is_downloaded_and_restored_only_by_those_who_may_and_say_so() {
    let fixture = Fixture::start().await;
    let portal = router(Arc::clone(&fixture.app));
    fixture.app.add_site(&by(), &site(&["kept.test"]), Apply::Now).await.unwrap();
    assert!(page(&portal, "/backup").await.contains("1 site"));
    let take = || Request::post("/backup").body(Body::empty()).unwrap();
    let taken = ask(&portal, Permission::ALL, take()).await;
    let name = taken.headers()[header::CONTENT_DISPOSITION].to_str().unwrap().to_owned();
    assert_eq!(name, "attachment; filename=\"portward-2026-11-20.backup\"");
    let backup = taken.into_body().collect().await.unwrap().to_bytes();
    fixture.app.add_site(&by(), &site(&["later.test"]), Apply::Now).await.unwrap();

    let restore = |content: &[u8], understood: bool| {
        let mut body = b"--x\r\nContent-Disposition: form-data; name=\"backup\"; filename=\"b\"\r\n\r\n".to_vec();
        body.extend_from_slice(content);
        if understood {
            body.extend_from_slice(b"\r\n--x\r\nContent-Disposition: form-data; name=\"understood\"\r\n\r\n1");
        }
        body.extend_from_slice(b"\r\n--x--\r\n");
        let request = Request::builder().method(Method::POST).uri("/backup/restore");
        request.header(header::CONTENT_TYPE, "multipart/form-data; boundary=x").body(Body::from(body)).unwrap()
    };
    for (content, understood, said) in [
        (&backup[..], false, "is to be replaced"),
        (&b""[..], true, "Choose the file"),
        (&b"something"[..], true, "This is not a backup of Portward"),
        (&backup[..backup.len() - 3], true, "The backup is damaged"),
    ] {
        let refused = ask(&portal, Permission::ALL, restore(content, understood)).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{said}");
        let page = text(refused).await;
        assert!(page.contains(said), "{said}: {page}");
    }
    let not_permitted = ask(&portal, &[Permission::StoreBackup], restore(&backup, true)).await;
    assert_eq!(not_permitted.status(), StatusCode::FORBIDDEN);
    assert_eq!(fixture.stored().await.sites.len(), 2);
    let restored = ask(&portal, Permission::ALL, restore(&backup, true)).await;
    assert_eq!(restored.status(), StatusCode::SEE_OTHER);
    assert_eq!(fixture.stored().await.sites.len(), 1);
    assert!(page(&portal, "/backup").await.contains("are stored and served"));
}

/// Every error page promised that what was typed is still there.
#[tokio::test]
async fn a_page_of_an_error_speaks_of_going_back_after_a_form_alone() {
    let fixture = Fixture::start().await;
    let portal = router(Arc::clone(&fixture.app));
    let missing = ask(&portal, Permission::ALL, get("/certificates/none")).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert!(!text(missing).await.contains("go back with your browser"));
    let request = Request::post("/certificates/none/unmanage").body(Body::empty()).unwrap();
    let missing = text(ask(&portal, Permission::ALL, request).await).await;
    assert!(missing.contains("go back with your browser") && !missing.contains("still there"), "{missing}");
}
