//! What is looked at before a CA is asked: facts in, findings out.
//!
//! It is advice and never stops anything: the CA decides, and what cannot be seen from here may be seen from there.
//! [`Verdict::Unknown`] is said rather than a warning that may be wrong.

mod caa;
mod facts;
mod reach;

use std::{fmt, time::Duration};

use super::{Budget, ChallengeKind, LimitKind, diagnosis::typed, renewal::spell};
use crate::{Host, HostPattern};

pub use caa::{CaaRecord, CaaSet, CaaVerdict, caa_allows};
pub use facts::{AdviceFacts, Clocks, Dnssec, PortAnswer, PortBinding, Vantage};

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

/// Says what the facts mean for a challenge; what was not looked at is not spoken of.
///
/// The findings stand in the order in which they are worth reading.
pub fn advise(facts: &AdviceFacts) -> Vec<Advice> {
    let mut found = Vec::new();
    found.extend(directory(facts));
    found.extend(clock(facts));
    found.extend(budget(facts));
    if facts.challenge != ChallengeKind::Dns01 {
        found.extend(reach::addresses(facts));
        found.extend(reach::ipv6(facts));
        found.extend(binding(facts));
        found.extend(reach::port(facts));
        found.extend(reach::redirect(facts));
    }
    if !matches!(facts.name, HostPattern::Exact(Host::Ip(_))) {
        found.extend(caa(facts));
        found.extend(dnssec(facts));
    }
    found
}

fn directory(facts: &AdviceFacts) -> Option<Advice> {
    Some(match facts.directory.as_ref()? {
        Ok(()) => Advice::good(Check::Directory, "the directory of the CA answers"),
        Err(why) => Advice::warning(
            Check::Directory,
            format!("the directory of the CA does not answer: {why}"),
            "Let this machine connect to the CA; if it can, the CA is down, and it is tried again by itself.",
        ),
    })
}

fn clock(facts: &AdviceFacts) -> Option<Advice> {
    let Clocks { ours, of_ca } = facts.clocks?;
    let (apart, way) = if ours < of_ca { (of_ca.since(ours), "behind") } else { (ours.since(of_ca), "ahead of") };
    if apart <= CLOCK_TOLERANCE {
        return Some(Advice::good(Check::Clock, "the clock here agrees with that of the CA"));
    }
    Some(Advice::warning(
        Check::Clock,
        format!("the clock here is {} {way} that of the CA", roughly(apart)),
        "Switch time synchronisation on, as with `timedatectl set-ntp true`. A new certificate may not be valid yet by a \
         clock that is behind.",
    ))
}

fn budget(facts: &AdviceFacts) -> Vec<Advice> {
    let spent: Vec<Advice> = facts.budgets.iter().filter_map(|(kind, budget)| used_up(*kind, *budget)).collect();
    if !spent.is_empty() {
        return spent;
    }
    let least = facts.budgets.iter().filter_map(|(kind, budget)| match budget {
        Budget::Free { left } => Some((*left, *kind)),
        Budget::Spent { .. } => None,
    });
    let good = |(left, kind)| Advice::good(Check::Budget, format!("there may be {left} more {kind} for now"));
    least.min().map(good).into_iter().collect()
}

fn used_up(kind: LimitKind, budget: Budget) -> Option<Advice> {
    let Budget::Spent { until, .. } = budget else { return None };
    Some(Advice::warning(
        Check::Budget,
        format!("there were too many {kind} lately; the CA is not asked before {until}"),
        "Wait, or ask in spite of it with `--force`; the CA may then refuse for days.",
    ))
}

fn binding(facts: &AdviceFacts) -> Option<Advice> {
    let (port, scheme) = (facts.port, facts.scheme());
    let add = format!("Add one that stays with `portward binding add {scheme}://[::]:{port}`.");
    Some(match facts.binding.as_ref()? {
        PortBinding::Bound => Advice::good(Check::Binding, format!("Portward listens on port {port}")),
        PortBinding::ForTheChallenge => Advice {
            check: Check::Binding,
            verdict: Verdict::Good,
            message: format!(
                "no {scheme} binding has port {port}; Portward listens there for the time of the challenge"
            ),
            remedy: Some(add),
        },
        PortBinding::Missing => {
            Advice::warning(Check::Binding, format!("no {scheme} binding has port {port}, where the CA asks"), add)
        }
        PortBinding::Failed(why) => Advice::warning(
            Check::Binding,
            format!("Portward cannot listen on port {port}: {why}"),
            format!("See who has the port with `ss -ltnp 'sport = :{port}'`, and stop it."),
        ),
    })
}

