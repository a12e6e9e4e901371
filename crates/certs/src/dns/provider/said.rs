//! What a provider said, made into a [`TxtError`] without secrets.
//!
//! dns-update gives texts: of itself, of the HTTP client, of the provider. A URL in them may have an API key in its
//! query, and a provider may repeat what it was sent.

use std::{sync::Arc, time::Duration};

use dns_update::Error;
use zeroize::Zeroizing;

use crate::dns::{TxtError, TxtRecord};

/// Holds what must not be in texts; cheap to clone.
#[derive(Clone)]
pub(super) struct Secrets(Arc<[Zeroizing<String>]>);

impl Secrets {
    pub(super) fn new(secrets: Vec<Zeroizing<String>>) -> Self {
        let mut all = Vec::new();
        for secret in secrets {
            // Keys in PEM or JSON are quoted in parts.
            for line in secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST) {
                all.push(Zeroizing::new(percent_encoded(line)));
                all.push(Zeroizing::new(line.to_owned()));
            }
            all.push(secret);
        }
        all.retain(|secret| !secret.is_empty());
        // The longer ones first: one may be a part of another.
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(all.into())
    }

    /// The text in one line of bounded length, without secrets and without the queries of URLs.
    pub(super) fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.0.iter() {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), HIDDEN);
            }
        }
        one_line(&without_queries(&text))
    }
}

/// What dns-update says went wrong.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::Protocol(text)
        | Error::Parse(text)
        | Error::Client(text)
        | Error::Response(text)
        | Error::Api(text)
        | Error::Unsupported(text) => text.clone(),
        // The body that follows may be the answer to a login.
        Error::Serialize(text) => text.split(" (body:").next().unwrap_or_default().to_owned(),
        Error::Unauthorized => "it answers with status 401".to_owned(),
        Error::NotFound => "it answers with status 404".to_owned(),
        Error::BadRequest => "it answers with status 400".to_owned(),
        Error::InvalidRegion => "the region is none".to_owned(),
        _ => "it gives no reason".to_owned(),
    }
}

/// Says what kind of failure an error of a hosted provider is.
pub(super) fn txt_error(provider: &str, error: &Error, record: &TxtRecord, secrets: &Secrets) -> TxtError {
    let text = words(error);
    let (provider, why) = (provider.to_owned(), secrets.hide(&text));
    let lower = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    match error {
        Error::Unauthorized => TxtError::Unauthorized { provider, why },
        Error::NotFound => TxtError::NoZone { provider, zone: record.zone.clone(), why },
        Error::Api(_) if has(&["failed to send request", "error sending request"]) => {
            TxtError::Unreachable { provider, why }
        }
        Error::Client(_) => TxtError::Unreachable { provider, why },
        Error::Api(_) if has(&REFUSALS) => TxtError::Unauthorized { provider, why },
        Error::Api(_) if has(&NO_ZONES) => TxtError::NoZone { provider, zone: record.zone.clone(), why },
        _ => TxtError::Failed { provider, why },
    }
}

/// Says that a name is not one of the zone.
pub(super) fn outside(provider: &str, record: &TxtRecord) -> TxtError {
    let (zone, why) = (record.zone.clone(), format!("{} is not inside it", record.name));
    TxtError::NoZone { provider: provider.to_owned(), zone, why }
}

/// Says that nothing came in time.
pub(super) fn timed_out(provider: &str, within: Duration) -> TxtError {
    TxtError::Unreachable {
        provider: provider.to_owned(),
        why: format!("there was no answer within {} seconds", within.as_secs_f32()),
    }
}

/// The text in one line, not longer than is shown to people.
pub(super) fn one_line(text: &str) -> String {
    let line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = line.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The text with what is behind a question mark in URLs left out.
fn without_queries(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find("://") {
        let end = rest[begin..]
            .find(|c: char| c.is_whitespace() || "()<>\"'".contains(c))
            .map_or(rest.len(), |end| begin + end);
        let url = &rest[..end];
        match url[begin..].find('?') {
            Some(query) => {
                out.push_str(&url[..begin + query]);
                // The colon of a sentence is no part of the query.
                if url.ends_with(':') {
                    out.push(':');
                }
            }
            None => out.push_str(url),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

const HIDDEN: &str = "(hidden)";
/// Shorter lines of a key are no part that tells anything.
const SHORTEST: usize = 12;
/// Enough for the error document of a provider.
const LONGEST: usize = 400;
/// What providers say with other codes than 401 about credentials.
const REFUSALS: [&str; 8] = [
    "http 403",
    "access denied",
    "accessdenied",
    "authentication",
    "invalid api key",
    "invalid token",
    "invalidclienttokenid",
    "signaturedoesnotmatch",
];
/// What dns-update and providers say about a zone that is not there.
const NO_ZONES: [&str; 6] =
    ["zone found", "zone not found", "domain not found", "domain found", "no matching zone", "nosuchhostedzone"];

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(all: &[&str]) -> Secrets {
        Secrets::new(all.iter().map(|secret| Zeroizing::new((*secret).to_owned())).collect())
    }

    #[test]
    fn no_secret_and_no_query_is_in_what_is_shown() {
        let secrets =
            secrets(&["s3cr/t+key and more", "tok", "-----BEGIN KEY-----\nMIIabcdefghijkl\n-----END KEY-----"]);
        for (text, expected) in [
            ("HTTP 400: bad key s3cr/t+key and more", "HTTP 400: bad key (hidden)"),
            ("at s3cr%2Ft%2Bkey+and+more.", "at (hidden)."),
            ("near MIIabcdefghijkl", "near (hidden)"),
            (
                "Failed to send request to https://api.example/u?d=a&k=x: error sending request for url (https://api.example/u?k=x)",
                "Failed to send request to https://api.example/u: error sending request for url (https://api.example/u)",
            ),
            ("the tok is bad\r\nreally", "the (hidden) is bad really"),
            ("why? because", "why? because"),
        ] {
            assert_eq!(secrets.hide(text), expected);
        }
        assert_eq!(secrets.hide(&"é ".repeat(1000)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn the_failures_of_providers_are_told_apart() {
        let record = TxtRecord {
            zone: "shop.test".to_owned(),
            name: "_acme-challenge.shop.test".to_owned(),
            value: "v".to_owned(),
        };
        let of = |error: Error| txt_error("Shop DNS", &error, &record, &secrets(&[])).to_string();
        for (error, expected) in [
            (Error::Unauthorized, "Shop DNS refuses the credentials: it answers with status 401"),
            (Error::Api("HTTP 403: no".to_owned()), "Shop DNS refuses the credentials: HTTP 403: no"),
            (Error::NotFound, "Shop DNS has no zone shop.test: it answers with status 404"),
            (
                Error::Api("No Cloudflare zone found for shop.test".to_owned()),
                "Shop DNS has no zone shop.test: No Cloudflare zone found for shop.test",
            ),
            (
                Error::Api("Failed to send request to http://x/: refused".to_owned()),
                "Shop DNS cannot be reached: Failed to send request to http://x/: refused",
            ),
            (Error::Api("HTTP 500: oops".to_owned()), "Shop DNS failed: HTTP 500: oops"),
            (Error::Serialize("bad JSON (body: {\"token\":\"x\"})".to_owned()), "Shop DNS failed: bad JSON"),
        ] {
            assert_eq!(of(error), expected);
        }
    }
}
