//! Backups of the store on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Tells what a restore brought back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Restored {
    /// The change that the restore made.
    pub revision: u64,
    /// How many things the store has now.
    pub records: u64,
}

/// Tells what was found of one thing by who looked at a store: `portward store doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreFindingView {
    /// What was looked at, as in `integrity` or `disk-space`.
    pub what: String,
    /// `good`, `warning` or `bad`.
    pub verdict: String,
    /// What was seen.
    pub seen: String,
    /// What to do; empty where nothing is.
    pub remedy: String,
}

/// The media type of a backup, in the answer to `POST /api/v1/store/backup` and in the request of a restore.
pub const BACKUP_MEDIA_TYPE: &str = "application/vnd.portward.backup";