fn caa(facts: &AdviceFacts) -> Option<Advice> {
    let set = match facts.caa.as_ref()? {
        Ok(set) => set,
        Err(why) if facts.has_addresses() => {
            return Some(Advice::warning(
                Check::Caa,
                format!("the name servers of {} give its addresses, but not its CAA records: {why}", facts.name),
                format!(
                    "The CA must get an answer. Ask each name server with `dig CAA {} @SERVER`; it must say NOERROR, even if \
                     there are no such records.",
                    facts.base()
                ),
            ));
        }
        Err(why) => {
            return Some(Advice::unknown(
                Check::Caa,
                format!("the CAA records of {} cannot be read here: {why}", facts.name),
            ));
        }
    };
    let is_wildcard = matches!(facts.name, HostPattern::Wildcard(_));
    let account = facts.account_url.as_deref();
    let verdict = caa_allows(&set.records, &facts.caa_identities, is_wildcard, facts.challenge, account);
    Some(match verdict {
        CaaVerdict::Allowed if set.records.is_empty() => {
            Advice::good(Check::Caa, "no CAA record restricts who may sign")
        }
        CaaVerdict::Allowed => Advice::good(Check::Caa, format!("the CAA records at {} allow the CA", set.found_at)),
        CaaVerdict::Unknown(why) => Advice::unknown(
            Check::Caa,
            format!("whether the CAA records at {} allow the CA is not known: {why}", set.found_at),
        ),
        CaaVerdict::Forbidden(why) => Advice::warning(
            Check::Caa,
            format!("the CAA records at {} do not allow the CA to sign for {}: {why}", set.found_at, facts.name),
            match facts.caa_identities.first() {
                Some(ca) => format!(
                    "Add the record `{at}. CAA 0 {tag} \"{ca}\"`; if that is there, change what stands against it.",
                    at = set.found_at,
                    tag = if is_wildcard { "issuewild" } else { "issue" }
                ),
                None => format!("Change the CAA records at {}, or ask a CA that they name.", set.found_at),
            },
        ),
    })
}

fn dnssec(facts: &AdviceFacts) -> Option<Advice> {
    let zone = super::registered_domain(&facts.name);
    Some(match facts.dnssec.as_ref()? {
        Dnssec::Secure => Advice::good(Check::Dnssec, format!("DNSSEC validates for {}", facts.name)),
        Dnssec::Unsigned => Advice::good(Check::Dnssec, format!("{} does not use DNSSEC", facts.name)),
        Dnssec::Unknown(why) => Advice::unknown(Check::Dnssec, format!("DNSSEC cannot be looked at from here: {why}")),
        Dnssec::Bogus(why) => Advice::warning(
            Check::Dnssec,
            format!(
                "the DNSSEC signatures of {} do not validate, so that CAs do not believe its records: {why}",
                facts.name
            ),
            format!(
                "See https://dnsviz.net/d/{zone}/; mostly the registrar has a DS record of a former DNS provider. Remove it, or \
                 sign the zone again."
            ),
        ),
    })
}

/// The span in one unit, as people say it.
fn roughly(span: Duration) -> String {
    let seconds = span.as_secs();
    let unit = [24 * 3600, 3600, 60].into_iter().find(|unit| seconds >= 2 * unit).unwrap_or(1);
    spell(Duration::from_secs(seconds - seconds % unit))
}

impl Advice {
    fn good(check: Check, message: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Good, message: message.into(), remedy: None }
    }

    fn unknown(check: Check, message: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Unknown, message: message.into(), remedy: None }
    }

    fn warning(check: Check, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warning, message: message.into(), remedy: Some(remedy.into()) }
    }
}

impl Check {
    /// All that is looked at.
    pub const ALL: [Self; 10] = [
        Self::Addresses,
        Self::Ipv6,
        Self::Caa,
        Self::Dnssec,
        Self::Port,
        Self::Redirect,
        Self::Clock,
        Self::Binding,
        Self::Budget,
        Self::Directory,
    ];

    /// Reads what [`Check::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.as_str() == text)
    }

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
    /// Reads what [`Verdict::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Good, Self::Warning, Self::Unknown].into_iter().find(|verdict| verdict.as_str() == text)
    }

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

/// Let's Encrypt dates its certificates back by an hour; less than this is of no account anywhere.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests;
