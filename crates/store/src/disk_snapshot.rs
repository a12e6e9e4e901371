//! The desired state in a file of its own, so that a start need not wait for the store.
//!
//! Two generations are kept. Secrets in it are sealed as in the store, and a MAC by a key of the master key covers all
//! of it: who cannot open the secrets cannot write one that is believed.

mod reading;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::hmac;

use reading::{Head, Parts, records};

use crate::{
    Cause, Kv, Page, Revision, Store, StoreError,
    cluster::Cluster,
    desired::{Desired, Follower, read_kept},
    disk::{self, Staged},
    place::Place,
    records::{ClusterRecord, decode},
    sealing::MasterKey,
    sqlite::{self, Peeked},
};

/// Is what a file has of the desired state, and was found to be ours.
#[derive(Debug)]
pub struct DiskSnapshot {
    /// Whose it is.
    pub cluster: Cluster,
    /// The desired state, at the revision at which it was written.
    pub desired: Desired,
    /// Goes on from it.
    pub follower: Follower,
}

/// Tells of a file that was not believed.
#[derive(Debug)]
pub struct Refused {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub error: ReadDiskSnapshotError,
}

/// Says why a file is not believed.
#[derive(Debug, thiserror::Error)]
pub enum ReadDiskSnapshotError {
    /// The file cannot be read.
    #[error("it cannot be read")]
    Io(#[source] io::Error),
    /// It has another form.
    #[error("it has another form than this Portward writes; another version wrote it")]
    Form,
    /// It was written under another generation of the master key.
    #[error("it was written under generation {needed} of the master key; this is generation {have}")]
    MasterKey {
        /// What it needs.
        needed: u32,
        /// What there is.
        have: u32,
    },
    /// Its MAC is not what it should be.
    #[error("it was cut short or changed, or somebody without this master key wrote it")]
    Refused,
    /// It belongs to another store.
    #[error("it belongs to the cluster {found}, and the store is of {expected}")]
    Foreign {
        /// The cluster of the store, and how often it was restored.
        expected: String,
        /// That of the file.
        found: String,
    },
    /// It has what the store has not.
    #[error("it has revision {found}, and the store only {newest}: the store was put back to an earlier state")]
    Newer {
        /// Of the file.
        found: Revision,
        /// Of the store.
        newest: Revision,
    },
}

/// Says why no snapshot could be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteDiskSnapshotError {
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// Nothing says whose the store is.
    #[error("the store does not say whose it is")]
    NoCluster,
    /// The file cannot be written.
    #[error("cannot write {path}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It was broken off.
    #[error("the writing was broken off")]
    BrokenOff(#[source] Cause),
}

impl DiskSnapshot {
    /// Reads the newest snapshot in a directory that can be believed, and says why others cannot.
    ///
    /// The store itself is asked whose it is and how far it has come; where it cannot say, it is believed without.
    /// It blocks: some hundred milliseconds with a hundred thousand certificates.
    pub fn read(directory: &Path, master: &MasterKey) -> (Option<Self>, Vec<Refused>) {
        let peeked = sqlite::peek(directory);
        let mut refused = Vec::new();
        for name in [NEWEST, BEFORE] {
            let file = directory.join(name);
            match Self::read_file(&file, master, peeked.as_ref()) {
                Ok(snapshot) => return (Some(snapshot), refused),
                Err(ReadDiskSnapshotError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => refused.push(Refused { file, error }),
            }
        }
        (None, refused)
    }

    /// Reads one file; what the store says of itself is held against it.
    pub fn read_file(file: &Path, master: &MasterKey, store: Option<&Peeked>) -> Result<Self, ReadDiskSnapshotError> {
        let mut parts = Parts::open(file).map_err(ReadDiskSnapshotError::Io)?;
        let Head { generation, cluster, revision, bytes } = Head::read(&parts.rest)?;
        if generation != master.generation() {
            return Err(ReadDiskSnapshotError::MasterKey { needed: generation, have: master.generation() });
        }
        if let Some(store) = store {
            let named = |cluster: &Cluster| format!("{}, restored {} times", cluster.id, cluster.generation);
            if store.cluster != cluster {
                let (expected, found) = (named(&store.cluster), named(&cluster));
                return Err(ReadDiskSnapshotError::Foreign { expected, found });
            }
            if store.revision < revision {
                return Err(ReadDiskSnapshotError::Newer { found: revision, newest: store.revision });
            }
        }
        parts.begin(&key(master, &cluster.id), bytes)?;
        // Nothing of what is read counts before all of it was covered by the MAC.
        let follower = read_kept(|part| parts.fill(part), |part: &Vec<u8>, take| records(part, take));
        parts.verify()?;
        let follower = follower.ok_or(ReadDiskSnapshotError::Refused)?.at(revision);
        Ok(Self { cluster, desired: follower.desired().clone(), follower })
    }
}

/// Writes the desired state of a store into a directory, and keeps what was written there before.
///
/// A crash leaves the new one, or the one before.
pub async fn write(
    store: &dyn Store,
    directory: &Path,
    master: &MasterKey,
) -> Result<Revision, WriteDiskSnapshotError> {
    let revision = store.revision().await?;
    let (kv, _) = store.get(&Place::Cluster.key(), crate::Read::Linearizable).await?;
    let cluster = kv.and_then(|kv| decode::<ClusterRecord>(&kv.value).ok()).ok_or(WriteDiskSnapshotError::NoCluster)?;
    let cluster = Cluster { id: cluster.cluster_id, generation: cluster.generation };
    let path = directory.join(NEWEST);
    let failed = |source| WriteDiskSnapshotError::Write { path: path.clone(), source };
    let mut writing = Writing::begin(&path, master, &cluster, revision).map_err(failed)?;
    for prefix in Place::prefixes() {
        let mut page = Some(Page::first(PAGE_KEYS));
        while let Some(asked) = page {
            let listed = store.list(&prefix, Some(revision), asked).await?;
            page = listed.following(PAGE_KEYS);
            writing = in_background(move || writing.append(&listed.kvs)).await?.map_err(failed)?;
        }
    }
    let before = directory.join(BEFORE);
    in_background(move || writing.finish(&before)).await?.map_err(failed)?;
    Ok(revision)
}

/// The revision that the newest file says it has, before anything of it is believed; none if it says nothing.
pub fn claimed_revision(directory: &Path) -> Option<Revision> {
    let parts = Parts::open(&directory.join(NEWEST)).ok()?;
    Head::read(&parts.rest).ok().map(|head| head.revision)
}

/// Whether the store in a directory has nothing of the desired state that is newer than a revision.
///
/// If it cannot be asked, it is taken to have.
pub fn is_current(directory: &Path, revision: Revision) -> bool {
    sqlite::changed_since(directory, &Place::prefixes(), revision) == Some(false)
}

/// The files of both generations, the newest first.
pub fn files(directory: &Path) -> [PathBuf; 2] {
    [NEWEST, BEFORE].map(|name| directory.join(name))
}

/// Writing waits for the disk.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, WriteDiskSnapshotError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| WriteDiskSnapshotError::BrokenOff(error.into()))
}

/// Is a file that is being written.
struct Writing {
    staged: Staged,
    path: PathBuf,
    mac: hmac::Context,
}

impl Writing {
    fn begin(path: &Path, master: &MasterKey, cluster: &Cluster, revision: Revision) -> io::Result<Self> {
        let staged = Staged::create(path, 0o600)?;
        let mac = hmac::Context::with_key(&key(master, &cluster.id));
        let mut head = MAGIC.to_vec();
        head.extend(master.generation().to_be_bytes());
        head.extend(cluster.generation.to_be_bytes());
        head.extend(revision.0.to_be_bytes());
        // An id is far shorter.
        head.extend(u16::try_from(cluster.id.len()).map_err(|_| io::ErrorKind::InvalidInput)?.to_be_bytes());
        head.extend(cluster.id.as_bytes());
        let mut writing = Self { staged, path: path.to_owned(), mac };
        writing.put(&head)?;
        Ok(writing)
    }

