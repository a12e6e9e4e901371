#![allow(clippy::unwrap_used, reason = "tests")]

use portward_core::Permission;

use super::super::browser::Browser;
use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, binding, bundle, by, import, portal},
};

/// Two certificates, and a binding that presents the first one.
async fn front() -> Fixture {
    let fixture = Fixture::start().await;
    for name in ["front.test", "other.test"] {
        let input = import(&bundle(&[name], 90), None);
        fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    }
    let input = portward_api::BindingCreate {
        default_certificate: Some("front-test".to_owned()),
        ..binding("https://127.0.0.1:0")
    };
    fixture.app.add_binding(&by(), &input, Apply::Now).await.unwrap();
    fixture
}

#[tokio::test]
async fn a_binding_presents_another_certificate_when_somebody_says_so() {
    let fixture = front().await;
    let browser = Browser::of(&fixture);
    browser.get("/bindings").await.shows("href=\"/bindings/https-0/certificate\"");
    let page = browser.get("/bindings/https-0/certificate").await;
    for text in ["value=\"front-test\" checked", "value=\"other-test\"", "portward binding edit https-0"] {
        page.shows(text);
    }
    let refused = browser.post("/bindings/https-0/certificate", &[("certificate", "none")]).await;
    assert_eq!(refused.status, 404);
    refused.shows("id=\"refused\"");
    let changed = browser.post("/bindings/https-0/certificate", &[("certificate", "other-test")]).await;
    assert_eq!(changed.location(), "/bindings");
    browser.get("/bindings").await.shows("presents other-test by default.");
    let stored = fixture.stored().await;
    assert_eq!(stored.bindings[0].value.default_certificate.as_ref().unwrap().as_str(), "other-test");
    let viewer = Browser::with(&fixture, &[Permission::View]);
    viewer.get("/bindings").await.hides("/bindings/https-0/certificate");
    assert_eq!(browser.get("/bindings/none/certificate").await.status, 404);
}

#[tokio::test]
async fn what_does_the_same_as_a_removal_does_what_the_page_does() {
    let fixture = front().await;
    let browser = Browser::of(&fixture);
    // The page forces it where something breaks; without that the command was refused.
    fixture.app.add_site(&by(), &portal(&["front.test"]), Apply::Now).await.unwrap();
    let page = browser.get("/bindings/https-0/remove").await;
    page.shows("--force");
    page.shows("?confirm_within=60&#38;force=true");
    let refused = browser.post("/bindings/https-0/remove", &[]).await;
    assert_eq!(refused.status, 409);
    refused.shows("or tick the box, and it goes back by itself unless you confirm. Nothing was removed.");
    let page = browser.get("/sites/front-test/remove").await;
    page.shows("--force");
    page.shows("?confirm_within=60&#38;force=true");
}

#[tokio::test]
async fn a_message_says_once_that_nothing_was_saved() {
    let fixture = front().await;
    let browser = Browser::of(&fixture);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let fields = [("scheme", "http"), ("address", "127.0.0.1"), ("port", port.as_str())];
    let refused = browser.post("/bindings", &fields).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.text.matches("Nothing was saved.").count(), 1, "{}", refused.text);
    browser.get("/bindings").await.shows("Portward accepts connections at 1 address.");
    let http = [("scheme", "http"), ("address", "127.0.0.1"), ("port", "0")];
    browser.post("/bindings", &http).await.location();
    browser.get("/bindings").await.shows("Portward accepts connections at 2 addresses.");
}

#[tokio::test]
async fn proxies_and_passages_are_shown_changed_and_refused_with_their_reason() {
    let fixture = front().await;
    fixture.app.add_site(&by(), &portal(&["front.test"]), Apply::Now).await.unwrap();
    let browser = Browser::of(&fixture);
    browser.get("/bindings").await.shows("href=\"/bindings/https-0/edit\"");
    let page = browser.get("/bindings/https-0/edit").await;
    page.shows("--accept-proxy-from none");
    page.shows("--to none");
    for (fields, reason) in [
        ([("accept_proxy_from", "10.0.0.1/8"), ("to", "")], "has bits behind its prefix"),
        ([("accept_proxy_from", ""), ("to", "polling.test")], "does not say where connections go"),
        ([("accept_proxy_from", ""), ("to", "*=127.0.0.1:1")], "would leave an https binding no name"),
        ([("accept_proxy_from", ""), ("to", "front.test=127.0.0.1:1")], "would take front.test from the site"),
    ] {
        let refused = browser.post("/bindings/https-0/edit", &fields).await;
        assert!([409, 422].contains(&refused.status.as_u16()), "{fields:?}: {}", refused.status);
        refused.shows(reason);
    }
    // The trial comes from this machine itself, and begins as a proxy does.
    let fields = [("accept_proxy_from", "10.0.0.0/8\r\n127.0.0.0/8"), ("to", "polling.test=127.0.0.1:10943")];
    assert_eq!(browser.post("/bindings/https-0/edit", &fields).await.location(), "/bindings");
    let list = browser.get("/bindings").await;
    list.shows("polling.test → 127.0.0.1:10943");
    list.shows("PROXY header from 10.0.0.0/8, 127.0.0.0/8");
    let stored = fixture.stored().await;
    assert_eq!((stored.bindings[0].value.to.len(), stored.bindings[0].value.accept_proxy_from.len()), (1, 2));
    let taken = fixture.app.add_site(&by(), &portal(&["polling.test"]), Apply::Now).await.unwrap_err();
    assert_eq!(taken.code(), "site-name-passed-through");

    let fields = [
        ("scheme", "tls-passthrough"),
        ("address", "127.0.0.1"),
        ("port", "0"),
        ("to", "*=127.0.0.1:22"),
        ("accept_proxy_from", "127.0.0.1"),
    ];
    assert_eq!(browser.post("/bindings", &fields).await.location(), "/bindings");
    let removing = browser.get("/bindings/tls-passthrough-0/remove").await;
    removing.shows("is passed through to 127.0.0.1:22");
    let viewer = Browser::with(&fixture, &[Permission::View]);
    viewer.get("/bindings").await.hides("/bindings/https-0/edit");
}
