//! What is served, and what is not as it should be.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::CertificateView;

/// Shows what is served now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// The change that is served.
    pub revision: u64,
    /// The version of Portward.
    pub version: String,
    /// Whether nothing is wrong; warnings do not count.
    pub ok: bool,
    /// Where connections are accepted.
    pub bindings: Vec<BindingStatus>,
    /// How many sites there are.
    pub sites: usize,
    /// The certificates that need attention: expired, soon to expire, or not valid yet.
    pub certificates: Vec<CertificateView>,
    /// What is wrong.
    pub problems: Vec<ProblemView>,
}

/// Shows how a binding is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BindingStatus {
    /// Names the binding.
    pub id: String,
    /// As it was asked for.
    pub url: String,
    /// Whether connections are accepted there.
    pub bound: bool,
    /// Where they are in fact, which says the port that the system chose for port 0.
    pub address: Option<String>,
    /// The id of the certificate for names that no certificate has.
    pub default_certificate: Option<String>,
    /// Why not, if they are not accepted.
    pub problem: Option<String>,
}

/// Shows something that is left out of what is served, or that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemView {
    /// The stable word for programs, in kebab case.
    pub code: String,
    /// Whether something does not work.
    pub severity: Severity,
    /// Which thing, as in `binding https-8443`.
    pub what: String,
    /// What is wrong, and why.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// Says how bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Something that was asked for is not served.
    Error,
    /// All is served, but somebody should look.
    Warning,
}

/// Tells what the removal of a thing means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Removed {
    /// What was removed, or would have been.
    pub id: String,
    /// What an operator should know.
    pub warnings: Vec<String>,
}
