//! Another program that takes over, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for another program to take over from the one that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpgradeInput {
    /// Where the program is on the machine of the server: an absolute path.
    pub binary: String,
}

/// Tells which program has taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UpgradeView {
    /// The version that ran.
    pub from: String,
    /// The version that runs.
    pub to: String,
    /// The process id of the new one.
    pub process: u32,
    /// The process id of the old one.
    pub old_process: u32,
    /// Connections that were open before, and finish in the old process.
    pub connections: u64,
    /// How long they may take, in hours.
    pub drain_hours: u64,
}
