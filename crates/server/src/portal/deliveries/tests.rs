#![allow(clippy::unwrap_used, reason = "tests")]

use portward_api::AgentTrust;
use portward_core::{Permission, Thumbprint};

use super::super::browser::Browser;
use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, bundle, by, import},
};

async fn start() -> Fixture {
    let fixture = Fixture::start().await;
    for name in ["edge-1", "edge-2"] {
        let thumbprint = Thumbprint::of(name.as_bytes()).to_string();
        let input = AgentTrust { name: name.to_owned(), thumbprint, listening: None };
        fixture.app.trust_agent(&by(), &input, Apply::Now).await.unwrap();
    }
    let input = import(&bundle(&["shop.test"], 90), None);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    fixture
}

const PLACES: [(&str, &str); 2] = [("to_1", "/etc/tls/shop.pem"), ("to_2", "/etc/tls/shop.key")];

#[tokio::test]
async fn without_an_agent_one_is_added_first() {
    let fixture = Fixture::start().await;
    Browser::of(&fixture).get("/deliveries/add").await.shows("No agent yet");
}

#[tokio::test]
async fn the_form_has_as_many_places_as_the_format_has_files() {
    let fixture = start().await;
    let browser = Browser::of(&fixture);
    for (format, files, has_password) in
        [("pem", 2, false), ("pem-combined", 1, false), ("pfx", 1, true), ("der", 2, false)]
    {
        let page = browser.get(&format!("/deliveries/add?agent=edge-1&certificate=shop-test&format={format}")).await;
        assert_eq!(page.text.matches("name=\"to_").count(), files, "{format}");
        assert_eq!(page.text.contains("type=\"password\""), has_password, "{format}");
        page.shows(&format!("--format {format}"));
    }
    // A browser without script has the fields of before: nothing is stored, the others are shown.
    let fields = [
        ("agent", "edge-1"),
        ("shown_agent", "edge-1"),
        ("certificate", "shop-test"),
        ("format", "pfx"),
        ("shown", "pem"),
    ];
    let shown = browser.post("/deliveries/add", &[&fields[..], &PLACES].concat()).await;
    assert_eq!(shown.status, 200);
    shown.shows("value=\"/etc/tls/shop.pem\"");
    shown.shows("type=\"password\"");
    assert!(fixture.app.list_deliveries(&by()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_delivery_is_added_shown_tried_and_removed() {
    let fixture = start().await;
    let browser = Browser::of(&fixture);
    let fields = [
        ("agent", "edge-1"),
        ("certificate", "shop-test"),
        ("format", "pem"),
        ("owner", "root:ssl-cert"),
        ("mode", "640"),
        ("reload", "nginx"),
        ("verify", "127.0.0.1:443"),
    ];
    let added = browser.post("/deliveries/add", &[&fields[..], &PLACES].concat()).await;
    assert_eq!(added.location(), "/deliveries/shop-test-edge-1");
    let page = browser.get("/deliveries/shop-test-edge-1").await;
    for text in [
        "shop-test is delivered to edge-1 from now on.",
        "Machine out of reach",
        "The agent edge-1 is not connected",
        "/etc/tls/shop.key",
        "root:ssl-cert, 640",
        "127.0.0.1:443",
        "class=\"rail six\"",
    ] {
        page.shows(text);
    }
    // What is said of a command has a button here.
    page.hides("portward agent check edge-1 says");
    browser.get("/deliveries/shop-test-edge-1/live").await.shows("id=\"live-delivery\"");
    browser.get("/agents").await.shows("title=\"shop-test on edge-1: out of reach, wanted v1\"");
    let again = browser.post("/deliveries/shop-test-edge-1/retry", &[]).await;
    assert_eq!(again.location(), "/deliveries/shop-test-edge-1");
    let ask = browser.get("/deliveries/shop-test-edge-1/remove").await;
    ask.shows("/etc/tls/shop.key");
    assert_eq!(browser.post("/deliveries/shop-test-edge-1/remove", &[]).await.location(), "/agents/edge-1");
    assert_eq!(browser.get("/deliveries/shop-test-edge-1").await.status, 404);
    let viewer = Browser::with(&fixture, &[Permission::View]);
    assert_eq!(viewer.get("/deliveries/add").await.status, 403);
    viewer.get("/certificates/shop-test").await.hides("/deliveries/add");
}

#[tokio::test]
async fn what_is_wrong_stands_at_its_field() {
    let fixture = start().await;
    let browser = Browser::of(&fixture);
    let right = [
        ("agent", "edge-1"),
        ("certificate", "shop-test"),
        ("format", "pem"),
        ("to_1", "/etc/tls/shop.pem"),
        ("to_2", "/etc/tls/shop.key"),
        ("owner", ""),
        ("mode", "600"),
        ("reload", ""),
        ("verify", ""),
    ];
    for (field, value, id, text) in [
        ("agent", "nobody", "agent-e", "nobody"),
        ("certificate", "none", "certificate-e", "none"),
        ("to_1", "etc/tls", "to-e", "is not a path for a file"),
        ("to_2", "", "to-e", "two files"),
        ("to_2", "/etc/tls/shop.pem", "to-e", "is given twice"),
        ("owner", "; id", "owner-e", "is not an owner"),
        ("mode", "644", "mode-e", "is not a mode"),
        ("reload", "rm -rf", "reload-e", "is not the name of a profile"),
        ("verify", "443", "verify-e", "is not an address to verify"),
    ] {
        let fields: Vec<(&str, &str)> =
            right.iter().map(|(name, given)| (*name, if *name == field { value } else { given })).collect();
        let refused = browser.post("/deliveries/add", &fields).await;
        assert_eq!(refused.status, 422, "{field}");
        refused.shows(&format!("id=\"{id}\""));
        refused.shows(text);
    }
    let pfx =
        [("agent", "edge-1"), ("certificate", "shop-test"), ("format", "pfx"), ("to_1", "/a.pfx"), ("password", "")];
    browser.post("/deliveries/add", &pfx).await.shows("id=\"password-e\"");
    assert!(fixture.app.list_deliveries(&by()).await.unwrap().is_empty());
}
