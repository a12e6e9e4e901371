//! The cookie by which a client comes to the upstream that answered it before.
//!
//! Its value names the upstream to who has the key, and says nothing to anybody else.

use std::fmt;

use aws_lc_rs::hmac;
use portward_core::{Balance, PathPrefix, Scheme, SiteId, Upstream};

use crate::{h1::headers::Headers, snapshot::ServedSite};

/// Makes the values of cookies; they stay the same for as long as the key does.
#[derive(Clone)]
pub struct StickyKey(hmac::Key);

/// Is what a request has to do with the cookie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sticky {
    /// The upstream that its cookie names, by its index in the group.
    pub(crate) wanted: Option<usize>,
    /// Whether the client came by https.
    pub(crate) is_secure: bool,
}

impl Sticky {
    /// What a request to a site has to do with it; nothing if clients need not come back to the same upstream.
    pub(crate) fn of<'a>(site: &ServedSite, group: usize, headers: &impl Headers<'a>, scheme: Scheme) -> Option<Self> {
        (site.forwarding.balance == Balance::Sticky).then(|| Self {
            wanted: site.upstreams.at(group).named_by(tokens(headers)),
            is_secure: scheme == Scheme::Https,
        })
    }
}

impl StickyKey {
    /// Takes a key that nobody else knows: upstreams have few addresses, which could be tried one after the other.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// What stands for an upstream of a site.
    pub(super) fn token(&self, site: &SiteId, upstream: &Upstream) -> Box<str> {
        let said = format!("{site} {upstream}");
        let tag = hmac::sign(&self.0, said.as_bytes());
        tag.as_ref()[..TOKEN_BYTES].iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
    }
}

impl fmt::Debug for StickyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StickyKey(..)")
    }
}

/// The values of our cookie that a request brings: those of several routes, and of other sites below the same name.
fn tokens<'a>(headers: &impl Headers<'a>) -> impl Iterator<Item = &'a [u8]> {
    headers
        .walk()
        .filter(|(name, _)| name.eq_ignore_ascii_case("cookie"))
        .flat_map(|(_, value)| value.split(|byte| *byte == b';'))
        .filter_map(|pair| pair.trim_ascii().strip_prefix(COOKIE.as_bytes())?.strip_prefix(b"="))
}

/// What the client is told, as the value of `Set-Cookie`.
pub(super) fn set_cookie(token: &str, prefix: Option<&PathPrefix>, is_secure: bool) -> String {
    // Routes have cookies of their own, so that one's does not take the place of another's.
    let path = prefix.map(PathPrefix::as_str).filter(|path| !path.contains([';', ','])).unwrap_or("/");
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{COOKIE}={token}; Path={path}; HttpOnly; SameSite=Lax{secure}")
}

/// The name of the cookie.
pub(crate) const COOKIE: &str = "portward_upstream";

/// As many as nobody meets two of by chance.
const TOKEN_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_token_is_of_its_site_its_upstream_and_its_key() {
        let token = |key: u8, site: &str, upstream: &str| {
            let site = SiteId::parse(site).unwrap();
            StickyKey::new(&[key; 32]).token(&site, &Upstream::parse(upstream).unwrap())
        };
        let one = token(1, "shop", "http://10.0.0.1:80");
        assert_eq!(one, token(1, "shop", "http://10.0.0.1:80"));
        assert_eq!(one.len(), 24);
        for other in [
            token(1, "shop", "http://10.0.0.2:80"),
            token(1, "blog", "http://10.0.0.1:80"),
            token(2, "shop", "http://10.0.0.1:80"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn tokens_are_found_among_other_cookies() {
        let headers: &[(&str, &[u8])] = &[
            ("Cookie", b"a=b; portward_upstream=one;portward_upstream=two ; xportward_upstream=no"),
            ("accept", b"portward_upstream=no"),
            ("cookie", b"portward_upstreams=no; Portward_Upstream=no; portward_upstream=three"),
        ];
        let found: Vec<_> = tokens(&headers).collect();
        assert_eq!(found, [&b"one"[..], b"two", b"three"]);
    }

    #[test]
    fn the_cookie_is_for_the_route_alone_and_out_of_reach_of_scripts() {
        let api = PathPrefix::parse("/api").unwrap();
        assert_eq!(set_cookie("t", None, true), "portward_upstream=t; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(set_cookie("t", Some(&api), false), "portward_upstream=t; Path=/api; HttpOnly; SameSite=Lax");
    }
}
