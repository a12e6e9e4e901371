#![allow(clippy::unwrap_used, reason = "tests")]

use super::super::browser::Browser;
use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, binding, bundle, by, import, portal},
};

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
