//! Going back to a backup, all at once.
//!
//! A restore takes one step, at one revision: an engine replaces everything or nothing.
//! It is not made of transactions with their limit of operations, as a crash between two of them would leave half of each state.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use portward_core::{ActorKind, Timestamp};

use super::{Backup, ReadBackupError, file, lasts};
use crate::{
    Cause, Cond, Key, Kv, Page, Prefix, Revision, Store, StoreError, TxnOutcome,
    audit::{chain::head_key, join},
    cluster::{Cluster, check_seal},
    place::Place,
    records::{AuditRecord, ClusterRecord, decode, encode},
    sealing::{MasterKey, Sealed, Sealer, UnsealError},
    sqlite::{self, Old},
};

/// Says what to do with a store that has something in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it, and restore nothing.
    Keep,
    /// Replace all of it.
    Replace,
}

/// Says who restores, and when; it goes to the audit record.
#[derive(Clone, Debug)]
pub struct RestoredBy {
    /// Who.
    pub who: String,
    /// In which way.
    pub actor: ActorKind,
    /// Where the client is, if that is elsewhere.
    pub address: Option<IpAddr>,
    /// When.
    pub at: Timestamp,
}

/// Tells what was restored.
#[derive(Debug)]
pub struct Restored {
    /// Whose the store is now, with a generation that is higher than any before.
    pub cluster: Cluster,
    /// What seals and opens its secrets now: a running server must go on with this one.
    pub sealer: Sealer,
    /// The revision at which the backup was taken.
    pub taken_at: Revision,
    /// The revision at which it was restored.
    pub revision: Revision,
    /// How many keys of the backup were taken.
    pub keys: usize,
    /// Where the file of the store is that was replaced; none if there was none, or if the store is in use.
    pub kept: Option<PathBuf>,
}

