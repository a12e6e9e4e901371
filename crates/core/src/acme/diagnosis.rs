//! What went wrong with an attempt, in plain words, and what to do about it.
//!
//! A CA's problem names a type and has a text for people. The type alone says little (`unauthorized` is a wrong answer as
//! well as a closed account), so that the texts decide, as Boulder, Pebble and others write them.
//! A text that is not known falls back to its type. The problem itself is always kept verbatim.

mod call;
mod challenge;
mod commands;
mod detail;
mod own;
mod problem;

use std::time::Duration;

use super::{
    AcmeProblem, Advice, CaError, ChallengeKind, Check, Diagnosis, Issuer, LimitKind, Managed, NoChallengeError, Stage,
    Verdict, renewal::spell,
};
use crate::{CertificateId, HostPattern, Timestamp};

/// Is a failed attempt with all that is known about it.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// Who was asked.
    pub issuer: &'a Issuer,
    /// For which certificate.
    pub certificate: &'a CertificateId,
    /// How that is managed.
    pub managed: &'a Managed,
    /// How far the order had come.
    pub stage: Stage,
    /// What failed.
    pub what: FailureKind<'a>,
    /// What was seen before the CA was asked; may be empty.
    pub advice: &'a [Advice],
    /// The time of the failure.
    pub now: Timestamp,
    /// End of the certificate that is served until there is a new one; none if there is none.
    pub expires: Option<Timestamp>,
}

/// Says what failed.
#[derive(Clone, Copy, Debug)]
pub enum FailureKind<'a> {
    /// A call of the CA.
    Ca(&'a CaError),
    /// An authorization is invalid.
    Challenge {
        /// For which name.
        name: &'a HostPattern,
        /// Which challenge.
        kind: ChallengeKind,
        /// Why, if the CA says so.
        problem: Option<&'a AcmeProblem>,
    },
    /// The order is invalid.
    Order(&'a AcmeProblem),
    /// No challenge can be answered.
    NoChallenge(&'a NoChallengeError),
    /// A TXT record could not be written.
    Dns {
        /// For which name.
        name: &'a HostPattern,
        /// What the provider says.
        text: &'a str,
        /// What kind of failure it is.
        kind: DnsFailure,
    },
    /// A TXT record was written, but is not seen everywhere.
    NotPropagated {
        /// For which name.
        name: &'a HostPattern,
        /// Servers that do not have it, and what they have.
        missing: &'a [(String, String)],
        /// How long it was waited for.
        waited: Duration,
    },
    /// What is to be served was not served in time: the answer to a challenge, or the new certificate.
    NotServed {
        /// What, as in `the answer to the challenge for shop.test`.
        what: &'a str,
    },
    /// The port for the challenge cannot be opened.
    PortTaken {
        /// Which.
        port: u16,
        /// What the system says.
        why: &'a str,
    },
    /// A limit of ours keeps from asking.
    Budget {
        /// Which.
        limit: LimitKind,
        /// Until when.
        until: Timestamp,
    },
    /// The operator did not agree to the terms of service.
    TermsNotAgreed {
        /// Where they are.
        url: Option<&'a str>,
    },
    /// Something of ours failed.
    Internal(&'a str),
}

/// Says how a DNS provider failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsFailure {
    /// It refuses the credentials.
    Unauthorized,
    /// It has no zone for the name.
    NoZone,
    /// It cannot be reached.
    Unreachable,
    /// Where the record belongs could not be found out, so that nothing was written.
    Lookup,
    /// Anything else.
    Failed,
}

/// Says what went wrong, and what to do.
pub fn diagnose(failure: &Failure<'_>) -> Diagnosis {
    let (finding, problem) = match failure.what {
        FailureKind::Ca(error) => (call::find(failure, error), error.problem()),
        FailureKind::Challenge { name, kind, problem: Some(problem) } => {
            (challenge::find(failure, name, kind, problem), Some(problem))
        }
        FailureKind::Challenge { name, kind, problem: None } => (challenge::unexplained(failure, name, kind), None),
        FailureKind::Order(problem) => (problem::find(failure, problem, None), Some(problem)),
        FailureKind::NoChallenge(error) => (own::no_challenge(failure, error), None),
        FailureKind::Dns { name, text, kind } => (own::dns(failure, name, text, kind), None),
        FailureKind::NotPropagated { name, missing, waited } => (own::not_propagated(name, missing, waited), None),
        FailureKind::NotServed { what } => (own::not_served(failure, what), None),
        FailureKind::PortTaken { port, why } => (own::port_taken(failure, port, why), None),
        FailureKind::Budget { limit, until } => (own::budget(failure, limit, until), None),
        FailureKind::TermsNotAgreed { url } => (own::terms_not_agreed(failure, url), None),
        FailureKind::Internal(why) => (own::internal(failure, why), None),
    };
    let mut cause = finding.cause;
    for seen in failure.warnings(finding.checks) {
        // The same may have been seen for each of several names.
        if cause.contains(&sentence(&seen.message)) {
            continue;
        }
        cause.push_str(" Seen before the CA was asked: ");
        cause.push_str(&sentence(&seen.message));
    }
    if let Some(expires) = failure.expires {
        cause.push(' ');
        cause.push_str(&urgency(failure.now, expires));
    }
    Diagnosis { code: finding.code.to_owned(), cause, remedy: finding.remedy, problem: problem.cloned() }
}

/// Is a cause that was found.
struct Finding {
    code: &'static str,
    cause: String,
    remedy: String,
    /// What may have been seen before that makes the cause more exact.
    checks: &'static [Check],
}

impl Finding {
    fn new(code: &'static str, cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, cause: cause.into(), remedy: remedy.into(), checks: &[] }
    }

    fn with(self, checks: &'static [Check]) -> Self {
        Self { checks, ..self }
    }
}

impl<'a> Failure<'a> {
    fn warnings(&self, checks: &'static [Check]) -> impl Iterator<Item = &'a Advice> + use<'a> {
        self.advice.iter().filter(|seen| seen.verdict == Verdict::Warning && checks.contains(&seen.check))
    }

    fn was(&self, check: Check, verdict: Verdict) -> bool {
        self.advice.iter().any(|seen| seen.check == check && seen.verdict == verdict)
    }

    fn is_lets_encrypt(&self) -> bool {
        [Issuer::LETS_ENCRYPT, Issuer::LETS_ENCRYPT_STAGING].contains(&self.issuer.directory.as_str())
    }
}

/// The name as it is typed into a shell.
pub(super) fn typed(name: &HostPattern) -> String {
    match name {
        HostPattern::Wildcard(_) | HostPattern::Any => format!("'{name}'"),
        HostPattern::Exact(_) => name.to_string(),
    }
}

/// The text with a capital at its beginning, unless a name stands there, which stays as it is spelled.
fn capital(text: &str) -> String {
    text.strip_prefix("the ").map_or_else(|| text.to_owned(), |rest| format!("The {rest}"))
}

/// The text with a full stop at its end.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

fn urgency(now: Timestamp, expires: Timestamp) -> String {
    const DAY: u64 = 24 * 3600;
    if now > expires {
        return format!("The certificate that is served expired on {}: visitors are warned of it.", expires.date());
    }
    let left = expires.since(now).as_secs();
    let left = if left >= 2 * DAY { left - left % DAY } else { left - left % 3600 };
    if left == 0 {
        return "The certificate that is served expires in less than an hour.".to_owned();
    }
    let left = spell(Duration::from_secs(left));
    format!("The certificate that is served is good for {left} more, until {}.", expires.date())
}

#[cfg(test)]
mod tests;
