//! Going back to a backup while no server runs: for a new machine, and for a store that does not open any more.

use std::{
    io,
    path::{Path, PathBuf},
};

use portward_api::Restored;
use portward_core::{ActorKind, Timestamp};
use portward_store::{
    backup::{self, Existing, ReadBackupError, RestoreError, RestoredBy},
    sealing::MasterKeyError,
};

use crate::{admin::local_actor, master_key};

/// Tells what a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredOffline {
    /// What a running server would have answered.
    pub restored: Restored,
    /// Where the store is that was there before; none if there was none.
    pub kept: Option<PathBuf>,
}

/// Says why nothing was restored; the data directory is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreOfflineError {
    /// There is no master key, without which the private keys of the backup stay sealed.
    #[error(
        "the master key that belongs to the backup has to be there first, as {}; copy it there, owned by the user of the server, with mode 0400",
        .path.display()
    )]
    NoMasterKey {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The master key cannot be used.
    #[error(transparent)]
    MasterKey(MasterKeyError),
    /// The file cannot be used.
    #[error(transparent)]
    Backup(ReadBackupError),
    /// The master key opens nothing in it.
    #[error(
        "the backup was made with another master key than the one that is there, so its private keys could not be used; put the master key file in place that was saved with it, and restore again"
    )]
    OtherMasterKey,
    /// The store cannot be replaced.
    #[error(transparent)]
    Restore(RestoreError),
}

/// Puts a backup in the place of the store in a data directory that no server uses.
///
/// It is written beside the old store and takes its place in one step; the old one is kept under another name,
/// damaged or not.
/// The master key must be there already: in the data directory, or in `$CREDENTIALS_DIRECTORY`.
/// It blocks.
pub fn restore_offline(data_dir: &Path, file: &Path, at: Timestamp) -> Result<RestoredOffline, RestoreOfflineError> {
    let master = master_key::open(data_dir).map_err(|error| match error {
        MasterKeyError::Read { path, source } if source.kind() == io::ErrorKind::NotFound => {
            RestoreOfflineError::NoMasterKey { path }
        }
        error => RestoreOfflineError::MasterKey(error),
    })?;
    let who = local_actor(rustix::process::geteuid().as_raw()).to_string();
    let by = RestoredBy { who, actor: ActorKind::Socket, address: None, at };
    let restored = backup::restore(file, data_dir, &master, Existing::Replace, &by).map_err(|error| match error {
        RestoreError::Backup(error) => RestoreOfflineError::Backup(error),
        RestoreError::MasterKey(_) => RestoreOfflineError::OtherMasterKey,
        error => RestoreOfflineError::Restore(error),
    })?;
    let records = restored.keys as u64;
    Ok(RestoredOffline { restored: Restored { revision: restored.revision.0, records }, kept: restored.kept })
}
