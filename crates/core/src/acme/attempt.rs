//! Attempts to get a certificate, as people read about them.

use std::fmt;

use super::{AcmeProblem, Stage};
use crate::{AttemptId, CertificateId, HostPattern, IssuerId, Timestamp};

/// Tells of one attempt to get a certificate: what was done, what the CA answered, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Names the attempt; ids of later attempts sort after those of earlier ones.
    pub id: AttemptId,
    /// For which certificate.
    pub certificate: CertificateId,
    /// Who was asked.
    pub issuer: IssuerId,
    /// For which names.
    pub names: Vec<HostPattern>,
    /// Why it was begun, for people, as in `a third of its lifetime is left`.
    pub why: String,
    /// When it began.
    pub began: Timestamp,
    /// URL of the order; none if there was none yet.
    pub order: Option<String>,
    /// What happened, in its order; bounded by [`Attempt::MAX_EVENTS`].
    pub timeline: Vec<Event>,
    /// What came of it; none while it is under way.
    pub outcome: Option<Outcome>,
}

/// Is one entry of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// How far the order had come.
    pub stage: Stage,
    /// What happened, for people.
    pub what: String,
}

/// Is the end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The certificate is served.
    Served {
        /// When.
        at: Timestamp,
    },
    /// There is no certificate.
    Failed {
        /// When.
        at: Timestamp,
        /// What went wrong, and what to do.
        diagnosis: Diagnosis,
    },
}

/// Says what went wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The stable word for programs, in kebab case, as in `challenge-unreachable`.
    pub code: String,
    /// The cause in plain words.
    pub cause: String,
    /// What to do.
    pub remedy: String,
    /// The CA's own words, verbatim; none if it said nothing.
    pub problem: Option<AcmeProblem>,
}

impl Attempt {
    /// Longest timeline that is kept; polling tells of changes only, so that this is plenty.
    pub const MAX_EVENTS: usize = 200;

    /// Adds an entry to the timeline; what is told twice in a row is told once.
    pub fn tell(&mut self, at: Timestamp, stage: Stage, what: impl Into<String>) {
        let what = what.into();
        let is_news = self.timeline.last().is_none_or(|last| last.stage != stage || last.what != what);
        if is_news && self.timeline.len() < Self::MAX_EVENTS {
            self.timeline.push(Event { at, stage, what });
        }
    }
}

impl Outcome {
    /// When the attempt ended.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Served { at } | Self::Failed { at, .. } => *at,
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cause, self.remedy)
    }
}
