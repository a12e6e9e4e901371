//! What becomes of a request: decided from its head and the newest snapshot alone, for HTTP/1.1 and HTTP/2.

use std::{borrow::Cow, sync::Arc};

use portward_core::{
    Authority, Host, RedirectDecision, RequestFacts, Scheme, decide_redirect, hsts_header, redirect_url,
};

use crate::{
    answer::{Answer, Fault},
    h1::refusal::Refusal,
    snapshot::{ServedCertificate, ServedSite, Serves, Snapshot},
};

mod path;

#[cfg(test)]
mod tests;

/// Is what the decision needs to know of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// The scheme of the binding that it came in at.
    pub(crate) scheme: Scheme,
    /// The scheme that the client used: another one where a trusted proxy does TLS in our place.
    pub(crate) asked: Scheme,
    /// What that binding serves.
    pub(crate) serves: Serves,
    /// The method.
    pub(crate) method: &'a str,
    /// `host` or `host:port`, as it will be forwarded.
    pub(crate) authority: &'a str,
    /// Path and query, as they will be forwarded.
    pub(crate) path_and_query: &'a str,
    /// Whether a browser's navigation makes it.
    pub(crate) facts: RequestFacts<'a>,
    /// The name that the TLS handshake asked for.
    pub(crate) sni: Option<&'a Host>,
}

/// Says what becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Routed {
    /// It goes to the site's application.
    Forward {
        /// Who is asked.
        host: Host,
        /// The site that has that host.
        site: Arc<ServedSite>,
        /// Which of its upstreams: the index of their group.
        group: usize,
    },
    /// It is sent to HTTPS.
    Redirect {
        /// The site that has the host.
        site: Arc<ServedSite>,
        /// Where to.
        location: String,
    },
    /// It is answered here.
    Answer(Answer),
}

/// Says what becomes of `Strict-Transport-Security` in a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HstsRule {
    /// The upstream's passes.
    Keep,
    /// There is none.
    Remove,
    /// It is this.
    Set(String),
}

/// Decides about a request: first challenges, then the site, then force HTTPS; at some bindings challenges alone.
///
/// `https_port` gives the port of an https binding that the request can be sent to; it is asked only if it matters.
///
/// A name that the handshake did not ask for is served like any other, because browsers use one HTTP/2 connection for
/// all names that its certificate has (RFC 9113 section 9.1.1); a name that no site has is answered with 421 there, so
/// that the browser tries again on a connection of its own.
pub(crate) fn route(snapshot: &Snapshot, https_port: impl FnOnce() -> Option<u16>, question: &Question<'_>) -> Routed {
    let Ok(Authority { host, .. }) = Authority::parse(question.authority) else {
        return Fault::Refused(Refusal::InvalidHost).into();
    };
    if question.scheme == Scheme::Http
        && !snapshot.challenges.is_empty()
        && matches!(question.method, "GET" | "HEAD")
        && let Some(token) = challenge_token(question.path_and_query)
    {
        let key = (host, token);
        if let Some(key_authorization) = snapshot.challenges.get(&key) {
            return Routed::Answer(Answer::Challenge(key_authorization.clone()));
        }
        return route_to_site(snapshot, https_port, question, key.0);
    }
    route_to_site(snapshot, https_port, question, host)
}

fn route_to_site(
    snapshot: &Snapshot,
    https_port: impl FnOnce() -> Option<u16>,
    question: &Question<'_>,
    host: Host,
) -> Routed {
    if question.serves == Serves::ChallengesOnly {
        return Fault::ChallengesOnly.into();
    }
    let Some(site) = snapshot.sites.find(&host) else {
        return match question.sni {
            _ if snapshot.sites.is_empty() => Fault::NoSite.into(),
            Some(sni) if *sni != host => Fault::Misdirected.into(),
            _ => Fault::UnknownHost.into(),
        };
    };
    if question.asked == Scheme::Http
        && decide_redirect(site.force_https, question.facts) == RedirectDecision::Redirect
        // `OPTIONS *` asks about the server; there is no such URL.
        && question.path_and_query.starts_with('/')
        && let Some(port) = https_port()
    {
        let location = redirect_url(&host, port, question.path_and_query);
        return Routed::Redirect { site: Arc::clone(site), location };
    }
    match path::group_of(&site.upstreams, question.path_and_query) {
        Ok(group) => Routed::Forward { host, site: Arc::clone(site), group },
        Err(refusal) => Fault::Refused(refusal).into(),
    }
}

/// Decides about `Strict-Transport-Security`; `certificate` is the one that this connection was shown, if it has TLS.
///
/// The upstream's own never passes where ours may not be said: in the clear it means nothing (RFC 6797 section 7.2), and
/// with a certificate that browsers do not accept it would lock their users out.
pub(crate) fn hsts(site: &ServedSite, host: &Host, certificate: Option<&ServedCertificate>) -> HstsRule {
    match certificate {
        Some(certificate) if !certificate.self_signed && certificate.status.is_in_force() => {
            hsts_header(site.hsts, host, certificate.self_signed, certificate.status)
                .map_or(HstsRule::Keep, HstsRule::Set)
        }
        _ => HstsRule::Remove,
    }
}

/// The token of an http-01 challenge (RFC 8555 section 8.3), if the normalised path is one's.
fn challenge_token(path_and_query: &str) -> Option<Box<str>> {
    let path = path_and_query.split('?').next().unwrap_or_default();
    let path = match path.bytes().any(|byte| byte == b'%') || path.contains("/.") || path.contains("//") {
        true => Cow::Owned(normalise(path)?),
        false => Cow::Borrowed(path),
    };
    let token = path.strip_prefix(CHALLENGE_PREFIX)?;
    let is_token = !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    is_token.then(|| token.into())
}

/// Normalises a path (RFC 3986 section 6.2.2): percent signs of plain characters resolved, `.` and `..` carried out,
/// and, as most applications do, empty segments left out; none if it goes above the root or has other percent signs.
fn normalise(path: &str) -> Option<String> {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((plain, escaped)) = rest.split_once('%') {
        decoded.push_str(plain);
        let byte = u8::from_str_radix(escaped.get(..2)?, 16).ok()?;
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')) {
            return None;
        }
        decoded.push(char::from(byte));
        rest = &escaped[2..];
    }
    decoded.push_str(rest);
    let mut segments = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            segment => segments.push(segment),
        }
    }
    let mut normalised = String::with_capacity(decoded.len());
    for segment in segments {
        normalised.push('/');
        normalised.push_str(segment);
    }
    Some(normalised)
}

impl From<Fault> for Routed {
    fn from(fault: Fault) -> Self {
        Self::Answer(fault.into())
    }
}

const CHALLENGE_PREFIX: &str = "/.well-known/acme-challenge/";
