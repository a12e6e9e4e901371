#![allow(clippy::unwrap_used, reason = "tests")]

use portward_core::Permission;

use super::super::browser::Browser;
use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, binding, bundle, bundle_at, by, import, now, site},
};

async fn take(fixture: &Fixture, names: &[&str], days: u32, replace: Option<&str>) {
    let input = import(&bundle(names, days), replace);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
}

#[tokio::test]
async fn an_empty_list_teaches() {
    let fixture = Fixture::start().await;
    let page = Browser::of(&fixture).get("/certificates").await;
    page.shows("No certificate yet");
    page.shows("href=\"/import\"");
    let viewer = Browser::with(&fixture, &[Permission::View]).get("/certificates").await;
    viewer.shows("No certificate yet");
    viewer.hides("href=\"/import\"");
    viewer.hides("href=\"/request\"");
}

#[tokio::test]
async fn the_list_has_what_needs_a_hand_first_and_the_view_is_in_the_address() {
    let fixture = Fixture::start().await;
    take(&fixture, &["shop.test", "www.shop.test"], 90, None).await;
    take(&fixture, &["soon.test"], 12, None).await;
    take(&fixture, &["idle.test"], 80, None).await;
    for name in ["shop.test", "soon.test"] {
        fixture.app.add_site(&by(), &site(&[name]), Apply::Now).await.unwrap();
    }
    fixture.set_now(now().plus(std::time::Duration::from_secs(9 * 24 * 3600)));
    let browser = Browser::of(&fixture);
    let page = browser.get("/certificates").await;
    let at = |text: &str| page.text.find(text).unwrap_or_else(|| panic!("{text} is not in {}", page.text));
    assert!(at("/certificates/soon-test\"") < at("/certificates/shop-test\""));
    assert!(at("/certificates/shop-test\"") < at("/certificates/idle-test\""));
    for text in ["Expires soon", "in 2 days", "+ 1</span>", "Not used 1", "Attention 1", "3 of 3, most urgent first"] {
        page.shows(text);
    }
    let attention = browser.get("/certificates?show=attention").await;
    attention.shows("1 of 3");
    attention.hides("/certificates/shop-test\"");
    for (query, found) in [("q=www", "shop-test"), ("show=unused", "idle-test"), ("q=self-signed+soon", "soon-test")] {
        let page = browser.get(&format!("/certificates?{query}")).await;
        page.shows("1 of 3");
        page.shows(&format!("/certificates/{found}\""));
    }
    browser.get("/certificates?q=none").await.shows("No certificate is like that");
    let sorted = browser.get("/certificates?sort=-name").await;
    sorted.shows("aria-sort=\"descending\"");
    assert!(sorted.text.find("/certificates/soon-test\"") < sorted.text.find("/certificates/idle-test\""));
}

#[tokio::test]
async fn a_long_list_is_cut_into_pages() {
    let fixture = Fixture::start().await;
    for number in 0..52 {
        let names = vec![format!("n{number:03}.test")];
        let input = portward_api::SelfSignedCreate { names, days: Some(90) };
        fixture.app.make_self_signed(&by(), &input, Apply::Now).await.unwrap();
    }
    let browser = Browser::of(&fixture);
    let first = browser.get("/certificates?sort=name&q=test").await;
    first.shows("page 1 of 2");
    first.shows("href=\"/certificates?q=test&#38;sort=name&#38;page=2\"");
    assert_eq!(first.text.matches("class=\"name\"").count(), 50);
    let second = browser.get("/certificates?sort=name&page=2").await;
    assert_eq!(second.text.matches("class=\"name\"").count(), 2);
    second.shows("n051.test");
    second.shows("rel=\"prev\"");
    // Beyond the end is the end.
    browser.get("/certificates?page=99").await.shows("page 2 of 2");
}

