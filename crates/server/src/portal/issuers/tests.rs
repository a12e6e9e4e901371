#![allow(clippy::unwrap_used, reason = "tests")]

use portward_core::Role;

use super::super::browser::Browser;
use crate::fixture::Fixture;

/// An issuer that nobody answers for; its terms are agreed to, so that it is not asked.
pub(in crate::portal) const OTHER: [(&str, &str); 4] =
    [("preset", "other"), ("directory", "https://127.0.0.1:1/directory"), ("accept_terms", "yes"), ("id", "house")];

#[tokio::test]
async fn an_issuer_is_added_shown_and_removed() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    browser.get("/issuers").await.shows("No issuer yet");
    for (preset, text) in [("letsencrypt", "Let’s Encrypt"), ("zerossl", "key id"), ("other", "https://ca.example")] {
        browser.get(&format!("/issuers/new?preset={preset}")).await.shows(text);
    }
    let added = browser.post("/issuers", &[&OTHER[..], &[("email", "ops@shop.test")]].concat()).await;
    assert_eq!(added.location(), "/issuers");
    let page = browser.get("/issuers").await;
    for text in ["house may be asked for certificates.", "127.0.0.1:1", "ops@shop.test", "with the first order"] {
        page.shows(text);
    }
    let again = browser.post("/issuers", &OTHER).await;
    assert_eq!(again.status, 409);
    again.shows("There is an issuer");
    let rolled = browser.post("/issuers/house/roll-over", &[]).await;
    assert_eq!(rolled.status, 409);
    rolled.shows("id=\"refused\"");
    assert_eq!(browser.post("/issuers/house/remove", &[]).await.location(), "/issuers");
    assert!(fixture.stored().await.issuers.is_empty());
    assert_eq!(browser.post("/issuers/house/remove", &[]).await.status, 404);
}

#[tokio::test]
async fn what_was_typed_stays_but_for_the_key() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    let fields = [
        ("preset", "other"),
        ("directory", "http://ca.test/"),
        ("accept_terms", "yes"),
        ("eab_key_id", "kid-1"),
        ("eab_mac_key", "c2VjcmV0"),
        ("resolvers", "192.0.2.53"),
    ];
    let refused = browser.post("/issuers", &fields).await;
    assert_eq!(refused.status, 422);
    for text in ["http://ca.test/", "kid-1", "192.0.2.53", "https://", "directory-err"] {
        refused.shows(text);
    }
    refused.hides("c2VjcmV0");
    let no_key = browser.post("/issuers", &[&OTHER[..], &[("eab_key_id", "kid-1")]].concat()).await;
    assert_eq!(no_key.status, 422);
    no_key.shows("mac-err");
}

#[tokio::test]
async fn a_dns_provider_has_the_fields_of_its_kind_and_its_secrets_are_never_shown() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    let form = browser.get("/dns-providers/new?kind=cloudflare").await;
    form.shows("name=\"setting.api_token\" type=\"password\"");
    let refused = browser.post("/dns-providers", &[("kind", "cloudflare"), ("id", "cf")]).await;
    assert_eq!(refused.status, 422);
    refused.shows("value=\"cf\"");
    let fields = [("kind", "cloudflare"), ("id", "cf"), ("setting.api_token", "a-secret-token")];
    assert_eq!(browser.post("/dns-providers", &fields).await.location(), "/issuers");
    let page = browser.get("/issuers").await;
    page.shows("api_token sealed");
    page.hides("a-secret-token");
    let again = browser.post("/dns-providers", &fields).await;
    assert_eq!(again.status, 409);
    again.hides("a-secret-token");
    assert_eq!(browser.post("/dns-providers/cf/remove", &[]).await.location(), "/issuers");
    assert!(fixture.stored().await.dns_providers.is_empty());
}

/// Another CA, or another kind of provider, began with an empty form.
#[tokio::test]
async fn what_was_typed_stays_when_something_else_is_chosen() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    let fields = [
        ("choose", "zerossl"),
        ("preset", "letsencrypt"),
        ("directory", "letsencrypt"),
        ("email", "ops@shop.test"),
        ("accept_terms", "yes"),
        ("id", "ours"),
        ("eab_mac_key", "c2VjcmV0"),
    ];
    let chosen = browser.post("/issuers", &fields).await;
    assert_eq!(chosen.status, 200);
    for text in ["value=\"ops@shop.test\"", "value=\"ours\"", "value=\"https://acme.zerossl.com/v2/DV90\""] {
        chosen.shows(text);
    }
    // The terms of another CA are others, and a key is never sent back.
    chosen.hides("value=\"yes\" checked");
    chosen.hides("c2VjcmV0");
    assert!(fixture.stored().await.issuers.is_empty());

    let fields = [
        ("shown", "cloudflare"),
        ("kind", "rfc2136"),
        ("step", "choose"),
        ("id", "ns"),
        ("setting.api_token", "s3cret"),
    ];
    let chosen = browser.post("/dns-providers", &fields).await;
    assert_eq!(chosen.status, 200);
    chosen.shows("value=\"ns\"");
    chosen.shows("name=\"shown\" value=\"rfc2136\"");
    chosen.hides("s3cret");
    // Without script another kind is chosen, and the button that adds pressed.
    let unseen = browser.post("/dns-providers", &[&fields[..2], &fields[3..4]].concat()).await;
    assert_eq!(unseen.status, 200);
    unseen.shows("name=\"shown\" value=\"rfc2136\"");
    assert!(fixture.stored().await.dns_providers.is_empty());
}

#[tokio::test]
async fn an_operator_is_told_in_the_form_that_a_program_is_for_owners() {
    let fixture = Fixture::start().await;
    let operator = Browser::with(&fixture, &Role::Operator.permissions().collect::<Vec<_>>());
    let fields = [("kind", "exec"), ("id", "hook"), ("setting.program", "/tmp/x")];
    let refused = operator.post("/dns-providers", &fields).await;
    assert_eq!(refused.status, 403);
    for text in ["id=\"refused\"", "issuer:run-program", "value=\"/tmp/x\"", "Add the DNS provider"] {
        refused.shows(text);
    }
    assert!(fixture.stored().await.dns_providers.is_empty());
}
