//! How an agent is.

use serde::{Deserialize, Serialize};

use crate::{Instance, opening::TrustMark};

/// Asks how the agent is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Health {
    /// Whether it shall connect to what it delivered to, and see what is served.
    #[serde(default)]
    pub look_at_served: bool,
}

/// Says how the agent is. The dates are seconds since 1970 (UTC).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HealthReport {
    /// Its version.
    pub version: String,
    /// As in `linux-x86_64`.
    pub platform: String,
    /// What the machine calls itself.
    pub host_name: String,
    /// What its clock shows.
    pub now: i64,
    /// Since when it runs.
    pub started: i64,
    /// Names the boot of its machine.
    pub boot_id: String,
    /// Names this run of it.
    pub instance: Instance,
    /// Who runs it: 0 is root.
    pub user_id: u32,
    /// What it shows.
    pub identity: IdentityReport,
    /// Whom it trusts.
    pub trusts: Vec<TrustReport>,
    /// Where there is room for files.
    pub disks: Vec<Disk>,
    /// What it may do.
    pub policy: PolicyReport,
    /// What it has installed.
    pub installed: Vec<InstalledReport>,
    /// What will be wrong if nobody looks after it.
    #[serde(default)]
    pub warnings: Vec<HealthWarning>,
}

/// Describes the identity of an agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdentityReport {
    /// SHA-256.
    pub thumbprint: String,
    /// For look-up in old tools.
    pub sha1: String,
    /// From when it is dated.
    pub not_before: i64,
    /// Until when it is dated.
    pub not_after: i64,
    /// Since when the agent has it.
    pub since: i64,
}

/// Describes whom an agent trusts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrustReport {
    /// The thumbprints of one server; the expected one first.
    pub pins: Vec<String>,
    /// The state of trust that was taken last.
    pub mark: TrustMark,
    /// Since when.
    pub since: i64,
    /// Where it is polled; nowhere if it dials.
    pub addresses: Vec<String>,
}

/// Says how much room there is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Disk {
    /// Where.
    pub path: String,
    /// Bytes that may be written.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Says what an agent may do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PolicyReport {
    /// The file that says so.
    pub path: String,
    /// SHA-256 of it; empty if it is not there.
    pub sha256: String,
    /// Why it does not count, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Below these it writes.
    pub directories: Vec<String>,
    /// The reloads that it may run.
    pub profiles: Vec<String>,
}

/// Says what is on a machine of one delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledReport {
    /// Names the delivery.
    pub delivery: String,
    /// The generation that was applied last.
    pub generation: u64,
    /// SHA-256 of the leaf that was installed.
    pub thumbprint: String,
    /// SHA-256 of the leaf that is in the files now; none if they cannot be read.
    pub stored: Option<String>,
    /// Why the files are not as they were installed, if they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What is served; none if it was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<ServedReport>,
}

/// Says what is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServedReport {
    /// The leaf with this SHA-256.
    Thumbprint(String),
    /// Nothing that could be seen, and why.
    Unseen(String),
}

/// Says what will be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthWarning {
    /// The stable word.
    pub code: String,
    /// What, why, and what to do.
    pub message: String,
}
