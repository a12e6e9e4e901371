#![allow(clippy::unwrap_used, reason = "tests")]

use base64::{Engine, engine::general_purpose::STANDARD};
use portward_core::acme::KeyAlgorithm;

use super::*;

mod hooks;
mod hosted_apis;
mod stub;

use crate::dns::{TxtError, TxtRecord};

fn given(settings: &[(&str, &str)]) -> BTreeMap<String, Zeroizing<String>> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), Zeroizing::new((*value).to_owned()))).collect()
}

fn opened(kind: &str, settings: &[(&str, &str)]) -> Box<dyn TxtWriter> {
    open(kind, &given(settings)).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(kind: &str, settings: &[(&str, &str)]) -> String {
    open(kind, &given(settings)).err().unwrap().to_string()
}

fn record(value: &str) -> TxtRecord {
    TxtRecord {
        zone: "shop.test".to_owned(),
        name: "_acme-challenge.www.shop.test".to_owned(),
        value: value.to_owned(),
    }
}

#[test]
fn the_catalogue_is_whole() {
    assert!(kinds().iter().filter(|kind| matches!(kind.make, Make::Hosted(_))).count() >= 20);
    let words: Vec<&str> = kinds().iter().map(|kind| kind.word).collect();
    assert_eq!(words[..4], ["rfc2136", "exec", "httpreq", "acme-dns"]);
    assert!(words[4..].is_sorted_by(|left, right| left < right), "{words:?}");
    let is_word =
        |text: &str, also| !text.is_empty() && text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9') || c == also);
    for kind in kinds() {
        assert!(is_word(kind.word, '-') && !kind.name.is_empty(), "{kind:?}");
        assert!(kind.sentence.ends_with('.'), "{kind:?}");
        for (position, setting) in kind.settings.iter().enumerate() {
            assert!(is_word(setting.name, '_'), "{kind:?} {setting:?}");
            assert!(setting.sentence.ends_with('.'), "{kind:?} {setting:?}");
            assert!(kind.settings[..position].iter().all(|before| before.name != setting.name), "{kind:?} {setting:?}");
            // Where secrets are sent is known by these words.
            let is_place = ["endpoint", "host", "port", "region", "environment", "server", "transport"];
            assert_eq!(setting.leads, is_place.contains(&setting.name), "{kind:?} {setting:?}");
            // What sounds like a secret is one.
            let sounds = ["password", "secret", "api_token", "private_key"];
            let names = ["secret_id"];
            if sounds.iter().any(|sound| setting.name.contains(sound)) && !names.contains(&setting.name) {
                assert!(setting.secret || kind.word == "domeneshop", "{kind:?} {setting:?}");
            }
        }
    }
}

#[test]
fn every_kind_can_be_made_of_its_settings() {
    let key = crate::acme::new_private_key(KeyAlgorithm::Rsa2048).unwrap();
    let key = STANDARD.encode(key.as_pkcs8_der());
    let lines: Vec<&str> = key.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let key = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    for kind in kinds() {
        let value = |setting: &ProviderSetting| match (kind.word, setting.name, setting.need) {
            (_, _, Need::Default(value)) => value,
            (_, "endpoint", _) => "https://dns.shop.test:8443",
            (_, "program", _) => "/bin/true",
            (_, "private_key", _) => key.as_str(),
            (_, "region", _) => "eu-west-1",
            (_, "service_account_json", _) => r#"{"client_email":"a@shop.test","private_key":"x"}"#,
            ("infoblox", "port", _) => "443",
            ("cloudns", "sub_auth_id", _) => "",
            _ => "c2VjcmV0",
        };
        let settings: Vec<(&str, &str)> = kind.settings.iter().map(|setting| (setting.name, value(setting))).collect();
        opened(kind.word, &settings);
    }
}

#[test]
fn what_cannot_be_used_is_named_with_what_could() {
    let text = refused("cloudflair", &[]);
    assert!(
        text.starts_with("there is no DNS provider of the kind cloudflair; the kinds are rfc2136, exec, "),
        "{text}"
    );
    assert!(text.contains(", cloudflare, "), "{text}");
    assert_eq!(
        refused("cloudflare", &[("api-token", "x")]),
        "cloudflare has no setting api-token; its settings are api_token"
    );
    for empty in [&[][..], &[("api_token", " \n")]] {
        assert_eq!(
            refused("cloudflare", empty),
            "cloudflare needs the setting api_token: An API token that may change the zone's records. \
             Its settings are api_token"
        );
    }
    let keys = [("server", "ns1.shop.test"), ("key_name", "key")];
    for (setting, value, expected) in [
        ("secret", "hidden-and-not-base64!", "base64"),
        ("server", "ns1:x", "a host or address with an optional port"),
        ("server", "http://ns1", "a host or address with an optional port"),
        ("algorithm", "hmac-md5", "hmac-sha256, hmac-sha384 or hmac-sha512"),
        ("transport", "tls", "udp or tcp"),
    ] {
        let mut settings = given(&[&keys[..], &[("secret", "c2VjcmV0")]].concat());
        settings.insert(setting.to_owned(), Zeroizing::new(value.to_owned()));
        let text = open("rfc2136", &settings).err().unwrap().to_string();
        assert!(text.starts_with(&format!("the setting {setting} of rfc2136 is not {expected}")), "{text}");
        assert!(!text.contains(value), "{text}");
    }
    assert!(refused("exec", &[("program", "hook")]).contains("an absolute path"));
    assert!(refused("exec", &[("program", "/hook"), ("timeout", "0")]).contains("from 1 to 3600"));
    assert!(refused("httpreq", &[("endpoint", "ftp://x")]).contains("a URL like"));
    assert!(refused("httpreq", &[("endpoint", "http://user:pass@x")]).contains("a URL like"));
    assert!(refused("httpreq", &[("endpoint", "http://x"), ("password", "p")]).contains("beside password"));
    assert!(refused("cloudns", &[("auth_password", "p")]).contains("auth_id or sub_auth_id"));
}

#[test]
fn no_secret_is_shown_by_debug_or_errors() {
    let text = refused(
        "ovh",
        &[("application_key", "k"), ("application_secret", "canary"), ("consumer_key", "canary"), ("region", "canary")],
    );
    assert!(!text.contains("canary"), "{text}");
    assert!(!format!("{:?}", kinds()).contains("fn("));
}

/// The page is for people who have not started the program yet.
#[test]
fn the_page_about_providers_lists_all_kinds_and_settings() {
    let page = include_str!("../../../../../docs/dns-providers.md");
    let begin = page.find("| Kind |").unwrap();
    let table: Vec<&str> = page[begin..].lines().take_while(|line| line.starts_with('|')).skip(2).collect();
    let expected: Vec<String> = kinds().iter().map(row).collect();
    assert_eq!(table, expected, "the table must be:\n{}", expected.join("\n"));
}

fn row(kind: &ProviderKind) -> String {
    let setting = |setting: &ProviderSetting| {
        let marks = match (setting.secret, setting.need) {
            (true, Need::Optional) => " (secret, optional)".to_owned(),
            (true, _) => " (secret)".to_owned(),
            (false, Need::Required) => String::new(),
            (false, Need::Optional) => " (optional)".to_owned(),
            (false, Need::Default(value)) => format!(" (else `{value}`)"),
        };
        format!("`{}`{marks}: {}", setting.name, setting.sentence)
    };
    let settings: Vec<String> = kind.settings.iter().map(setting).collect();
    format!("| `{}` | {} | {} |", kind.word, kind.sentence, settings.join("<br>"))
}

#[test]
fn servers_are_named_with_or_without_a_port() {
    for (server, expected) in [
        ("ns1.shop.test", Some("ns1.shop.test:53")),
        ("ns1.shop.test:5353", Some("ns1.shop.test:5353")),
        ("192.0.2.1", Some("192.0.2.1:53")),
        ("192.0.2.1:54", Some("192.0.2.1:54")),
        ("2001:db8::1", Some("[2001:db8::1]:53")),
        ("[2001:db8::1]:54", Some("[2001:db8::1]:54")),
        ("ns1:0", None),
        (":53", None),
        ("ns 1", None),
        ("ns1:65536", None),
    ] {
        assert_eq!(rfc2136::with_port(server).as_deref(), expected, "{server}");
    }
}

/// What a writer says of a failure.
async fn add_fails(writer: &dyn TxtWriter) -> TxtError {
    writer.add(&record("value")).await.unwrap_err()
}
