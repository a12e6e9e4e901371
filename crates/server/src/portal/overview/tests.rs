#![allow(clippy::unwrap_used, reason = "tests")]

use portward_api::SiteUpdate;
use portward_core::Permission;

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

#[tokio::test]
async fn a_recent_change_is_undone_from_overview_and_from_the_audit() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    browser.get("/").await.shows("No change yet.");
    add(&fixture, &["shop.test"]).await;
    let edit = |hsts: &str| SiteUpdate { hsts: Some(hsts.to_owned()), ..SiteUpdate::default() };
    let edited = fixture.app.edit_site(&by(), "shop-test", &edit("1h"), Precondition::None, Apply::Now).await.unwrap();
    let revision = edited.revision.unwrap().to_string();
    let form = format!("name=\"revision\" value=\"{revision}\"");
    let page = browser.get("/").await;
    page.shows(&form);
    page.shows("Undo<span class=\"sr\">: edit site shop-test</span>");
    // What was written again since is in its way.
    assert_eq!(page.text.matches("action=\"/undo\"").count(), 1, "{}", page.text);
    browser.get("/audit").await.shows(&form);
    browser.get("/overview/live").await.shows(&form);
    let auditor = Browser::with(&fixture, &[Permission::View, Permission::AuditView]);
    auditor.get("/").await.hides("action=\"/undo\"");
    Browser::with(&fixture, &[Permission::View]).get("/").await.hides("Recent changes");

    browser.post("/undo", &[("revision", &revision)]).await.location();
    assert_eq!(fixture.app.show_site(&by(), "shop-test").unwrap().view.hsts, "off");
    let page = browser.get("/").await;
    page.shows("Undone: edit site shop-test.");
    page.hides(&form);
}

#[tokio::test]
async fn after_ten_minutes_nothing_is_offered_to_be_undone() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    add(&fixture, &["shop.test"]).await;
    browser.get("/").await.shows("action=\"/undo\"");
    fixture.set_now(fixture.app.now().plus(Duration::from_secs(601)));
    browser.get("/").await.hides("action=\"/undo\"");
}

#[tokio::test]
async fn parts_that_change_have_the_ids_of_the_page_and_leave_what_is_said_once() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    add(&fixture, &["shop.test"]).await;
    browser.post("/sites/shop-test/ask", &[]).await.location();
    let parts = |text: &str| -> Vec<String> {
        let with_id = text.split(" id=\"").skip(1).filter(|rest| rest.contains("\" data-part"));
        let ids = with_id.filter_map(|rest| rest.split_once("\" data-part").map(|(id, _)| id.to_owned()));
        ids.filter(|id| !id.contains('"')).collect()
    };
    let mut live = Vec::new();
    for path in ["/live", "/overview/live", "/overview/traffic"] {
        live.extend(parts(&browser.get(path).await.text));
    }
    let page = browser.get("/").await;
    page.shows("class=\"toast\"");
    let mut shown = parts(&page.text);
    live.sort();
    shown.sort();
    assert_eq!(live, shown);
    assert_eq!(live.len(), 8, "{live:?}");
}

#[tokio::test]
async fn traffic_is_shown_before_anything_has_come() {
    let fixture = Fixture::start().await;
    add(&fixture, &["shop.test"]).await;
    let page = Browser::of(&fixture).get("/overview/traffic").await;
    page.shows("<dt>slowest 5 %</dt><dd>none</dd>");
    page.shows("Requests a minute in the last 60 minutes: at most 0, 0 in the last one");
    page.hides("The busiest sites");
}

/// The verdict said nothing of it, while what stood below said that browsers warn of the portal.
#[tokio::test]
async fn the_verdict_and_what_needs_attention_say_the_same_of_the_portal() {
    let fixture = Fixture::start().await;
    fixture.app.import_certificate(&by(), issued(&["shop.test"]), Precondition::None, Apply::Now).await.unwrap();
    let input = import(&bundle(&["front.test"], 90), None);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    add(&fixture, &["shop.test"]).await;
    let browser = Browser::of(&fixture);
    let page = browser.get("/").await;
    page.shows("aria-label=\"All is well\"");
    page.hides("Browsers warn of");
    fixture.app.add_site(&by(), &crate::fixture::portal(&["front.test"]), Apply::Now).await.unwrap();
    let page = browser.get("/").await;
    // The verdict is about what the door is for; that browsers warn of the portal is said beside it.
    page.shows("aria-label=\"All is well\"");
    page.shows("The site serves a valid certificate");
    page.shows("<span>Browsers warn of the portal</span>");
    page.shows("Get a certificate");
    let viewer = Browser::with(&fixture, &[Permission::View]).get("/").await;
    viewer.shows("Browsers warn of front.test");
    viewer.hides("href=\"/request");
}

#[tokio::test]
async fn recent_changes_are_what_somebody_asked_for_without_thumbprints() {
    let fixture = Fixture::start().await;
    let input = import(&bundle(&["shop.test"], 90), None);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    let page = Browser::of(&fixture).get("/").await;
    page.shows("import certificate shop-test version 1</th>");
    assert_eq!(
        in_short("issued by le: certificate a version 2, thumbprint 5a8c, valid until 2027"),
        "issued by le: certificate a version 2"
    );
}
