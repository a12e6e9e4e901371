#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use portward_certs::{Bundle, Password, export_pem, export_pfx};
use portward_core::Permission;

use super::super::browser::{Browser, Page};
use crate::fixture::{Fixture, bundle, bundle_at, now, site};

fn pem(bundle: &Bundle) -> Vec<u8> {
    export_pem(&bundle.chain, &bundle.key).as_bytes().to_vec()
}

/// The blocks of a PEM file that have that label.
fn blocks(bundle: &Bundle, label: &str) -> Vec<u8> {
    let text = String::from_utf8(pem(bundle)).unwrap();
    let begin = text.find(&format!("-----BEGIN {label}")).unwrap();
    let end = begin + text[begin..].find("-----END").unwrap();
    text.as_bytes()[begin..end + text[end..].find('\n').unwrap() + 1].to_vec()
}

async fn check(browser: &Browser, fields: &[(&str, &str)], files: &[(&str, &[u8])]) -> (String, Page) {
    let given = browser.upload("/import", &[&[("step", "check")], fields].concat(), files).await;
    let location = given.location().to_owned();
    let page = browser.get(&location).await;
    (location.split_once("upload=").unwrap().1.split('&').next().unwrap().to_owned(), page)
}

#[tokio::test]
async fn what_is_given_is_looked_at_and_imported_when_somebody_says_so() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    let bundle = bundle(&["shop.test", "www.shop.test"], 90);
    let (key, leaf) = (blocks(&bundle, "PRIVATE KEY"), blocks(&bundle, "CERTIFICATE"));
    browser.get("/import").await.shows("Drop files here");

    let (upload, page) = check(&browser, &[], &[("shop.crt", &leaf)]).await;
    for text in ["1 file, 1 piece", "the private key is missing", "There is no private key yet", "Valid now"] {
        page.shows(text);
    }
    page.hides("Import and serve");
    let (upload, page) = check(&browser, &[("upload", &upload)], &[("shop.key", &key)]).await;
    for text in
        ["2 files, 2 pieces", "The private key fits the leaf", "from shop.key", "and www.shop.test", "Import and serve"]
    {
        page.shows(text);
    }
    // The key stays in the server, and nothing is stored yet.
    page.hides("PRIVATE KEY");
    assert!(fixture.stored().await.certificates.is_empty());
    let fields = [("upload", upload.as_str()), ("step", "import"), ("as", "")];
    let imported = browser.upload("/import", &fields, &[]).await;
    assert_eq!(imported.location(), "/certificates/shop-test");
    browser.get("/certificates/shop-test").await.shows("Certificate shop-test is stored. No site uses it yet.");
    // What was taken is forgotten.
    browser.get(&format!("/import?upload={upload}")).await.shows("is gone");
}

#[tokio::test]
async fn a_locked_pfx_asks_for_its_password_and_never_shows_it() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    let bundle = bundle(&["shop.test"], 90);
    let pfx = export_pfx(&bundle.chain, &bundle.key, &Password::new("right horse".to_owned()), "shop").unwrap();
    let (upload, page) = check(&browser, &[], &[("shop.pfx", &pfx)]).await;
    page.shows("shop.pfx is protected by a password");
    let (upload, page) = check(&browser, &[("upload", &upload), ("password", "wrong horse")], &[]).await;
    page.shows("The password does not open shop.pfx");
    page.hides("wrong horse");
    let (_, page) = check(&browser, &[("upload", &upload), ("password", "right horse")], &[]).await;
    page.shows("The password opens shop.pfx");
    page.shows("Import and serve");
    page.hides("right horse");
}

#[tokio::test]
async fn the_same_names_become_a_new_version_and_sites_follow() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    let (first, second) = (bundle(&["shop.test"], 30), bundle(&["shop.test"], 90));
    let (upload, _) = check(&browser, &[], &[("first.pem", &pem(&first))]).await;
    browser.upload("/import", &[("upload", &upload), ("step", "import")], &[]).await.location();
    fixture.app.add_site(&crate::fixture::by(), &site(&["shop.test"]), crate::app::Apply::Now).await.unwrap();
    let (upload, page) = check(&browser, &[], &[("second.pem", &pem(&second))]).await;
    page.shows("value=\"shop-test\" checked");
    page.shows("1 site follows at once.");
    page.shows("Covers the names of the sites that follow it");
    let fields = [("upload", upload.as_str()), ("step", "import"), ("as", "shop-test")];
    assert_eq!(browser.upload("/import", &fields, &[]).await.location(), "/certificates/shop-test");
    browser.get("/certificates/shop-test").await.shows("Version 2 of shop-test is served.");
    let (_, page) = check(&browser, &[("over", "shop-test")], &[("second.pem", &pem(&second))]).await;
    page.shows("It is there already");
    assert_eq!(browser.get("/import?over=none").await.status, 404);
}

