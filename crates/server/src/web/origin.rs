//! Whether a request that a browser sends by itself was made by a page of ours.
//!
//! A cookie comes along whoever made the browser send the request; only the browser knows who that was.

use http::{HeaderMap, HeaderName, Method, header};

use super::Way;

/// Says what is known of the page that made a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// By one of ours, or by the person.
    Here,
    /// By a page of somebody else.
    Elsewhere,
    /// Nothing is said: an old browser, or no browser.
    Unknown,
}

/// Whether a method changes nothing (RFC 9110 section 9.2.1).
pub(super) fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// Reads what the browser says: `Sec-Fetch-Site` (Fetch Metadata, section 2.3), else `Origin` (RFC 6454 section 7).
pub(super) fn made(headers: &HeaderMap, way: &Way) -> Made {
    let value = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = value(&HeaderName::from_static("sec-fetch-site")) {
        // A page of another port or name of this machine is "same-site", and no page of ours.
        return if matches!(site, "same-origin" | "none") { Made::Here } else { Made::Elsewhere };
    }
    match value(&header::ORIGIN) {
        Some(origin) if way.origin().is_some_and(|own| own.eq_ignore_ascii_case(origin)) => Made::Here,
        Some(_) => Made::Elsewhere,
        None => Made::Unknown,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_core::Host;

    use super::*;

    #[test]
    fn the_browser_says_who_made_it() {
        let way =
            Way { is_tls: true, host: Some(Host::parse("front.test").unwrap()), port: Some(8443), ..Way::socket() };
        for (site, origin, expected) in [
            (Some("same-origin"), None, Made::Here),
            (Some("none"), None, Made::Here),
            (Some("same-origin"), Some("https://evil.example"), Made::Here),
            (Some("same-site"), Some("https://front.test:8443"), Made::Elsewhere),
            (Some("cross-site"), None, Made::Elsewhere),
            (Some(""), None, Made::Elsewhere),
            (None, Some("https://front.test:8443"), Made::Here),
            (None, Some("https://FRONT.test:8443"), Made::Here),
            (None, Some("https://front.test"), Made::Elsewhere),
            (None, Some("http://front.test:8443"), Made::Elsewhere),
            (None, Some("https://front.test:8443.evil.example"), Made::Elsewhere),
            (None, Some("null"), Made::Elsewhere),
            (None, None, Made::Unknown),
        ] {
            let mut headers = HeaderMap::new();
            let mut set = |name: &'static str, value: Option<&str>| {
                if let Some(value) = value {
                    headers.insert(HeaderName::from_static(name), value.parse().unwrap());
                }
            };
            set("sec-fetch-site", site);
            set("origin", origin);
            assert_eq!(made(&headers, &way), expected, "{site:?} {origin:?}");
        }
    }
}
