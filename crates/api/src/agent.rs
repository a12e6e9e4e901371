//! Agents on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::SecretText;

/// Shows an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentView {
    /// What people call it.
    pub name: String,
    /// `Healthy`, `HasWarnings`, `Unhealthy`, `Unavailable` or `Unknown`.
    pub health: String,
    /// Why it is not healthy, a sentence each.
    pub reasons: Vec<String>,
    /// Who dials: `polling` (the agent) or `listening` (Portward).
    pub dialling: String,
    /// Where a listening agent is dialled, `HOST:PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listening: Option<String>,
    /// Who it is: SHA-256 of its certificate.
    pub thumbprint: String,
    /// The thumbprint that is to follow, while its identity rotates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_thumbprint: Option<String>,
    /// The thumbprint before, while it still counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_thumbprint: Option<String>,
    /// Since when it is trusted.
    pub trusted: String,
    /// How it came to be trusted: `joined`, `thumbprint` or `approved`.
    pub origin: String,
    /// Whether there is a link to it now.
    pub connected: bool,
    /// Where the link comes from or leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When it was last heard; none if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard: Option<String>,
    /// When it was last asked how it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How many certificates are delivered to it.
    pub deliveries: usize,
    /// Whether it has taken the newest state of trust.
    pub trust_is_newest: bool,
    /// What it said of itself when it was last asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<AgentReport>,
}

/// Shows what an agent said of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentReport {
    /// As in `linux-x86_64`.
    pub platform: String,
    /// What its machine calls itself.
    pub host_name: String,
    /// Since when it runs.
    pub started: String,
    /// How far its clock is ahead of Portward's, in seconds; negative if it is behind.
    pub clock_difference: i64,
    /// Since when it has its identity.
    pub identity_since: String,
    /// Until when its certificate is dated; nobody enforces it.
    pub identity_not_after: String,
    /// Thumbprints that it trusts as Portward's; the expected one first.
    pub trusts: Vec<String>,
    /// How much room it has for files.
    pub disks: Vec<AgentDisk>,
    /// Below these directories it writes certificates.
    pub directories: Vec<String>,
    /// The reload profiles of its policy.
    pub profiles: Vec<String>,
    /// Why its policy does not count, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_problem: Option<String>,
}

/// Shows how much room there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentDisk {
    /// Where.
    pub path: String,
    /// Bytes that may be written.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Asks for an agent to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentTrust {
    /// What it is called; an agent of that name gets the thumbprint in place of its own.
    pub name: String,
    /// SHA-256 of its certificate, in any usual form.
    pub thumbprint: String,
    /// Where it listens, `HOST:PORT`; without, it polls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listening: Option<String>,
}

/// Asks for a join string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentJoinCreate {
    /// What the agent will be called.
    pub name: String,
    /// How long it counts, as in `30m`, which it is without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// Where the agent dials, `HOST:PORT` each; without, where the https bindings are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
}

/// Shows a join string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentJoinCreated {
    /// What `portward-agent join` takes; it counts once, and is shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_string: Option<SecretText>,
    /// The rest.
    pub join: AgentJoinView,
}

/// Shows a join string without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentJoinView {
    /// Names it.
    pub id: String,
    /// What the agent will be called.
    pub name: String,
    /// Until when it counts.
    pub expires: String,
    /// Where the agent dials.
    pub addresses: Vec<String>,
}

/// Shows somebody who wants to be an agent and is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StrangerView {
    /// Names them: the first 16 digits of the thumbprint.
    pub id: String,
    /// SHA-256 of what they showed.
    pub thumbprint: String,
    /// Its SHA-1, for look-up in old tools.
    pub sha1: String,
    /// What their certificate says of them, which proves nothing.
    pub subject: String,
    /// Where they came from last.
    pub address: String,
    /// When they came first.
    pub first_seen: String,
    /// When they came last.
    pub last_seen: String,
    /// How often they came.
    pub tries: u64,
    /// The agent that had this thumbprint before, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<String>,
}

/// Asks for a stranger to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StrangerApprove {
    /// What the agent is called from now on; without, what its certificate says, if that is a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it takes the place of an agent that has the name already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replace: bool,
}

/// Asks for agents to be checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentsCheck {
    /// Which ones; all if none is named.
    #[serde(default)]
    pub names: Vec<String>,
}

/// Shows how an agent was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentChecked {
    /// Which agent.
    pub name: String,
    /// `Healthy`, `HasWarnings`, `Unhealthy` or `Unavailable`.
    pub health: String,
    /// Why it is not healthy, a sentence each.
    pub reasons: Vec<String>,
    /// How far the connection came, step by step.
    pub steps: Vec<AgentCheckStep>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
}

/// Shows one step of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentCheckStep {
    /// `dns`, `tcp`, `tls`, `thumbprint`, `opening`, `link`, `health`.
    pub step: String,
    /// `good`, `warning`, `bad`, or `skipped` because an earlier one failed.
    pub mark: String,
    /// What was found.
    pub message: String,
    /// What to do, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}
