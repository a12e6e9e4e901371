//! Force HTTPS: which plain HTTP requests are sent to HTTPS, and where to.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use crate::Host;

/// Says which plain HTTP requests are answered with a redirect to HTTPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ForceHttps {
    /// None.
    #[default]
    Off,
    /// Those that a browser's navigation makes; agents, scripts and XHR pass.
    Browsers,
    /// All.
    All,
}

/// Is what the decision needs to know of a plain HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RequestFacts<'a> {
    /// The `Sec-Fetch-Mode` header (Fetch Metadata).
    pub sec_fetch_mode: Option<&'a [u8]>,
    /// The `Accept` header.
    pub accept: Option<&'a [u8]>,
}

/// Says what becomes of a plain HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectDecision {
    /// It is served as it is.
    Serve,
    /// It is answered with 308 to HTTPS, which keeps method and body (RFC 9110 section 15.4.9).
    Redirect,
}

impl RequestFacts<'_> {
    /// Whether a browser's navigation makes the request.
    ///
    /// It says so in `Sec-Fetch-Mode`; browsers without that header name `text/html` in `Accept`.
    pub fn is_navigation(&self) -> bool {
        match self.sec_fetch_mode {
            Some(mode) => mode.eq_ignore_ascii_case(b"navigate"),
            None => self.accept.is_some_and(names_html),
        }
    }
}

impl ForceHttps {
    /// Reads `off`, `browsers` or `all`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Off, Self::Browsers, Self::All].into_iter().find(|mode| mode.as_str() == text)
    }

    /// The word of the API and the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Browsers => "browsers",
            Self::All => "all",
        }
    }
}

impl fmt::Display for ForceHttps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Decides about a plain HTTP request that is no ACME challenge: those are answered before this is asked.
pub fn decide_redirect(mode: ForceHttps, request: RequestFacts<'_>) -> RedirectDecision {
    let redirect = match mode {
        ForceHttps::Off => false,
        ForceHttps::Browsers => request.is_navigation(),
        ForceHttps::All => true,
    };
    if redirect { RedirectDecision::Redirect } else { RedirectDecision::Serve }
}

/// Writes where a redirected request goes; the port is left out if it is 443.
pub fn redirect_url(host: &Host, https_port: u16, path_and_query: &str) -> String {
    if https_port == 443 {
        format!("https://{host}{path_and_query}")
    } else {
        format!("https://{host}:{https_port}{path_and_query}")
    }
}

/// Chooses the https binding to which a request that came in at `local` is sent, and gives its port.
///
/// One that takes connections at the same address comes first; among those, port 443, then the lowest.
/// None is chosen if no https binding takes connections at that address: a redirect would lead nowhere.
pub fn https_port_for(local: IpAddr, https: impl Iterator<Item = SocketAddr>) -> Option<u16> {
    let local = local.to_canonical();
    https
        .filter(|binding| accepts_at(binding.ip(), local))
        .map(|binding| binding.port())
        .min_by_key(|port| (*port != 443, *port))
}

fn accepts_at(bound: IpAddr, local: IpAddr) -> bool {
    match bound {
        IpAddr::V6(v6) if v6.is_unspecified() => true,
        IpAddr::V4(v4) if v4.is_unspecified() => local.is_ipv4(),
        bound => bound.to_canonical() == local,
    }
}

fn names_html(accept: &[u8]) -> bool {
    accept.split(|b| *b == b',').any(|range| {
        let media_type = range.split(|b| *b == b';').next().unwrap_or(range);
        media_type.trim_ascii().eq_ignore_ascii_case(b"text/html")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn each_mode_sends_its_kind_of_request() {
        use ForceHttps::{All, Browsers, Off};
        let chrome =
            RequestFacts { sec_fetch_mode: Some(b"navigate"), accept: Some(b"text/html,application/xhtml+xml") };
        let old_browser =
            RequestFacts { sec_fetch_mode: None, accept: Some(b"application/xhtml+xml, Text/HTML;q=0.9") };
        let xhr = RequestFacts { sec_fetch_mode: Some(b"cors"), accept: Some(b"text/html, */*") };
        let curl = RequestFacts { sec_fetch_mode: None, accept: Some(b"*/*") };
        let agent = RequestFacts { sec_fetch_mode: None, accept: None };
        let json = RequestFacts { sec_fetch_mode: None, accept: Some(b"application/json, text/html-like") };
        for (name, request, in_browsers) in [
            ("chrome", chrome, true),
            ("old browser", old_browser, true),
            ("xhr", xhr, false),
            ("curl", curl, false),
            ("agent", agent, false),
            ("json", json, false),
        ] {
            assert_eq!(decide_redirect(Off, request), RedirectDecision::Serve, "{name}");
            assert_eq!(decide_redirect(Browsers, request) == RedirectDecision::Redirect, in_browsers, "{name}");
            assert_eq!(decide_redirect(All, request), RedirectDecision::Redirect, "{name}");
        }
    }

    #[test]
    fn the_redirect_names_the_https_port() {
        let host = Host::parse("shop.test").unwrap();
        assert_eq!(redirect_url(&host, 443, "/a?b=c"), "https://shop.test/a?b=c");
        assert_eq!(redirect_url(&host, 8443, "/"), "https://shop.test:8443/");
        assert_eq!(redirect_url(&Host::parse("::1").unwrap(), 8443, "/"), "https://[::1]:8443/");
    }

    #[test]
    fn the_https_binding_at_the_same_address_is_chosen() {
        for (local, bindings, expected) in [
            ("10.0.0.1", &["0.0.0.0:8443"][..], Some(8443)),
            ("10.0.0.1", &["[::]:8443"], Some(8443)),
            ("10.0.0.1", &["10.0.0.2:443"], None),
            ("10.0.0.1", &["10.0.0.2:443", "10.0.0.1:8443"], Some(8443)),
            ("10.0.0.1", &["0.0.0.0:8443", "0.0.0.0:443"], Some(443)),
            ("10.0.0.1", &["0.0.0.0:9443", "[::]:8443"], Some(8443)),
            ("::1", &["0.0.0.0:443"], None),
            ("::ffff:10.0.0.1", &["10.0.0.1:443"], Some(443)),
            ("10.0.0.1", &[], None),
        ] {
            let bound = bindings.iter().map(|text| text.parse().unwrap());
            assert_eq!(https_port_for(local.parse().unwrap(), bound), expected, "{local} {bindings:?}");
        }
    }
}
