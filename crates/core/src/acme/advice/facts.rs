//! What was looked up, as plain values.

use std::net::IpAddr;

use super::{Budget, ChallengeKind, LimitKind, caa::CaaSet};
use crate::{HostPattern, Timestamp};

/// Holds what was looked up for one name. None stands for what was not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdviceFacts {
    /// The name.
    pub name: HostPattern,
    /// The challenge that is to be answered.
    pub challenge: ChallengeKind,
    /// Where the CA asks; without meaning for dns-01.
    pub port: u16,
    /// From where the CA looks.
    pub vantage: Vantage,
    /// Addresses of the name, or why they could not be looked up; none of them means that DNS has none.
    pub addresses: Option<Result<Vec<IpAddr>, String>>,
    /// Addresses of this machine.
    pub own_addresses: Vec<IpAddr>,
    /// What answered at each address, asked from here.
    pub answers: Vec<(IpAddr, PortAnswer)>,
    /// The CAA records that count, or why they could not be looked up.
    pub caa: Option<Result<CaaSet, String>>,
    /// What the CA calls itself in CAA records; empty if it does not say.
    pub caa_identities: Vec<String>,
    /// URL of our account; none if there is none yet.
    pub account_url: Option<String>,
    /// What DNSSEC says.
    pub dnssec: Option<Dnssec>,
    /// Both clocks.
    pub clocks: Option<Clocks>,
    /// Whether we listen where the CA asks.
    pub binding: Option<PortBinding>,
    /// What may still be asked.
    pub budgets: Vec<(LimitKind, Budget)>,
    /// Whether the directory answers, or why not.
    pub directory: Option<Result<(), String>>,
}

/// Says from where a CA looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vantage {
    /// From the internet.
    Internet,
    /// From a network of our own, as a private CA.
    Network,
}

/// Says what answered at the port of the challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortAnswer {
    /// We did, with the token that was made for this.
    OurToken,
    /// Somebody else did.
    OtherServer {
        /// HTTP status.
        status: u16,
        /// The `Server` header.
        server: Option<String>,
    },
    /// The request was redirected.
    Redirect {
        /// Whereto.
        location: String,
        /// HTTP status.
        status: u16,
    },
    /// The connection was refused.
    Refused,
    /// Nothing came in time.
    TimedOut,
    /// It failed in another way.
    Failed(String),
}

/// Says what DNSSEC makes of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dnssec {
    /// It is signed, and the signatures validate.
    Secure,
    /// It is not signed.
    Unsigned,
    /// It is signed, and the signatures do not validate.
    Bogus(String),
    /// It cannot be told, and why.
    Unknown(String),
}

/// Holds two clocks, read at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// The one of this machine.
    pub ours: Timestamp,
    /// The one of the CA.
    pub of_ca: Timestamp,
}

/// Says whether we listen on the port of the challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortBinding {
    /// A binding has it.
    Bound,
    /// None has it, but one is made for the time of the challenge.
    ForTheChallenge,
    /// None has it, and none is made.
    Missing,
    /// It cannot be bound, and why.
    Failed(String),
}

impl AdviceFacts {
    /// Facts of which nothing has been looked up yet.
    pub fn new(name: HostPattern, challenge: ChallengeKind, port: u16, vantage: Vantage) -> Self {
        Self {
            name,
            challenge,
            port,
            vantage,
            addresses: None,
            own_addresses: Vec::new(),
            answers: Vec::new(),
            caa: None,
            caa_identities: Vec::new(),
            account_url: None,
            dnssec: None,
            clocks: None,
            binding: None,
            budgets: Vec::new(),
            directory: None,
        }
    }

    pub(super) fn has_addresses(&self) -> bool {
        matches!(&self.addresses, Some(Ok(addresses)) if !addresses.is_empty())
    }

    /// The name without the star.
    pub(super) fn base(&self) -> String {
        match &self.name {
            HostPattern::Wildcard(base) => base.to_string(),
            other => other.to_string(),
        }
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.challenge == ChallengeKind::TlsAlpn01 { "https" } else { "http" }
    }

    pub(super) fn answer(&self, address: IpAddr) -> Option<&PortAnswer> {
        self.answers.iter().find(|(asked, _)| *asked == address).map(|(_, answer)| answer)
    }

    pub(super) fn is_own(&self, address: IpAddr) -> bool {
        self.own_addresses.contains(&address)
    }
}
