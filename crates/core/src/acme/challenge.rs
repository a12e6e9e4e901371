//! Kinds of challenges, and which one is taken.

use std::fmt;

use crate::{Host, HostPattern};

/// Is a way to show control of an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChallengeKind {
    /// A file at a well-known path over plain HTTP (RFC 8555 section 8.3).
    Http01,
    /// A certificate in a handshake (RFC 8737).
    TlsAlpn01,
    /// A TXT record (RFC 8555 section 8.4).
    Dns01,
}

/// Says which kinds of challenges can be answered here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeOptions {
    /// The one that was asked for; then no other is taken.
    pub wanted: Option<ChallengeKind>,
    /// Whether somebody writes TXT records: a DNS provider, or the operator by hand.
    pub dns: bool,
    /// Whether an http binding has the port that the CA asks at, or may get one for the time of the challenge.
    pub http: bool,
    /// Whether an https binding has the port that the CA asks at.
    pub tls: bool,
}

/// Says why no challenge can be answered for a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoChallengeError {
    /// Wildcards need dns-01 (RFC 8555 section 7.1.3), and nobody writes TXT records.
    #[error("{0} is a wildcard, which a CA issues for dns-01 only, and there is no DNS provider for it")]
    WildcardWithoutDns(HostPattern),
    /// Another challenge than dns-01 was asked for a wildcard.
    #[error("{name} is a wildcard, which a CA issues for dns-01 only, and {wanted} was asked for")]
    WildcardNeedsDns {
        /// The wildcard.
        name: HostPattern,
        /// What was asked for.
        wanted: ChallengeKind,
    },
    /// No TXT record shows control of an IP address (RFC 8738 section 7).
    #[error("{0} is an IP address, for which there is no dns-01")]
    AddressOverDns(HostPattern),
    /// The CA offers none that can be answered here.
    #[error("the CA offers {} for {name}, and none of them can be answered here", list(.offered))]
    NoneOffered {
        /// The name.
        name: HostPattern,
        /// What the CA offers, of the kinds that are known here.
        offered: Vec<ChallengeKind>,
    },
}

/// Chooses how control of a name is shown: of what the CA offers, the first of
///
/// 1. the kind that was asked for, and then no other,
/// 2. dns-01, where there is a DNS provider: it works behind firewalls, and for wildcards,
/// 3. http-01, where an http binding has the port,
/// 4. tls-alpn-01, where an https binding has the port,
/// 5. http-01 with a binding that is made for the time of the challenge.
///
/// The same input always gives the same choice; a failed challenge does not make it another one.
pub fn choose_challenge(
    name: &HostPattern,
    offered: &[ChallengeKind],
    options: &ChallengeOptions,
) -> Result<ChallengeKind, NoChallengeError> {
    use ChallengeKind::{Dns01, Http01, TlsAlpn01};
    let none = || NoChallengeError::NoneOffered { name: name.clone(), offered: offered.to_vec() };
    let is_address = matches!(name, HostPattern::Exact(Host::Ip(_)));
    if let HostPattern::Wildcard(_) = name {
        return match options.wanted {
            Some(wanted) if wanted != Dns01 => Err(NoChallengeError::WildcardNeedsDns { name: name.clone(), wanted }),
            None if !options.dns => Err(NoChallengeError::WildcardWithoutDns(name.clone())),
            _ if offered.contains(&Dns01) => Ok(Dns01),
            _ => Err(none()),
        };
    }
    if let Some(wanted) = options.wanted {
        return match wanted {
            Dns01 if is_address => Err(NoChallengeError::AddressOverDns(name.clone())),
            wanted if offered.contains(&wanted) => Ok(wanted),
            _ => Err(none()),
        };
    }
    let in_turn =
        [(Dns01, options.dns && !is_address), (Http01, options.http), (TlsAlpn01, options.tls), (Http01, true)];
    let possible = in_turn.into_iter().find(|(kind, possible)| *possible && offered.contains(kind));
    possible.map(|(kind, _)| kind).ok_or_else(none)
}

fn list(kinds: &[ChallengeKind]) -> String {
    match kinds {
        [] => "no challenge that is known here".to_owned(),
        kinds => kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" and "),
    }
}

impl ChallengeKind {
    /// All kinds that can be answered.
    pub const ALL: [Self; 3] = [Self::Http01, Self::TlsAlpn01, Self::Dns01];

    /// The word of the RFC: `http-01`, `tls-alpn-01` or `dns-01`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Dns01 => "dns-01",
        }
    }

    /// Reads what [`ChallengeKind::as_str`] writes; none for kinds that are not known here.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for ChallengeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::{ChallengeKind::*, *};

    #[test]
    fn the_order_of_choice_is_fixed() {
        let all = ChallengeKind::ALL.as_slice();
        let options = |wanted, dns, http, tls| ChallengeOptions { wanted, dns, http, tls };
        for (name, offered, options, expected) in [
            ("shop.test", all, options(None, true, true, true), Some(Dns01)),
            ("shop.test", all, options(None, false, true, true), Some(Http01)),
            ("shop.test", all, options(None, false, false, true), Some(TlsAlpn01)),
            ("shop.test", all, options(None, false, false, false), Some(Http01)),
            ("shop.test", &[TlsAlpn01], options(None, false, true, false), None),
            ("shop.test", &[Http01], options(None, true, true, true), Some(Http01)),
            ("shop.test", all, options(Some(TlsAlpn01), true, true, true), Some(TlsAlpn01)),
            ("shop.test", &[Http01], options(Some(TlsAlpn01), true, true, true), None),
            ("*.shop.test", all, options(None, true, true, true), Some(Dns01)),
            ("*.shop.test", all, options(None, false, true, true), None),
            ("*.shop.test", all, options(Some(Dns01), false, true, true), Some(Dns01)),
            ("*.shop.test", all, options(Some(Http01), true, true, true), None),
            ("192.0.2.1", all, options(None, true, true, true), Some(Http01)),
            ("192.0.2.1", all, options(Some(Dns01), true, true, true), None),
        ] {
            let name = HostPattern::parse(name).unwrap();
            assert_eq!(choose_challenge(&name, offered, &options).ok(), expected, "{name} {options:?}");
        }
    }
}
