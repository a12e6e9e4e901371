//! The cookie of a session, and that of a sign-in which is under way at an OpenID provider.
//!
//! Over TLS their names begin with `__Host-`, so that browsers take them from this very host alone, for all of it,
//! and never send them without TLS (draft-ietf-httpbis-rfc6265bis section 4.1.3.2).
//! On the loopback listener there is no TLS, and they have other names; on any other way there is none.

use http::{HeaderMap, HeaderValue, header};

use super::{Listener, Way};

/// The secret of the session that a request shows, if its way can have one.
pub(crate) fn session_of<'a>(headers: &'a HeaderMap, way: &Way) -> Option<&'a str> {
    shown(headers, name(way, SESSION)?)
}

/// What a request shows of a sign-in that is under way elsewhere.
pub(crate) fn oidc_of<'a>(headers: &'a HeaderMap, way: &Way) -> Option<&'a str> {
    shown(headers, name(way, OIDC)?)
}

fn shown<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, value)| *known == name && !value.is_empty()).map(|(_, value)| value)
}

/// What tells a browser to show a session from now on; none on a way that can have none.
pub(crate) fn begin(way: &Way, secret: &str) -> Option<HeaderValue> {
    set(way, SESSION, secret, AS_LONG_AS_A_SESSION)
}

/// What tells a browser to forget its session.
pub(crate) fn end(way: &Way) -> Option<HeaderValue> {
    set(way, SESSION, "", 0)
}

/// What tells a browser to show a secret when it comes back from elsewhere.
pub(crate) fn begin_oidc(way: &Way, secret: &str) -> Option<HeaderValue> {
    set(way, OIDC, secret, AS_LONG_AS_A_FLOW)
}

/// What tells a browser to forget that.
pub(crate) fn end_oidc(way: &Way) -> Option<HeaderValue> {
    set(way, OIDC, "", 0)
}

fn set(way: &Way, names: Names, secret: &str, seconds: u32) -> Option<HeaderValue> {
    let secure = if way.is_tls { " Secure;" } else { "" };
    // Lax: whoever follows a link to the portal is signed in there, and comes back from a provider as who they were;
    // no other site can change anything.
    let text = format!("{}={secret}; Path=/;{secure} HttpOnly; SameSite=Lax; Max-Age={seconds}", name(way, names)?);
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn name(way: &Way, names: Names) -> Option<&'static str> {
    match (way.listener, way.is_tls) {
        (Listener::Socket, _) | (Listener::Binding, false) => None,
        (_, true) => Some(names.secure),
        (Listener::Loopback, false) => Some(names.local),
    }
}

/// Holds the names of a cookie.
#[derive(Clone, Copy)]
struct Names {
    /// Over TLS.
    secure: &'static str,
    /// On the loopback listener.
    local: &'static str,
}

const SESSION: Names = Names { secure: "__Host-portward", local: "portward-local" };
const OIDC: Names = Names { secure: "__Host-portward-oidc", local: "portward-oidc-local" };
/// The server forgets it then in any case.
const AS_LONG_AS_A_FLOW: u32 = 600;
/// Seven days: the server ends it then in any case.
const AS_LONG_AS_A_SESSION: u32 = 7 * 24 * 3600;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn way(listener: Listener, is_tls: bool) -> Way {
        Way { listener, is_tls, ..Way::socket() }
    }

    #[test]
    fn each_way_has_its_cookie_or_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "theme=dark; portward-local=local".parse().unwrap());
        headers.append(header::COOKIE, "__Host-portward=secure ; x".parse().unwrap());
        for (listener, is_tls, expected) in [
            (Listener::Binding, true, Some("secure")),
            (Listener::Binding, false, None),
            (Listener::Loopback, false, Some("local")),
            (Listener::Socket, false, None),
        ] {
            assert_eq!(session_of(&headers, &way(listener, is_tls)), expected, "{listener:?} {is_tls}");
        }
        assert_eq!(session_of(&HeaderMap::new(), &way(Listener::Binding, true)), None);
    }

    #[test]
    fn a_cookie_is_for_this_host_alone_and_no_script_reads_it() {
        assert_eq!(
            begin(&way(Listener::Binding, true), "s").unwrap(),
            "__Host-portward=s; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=604800"
        );
        assert_eq!(
            begin(&way(Listener::Loopback, false), "s").unwrap(),
            "portward-local=s; Path=/; HttpOnly; SameSite=Lax; Max-Age=604800"
        );
        assert_eq!(
            end(&way(Listener::Binding, true)).unwrap(),
            "__Host-portward=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
        );
        assert_eq!(begin(&way(Listener::Binding, false), "s"), None);
        assert!(begin(&way(Listener::Binding, true), "s").unwrap().is_sensitive());
    }
}
