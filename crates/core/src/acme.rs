//! ACME (RFC 8555) as far as it is rules: what is asked of whom, when, how often, and what went wrong.
//!
//! Words are those of the RFC: directory, account, order, authorization, challenge, identifier, problem.
//! Talking to a CA is in the `certs` crate, and doing one step after the other in the `server` crate.

mod advice;
mod attempt;
mod budget;
mod ca_error;
mod challenge;
mod diagnosis;
mod issuer;
mod lifetimes;
mod managed;
mod renewal;
mod retry;
mod stage;

pub use advice::{
    Advice, AdviceFacts, CaaRecord, CaaSet, CaaVerdict, Check, Clocks, Dnssec, PortAnswer, PortBinding, Vantage,
    Verdict, advise, caa_allows,
};
pub use attempt::{Attempt, Diagnosis, Event, Outcome};
pub use budget::{Budget, Ledger, Limit, LimitKind, Limits, budget, registered_domain};
pub use ca_error::{AcmeProblem, CaError, CaErrorKind, Subproblem};
pub use challenge::{ChallengeKind, ChallengeOptions, NoChallengeError, choose_challenge};
pub use diagnosis::{DnsFailure, Failure, FailureKind, diagnose};
pub use issuer::{DirectoryTrust, Issuer, IssuerPorts};
pub use lifetimes::{AnnouncedLifetime, announced_lifetime, announced_lifetimes};
pub use managed::{KeyAlgorithm, KeyReuse, Managed};
pub use renewal::{
    Jitter, RenewalFacts, RenewalReason, RenewalTime, SHORT_LIFETIME, SuggestedWindow, backstop, next_suggestion_check,
    renewal_time,
};
pub use retry::{LONGEST_TOLD, LONGEST_WAIT, is_waited_for, outage_retry_at, retry_at};
pub use stage::Stage;