#[tokio::test]
async fn a_certificate_shows_its_chain_thumbprints_and_who_uses_it() {
    let fixture = Fixture::start().await;
    take(&fixture, &["shop.test", "www.shop.test"], 90, None).await;
    fixture.app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    let page = Browser::of(&fixture).get("/certificates/shop-test").await;
    assert_eq!(page.status, 200);
    for text in [
        "ECDSA P-256",
        "Leaf, self-signed",
        "and www.shop.test",
        "SHA-256",
        "SHA-1",
        "href=\"/sites/shop-test\"",
        "default of the binding",
        "unmanaged",
        "action=\"/certificates/shop-test/export\"",
        "href=\"/certificates/shop-test/remove\"",
    ] {
        page.shows(text);
    }
    let missing = Browser::of(&fixture).get("/certificates/none").await;
    assert_eq!(missing.status, 404);
    let viewer = Browser::with(&fixture, &[Permission::View]).get("/certificates/shop-test").await;
    assert_eq!(viewer.status, 200);
    viewer.hides("<form method=\"post\"");
    let refused = Browser::with(&fixture, &[Permission::View]).post("/certificates/shop-test/remove", &[]).await;
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn one_goes_back_to_the_version_before() {
    let fixture = Fixture::start().await;
    take(&fixture, &["shop.test"], 90, None).await;
    let browser = Browser::of(&fixture);
    browser.get("/certificates/shop-test").await.hides("Go back");
    take(&fixture, &["shop.test"], 100, Some("shop-test")).await;
    browser.get("/certificates/shop-test").await.shows("Go back");
    let back = browser.post("/certificates/shop-test/roll-back", &[]).await;
    assert_eq!(back.location(), "/certificates/shop-test");
    browser.get("/certificates/shop-test").await.shows("Version 1 of shop-test is served.");
    let again = browser.post("/certificates/shop-test/roll-back", &[]).await;
    assert_eq!(again.status, 409);
    again.shows("there is none before it to go back to");
}

#[tokio::test]
async fn an_expired_version_is_gone_back_to_on_purpose_alone() {
    let fixture = Fixture::start().await;
    let old = bundle_at(&["shop.test"], 30, now().minus(std::time::Duration::from_secs(60 * 24 * 3600)));
    let input = portward_api::CertificateImport { allow_expired: true, ..import(&old, None) };
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    take(&fixture, &["shop.test"], 90, Some("shop-test")).await;
    let browser = Browser::of(&fixture);
    let refused = browser.post("/certificates/shop-test/roll-back", &[]).await;
    assert_eq!(refused.status, 422);
    refused.shows("Go back to it nevertheless");
    let back = browser.post("/certificates/shop-test/roll-back", &[("allow_expired", "yes")]).await;
    assert_eq!(back.location(), "/certificates/shop-test");
}

#[tokio::test]
async fn an_export_is_a_file_and_a_pfx_needs_a_password() {
    let fixture = Fixture::start().await;
    take(&fixture, &["shop.test"], 90, None).await;
    let browser = Browser::of(&fixture);
    let refused = browser.post("/certificates/shop-test/export", &[("format", "pfx"), ("password", "")]).await;
    assert_eq!(refused.status, 422);
    refused.shows("id=\"refused\"");
    let before = fixture.audited().await;
    let pem = browser.post("/certificates/shop-test/export", &[("format", "pem")]).await;
    assert_eq!(pem.status, 200);
    assert_eq!(pem.headers["content-disposition"], "attachment; filename=\"shop-test.pem\"");
    assert_eq!(pem.headers["cache-control"], "no-store");
    pem.shows("-----BEGIN PRIVATE KEY-----");
    let pfx = browser.post("/certificates/shop-test/export", &[("format", "pfx"), ("password", "a secret")]).await;
    assert_eq!(pfx.headers["content-type"], "application/x-pkcs12");
    assert_eq!(fixture.audited().await, before + 2);
    let others: Vec<Permission> =
        Permission::ALL.iter().copied().filter(|each| *each != Permission::CertificateExportPrivateKey).collect();
    let lacking = Browser::with(&fixture, &others);
    assert_eq!(lacking.post("/certificates/shop-test/export", &[("format", "pem")]).await.status, 403);
    lacking.get("/certificates/shop-test").await.hides("/export\"");
}

#[tokio::test]
async fn what_is_used_is_not_removed_and_the_page_says_what_would_break() {
    let fixture = Fixture::start().await;
    take(&fixture, &["shop.test"], 90, None).await;
    let fixed = portward_api::SiteCreate { certificate: Some("shop-test".to_owned()), ..site(&["shop.test"]) };
    fixture.app.add_site(&by(), &fixed, Apply::Now).await.unwrap();
    let browser = Browser::of(&fixture);
    let asked = browser.get("/certificates/shop-test/remove").await;
    for text in ["names it, and presents no other", "name=\"confirm\" checked", "--force", "force=true"] {
        asked.shows(text);
    }
    let refused = browser.post("/certificates/shop-test/remove", &[]).await;
    assert_eq!(refused.status, 409);
    refused.shows("is used by site");
    let forced = browser.post("/certificates/shop-test/remove", &[("confirm", "on")]).await;
    assert_eq!(forced.location(), "/certificates");
    browser.get("/certificates").await.shows("The new settings are in effect: remove certificate shop-test");
    assert!(fixture.stored().await.certificates.is_empty());
}

/// Another certificate that has the names was no reason to say that nothing breaks.
#[tokio::test]
async fn what_another_certificate_covers_breaks_nothing_when_it_goes() {
    let fixture = Fixture::start().await;
    take(&fixture, &["shop.test"], 90, None).await;
    take(&fixture, &["shop.test", "www.shop.test"], 80, None).await;
    fixture.app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
    let browser = Browser::of(&fixture);
    let asked = browser.get("/certificates/shop-test/remove").await;
    asked.hides("aria-label=\"breaks\"");
    asked.hides("--force");
    assert_eq!(browser.post("/certificates/shop-test/remove", &[]).await.location(), "/certificates");
    assert_eq!(fixture.stored().await.certificates.len(), 1);
}

#[tokio::test]
async fn what_is_not_managed_is_not_renewed_and_not_revoked() {
    let fixture = Fixture::start().await;
    take(&fixture, &["shop.test"], 90, None).await;
    let browser = Browser::of(&fixture);
    for (deed, fields) in [("renew", &[][..]), ("revoke", &[("reason", "superseded")][..]), ("unmanage", &[][..])] {
        let refused = browser.post(&format!("/certificates/shop-test/{deed}"), fields).await;
        assert_eq!(refused.status, 409, "{deed}");
        let page = browser.get("/certificates/shop-test").await;
        page.hides(&format!("action=\"/certificates/shop-test/{deed}\""));
    }
}
