//! Why a host name answers as it does, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks why a host name answers as it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// `HOST[:PORT][/path]`, with or without `http://` or `https://` before it.
    pub host: String,
}

/// Tells the way of a request, step by step, compared with what is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainView {
    /// What was asked about.
    pub asked: String,
    /// The worst of the marks.
    pub mark: String,
    /// How it stands, in one sentence.
    pub message: String,
    /// The site that has the name; null if none has.
    pub site: Option<String>,
    /// The certificate that is wanted for the name; null if there is none.
    pub certificate: Option<String>,
    /// What was found, in the order of the way.
    pub steps: Vec<ExplainStep>,
}

/// Tells one thing that was found on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainStep {
    /// `dns`, `binding`, `connection`, `tls`, `certificate`, `site`, `force-https`, `hsts`, `upstream` or `response`.
    pub step: String,
    /// From where it was seen: `inside` (straight at our own binding) or `dns` (where DNS leads); null if that makes
    /// no difference.
    pub vantage: Option<String>,
    /// `good`, `off` (nothing to look at), `unknown`, `warning` or `bad`.
    pub mark: String,
    /// What was found, and what was expected.
    pub message: String,
    /// What to do.
    pub remedy: Option<String>,
    /// What was seen.
    pub details: Vec<ExplainDetail>,
}

/// Tells one thing that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainDetail {
    /// What it is.
    pub name: String,
    /// What it was.
    pub value: String,
}
