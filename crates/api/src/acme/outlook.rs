//! Looking ahead: advice before a CA is asked, and what will be renewed when.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks what would come of asking a CA for a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcmeCheck {
    /// The name or address.
    pub name: String,
    /// The issuer; may be left out if there is at most one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The challenge; the one that would be chosen if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
}

/// Shows what was found before asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckView {
    /// The name.
    pub name: String,
    /// The challenge that would be answered; none if none can be.
    pub challenge: Option<String>,
    /// What was found, in the order in which it was looked at.
    pub advice: Vec<AdviceView>,
}

/// Shows one finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdviceView {
    /// What was looked at, as in `addresses`, `caa`, `port-80`.
    pub check: String,
    /// `good`, `warning` or `unknown`.
    pub verdict: String,
    /// What was found.
    pub message: String,
    /// What to do.
    pub remedy: Option<String>,
}

/// Asks what will be renewed when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulateRequest {
    /// A date or a time of RFC 3339.
    pub until: String,
}

/// Shows what will be renewed when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SimulateView {
    /// From when.
    pub from: String,
    /// Until when.
    pub until: String,
    /// In the order of time.
    pub renewals: Vec<PlannedRenewal>,
    /// The most that is used of each budget.
    pub budgets: Vec<BudgetView>,
    /// Lifetimes that CAs have announced and that were taken into account.
    pub announced: Vec<LifetimeChange>,
}

/// Shows one renewal to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedRenewal {
    /// When.
    pub at: String,
    /// Which certificate.
    pub certificate: String,
    /// Who is asked.
    pub issuer: String,
    /// How many days the new one will live, as far as is known.
    pub lifetime_days: u32,
    /// Why then.
    pub why: String,
}

/// Shows how much of a budget is used at the busiest time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BudgetView {
    /// Of whom, as in `letsencrypt` or `shop.example`.
    pub what: String,
    /// Which limit, as in `orders in 3 hours`.
    pub limit: String,
    /// The most that is used.
    pub used: u32,
    /// What is allowed.
    pub allowed: u32,
}

/// Shows an announced change of lifetimes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LifetimeChange {
    /// The issuer that it is about.
    pub issuer: String,
    /// From when.
    pub from: String,
    /// Days.
    pub lifetime_days: u32,
}
