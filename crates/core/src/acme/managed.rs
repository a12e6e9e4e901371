//! Managed certificates: what is to be asked for, of whom, and how.

use std::{fmt, time::Duration};

use super::ChallengeKind;
use crate::{AgentName, DnsProviderId, HostPattern, IssuerId};

/// Says what certificate is to be had, and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Managed {
    /// Names and addresses; never empty, never [`HostPattern::Any`], no duplicates.
    pub names: Vec<HostPattern>,
    /// Whom to ask, one after another; never empty.
    pub issuers: Vec<IssuerId>,
    /// The only challenge to take; else the order of [`choose_challenge`](super::choose_challenge).
    pub challenge: Option<ChallengeKind>,
    /// Profile to ask for; else the issuer's.
    pub profile: Option<String>,
    /// Who writes TXT records for dns-01.
    pub dns: Option<DnsProviderId>,
    /// What kind of private key is made.
    pub key: KeyAlgorithm,
    /// Whether a renewal makes a new private key.
    pub reuse: KeyReuse,
    /// On which agent's machine the private key is made, and stays; none for a key that Portward makes and holds.
    pub key_on: Option<AgentName>,
    /// Time before the end at which it is renewed; none for what the CA suggests, else a third of its lifetime.
    pub renew_before: Option<Duration>,
}

/// Is a kind of private key that CAs sign for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256.
    #[default]
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// RSA with 2048 bits, for clients from long ago.
    Rsa2048,
    /// RSA with 4096 bits.
    Rsa4096,
}

/// Says whether a renewal makes a new private key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyReuse {
    /// It does.
    #[default]
    New,
    /// It keeps the one there is, as for clients that pin it.
    Keep,
}

impl KeyAlgorithm {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::EcdsaP256, Self::EcdsaP384, Self::Rsa2048, Self::Rsa4096];

    /// The word of the API: `ecdsa-p256`, `ecdsa-p384`, `rsa-2048` or `rsa-4096`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa4096 => "rsa-4096",
        }
    }

    /// Reads what [`KeyAlgorithm::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text)
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
