//! How the store fails.

use portward_core::Revision;

use crate::{LeaseId, LimitError, OpId};

/// Says why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nobody knows whether the transaction happened; [`Store::happened`](crate::Store::happened) tells later.
    ///
    /// To send the same transaction again, with its id, is safe.
    #[error(
        "it is not known whether the change was made (transaction {op_id}); look before you make it again, and see how the store is: portward store doctor"
    )]
    Indeterminate {
        /// The transaction.
        op_id: OpId,
        /// What went wrong while the answer was awaited.
        #[source]
        cause: Cause,
    },
    /// The request is too big, or has no sense; nothing happened, and another attempt ends the same.
    #[error("the store refuses the request")]
    LimitExceeded(#[from] LimitError),
    /// The disk or the quota is full; nothing happened. Once there is room, the store goes on without a restart.
    #[error("the store cannot write: no space is left for {place}; free some and try again")]
    Full {
        /// The file or cluster that is full.
        place: String,
    },
    /// The store does not answer; nothing happened.
    #[error("the store is not available")]
    Unavailable(#[source] Cause),
    /// What was at that revision is forgotten.
    #[error("revision {asked} of the store is forgotten; the oldest that can be read is {oldest}")]
    Compacted {
        /// The revision that was asked for.
        asked: Revision,
        /// The oldest one that can be asked for.
        oldest: Revision,
    },
    /// The revision has not happened yet.
    #[error("revision {asked} of the store has not happened; the newest is {newest}")]
    Future {
        /// The revision that was asked for.
        asked: Revision,
        /// The newest one.
        newest: Revision,
    },
    /// The lease ended before the request came, or never was.
    #[error("lease {0} does not exist any more")]
    NoLease(LeaseId),
    /// What is stored cannot be what was written.
    #[error("the store is damaged at {place}; go back to a backup: portward store restore FILE")]
    Damaged {
        /// The file, table or key.
        place: String,
        /// What was noticed.
        #[source]
        cause: Cause,
    },
}

/// Is what lies below a [`StoreError`]: an error of the engine, of the disk or of the network.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl StoreError {
    /// Whether the same request may succeed later, without anybody changing it.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Indeterminate { .. } | Self::Full { .. } | Self::Unavailable(_))
    }
}