    fn append(mut self, kvs: &[Kv]) -> io::Result<Self> {
        let mut records = Vec::new();
        for kv in kvs.iter().filter(|kv| kv.lease.is_none()) {
            let key = kv.key.as_str().as_bytes();
            // Both are bounded by the limits of a transaction.
            records.extend(u16::try_from(key.len()).map_err(|_| io::ErrorKind::InvalidInput)?.to_be_bytes());
            records.extend(u32::try_from(kv.value.len()).map_err(|_| io::ErrorKind::InvalidInput)?.to_be_bytes());
            records.extend(kv.mod_revision.0.to_be_bytes());
            records.extend(key);
            records.extend(&kv.value[..]);
        }
        self.put(&records)?;
        Ok(self)
    }

    fn finish(mut self, before: &Path) -> io::Result<()> {
        let tag = self.mac.clone().sign();
        self.staged.file().write_all(tag.as_ref())?;
        // The data must be there before its name says so.
        self.staged.file().sync_all()?;
        match fs::rename(&self.path, before) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.staged.replace()?;
        disk::give_to_owner_of_directory(&self.path)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.mac.update(bytes);
        self.staged.file().write_all(bytes)
    }
}

/// The key of the MAC, for this purpose and cluster alone.
fn key(master: &MasterKey, cluster: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &*master.derive(&format!("disk snapshot of {cluster}")))
}

/// What a file begins with: what it is, and the version of its form.
const MAGIC: &[u8] = b"portward-disk-snapshot-1\n";
/// Of HMAC-SHA256.
const TAG_BYTES: usize = 32;
/// The newest one.
const NEWEST: &str = "desired.snapshot";
/// The one before.
const BEFORE: &str = "desired.snapshot.before";
/// So many keys are in memory at a time while it is written.
const PAGE_KEYS: usize = 1000;

#[cfg(test)]
mod tests;
