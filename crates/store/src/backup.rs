//! Files to go back to: everything in a store at one revision.
//!
//! A backup has private keys only as the store has them, sealed.
//! It does not have the master key, without which they cannot be opened:
//! the master key file is to be saved once, in another place than the backups.
//! What ends with a lease (challenges, notes of transactions) is left out, as no lease outlives its process;
//! so are sessions, as whoever signed out since must not be signed in again,
//! and what waits to be confirmed, as it was answered long before somebody restores: what is stored then, stays.

mod file;
mod restore;

use std::path::{Path, PathBuf};

pub use file::{Backup, ReadBackupError};
pub use restore::{Existing, RestoreError, Restored, RestoredBy, restore, restore_into};

use crate::{
    Cause, Key, Page, Prefix, Revision, Store, StoreError,
    backup::file::BackupWriter,
    cluster::Cluster,
    place::Place,
    records::{ClusterRecord, decode},
    work::{CONFIRMATIONS, SESSIONS},
};

/// Tells what a backup has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    /// Whose it is.
    pub cluster: Cluster,
    /// The revision at which it was taken.
    pub revision: Revision,
    /// How many keys it has.
    pub keys: u64,
}

/// Says why no backup was made; nothing is at the given path that was not there before.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store cannot be read.
    #[error("cannot read the store for a backup")]
    Store(#[from] StoreError),
    /// The store does not say whose it is.
    #[error("the store has no readable \"meta/cluster\": a backup of it could not be restored")]
    NoCluster,
    /// The file cannot be written.
    #[error("cannot write the backup {path}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Cause,
    },
}

/// Writes everything in the store, as it is at one revision, to a file with mode 0600.
///
/// The file appears when it is complete and on the disk; another one of that name is replaced then.
pub async fn write(store: &dyn Store, out: &Path) -> Result<BackupSummary, BackupError> {
    let mut attempts = 0;
    loop {
        let revision = store.revision().await?;
        match write_at(store, revision, out).await {
            // More happened meanwhile than the store remembers: begin again with what is there now.
            Err(BackupError::Store(StoreError::Compacted { .. })) if attempts < MAX_ATTEMPTS => attempts += 1,
            written => return written,
        }
    }
}

async fn write_at(store: &dyn Store, revision: Revision, out: &Path) -> Result<BackupSummary, BackupError> {
    let cluster = cluster_at(store, revision).await?;
    let failed = |cause: Cause| BackupError::Write { path: out.to_owned(), cause };
    let mut writer = BackupWriter::create(out, &cluster, revision).map_err(failed)?;
    let mut page = Some(Page::first(PAGE_KEYS));
    while let Some(asked) = page {
        let listed = store.list(&Prefix::all(), Some(revision), asked).await?;
        for kv in listed.kvs.iter().filter(|kv| kv.lease.is_none() && lasts(&kv.key)) {
            writer.add(kv).map_err(failed)?;
        }
        page = listed.following(PAGE_KEYS);
    }
    let keys = writer.finish().map_err(failed)?;
    Ok(BackupSummary { cluster, revision, keys })
}

/// Whether a key is for longer than the moment.
fn lasts(key: &Key) -> bool {
    ![SESSIONS, CONFIRMATIONS].iter().any(|prefix| key.as_str().starts_with(prefix))
}

async fn cluster_at(store: &dyn Store, revision: Revision) -> Result<Cluster, BackupError> {
    let key = Place::Cluster.key();
    let meta = Prefix::of_checked("meta/".to_owned());
    let listed = store.list(&meta, Some(revision), Page::first(PAGE_KEYS)).await?;
    let kv = listed.kvs.iter().find(|kv| kv.key == key).ok_or(BackupError::NoCluster)?;
    let record: ClusterRecord = decode(&kv.value).map_err(|_| BackupError::NoCluster)?;
    Ok(Cluster { id: record.cluster_id, generation: record.generation })
}

/// With certificates of 3 KB a page has about 3 MB.
const PAGE_KEYS: usize = 1000;
/// Then something else is wrong, and the caller should know.
const MAX_ATTEMPTS: u32 = 3;

#[cfg(test)]
mod tests;
