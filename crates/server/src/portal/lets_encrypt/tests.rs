#![allow(clippy::unwrap_used, reason = "tests")]

use super::super::browser::Browser;
use crate::fixture::Fixture;

#[tokio::test]
async fn one_name_is_configured_renewed_and_disabled() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    browser.get("/lets-encrypt").await.shows("Get the certificate");
    let fields = |name, port| {
        [
            ("dns_name", name),
            ("email", "ops@shop.test"),
            ("https_port", port),
            ("ip_address", "127.0.0.1"),
            ("directory", "https://127.0.0.1:1/directory"),
            ("accept_terms", "yes"),
        ]
    };
    for (name, port, place) in [("no name", "0", "dns_name-err"), ("door.test", "many", "https_port-err")] {
        let refused = browser.post("/lets-encrypt", &fields(name, port)).await;
        assert_eq!(refused.status, 422);
        refused.shows(place);
        refused.shows("value=\"ops@shop.test\"");
    }
    let not_agreed = browser.post("/lets-encrypt", &fields("door.test", "0")[..5]).await;
    assert_eq!(not_agreed.status, 422);
    not_agreed.shows("terms-err");
    assert!(fixture.stored().await.certificates.is_empty());

    let configured = browser.post("/lets-encrypt", &fields("door.test", "0")).await;
    assert_eq!(configured.location(), "/lets-encrypt");
    let page = browser.get("/lets-encrypt").await;
    for text in ["Portward keeps a certificate for door.test.", "Due to expire", "Renew now", "Disable"] {
        page.shows(text);
    }
    assert_eq!(browser.post("/lets-encrypt/renew", &[]).await.location(), "/lets-encrypt");
    assert_eq!(browser.post("/lets-encrypt/disable", &[]).await.location(), "/lets-encrypt");
    let again = browser.post("/lets-encrypt/disable", &[]).await;
    assert_eq!(again.status, 409);
    again.shows("id=\"refused\"");
}
