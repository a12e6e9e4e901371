//! What a CA says when it says no, and what it is when it says nothing.

use std::{fmt, time::Duration};

/// Is a problem document of an ACME server, verbatim (RFC 8555 section 6.7, RFC 9457).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcmeProblem {
    /// The type, mostly `urn:ietf:params:acme:error:` with a word; may be anything.
    pub kind: String,
    /// The text for people.
    pub detail: String,
    /// HTTP status that it names.
    pub status: Option<u16>,
    /// One for each identifier that has a problem of its own.
    pub subproblems: Vec<Subproblem>,
}

/// Is the problem of one identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subproblem {
    /// DNS name or IP address; none if the server names none.
    pub identifier: Option<String>,
    /// The type, as in [`AcmeProblem::kind`].
    pub kind: String,
    /// The text for people.
    pub detail: String,
}

/// Says why a call of a CA did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaError {
    /// What was asked for, as in `asking for a new order`.
    pub doing: &'static str,
    /// URL that was asked; may be empty if there was none yet.
    pub url: String,
    /// What kind of failure it is.
    pub kind: CaErrorKind,
    /// HTTP status of the answer; none if there was none.
    pub status: Option<u16>,
    /// How long not to ask again, as the answer says it: `Retry-After`, or a time in the text of a rate limit.
    pub retry_after: Option<Duration>,
}

/// Says what kind of failure a [`CaError`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaErrorKind {
    /// No connection: the name does not resolve, nobody answers, TLS fails; the text says which.
    Unreachable(String),
    /// An answer did not come in time.
    TimedOut,
    /// The answer is none of ACME's: HTML, truncated JSON, a field that is missing; with the beginning of the body.
    Malformed {
        /// What is wrong with it.
        why: String,
        /// At most the first 500 characters of the body.
        body: String,
    },
    /// A problem document.
    Problem(AcmeProblem),
    /// We cannot do it: the CA offers no such thing, or a key of ours cannot be used.
    Unsupported(String),
}

impl AcmeProblem {
    /// The word after `urn:ietf:params:acme:error:`, as in `rateLimited`; empty for types of others.
    pub fn word(&self) -> &str {
        self.kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or_default()
    }
}

impl CaError {
    /// The problem document, if there is one.
    pub fn problem(&self) -> Option<&AcmeProblem> {
        match &self.kind {
            CaErrorKind::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the CA itself is in trouble, so that another one may do and no name is to blame.
    pub fn is_outage(&self) -> bool {
        match &self.kind {
            CaErrorKind::Unreachable(_) | CaErrorKind::TimedOut | CaErrorKind::Malformed { .. } => true,
            CaErrorKind::Problem(problem) => {
                self.status.is_some_and(|status| status >= 500)
                    || matches!(problem.word(), "serverInternal" | "badNonce")
            }
            CaErrorKind::Unsupported(_) => false,
        }
    }

    /// Whether the CA says that it was asked too often by us. With status 503 it is asked too often by everybody, which is
    /// an outage, whatever type the problem has: Let's Encrypt's balancers say `rateLimited` then.
    pub fn is_rate_limit(&self) -> bool {
        self.status == Some(429)
            || (self.status != Some(503) && self.problem().is_some_and(|problem| problem.word() == "rateLimited"))
    }
}

impl fmt::Display for AcmeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.word(), self.detail.is_empty()) {
            ("", true) => write!(f, "{}", self.kind),
            ("", false) => write!(f, "{} ({})", self.detail, self.kind),
            (word, true) => f.write_str(word),
            (word, false) => write!(f, "{} ({word})", self.detail),
        }
    }
}

impl fmt::Display for CaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: ", self.doing)?;
        match &self.kind {
            CaErrorKind::Unreachable(why) => write!(f, "the CA cannot be reached: {why}"),
            CaErrorKind::TimedOut => f.write_str("the CA did not answer in time"),
            CaErrorKind::Malformed { why, .. } => match self.status {
                Some(status) => write!(f, "the answer with status {status} is not one of an ACME server: {why}"),
                None => write!(f, "the answer is not one of an ACME server: {why}"),
            },
            CaErrorKind::Problem(problem) => problem.fmt(f),
            CaErrorKind::Unsupported(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for CaError {}
