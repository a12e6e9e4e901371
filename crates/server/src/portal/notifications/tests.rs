#![allow(clippy::unwrap_used, reason = "tests")]

use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt;
use portward_core::Permission;
use tower_service::Service;

use super::*;
use crate::{app::Actor, channel::recorder::Recorder, fixture::Fixture};

/// Asks as a browser does, and gives status, where it is sent, and the page.
async fn ask(
    fixture: &Fixture,
    permissions: &[Permission],
    method: Method,
    path: &str,
    form: &str,
) -> (u16, String, String) {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::ACCEPT, "text/html")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    request.extensions_mut().insert(Actor::with(permissions));
    let response = fixture.api().call(request).await.unwrap();
    let status = response.status().as_u16();
    let location = response.headers().get(header::LOCATION).map(|value| value.to_str().unwrap().to_owned());
    let page = response.into_body().collect().await.unwrap().to_bytes();
    (status, location.unwrap_or_default(), String::from_utf8(page.to_vec()).unwrap())
}

async fn get(fixture: &Fixture, path: &str) -> String {
    let (status, _, page) = ask(fixture, Permission::ALL, Method::GET, path, "").await;
    assert_eq!(status, 200, "{page}");
    page
}

#[tokio::test]
async fn a_page_without_channels_teaches_and_its_form_has_the_fields_of_the_kind() {
    let fixture = Fixture::start().await;
    let page = get(&fixture, "/notifications").await;
    assert!(page.contains("<h2>No channel yet</h2>") && page.contains("name=\"server\""), "{page}");
    assert_eq!(page.matches("name=\"event\"").count(), page.matches("name=\"event\" value=\"").count());
    assert_eq!(page.matches("type=\"checkbox\" name=\"event\"").count(), NoticeKind::ALL.len());
    let page = get(&fixture, "/notifications?kind=telegram").await;
    assert!(page.contains("name=\"chat\"") && !page.contains("name=\"from\""), "{page}");
    assert!(page.contains("--secret token=token-file"), "the equivalents take secrets from files: {page}");
    let viewer = ask(&fixture, &[Permission::View], Method::GET, "/notifications", "").await;
    assert!(viewer.0 == 200 && !viewer.2.contains("<form method=\"post\""), "{}", viewer.2);
    let (status, ..) = ask(&fixture, &[Permission::View], Method::POST, "/notifications", "kind=slack").await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn a_channel_is_added_tested_changed_and_removed_by_forms() {
    let fixture = Fixture::start().await;
    let recorder = Recorder::start().await;
    let url = format!("http%3A%2F%2F127.0.0.1%3A{}%2Fhunter2", recorder.port);
    let form = format!("kind=slack&id=ops&url={url}&event=expired");
    let (status, _, page) = ask(&fixture, Permission::ALL, Method::POST, "/notifications", &form).await;
    assert_eq!(status, 422);
    assert!(page.contains("set plain_http to private. Nothing was saved."), "{page}");
    assert!(!page.contains("hunter2") && page.contains("value=\"ops\""), "{page}");

    let form = format!("{form}&plain_http=private");
    let (status, location, _) = ask(&fixture, Permission::ALL, Method::POST, "/notifications", &form).await;
    assert_eq!((status, location.as_str()), (303, "/notifications"));
    let page = get(&fixture, "/notifications").await;
    assert!(page.contains("The channel ops is saved.") && !page.contains("hunter2"), "{page}");
    assert!(page.contains(&format!("127.0.0.1:{}", recorder.port)) && page.contains("Nothing sent yet"), "{page}");

    let (status, ..) = ask(&fixture, Permission::ALL, Method::POST, "/notifications/ops/test", "").await;
    assert_eq!(status, 303);
    let page = get(&fixture, "/notifications").await;
    assert!(page.contains("ops took the test message: 200 OK: ok") && page.contains("Delivered"), "{page}");

    let page = get(&fixture, "/notifications/ops").await;
    assert!(page.contains("stays if you leave it empty") && !page.contains("hunter2"), "{page}");
    let all = NoticeKind::ALL.map(|kind| format!("&event={kind}")).concat();
    let form = format!("url=&plain_http=private&authority={all}");
    let (status, ..) = ask(&fixture, Permission::ALL, Method::POST, "/notifications/ops", &form).await;
    assert_eq!(status, 303);
    let page = get(&fixture, "/notifications").await;
    assert!(page.contains("all events") && page.contains("Disabled"), "{page}");
    ask(&fixture, Permission::ALL, Method::POST, "/notifications/ops/test", "").await;
    assert_eq!(recorder.recorded(2).await[1].path, "/hunter2", "the URL stayed");

    let (status, ..) = ask(&fixture, Permission::ALL, Method::POST, "/notifications/ops/remove", "").await;
    assert_eq!(status, 303);
    assert!(get(&fixture, "/notifications").await.contains("The channel ops is removed."));
    let (status, ..) = ask(&fixture, Permission::ALL, Method::GET, "/notifications/ops", "").await;
    assert_eq!(status, 404);
}

/// A kind that was chosen, and an edit that was refused, threw away what was typed.
#[tokio::test]
async fn what_was_typed_stays_when_a_kind_is_chosen_and_when_an_edit_is_refused() {
    let fixture = Fixture::start().await;
    let form = "shown=slack&kind=webhook&step=choose&id=ops&url=https%3A%2F%2Fhooks.test%2Fhunter2&event=expired";
    let (status, _, page) = ask(&fixture, Permission::ALL, Method::POST, "/notifications", form).await;
    assert!(status == 200 && page.contains("value=\"ops\""), "{status} {page}");
    assert!(page.contains("name=\"shown\" value=\"webhook\"") && !page.contains("hunter2"), "{page}");
    assert!(page.contains("--id ops") && page.contains("--event expired"), "{page}");
    assert!(page.contains("value=\"expired\" checked") && page.matches(" checked").count() == 1, "{page}");
    assert!(fixture.stored().await.channels.is_empty());

    let form = "kind=email&id=ops&server=mail.test%3A587&from=a%40front.test&to=ops%40front.test&event=expired";
    let (status, _, page) = ask(&fixture, Permission::ALL, Method::POST, "/notifications", form).await;
    assert_eq!(status, 303, "{page}");
    let form = "server=mail.test%3A99999&from=b%40front.test&to=ops%40front.test&event=expires-soon";
    let (status, _, page) = ask(&fixture, Permission::ALL, Method::POST, "/notifications/ops", form).await;
    assert_eq!(status, 422);
    assert!(page.contains("value=\"mail.test:99999\"") && page.contains("value=\"b@front.test\""), "{page}");
    assert!(!page.contains("value=\"expired\" checked") && !page.contains("name=\"enabled\" checked"), "{page}");
}

#[tokio::test]
async fn who_names_another_server_is_told_to_give_the_secret_again() {
    let fixture = Fixture::start().await;
    let form = "kind=gotify&id=ops&server=https%3A%2F%2Fa.test&token=hunter2&plain_http=refused&event=expired";
    let (status, ..) = ask(&fixture, Permission::ALL, Method::POST, "/notifications", form).await;
    assert_eq!(status, 303);
    let form = "server=https%3A%2F%2Fb.test&token=&plain_http=refused&authority=&event=expired&enabled=on";
    let (status, _, page) = ask(&fixture, Permission::ALL, Method::POST, "/notifications/ops", form).await;
    assert_eq!(status, 422);
    assert!(page.contains("give token again. Nothing was saved."), "{page}");
    assert!(page.contains("value=\"https://b.test\"") && !page.contains("hunter2"), "what was typed stays: {page}");
    let form = form.replace("token=", "token=another");
    let (status, ..) = ask(&fixture, Permission::ALL, Method::POST, "/notifications/ops", &form).await;
    assert_eq!(status, 303);
    // A form that nobody touched names no other server.
    let form = form.replace("token=another", "token=");
    let (status, ..) = ask(&fixture, Permission::ALL, Method::POST, "/notifications/ops", &form).await;
    assert_eq!(status, 303);
}
