//! What a site or a certificate names: one host, the hosts one label below a name, or any host.

use std::fmt;

use smallvec::SmallVec;

use crate::{Host, HostError, HostName};

/// Stands for one host or several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// That host.
    Exact(Host),
    /// `*.name`: every name with exactly one more label (RFC 9525 section 6.3).
    Wildcard(HostName),
    /// `*`: every host that nothing else names. Only a site can have it.
    Any,
}

/// Is a list of them. Mostly there is one, which then takes no place of its own.
pub type HostPatterns = SmallVec<[HostPattern; 1]>;

impl HostPattern {
    /// Reads `shop.example`, `*.shop.example`, an IP address, or `*`.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let Some(base) = text.strip_prefix("*.") else {
            return Host::parse(text).map(Self::Exact);
        };
        let base = HostName::parse(base)?;
        if base.as_str().contains('.') { Ok(Self::Wildcard(base)) } else { Err(HostError::Wildcard(text.to_owned())) }
    }

    /// Whether the host is one that the pattern stands for.
    pub fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Exact(exact), host) => exact == host,
            (Self::Wildcard(base), Host::Name(name)) => name.parent() == Some(base.as_str()),
            (Self::Wildcard(_), Host::Ip(_)) => false,
        }
    }

    /// Whether every host of `other` is one of ours: what a certificate must do for the names of a site.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Exact(host)) => self.matches(host),
            (own, other) => own == other,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(Host::Ip(address)) => address.fmt(f),
            Self::Exact(host) => host.fmt(f),
            Self::Wildcard(base) => write!(f, "*.{base}"),
            Self::Any => f.write_str("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        HostPattern::parse(text).unwrap()
    }

    #[test]
    fn patterns_match_one_label_deep() {
        for (given, host, expected) in [
            ("shop.test", "SHOP.test.", true),
            ("shop.test", "a.shop.test", false),
            ("*.shop.test", "a.shop.test", true),
            ("*.shop.test", "shop.test", false),
            ("*.shop.test", "b.a.shop.test", false),
            ("*.Shop.Test.", "A.SHOP.TEST", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("::1", "[::1]", true),
            ("*", "10.0.0.1", true),
            ("*", "shop.test", true),
        ] {
            assert_eq!(pattern(given).matches(&Host::parse(host).unwrap()), expected, "{given} and {host}");
        }
    }

    #[test]
    fn a_pattern_covers_what_is_inside_it() {
        for (given, other, expected) in [
            ("*.shop.test", "a.shop.test", true),
            ("*.shop.test", "*.shop.test", true),
            ("*.shop.test", "shop.test", false),
            ("a.shop.test", "*.shop.test", false),
            ("*.shop.test", "*", false),
        ] {
            assert_eq!(pattern(given).covers(&pattern(other)), expected, "{given} and {other}");
        }
    }

    #[test]
    fn a_misplaced_star_is_refused() {
        for bad in ["*.test", "a.*.test", "*a.test", "*.", "**", "*.*.test", "*.10.0.0.1"] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn display_reads_back() {
        for text in ["shop.test", "*.shop.test", "*", "10.0.0.1", "::1"] {
            assert_eq!(pattern(text).to_string(), text);
        }
    }
}
