//! Problem documents (RFC 9457): how the API says no.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::FindingView;

/// Says why a request was not done, for people and for programs (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:portward:problem:` and the code.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// What kind of thing is wrong, in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What could not be done, why, and what to do.
    pub detail: String,
    /// The stable word for programs, in kebab case, as in `port-taken`.
    pub code: String,
    /// The path that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What was found wrong with a certificate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingView>,
}

/// The media type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";
