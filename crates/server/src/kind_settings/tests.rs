#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn values(settings: &[(&str, &str)]) -> Values {
    settings.iter().map(|(name, value)| ((*name).to_owned(), Zeroizing::new((*value).to_owned()))).collect()
}

fn moved(kind: &str, before: &[(&str, &str)], after: &[(&str, &str)], given: &[&str]) -> Option<&'static str> {
    let settings = |all| match dns::kinds().iter().any(|known| known.word == kind) {
        true => KindSettings::of_dns_provider(kind, values(all)),
        false => KindSettings::of_channel(kind, values(all)),
    };
    settings(after).elsewhere(&settings(before), &given.iter().copied().collect()).map(|elsewhere| elsewhere.moved)
}

#[test]
fn a_secret_stays_where_it_was_given_for() {
    let ntfy = [("topic", "t"), ("token", "x")];
    let at = |server: &'static str| [("server", server), ("topic", "t"), ("token", "x")];
    let check = |before: &[(&str, &str)], after: &[(&str, &str)], given: &[&str], expected: Option<&str>| {
        assert_eq!(moved("ntfy", before, after, given), expected, "{before:?} {after:?} {given:?}");
    };
    check(&ntfy, &at("https://other.test"), &[], Some("server"));
    check(&ntfy, &at("https://other.test"), &["token"], Some("server"));
    check(&ntfy, &at("https://other.test"), &["token", "topic"], None);
    // Nothing is elsewhere: what a form sends although nobody touched it.
    check(&ntfy, &at(" https://ntfy.sh "), &[], None);
    check(&at("https://ntfy.sh"), &ntfy, &[], None);
    let trusts = |pem: &'static str| [("topic", "t"), ("authority", pem), ("plain_http", "refused")];
    check(&trusts("A\nB\n"), &trusts("A\r\nB"), &[], None);
    check(&trusts("A\nB\n"), &trusts("A\nC\n"), &[], Some("authority"));
    check(&trusts("A"), &ntfy[..1], &[], Some("authority"));
    check(&ntfy, &[("topic", "t"), ("plain_http", "private")], &[], Some("plain_http"));
    // Where nothing is sent that was stored, it may go anywhere.
    check(&ntfy, &[("server", "https://other.test")], &[], None);
}

#[test]
fn a_url_that_is_a_secret_itself_leads_too() {
    let hook = |url: &'static str| [("url", url), ("secret", "whsec_x")];
    assert_eq!(moved("webhook", &hook("https://a.test/"), &hook("https://b.test/"), &["url"]), Some("url"));
    assert_eq!(moved("webhook", &hook("https://a.test/"), &hook("https://b.test/"), &["url", "secret"]), None);
    assert_eq!(moved("webhook", &hook("https://a.test/"), &hook("https://a.test/"), &[]), None);
}

#[test]
fn what_a_dns_provider_knows_is_for_its_own_server() {
    let at = |endpoint: &'static str| [("endpoint", endpoint), ("username", "u"), ("password", "p")];
    assert_eq!(moved("httpreq", &at("https://a.test"), &at("https://b.test"), &[]), Some("endpoint"));
    assert_eq!(moved("httpreq", &at("https://a.test"), &at("https://a.test"), &[]), None);
    let (before, after) = (values(&at("https://a.test")), values(&at("https://b.test")));
    let other = KindSettings::of_dns_provider("httpreq", after);
    let told = other.elsewhere(&KindSettings::of_dns_provider("acme-dns", before), &BTreeSet::new()).unwrap();
    assert_eq!(
        told.to_string(),
        "kind is another one, and the password that is stored was given for the one before; give password again"
    );
}
