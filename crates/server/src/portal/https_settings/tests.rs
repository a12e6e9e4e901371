#![allow(clippy::unwrap_used, reason = "tests")]
use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, binding, bundle, by, free_port, import, portal},
    portal::browser::Browser,
};

/// A portal with a certificate, and the port at which it is.
async fn front() -> (Fixture, u16) {
    let fixture = Fixture::start().await;
    let input = import(&bundle(&["front.test"], 90), None);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    fixture.app.add_site(&by(), &portal(&["front.test"]), Apply::Now).await.unwrap();
    let port = fixture.served.now().bindings[0].result.as_ref().unwrap().port();
    (fixture, port)
}

#[tokio::test]
async fn who_moves_the_portal_at_once_is_told_where_it_is() {
    let (fixture, port) = front().await;
    let browser = Browser::of(&fixture).through(port);
    let next = free_port().to_string();
    let moved = browser.upload("/https-settings", &[("port", &next)], &[]).await;
    assert_eq!(moved.status, 200);
    moved.shows("The portal has moved");
    moved.shows(&format!("href=\"https://front.test:{next}/https-settings\""));
}

#[tokio::test]
async fn a_port_that_is_to_be_confirmed_leaves_the_old_one_and_asks() {
    let (fixture, port) = front().await;
    let browser = Browser::of(&fixture).through(port);
    let fields = [("port", &*free_port().to_string()), ("confirm", "on"), ("within", "30")];
    let asked = browser.upload("/https-settings", &fields, &[]).await;
    assert_eq!(asked.location(), "/https-settings");
    let page = browser.get("/audit?what=settings").await;
    page.shows("name=\"next\" value=\"/audit?what=settings\"");
    // A form that is refused is no place to go on to.
    let refused = browser.post("/explain", &[("host", "")]).await;
    refused.hides("name=\"next\" value=\"/explain\"");
}

#[tokio::test]
async fn a_port_that_is_none_is_refused_with_the_form() {
    let (fixture, port) = front().await;
    let browser = Browser::of(&fixture).through(port);
    let refused = browser.upload("/https-settings", &[("port", "70000")], &[]).await;
    assert_eq!(refused.status, 422);
    refused.shows("give a number from 1 to 65535");
    refused.shows("value=\"70000\"");
}

#[tokio::test]
async fn what_does_the_same_as_the_form_can_be_pasted() {
    let fixture = Fixture::start().await;
    let input = import(&bundle(&["front.test"], 90), None);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    for name in ["front.test", "door.test"] {
        fixture.app.add_site(&by(), &portal(&[name]), Apply::Now).await.unwrap();
    }
    let browser = Browser::of(&fixture);
    let page = browser.get("/https-settings").await;
    // One list with both sites, and no file that nobody gave.
    let yaml = page.text.split("id=\"eq-yaml\"").nth(1).unwrap().split("</pre>").next().unwrap();
    assert_eq!(yaml.matches("sites:").count(), 1, "{yaml}");
    for text in ["id: front-test", "id: door-test", "force_https: "] {
        assert!(yaml.contains(text), "{text} in {yaml}");
    }
    page.hides("portal.pfx");
    page.hides("pw.txt");
    page.shows("--confirm-within 60s");
    let fields = [("port", "0"), ("force_https", "browsers"), ("password", "right horse")];
    let refused = browser.upload("/https-settings", &fields, &[]).await;
    assert_eq!(refused.status, 422);
    refused.shows("--password-file pw.txt");
    refused.hides("--confirm-within");
    refused.hides("right horse");
}

/// A green mark stood beside a certificate that every browser warns of.
#[tokio::test]
async fn a_certificate_that_portward_made_itself_is_no_reason_for_a_green_mark() {
    let fixture = Fixture::start().await;
    let input = import(&bundle(&["front.test"], 90), None);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    fixture.app.add_site(&by(), &portal(&["front.test"]), Apply::Now).await.unwrap();
    let page = Browser::of(&fixture).get("/https-settings").await;
    page.shows("self-signed: browsers warn");
    page.hides("CN=");
    page.shows("<span class=\"st warn\">");
}
