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

/// The media type of a backup, in the answer to `POST /api/v1/store/backup` and in the request of a restore.
pub const BACKUP_MEDIA_TYPE: &str = "application/vnd.portward.backup";