#[tokio::test]
async fn a_key_of_something_else_and_a_chain_of_something_else_are_told_apart() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    let (shop, other) = (bundle(&["shop.test"], 90), bundle(&["other.test"], 90));
    let files = [("shop.crt", blocks(&shop, "CERTIFICATE")), ("other.key", blocks(&other, "PRIVATE KEY"))];
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let (upload, page) = check(&browser, &[], &files).await;
    page.shows("The private key in other.key does not fit");
    page.shows("does not fit</div>");
    page.hides("Import and serve");
    // Who imports it nevertheless gets the same answer, and nothing is stored.
    let refused = browser.upload("/import", &[("upload", &upload), ("step", "import")], &[]).await;
    assert_eq!(refused.status, 422);
    refused.shows("id=\"refused\"");
    assert!(fixture.stored().await.certificates.is_empty());
    // One file less.
    let (_, page) = check(&browser, &[("upload", &upload), ("remove", "1")], &[]).await;
    page.shows("1 file, 1 piece");
    page.hides("other.key");
}

#[tokio::test]
async fn an_expired_certificate_is_taken_on_purpose_alone() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    let old = bundle_at(&["old.test"], 30, now().minus(Duration::from_secs(60 * 24 * 3600)));
    let (upload, page) = check(&browser, &[], &[("old.pem", &pem(&old))]).await;
    page.shows("Take it although it is out of its time");
    page.shows("expired 30 days ago");
    let fields = [("upload", upload.as_str()), ("step", "import")];
    let refused = browser.upload("/import", &fields, &[]).await;
    assert_eq!(refused.status, 422);
    refused.hides("--allow-expired");
    let (upload, _) = check(&browser, &[], &[("old.pem", &pem(&old))]).await;
    let fields = [("upload", upload.as_str()), ("step", "import"), ("allow_expired", "yes")];
    assert_eq!(browser.upload("/import", &fields, &[]).await.location(), "/certificates/old-test");
}

/// A second press of the button replaced the live certificate by an expired one.
#[tokio::test]
async fn what_was_chosen_stays_chosen_when_an_import_is_refused() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    let live = bundle(&["shop.test"], 90);
    let old = bundle_at(&["shop.test"], 30, now().minus(Duration::from_secs(60 * 24 * 3600)));
    let (upload, _) = check(&browser, &[], &[("live.pem", &pem(&live))]).await;
    browser.upload("/import", &[("upload", &upload), ("step", "import")], &[]).await.location();
    let (upload, page) = check(&browser, &[], &[("old.pem", &pem(&old))]).await;
    page.shows("value=\"shop-test\" checked");
    let fields = [("upload", upload.as_str()), ("step", "import"), ("as", "")];
    let refused = browser.upload("/import", &fields, &[]).await;
    assert_eq!(refused.status, 422);
    refused.shows("name=\"as\" value=\"\" checked");
    refused.hides("value=\"shop-test\" checked");
    refused.hides("--replace");
    let fields = [("upload", upload.as_str()), ("step", "import"), ("as", "shop-test")];
    let refused = browser.upload("/import", &fields, &[]).await;
    assert_eq!(refused.status, 422);
    refused.shows("value=\"shop-test\" checked");
    let stored = &fixture.stored().await.certificates;
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].value.versions.len(), 1);
}

#[tokio::test]
async fn an_upload_is_for_whoever_gave_it_and_nothing_is_something_to_be_told() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    let nothing = browser.upload("/import", &[("step", "check"), ("text", "")], &[]).await;
    assert_eq!(nothing.status, 422);
    nothing.shows("Choose a file, or paste text.");
    let shop = bundle(&["shop.test"], 90);
    let pasted = String::from_utf8(pem(&shop)).unwrap();
    let (upload, page) = check(&browser, &[("text", &pasted)], &[]).await;
    page.shows("from pasted text");
    fixture.set_now(now().plus(Duration::from_secs(601)));
    browser.get(&format!("/import?upload={upload}")).await.shows("is gone");
    let viewer = Browser::with(&fixture, &[Permission::View]);
    assert_eq!(viewer.get("/import").await.status, 403);
}
