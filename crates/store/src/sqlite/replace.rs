//! Putting a whole new file in the place of a store that nobody uses.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use rusqlite::TransactionBehavior;

use super::{
    OpenSqliteError, StoreLock,
    open::{FILE, make_private_file, open_checked},
    read, schema,
    write::fill,
};
use crate::{Cause, Key, Kv, Page, Prefix, Revision, disk, random};

/// Says why a file could not be replaced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplaceError {
    /// The directory is in use, or cannot be used.
    #[error(transparent)]
    Open(#[from] OpenSqliteError),
    /// The new file could not be written; the old one is as it was.
    #[error("cannot write {path}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Cause,
    },
}

/// Is what a store had before it is replaced.
pub(crate) enum Old {
    /// There is none.
    None,
    /// It is damaged, or not ours.
    Unreadable,
    /// It had this.
    Read {
        /// Its newest revision.
        revision: Revision,
        /// Its keys.
        kvs: Vec<Kv>,
    },
}

/// Replaces the store in a directory by new content, or makes one; a crash leaves the old or the new one, whole.
///
/// `decide` sees what is there, and gives the revision and the content.
pub(crate) fn replace_file<E: From<ReplaceError>>(
    directory: &Path,
    decide: impl FnOnce(Old) -> Result<(Revision, Vec<(Key, Bytes)>), E>,
) -> Result<(), E> {
    let at_directory = |source| OpenSqliteError::Path { path: directory.to_owned(), source };
    disk::make_private_directory(directory).map_err(at_directory).map_err(ReplaceError::from)?;
    let _lock = StoreLock::take(directory).map_err(OpenSqliteError::from).map_err(ReplaceError::from)?;
    let file = directory.join(FILE);
    let old = if file.exists() { read_old(&file) } else { Old::None };
    let (revision, content) = decide(old)?;

    let new = directory.join(format!(".{FILE}.{:016x}.new", u64::from_be_bytes(random::bytes())));
    let written = write_new(&new, revision, &content).and_then(|()| swap(&new, &file));
    if written.is_err() {
        // What is left of the attempt is of no use.
        remove_with_companions(&new);
    }
    written.map_err(|cause| ReplaceError::Write { path: file, cause })?;
    Ok(())
}

/// Reads everything there is, and moves all of it into the main file, so that its companions can go.
fn read_old(file: &Path) -> Old {
    match read_and_settle(file) {
        Ok(old) => old,
        Err(error) => {
            tracing::warn!(error = %error, "the store that is to be replaced cannot be read");
            Old::Unreadable
        }
    }
}

fn read_and_settle(file: &Path) -> Result<Old, Cause> {
    let mut connection = open_checked(file)?;
    let listed = read::list(&mut connection, &Prefix::all(), None, &Page::first(usize::MAX))?;
    connection.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(Old::Read { revision: listed.revision, kvs: listed.kvs })
}

fn write_new(new: &Path, revision: Revision, content: &[(Key, Bytes)]) -> Result<(), Cause> {
    make_private_file(new)?;
    let mut connection = schema::open_writer(new)?;
    // One plain file, without companions that would have to be moved along.
    connection.pragma_update(None, "synchronous", "FULL")?;
    schema::create(&mut connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    fill(&transaction, revision, content)?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)?;
    fs::File::open(new)?.sync_all()?;
    Ok(())
}

/// The rename is the moment at which the new store counts.
///
/// A log of the old file must be gone before, or SQLite would apply it to the new one.
/// It is empty by now, as all was moved into the main file; unless the store is damaged, which loses nothing more.
fn swap(new: &Path, file: &Path) -> Result<(), Cause> {
    for companion in companions(file) {
        remove_if_there(&companion)?;
    }
    disk::sync_directory(file)?;
    fs::rename(new, file)?;
    disk::sync_directory(file)?;
    Ok(())
}

fn remove_with_companions(file: &Path) {
    for path in companions(file).into_iter().chain([file.to_owned()]) {
        if let Err(error) = remove_if_there(&path) {
            tracing::warn!(path = %path.display(), error = %error, "could not remove a file");
        }
    }
}

fn companions(file: &Path) -> [PathBuf; 3] {
    ["-wal", "-shm", "-journal"].map(|suffix| {
        let mut path = file.as_os_str().to_owned();
        path.push(suffix);
        path.into()
    })
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
