#![allow(clippy::unwrap_used, reason = "tests")]

use super::{super::browser::Browser, *};
use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, binding, bundle, by, import, issued, site},
};

async fn add(fixture: &Fixture, names: &[&str]) {
    fixture.app.add_site(&by(), &site(names), Apply::Now).await.unwrap();
}

#[tokio::test]
async fn the_verdict_and_the_list_of_sites_say_the_same() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    browser.get("/").await.shows("No application is behind this door yet");

    add(&fixture, &["shop.test"]).await;
    let page = browser.get("/").await;
    page.shows("No site is served over HTTPS: there is no https binding.");
    page.shows("Sites are served over HTTP alone");
    browser.get("/sites").await.shows("Served over HTTP alone");

    let input = import(&bundle(&["shop.test"], 90), None);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    let page = browser.get("/").await;
    page.shows("Browsers warn of shop.test: it has no certificate yet that they accept.");
    page.shows("Get a certificate");
    browser.get("/sites").await.shows("Self-signed certificate");

    fixture.app.import_certificate(&by(), issued(&["shop.test"]), Precondition::None, Apply::Now).await.unwrap();
    let page = browser.get("/").await;
    page.shows("The site serves a valid certificate");
    page.shows("Nothing needs a hand.");
    browser.get("/sites").await.shows("1 site, served over HTTPS.");
}

#[tokio::test]
async fn a_site_for_every_name_is_safe_by_the_certificate_that_is_presented_for_it() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    let input = import(&bundle(&["other.test"], 90), None);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    add(&fixture, &["*"]).await;
    browser.get("/").await.shows("Browsers warn of the site ");
}

#[test]
fn the_lifetimes_to_come_can_be_chosen() {
    let now = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
    let asked = Timestamp::parse("2027-02-10T00:00:00Z").unwrap();
    let plans = plans(&changes(now), Some(asked));
    let names: Vec<(&str, bool)> = plans.iter().map(|plan| (plan.name.as_str(), plan.is_chosen)).collect();
    assert_eq!(names, [("today", false), ("Feb 2027", true), ("Feb 2028", false)]);
    assert_eq!(plans[1].path, "/?lifetimes=2027-02-10");
}
