//! Reading the texts of CAs.

use std::net::{IpAddr, SocketAddr};

use crate::{HostPattern, Timestamp};

/// The words of a text in lower case, to look for those that are known: without names, addresses and URLs, which can be
/// spelled like any of them, and without the page that a server answered with.
pub(super) fn words(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    let without_page = match text.split_once("invalid response from") {
        Some((_, rest)) => rest.find('"').map_or(text.as_str(), |page| &text[..text.len() - rest.len() + page]),
        None => text.as_str(),
    };
    let is_word = |word: &&str| {
        let bare = word.trim_matches(|c: char| c.is_ascii_punctuation() && c != '*');
        let is_name = bare.contains(['.', ':']) && HostPattern::parse(bare).is_ok();
        !(is_name || word.contains("://"))
    };
    without_page.split_whitespace().filter(is_word).collect::<Vec<_>>().join(" ")
}

/// The address of who was asked: `192.0.2.7: ...`, `... [192.0.2.7] ...` or `... from 192.0.2.7:443. ...`.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    text.split_whitespace().find_map(|word| {
        let with_port = word.trim_end_matches(['.', ',']).parse::<SocketAddr>().map(|address| address.ip());
        let word = word.trim_matches(['[', ']', '(', ')', ',', ';', '"']);
        let without_colon = word.strip_suffix(':').unwrap_or(word).trim_end_matches(']');
        without_colon.parse().or_else(|_| word.parse()).or(with_port).ok()
    })
}

/// The first URL that begins like one of these.
pub(super) fn url<'a>(text: &'a str, beginnings: &[&str]) -> Option<&'a str> {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>'));
    let trimmed = words.map(|word| word.trim_start_matches(['(', '[', '\'']).trim_end_matches(URL_ENDS));
    trimmed.into_iter().find(|word| beginnings.iter().any(|beginning| word.starts_with(beginning)))
}

/// The host of a URL, without port, in lower case.
pub(super) fn host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next()?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then(|| host.trim_end_matches('.').to_ascii_lowercase())
}

/// The port of a URL, if it names one.
pub(super) fn port(url: &str) -> Option<u16> {
    let (_, rest) = url.split_once("://")?;
    let (_, port) = rest.split(['/', '?', '#']).next()?.rsplit_once(':')?;
    port.parse().ok()
}

/// The HTTP status of an answer, at the end of the text.
pub(super) fn status(text: &str) -> Option<u16> {
    let word = text.split_whitespace().next_back()?.trim_matches(['.', '"', ',']);
    word.parse().ok().filter(|status| (100..600).contains(status) && word.len() == 3)
}

/// The time in `retry after 2026-11-20 14:32:07 UTC` or with a time of RFC 3339.
pub(super) fn retry_time(text: &str) -> Option<Timestamp> {
    let (_, rest) = text.split_once("retry after ")?;
    let mut words = rest.split_whitespace().map(|word| word.trim_end_matches([':', '.', ',', ';', ')']));
    let first = words.next()?;
    Timestamp::parse(first).ok().or_else(|| Timestamp::parse(&format!("{first}T{}Z", words.next()?)).ok())
}

/// At most that many characters of the first line that says anything.
pub(super) fn beginning(text: &str, most: usize) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let shown: String = line.chars().filter(|c| !c.is_control()).take(most).collect();
    if shown.len() < line.len() { format!("{shown}...") } else { shown }
}

const URL_ENDS: [char; 7] = ['.', ',', ':', ';', ')', ']', '\''];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn addresses_are_found_as_cas_write_them() {
        for (text, expected) in [
            ("203.0.113.7: Fetching http://shop.test/x: Connection refused", Some("203.0.113.7")),
            ("During secondary validation: 2001:db8::1: Fetching http://a.test/: Timeout", Some("2001:db8::1")),
            ("Invalid response from http://shop.test/x [203.0.113.7]: 404", Some("203.0.113.7")),
            ("Invalid response from http://shop.test/x [2001:db8::]: 404", Some("2001:db8::")),
            ("Requested shop.test from 203.0.113.7:443. Received", Some("203.0.113.7")),
            ("Requested shop.test from [2001:db8::1]:443. Received", Some("2001:db8::1")),
            ("No TXT record found at _acme-challenge.shop.test", None),
            ("", None),
        ] {
            assert_eq!(address(text).map(|ip| ip.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn words_are_not_those_of_names_or_pages() {
        for (text, expected) in [
            ("DNS problem: NXDOMAIN looking up A for dnssec.private.test", "dns problem: nxdomain looking up a for"),
            ("2001:db8::1: Fetching http://timeout.test/x: Connection refused", "fetching connection refused"),
            ("Invalid response from http://a.test/x: \"<p>timeout\"", "invalid response from"),
            ("Cannot issue for \"*.firewall.test\": forbidden by policy.", "cannot issue for forbidden by policy."),
            ("Cannot negotiate ALPN protocol \"acme-tls/1\"", "cannot negotiate alpn protocol \"acme-tls/1\""),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn urls_hosts_and_statuses_are_found() {
        let text = "203.0.113.7: Invalid response from https://Login.shop.test:443/a?b=c: 403";
        let found = url(text, &["http://", "https://"]).unwrap();
        assert_eq!(found, "https://Login.shop.test:443/a?b=c");
        assert_eq!(host(found).as_deref(), Some("login.shop.test"));
        assert_eq!(host("http://[2001:db8::1]:80/").as_deref(), Some("2001:db8::1"));
        assert_eq!(host("shop.test"), None);
        for (url, expected) in [
            ("https://ca.test:14000/dir", Some(14000)),
            ("https://[2001:db8::1]:443", Some(443)),
            ("https://[2001:db8::1]/dir", None),
            ("https://ca.test/a:1", None),
        ] {
            assert_eq!(port(url), expected, "{url}");
        }
        assert_eq!(status(text), Some(403));
        assert_eq!(status("Non-200 status code from HTTP: http://shop.test/x returned 404"), Some(404));
        assert_eq!(status("5 of 12345"), None);
        assert_eq!(url("see (https://ca.test/limits).", &["https://"]), Some("https://ca.test/limits"));
    }

    #[test]
    fn the_end_of_a_limit_is_found() {
        let expected = Timestamp::parse("2026-11-20T14:32:07Z").ok();
        assert_eq!(retry_time("too many, retry after 2026-11-20 14:32:07 UTC: see https://ca.test"), expected);
        assert_eq!(retry_time("too many, retry after 2026-11-20T14:32:07Z."), expected);
        for text in ["retry after", "retry after lunch", "retry after a while", "too many", ""] {
            assert_eq!(retry_time(text), None, "{text}");
        }
    }

    #[test]
    fn any_beginning_of_any_text_can_be_read() {
        let text = "During secondary validation: 2001:db8::1: Fetching https://[2001:db8::2]:443/ä?: retry after 2026-11-20 14:32:07 UTC: 404";
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            let part = &text[..end];
            let _ =
                (words(part), address(part), url(part, &["https://"]).and_then(host), status(part), retry_time(part));
            assert!(beginning(part, 10).chars().count() <= 13);
        }
    }
}
