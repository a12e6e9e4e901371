//! Passages: names whose connections reach their target as they are, without TLS of ours.

use std::fmt;

use crate::{DialAddress, DialAddressError, Host, HostError, HostPattern};

/// Is a name that clients ask for in their TLS handshake, and where their connections go, untouched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// What is asked for by SNI (RFC 6066 section 3): never an address. `*` is whatever no other passage of the binding
    /// has, clients that ask for no name and those that speak no TLS included.
    pub name: HostPattern,
    /// Who does the handshake.
    pub target: DialAddress,
}

/// Says why a text is no passage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassageError {
    /// Nothing to split at.
    #[error(
        "\"{0}\" does not say where connections go; it is HOST=ADDRESS:PORT, as in polling.example.org=127.0.0.1:10943"
    )]
    Shape(String),
    /// The name cannot be read.
    #[error("the name whose connections are passed through cannot be read")]
    Name(#[source] HostError),
    /// The name is an address.
    #[error(
        "\"{0}\" is an address, and clients ask for names alone; give a host name, or * for whatever has no other target"
    )]
    Address(String),
    /// The target cannot be read.
    #[error("the target of {name} cannot be read")]
    Target {
        /// Whose target.
        name: HostPattern,
        /// What is wrong with it.
        #[source]
        source: DialAddressError,
    },
}

impl Passage {
    /// Reads `HOST=ADDRESS:PORT`.
    pub fn parse(text: &str) -> Result<Self, PassageError> {
        let (name, target) =
            text.split_once('=').ok_or_else(|| PassageError::Shape(text.chars().take(300).collect()))?;
        let name = HostPattern::parse(name.trim()).map_err(PassageError::Name)?;
        if let HostPattern::Exact(Host::Ip(address)) = name {
            return Err(PassageError::Address(address.to_string()));
        }
        match DialAddress::parse(target, None) {
            Ok(target) => Ok(Self { name, target }),
            Err(source) => Err(PassageError::Target { name, source }),
        }
    }
}

/// As it is read.
impl fmt::Display for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.target)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_passage_is_a_name_and_a_target() {
        for (text, shown) in [
            ("Polling.Example.org=127.0.0.1:10943", "polling.example.org=127.0.0.1:10943"),
            ("*.example.org=app.internal:443", "*.example.org=app.internal:443"),
            ("*=[::1]:22", "*=[::1]:22"),
        ] {
            let passage = Passage::parse(text).unwrap();
            assert_eq!(passage.to_string(), shown);
            assert_eq!(Passage::parse(shown).unwrap(), passage);
        }
    }

    #[test]
    fn what_is_no_passage_is_refused_with_its_reason() {
        assert!(matches!(Passage::parse("a.test"), Err(PassageError::Shape(_))));
        assert!(matches!(Passage::parse("a..test=127.0.0.1:1"), Err(PassageError::Name(_))));
        assert!(matches!(Passage::parse("10.0.0.1=127.0.0.1:1"), Err(PassageError::Address(_))));
        for text in ["a.test=127.0.0.1", "a.test=127.0.0.1:0", "a.test=", "a.test=https://b.test:443"] {
            assert!(matches!(Passage::parse(text), Err(PassageError::Target { .. })), "{text}");
        }
    }
}
