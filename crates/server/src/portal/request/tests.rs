#![allow(clippy::unwrap_used, reason = "tests")]

use super::super::{browser::Browser, issuers::tests::OTHER};
use crate::fixture::Fixture;

#[tokio::test]
async fn a_certificate_is_asked_for_and_then_changed() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    browser.get("/request").await.shows("No issuer yet");
    browser.post("/issuers", &OTHER).await.location();
    browser.get("/request").await.shows("<option>house</option>");

    let wildcard = browser.post("/request", &[("names", "*.shop.test shop.test"), ("issuer", "house")]).await;
    assert_eq!(wildcard.status, 422);
    wildcard.shows("names-err");
    wildcard.shows("*.shop.test\nshop.test</textarea>");
    let bad = browser.post("/request", &[("names", "shop..test"), ("issuer", "house")]).await;
    assert_eq!(bad.status, 422);
    bad.shows("names-err");

    let fields = [("names", "shop.test\r\nwww.shop.test"), ("issuer", "house"), ("challenge", "http-01")];
    let asked = browser.post("/request", &fields).await;
    // Nobody gives turns in this test, so there is no attempt to look at.
    assert_eq!(asked.location(), "/certificates/shop-test");
    let page = browser.get("/certificates/shop-test").await;
    for text in ["Being ordered", "managed", "never by a CA", "http-01", "Renew now", "Stop managing"] {
        page.shows(text);
    }
    let change = browser.get("/request?replace=shop-test").await;
    change.shows("www.shop.test</textarea>");
    change.shows("value=\"http-01\" checked");
    let changed = browser
        .post(
            "/request",
            &[("replace", "shop-test"), ("names", "shop.test"), ("issuer", "house"), ("renew_days_before", "x")],
        )
        .await;
    assert_eq!(changed.status, 422);
    changed.shows("renew-err");
    let unmanaged = browser.post("/certificates/shop-test/unmanage", &[]).await;
    assert_eq!(unmanaged.location(), "/certificates/shop-test");
    let stored = fixture.stored().await;
    assert!(stored.certificates[0].value.management.managed().is_none());
}

#[tokio::test]
async fn looking_first_says_what_is_seen_and_changes_nothing() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    browser.post("/issuers", &OTHER).await.location();
    let revision = fixture.stored().await.revision;
    // An address that somebody else wrote has nobody looked at.
    let page = browser.get("/request?names=127.0.0.1&issuer=house&challenge=http-01&check=yes&step=check").await;
    page.hides("Advice never stops an order.");
    let fields = [("names", "127.0.0.1"), ("issuer", "house"), ("challenge", "http-01"), ("step", "check")];
    let page = browser.post("/request", &fields).await;
    assert_eq!(page.status, 200);
    page.shows("challenge: http-01");
    page.shows("Advice never stops an order. The CA decides.");
    page.shows("127.0.0.1</textarea>");
    let bad = browser.post("/request", &[("names", "a..b"), ("step", "check")]).await;
    assert_eq!(bad.status, 422);
    assert_eq!(fixture.stored().await.revision, revision);
}

/// Without an issuer one was sent to make one, and came back to an empty form.
#[tokio::test]
async fn the_name_is_still_there_after_an_issuer_was_added() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    let page = browser.get("/request?names=shop.test").await;
    let next = "next=/request%3Fnames%3Dshop%252Etest";
    page.shows(&format!("/issuers/new?preset=letsencrypt&amp;{next}"));
    let form = browser.get(&format!("/issuers/new?preset=other&{next}")).await;
    form.shows("name=\"next\" value=\"/request?names=shop%2Etest\"");
    let chosen = [("choose", "other"), ("preset", "letsencrypt"), ("next", "/request?names=shop%2Etest")];
    browser.post("/issuers", &chosen).await.shows("value=\"/request?names=shop%2Etest\"");
    let next = [("next", "/request?names=shop%2Etest")];
    let added = browser.post("/issuers", &[&OTHER[..], &next].concat()).await;
    assert_eq!(added.location(), "/request?names=shop%2Etest");
    browser.get(added.location()).await.shows("shop.test</textarea>");
    let other = [("id", "elsewhere"), ("next", "//evil.example")];
    let added = browser.post("/issuers", &[&OTHER[..3], &other].concat()).await;
    assert_eq!(added.location(), "/");
}