/// Says why nothing was restored; the store is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file cannot be used.
    #[error("cannot restore from this file")]
    Backup(#[from] ReadBackupError),
    /// The master key opens none of its secrets.
    #[error(
        "the backup was made with another master key, so its private keys could not be used; put the master key file in place that was saved with it, and restore again"
    )]
    MasterKey(#[source] UnsealError),
    /// The backup cannot prove which master key it needs.
    #[error("the backup lacks \"meta/seal-check\", or it cannot be read; use another backup")]
    NoSealCheck,
    /// The store has something in it, and nobody said that it should be replaced.
    #[error(
        "the store has bindings, sites, certificates or users, or cannot be read; say that they are to be replaced, and make a backup of them first"
    )]
    NotEmpty,
    /// The store in the data directory is in use, or the directory cannot be used.
    #[error("cannot replace the store in {directory}", directory = directory.display())]
    Replace {
        /// The data directory.
        directory: PathBuf,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// The running store changed its identity meanwhile, by another restore perhaps.
    #[error("the store was replaced by somebody else meanwhile; look at it before restoring again")]
    Conflict,
    /// The running store fails.
    #[error("the store could not be replaced")]
    Store(#[from] StoreError),
}

/// Restores into a data directory that no server uses; makes the directory if it is not there.
///
/// The store that was there is kept under another name, see [`Restored::kept`].
/// A store there that is too damaged to be read is replaced only with [`Existing::Replace`].
pub fn restore(
    file: &Path,
    directory: &Path,
    master: &MasterKey,
    existing: Existing,
    by: &RestoredBy,
) -> Result<Restored, RestoreError> {
    let checked = Checked::open(file, master)?;
    let mut restored = None;
    let replaced = sqlite::replace_file(directory, |old| {
        let is_empty = match &old {
            Old::None => true,
            Old::Unreadable => false,
            Old::Read { kvs, .. } => !has_content(kvs),
        };
        if !is_empty && existing == Existing::Keep {
            return Err(Refused::NotEmpty);
        }
        let (old_revision, old_kvs) = match old {
            Old::Read { revision, kvs } => (revision, kvs),
            Old::None | Old::Unreadable => (Revision(0), Vec::new()),
        };
        // Revisions go on rising, so that nobody takes the restored state for one that he has seen.
        let revision = Revision(old_revision.max(checked.backup.revision).0 + 1);
        let (content, done) = checked.content(&old_kvs, by);
        restored = Some(Restored { revision, ..done });
        Ok((revision, content))
    });
    match (replaced, restored) {
        (Ok(kept), Some(restored)) => Ok(Restored { kept, ..restored }),
        (Ok(_), None) | (Err(Refused::NotEmpty), _) => Err(RestoreError::NotEmpty),
        (Err(Refused::Replace(error)), _) => {
            Err(RestoreError::Replace { directory: directory.to_owned(), cause: error.into() })
        }
    }
}

/// Restores into a store that is in use, at one revision; everyone who watches it is told to read it anew.
pub async fn restore_into(
    store: &dyn Store,
    file: &Path,
    master: &MasterKey,
    existing: Existing,
    by: &RestoredBy,
) -> Result<Restored, RestoreError> {
    let (path, key) = (file.to_owned(), master.clone());
    // A large file takes seconds to read and to check.
    let checked = tokio::task::spawn_blocking(move || Checked::open(&path, &key)).await;
    let checked = checked.map_err(|error| ReadBackupError::Read { path: file.to_owned(), source: error.into() })??;
    let mut attempts = 0;
    loop {
        let listed = store.list(&Prefix::all(), None, Page::first(usize::MAX)).await?;
        if existing == Existing::Keep && has_content(&listed.kvs) {
            return Err(RestoreError::NotEmpty);
        }
        let unchanged = |key: Key| match listed.kvs.iter().find(|kv| kv.key == key) {
            Some(kv) => Cond::ModRevision(key, kv.mod_revision),
            None => Cond::Absent(key),
        };
        // No audit record that is written meanwhile is lost.
        let when = vec![unchanged(Place::Cluster.key()), unchanged(head_key())];
        let identity = when.first().cloned();
        let (content, restored) = checked.content(&listed.kvs, by);
        match store.replace_all(when, content).await? {
            TxnOutcome::Committed(revision) => return Ok(Restored { revision, ..restored }),
            TxnOutcome::Conflict { seen, .. } => {
                let identity_holds = identity.zip(seen.first()).is_some_and(|(cond, seen)| cond.holds(seen.as_ref()));
                if !identity_holds || attempts >= MAX_ATTEMPTS {
                    return Err(RestoreError::Conflict);
                }
                attempts += 1;
            }
        }
    }
}

/// Is a backup whose secrets our master key opens.
struct Checked {
    backup: file::Backup,
    master: MasterKey,
    name: String,
}

impl Checked {
    fn open(file: &Path, master: &MasterKey) -> Result<Self, RestoreError> {
        let backup = Backup::open(file)?;
        let sealer = Sealer::new(backup.cluster.id.clone(), master.clone());
        let sealed = backup.value(&Place::SealCheck).ok_or(RestoreError::NoSealCheck)?;
        let sealed: Sealed = decode(sealed).map_err(|_| RestoreError::NoSealCheck)?;
        check_seal(&sealer, &sealed).map_err(RestoreError::MasterKey)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { backup, master: master.clone(), name })
    }

    /// What the store will have: the backup, with a new generation, and the audit records of both.
    fn content(&self, old: &[Kv], by: &RestoredBy) -> (Vec<(Key, Bytes)>, Restored) {
        let identity = Place::Cluster.key();
        let old_generation = old
            .iter()
            .find(|kv| kv.key == identity)
            .and_then(|kv| decode::<ClusterRecord>(&kv.value).ok())
            .map_or(0, |record| record.generation);
        let generation = old_generation.max(self.backup.cluster.generation) + 1;
        let cluster = Cluster { id: self.backup.cluster.id.clone(), generation };
        // Older backups have what does not last, too.
        let lasting = self.backup.content.iter().filter(|(key, _)| lasts(key));
        let mut content: BTreeMap<Key, Bytes> = lasting.cloned().collect();
        let keys = content.len();
        content.insert(identity, encode(&ClusterRecord::new(cluster.id.clone(), generation)));
        // Who changed what is not forgotten by going back.
        let what = format!("restored {} of revision {}", self.name, self.backup.revision);
        let mut record = AuditRecord::new(by.at.to_string(), by.who.clone(), what, Vec::new());
        record.actor = Some(by.actor.as_str().to_owned());
        record.address = by.address.map(|address| address.to_string());
        join(&mut content, old, record, by.at);
        let taken_at = self.backup.revision;
        let sealer = Sealer::new(cluster.id.clone(), self.master.clone());
        let restored = Restored { cluster, sealer, taken_at, revision: taken_at, keys, kept: None };
        (content.into_iter().collect(), restored)
    }
}

enum Refused {
    NotEmpty,
    Replace(sqlite::ReplaceError),
}

impl From<sqlite::ReplaceError> for Refused {
    fn from(error: sqlite::ReplaceError) -> Self {
        Self::Replace(error)
    }
}

/// Whether there is something that an operator made.
fn has_content(kvs: &[Kv]) -> bool {
    kvs.iter().any(|kv| {
        let made = ["bindings/", "sites/", "certs/", "access/users/", "agents/"];
        made.iter().any(|prefix| kv.key.as_str().starts_with(prefix))
    })
}

/// How often others may write while the running store is replaced.
const MAX_ATTEMPTS: u32 = 100;
