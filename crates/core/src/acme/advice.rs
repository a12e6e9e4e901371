//! What is looked at before a CA is asked: facts in, findings out. It is advice and never stops anything.

use std::fmt;

/// Is one finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What was looked at.
    pub check: Check,
    /// What it means for the challenge.
    pub verdict: Verdict,
    /// What was seen, for people.
    pub message: String,
    /// What to do; none if there is nothing to do.
    pub remedy: Option<String>,
}

/// Says what a finding means for the challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It is as it must be.
    Good,
    /// The CA will probably refuse.
    Warning,
    /// It cannot be seen from here.
    Unknown,
}

/// Says what was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Where the name leads.
    Addresses,
    /// Whether its IPv6 addresses lead to where the IPv4 addresses do.
    Ipv6,
    /// Whether CAA records allow the CA.
    Caa,
    /// Whether DNSSEC validates.
    Dnssec,
    /// What answers on the port that the CA asks at.
    Port,
    /// Whether the challenge is redirected.
    Redirect,
    /// Whether the clock here agrees with the CA's.
    Clock,
    /// Whether we listen on the port that the CA asks at.
    Binding,
    /// How much may still be asked of the CA.
    Budget,
    /// Whether the CA's directory answers.
    Directory,
}

impl Check {
    /// The word of the API, as in `addresses`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Addresses => "addresses",
            Self::Ipv6 => "ipv6",
            Self::Caa => "caa",
            Self::Dnssec => "dnssec",
            Self::Port => "port",
            Self::Redirect => "redirect",
            Self::Clock => "clock",
            Self::Binding => "binding",
            Self::Budget => "budget",
            Self::Directory => "directory",
        }
    }
}

impl Verdict {
    /// The word of the API: `good`, `warning` or `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
