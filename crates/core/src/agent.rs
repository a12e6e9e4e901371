//! Remote programs that are trusted by thumbprint.

use std::{fmt, sync::Arc};

use crate::{Authority, Host, Thumbprint, Timestamp};

/// Names an agent to people; who it is, is its thumbprint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentName(Arc<str>);

/// Says why a text is no [`AgentName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is not a name of an agent: 1 to 64 of the characters a-z, 0-9, \".\", \"-\" and \"_\", of which the first is a letter or a digit, as in web-03"
)]
pub struct AgentNameError(String);

/// Is a remote program that Portward trusts, and that trusts Portward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// What people call it.
    pub name: AgentName,
    /// Who dials.
    pub dialling: Dialling,
    /// Who it is.
    pub pins: AgentPins,
    /// Since when it is trusted.
    pub trusted: Timestamp,
    /// How it came to be trusted.
    pub origin: AgentOrigin,
}

/// Says who begins the connection between Portward and an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialling {
    /// The agent does.
    Polling,
    /// Portward does: the agent listens there.
    Listening(DialAddress),
}

/// Is where something is dialled: a host name or an address, with a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DialAddress {
    /// A name that is looked up at each connection, or an address.
    pub host: Host,
    /// Its port.
    pub port: u16,
}

/// Says why a text is no [`DialAddress`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a place to dial: it is HOST:PORT, as in web-03.example.org:10933 or [2001:db8::7]:10933")]
pub struct DialAddressError(String);

/// Is who an agent is: the thumbprints that it may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPins {
    /// The one that counts.
    pub current: Thumbprint,
    /// The one that it will show from its next connection on, while its identity rotates.
    pub next: Option<Thumbprint>,
    /// The one before, and until when it still counts.
    pub previous: Option<(Thumbprint, Timestamp)>,
}

/// Says how an agent came to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentOrigin {
    /// It joined with a join string.
    Joined,
    /// Somebody gave its thumbprint.
    Thumbprint,
    /// It called, was not recognised, and somebody approved it.
    Approved,
}

/// Says how an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AgentHealth {
    /// It answered, and all is well.
    Healthy,
    /// It answered, and something will be wrong if nobody looks after it.
    HasWarnings,
    /// It answered, and something is wrong.
    Unhealthy,
    /// It was not reached.
    Unavailable,
    /// Nobody has asked it yet.
    Unknown,
}

/// Says how far an identity of the server has come: identities follow one another with overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentityState {
    /// It is announced, and not shown unless an agent asks for it.
    Next,
    /// It is shown.
    Current,
    /// It is shown to agents that know no other one yet.
    Old,
    /// Its key is in other hands: it is shown for as long as those who are connected need to leave it.
    Compromised,
}

impl AgentName {
    /// Longest name.
    pub const MAX: usize = 64;

    /// Reads a name; upper case is made lower.
    pub fn parse(text: &str) -> Result<Self, AgentNameError> {
        let lower = text.trim().to_ascii_lowercase();
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let is_name = (1..=Self::MAX).contains(&lower.len())
            && lower.bytes().next().is_some_and(is_plain)
            && lower.bytes().all(|b| is_plain(b) || matches!(b, b'.' | b'-' | b'_'));
        if is_name { Ok(Self(lower.into())) } else { Err(AgentNameError(text.chars().take(2 * Self::MAX).collect())) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl DialAddress {
    /// Reads `HOST:PORT`; the port may be left out where `default_port` says which it is.
    pub fn parse(text: &str, default_port: Option<u16>) -> Result<Self, DialAddressError> {
        let error = || DialAddressError(text.chars().take(300).collect());
        let Authority { host, port } = Authority::parse(text.trim()).map_err(|_| error())?;
        let port = port.or(default_port).filter(|port| *port > 0).ok_or_else(error)?;
        Ok(Self { host, port })
    }
}

impl AgentPins {
    /// The pins of an agent that has one.
    pub fn of(current: Thumbprint) -> Self {
        Self { current, next: None, previous: None }
    }

    /// Those that count at `now`.
    pub fn trusted(&self, now: Timestamp) -> impl Iterator<Item = Thumbprint> {
        let previous = self.previous.filter(|(_, until)| now < *until).map(|(pin, _)| pin);
        [Some(self.current), self.next, previous].into_iter().flatten()
    }
}

macro_rules! words {
    ($name:ident { $($variant:ident => $word:literal,)* }) => {
        impl $name {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// Reads the stable word.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(AgentOrigin {
    Joined => "joined",
    Thumbprint => "thumbprint",
    Approved => "approved",
});

// Octopus's words, which the scripts of its users read.
words!(AgentHealth {
    Healthy => "Healthy",
    HasWarnings => "HasWarnings",
    Unhealthy => "Unhealthy",
    Unavailable => "Unavailable",
    Unknown => "Unknown",
});

words!(IdentityState {
    Next => "next",
    Current => "current",
    Old => "old",
    Compromised => "compromised",
});

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `HOST:PORT`, an IPv6 address in brackets.
impl fmt::Display for DialAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_name_is_short_plain_and_in_lower_case() {
        for (text, expected) in [
            ("web-03", Some("web-03")),
            ("WEB-03", Some("web-03")),
            ("web_03.example.org", Some("web_03.example.org")),
            ("", None),
            ("-a", None),
            ("..", None),
            ("a/b", None),
            ("a b", None),
            ("a;reboot", None),
            ("a\n", Some("a")),
            ("a\nb", None),
        ] {
            assert_eq!(AgentName::parse(text).ok().as_ref().map(AgentName::as_str), expected, "{text:?}");
        }
        assert!(AgentName::parse(&"a".repeat(65)).is_err());
    }

    #[test]
    fn a_place_to_dial_has_a_port() {
        for (text, default, expected) in [
            ("web-03:10933", None, Some("web-03:10933")),
            ("[2001:DB8::7]:10933", None, Some("[2001:db8::7]:10933")),
            ("192.0.2.7", Some(10933), Some("192.0.2.7:10933")),
            ("web-03", None, None),
            ("web-03:0", Some(1), None),
            ("https://web-03:1", None, None),
            ("web-03:1/x", None, None),
        ] {
            let read = DialAddress::parse(text, default).ok().map(|address| address.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_pin_before_counts_until_its_end() {
        let (a, b) = (Thumbprint::of(b"a"), Thumbprint::of(b"b"));
        let end = Timestamp::from_unix(100).unwrap();
        let pins = AgentPins { current: b, next: None, previous: Some((a, end)) };
        let at = |seconds| pins.trusted(Timestamp::from_unix(seconds).unwrap()).collect::<Vec<_>>();
        assert_eq!(at(99), [b, a]);
        assert_eq!(at(100), [b]);
    }
}
