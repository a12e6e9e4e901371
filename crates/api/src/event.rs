//! Events on the wire: what `GET /api/v1/events` streams as it happens.
//!
//! It is a stream of server-sent events (WHATWG HTML, section 9.2).
//! The name of an event says which of these types its data is, as JSON;
//! the event `reset` has no data of use: events are missing, so look at everything anew.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ProblemView;

/// Tells with `revision` that something that operators ask for was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevisionEvent {
    /// The number of the change.
    pub revision: u64,
    /// Who made it; left out for those who may not look at the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// What was done; left out for those who may not look at the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
}

/// Tells with `served` that everything up to a change is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServedEvent {
    /// The number of the change.
    pub revision: u64,
    /// How many problems are open.
    pub problems: usize,
}

/// Tells with `problem` that a problem came up, or is none any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemEvent {
    /// Which of the two.
    pub state: ProblemState,
    /// The problem.
    pub problem: ProblemView,
}

/// Says what became of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemState {
    /// It came up.
    Appeared,
    /// It is none any more.
    Cleared,
}

/// Tells with `attempt` that an attempt to get a certificate came further, or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttemptEvent {
    /// Names the attempt.
    pub attempt: String,
    /// For which certificate.
    pub certificate: String,
    /// How far it came.
    pub stage: String,
    /// What happened last.
    pub what: String,
    /// `served` or `failed`; null while it is under way.
    pub ended: Option<String>,
}

/// Tells with `notice` what an operator is told unasked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeEvent {
    /// The stable word, as in `expires-soon`.
    pub kind: String,
    /// How it is meant: `error`, `warning`, `info` or `good`.
    pub severity: String,
    /// About which thing, as in `certificate shop-example`.
    pub about: String,
    /// What is going on.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// The media type of the stream.
pub const EVENT_STREAM: &str = "text/event-stream";
