//! What a CA answered, with all that the calls need of it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use portward_core::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

/// Is an answer, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The value of a header, if it is text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    /// The CA's clock.
    pub(crate) fn date(&self) -> Option<Timestamp> {
        http_date(self.header(&header::DATE)?)
    }

    /// How long `Retry-After` asks to wait (RFC 9110 section 10.2.3); a date counts from the CA's own clock.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let value = self.header(&header::RETRY_AFTER)?;
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        Some(http_date(value)?.since(self.date()?))
    }

    /// The URL of the new thing (RFC 9110 section 10.2.2).
    pub(crate) fn location(&self) -> Option<String> {
        self.resolve(self.header(&header::LOCATION)?)
    }

    /// The URLs of all links with that relation (RFC 8288).
    pub(crate) fn links(&self, relation: &str) -> Vec<String> {
        let values = self.headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok());
        let mut found = Vec::new();
        for link in values.flat_map(split_links) {
            let Some((target, parameters)) = link.trim().strip_prefix('<').and_then(|link| link.split_once('>')) else {
                continue;
            };
            let named = parameters.split(';').filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
                let mut words = value.trim().trim_matches('"').split_ascii_whitespace();
                name.trim().eq_ignore_ascii_case("rel") && words.any(|word| word.eq_ignore_ascii_case(relation))
            });
            if named && let Some(url) = self.resolve(target.trim()) {
                found.push(url);
            }
        }
        found
    }

    /// At most the first [`SHOWN`] characters of the body.
    pub(crate) fn beginning(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(SHOWN).collect()
    }

    /// Makes a reference absolute; those relative to a path are of no use to any CA.
    fn resolve(&self, reference: &str) -> Option<String> {
        if reference.starts_with('/') && !reference.starts_with("//") {
            let (scheme, rest) = self.url.split_once("://")?;
            let host = rest.split(['/', '?', '#']).next()?;
            return Some(format!("{scheme}://{host}{reference}"));
        }
        reference.contains("://").then(|| reference.to_owned())
    }
}

/// Parts a value at the commas between links; commas inside `<...>` and quotes stay.
fn split_links(value: &str) -> Vec<&str> {
    let (mut parts, mut start, mut in_target, mut quoted) = (Vec::new(), 0, false, false);
    for (at, sign) in value.char_indices() {
        match sign {
            '"' if !in_target => quoted = !quoted,
            '<' if !quoted => in_target = true,
            '>' if !quoted => in_target = false,
            ',' if !quoted && !in_target => {
                parts.push(&value[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&value[start..]);
    parts
}

/// Reads a date as HTTP writes it: `Fri, 20 Nov 2026 12:34:56 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    let time = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    Timestamp::from_unix(time.unix_timestamp()).ok()
}

/// Enough to tell a page of a web server from one of a CA.
const SHOWN: usize = 500;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn answer(headers: &[(&str, &str)]) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        Answer {
            method: Method::GET,
            url: "https://ca.test:14000/dir?x=1".to_owned(),
            status: StatusCode::OK,
            headers: map,
            body: Bytes::new(),
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_by_the_clock_of_the_ca() {
        let date = ("Date", "Fri, 20 Nov 2026 12:34:56 GMT");
        for (value, with_date, expected) in [
            ("120", false, Some(120)),
            (" 0 ", false, Some(0)),
            ("Fri, 20 Nov 2026 12:35:06 GMT", true, Some(10)),
            ("Fri, 20 Nov 2026 12:34:06 GMT", true, Some(0)),
            ("Fri, 20 Nov 2026 12:35:06 GMT", false, None),
            ("soon", true, None),
            ("-5", true, None),
            ("99999999999999999999", true, None),
        ] {
            let mut headers = vec![("Retry-After", value)];
            headers.extend(with_date.then_some(date));
            assert_eq!(answer(&headers).retry_after(), expected.map(Duration::from_secs), "{value}");
        }
        assert_eq!(answer(&[]).retry_after(), None);
        assert_eq!(answer(&[date]).date().unwrap().to_string(), "2026-11-20T12:34:56Z");
    }

    #[test]
    fn links_are_found_in_one_header_or_several() {
        let answer = answer(&[
            ("Link", "<https://ca.test/dir>;rel=\"index\", </chain/1>;rel=\"alternate\""),
            ("Link", "<https://ca.test/chain,2>; title=\"a, b\"; REL=alternate,"),
            ("Link", "<chain/3>;rel=alternate"),
            ("Location", "/order/7"),
        ]);
        assert_eq!(answer.links("alternate"), ["https://ca.test:14000/chain/1", "https://ca.test/chain,2"]);
        assert_eq!(answer.links("index"), ["https://ca.test/dir"]);
        assert!(answer.links("next").is_empty());
        assert_eq!(answer.location().unwrap(), "https://ca.test:14000/order/7");
    }
}
