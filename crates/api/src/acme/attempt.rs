//! Attempts to get a certificate.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Shows one attempt: what was done, what the CA answered, what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    /// Names the attempt.
    pub id: String,
    /// For which certificate.
    pub certificate: String,
    /// Who was asked.
    pub issuer: String,
    /// For which names.
    pub names: Vec<String>,
    /// Why it was begun.
    pub why: String,
    /// When it began.
    pub began: String,
    /// How far it came: `planned`, `ordered`, `challenged`, `ready`, `finalizing`, `issued` or `published`.
    pub stage: String,
    /// URL of the order.
    pub order: Option<String>,
    /// What happened.
    pub timeline: Vec<EventView>,
    /// What came of it; none while it is under way.
    pub outcome: Option<OutcomeView>,
}

/// Shows one entry of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// When.
    pub at: String,
    /// How far the order had come.
    pub stage: String,
    /// What happened.
    pub what: String,
}

/// Shows the end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum OutcomeView {
    /// The certificate is served.
    Served {
        /// When.
        at: String,
    },
    /// There is no certificate.
    Failed {
        /// When.
        at: String,
        /// The stable word for programs.
        code: String,
        /// What went wrong.
        cause: String,
        /// What to do.
        remedy: String,
        /// The CA's own words.
        problem: Option<AcmeProblemView>,
    },
}

/// Shows a problem document of a CA, verbatim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AcmeProblemView {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its text.
    pub detail: String,
    /// HTTP status.
    pub status: Option<u16>,
    /// One for each identifier that has a problem of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subproblems: Vec<SubproblemView>,
}

/// Shows the problem of one identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubproblemView {
    /// DNS name or IP address.
    pub identifier: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its text.
    pub detail: String,
}
