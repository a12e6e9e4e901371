//! Putting a whole new file in the place of a store that nobody uses.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use rusqlite::TransactionBehavior;

use super::{
    OpenSqliteError, StoreLock,
    lock::LOCK_FILE,
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
/// The file that was replaced stays beside the new one, under the name that is given back; none if there was none.
pub(crate) fn replace_file<E: From<ReplaceError>>(
    directory: &Path,
    decide: impl FnOnce(Old) -> Result<(Revision, Vec<(Key, Bytes)>), E>,
) -> Result<Option<PathBuf>, E> {
    let at_directory = |source| OpenSqliteError::Path { path: directory.to_owned(), source };
    disk::make_private_directory(directory).map_err(at_directory).map_err(ReplaceError::from)?;
    let _lock = StoreLock::take(directory).map_err(OpenSqliteError::from).map_err(ReplaceError::from)?;
    // Root restores for the service's own user, who must be able to open all of it.
    disk::give_to_owner_of_directory(&directory.join(LOCK_FILE)).map_err(at_directory).map_err(ReplaceError::from)?;
    let file = directory.join(FILE);
    let old = if file.exists() { read_old(&file) } else { Old::None };
    let (revision, content) = decide(old)?;

    let new = directory.join(format!(".{FILE}.{:016x}.new", u64::from_be_bytes(random::bytes())));
    let written = write_new(&new, revision, &content).and_then(|()| swap(&new, &file));
    if written.is_err() {
        // What is left of the attempt is of no use.
        remove_with_companions(&new);
    }
    Ok(written.map_err(|cause| ReplaceError::Write { path: file, cause })?)
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
    disk::give_to_owner_of_directory(new)?;
    Ok(())
}

/// The rename is the moment at which the new store counts; gives the name that the old one has now.
///
/// A log of the old file must be gone before, or SQLite would apply it to the new one.
/// It is empty by now, as all was moved into the main file; unless the store is damaged: then it goes along.
fn swap(new: &Path, file: &Path) -> Result<Option<PathBuf>, Cause> {
    let kept = keep(file)?;
    let swapped = move_companions(file, kept.as_deref())
        .and_then(|()| disk::sync_directory(file))
        .and_then(|()| fs::rename(new, file))
        .and_then(|()| disk::sync_directory(file));
    if let (Err(_), Some(kept)) = (&swapped, &kept) {
        // The old store counts still, so a second name for it would only mislead.
        let _ = move_companions(kept, Some(file));
        let _ = fs::remove_file(kept);
    }
    swapped?;
    Ok(kept)
}

/// Gives a file a second name that nothing has yet, beside the first; none if there is no file.
fn keep(file: &Path) -> io::Result<Option<PathBuf>> {
    let mut number = 1;
    loop {
        let kept = match number {
            1 => with_suffix(file, BEFORE_RESTORE),
            number => with_suffix(file, &format!("{BEFORE_RESTORE}.{number}")),
        };
        match fs::hard_link(file, &kept) {
            Ok(()) => return Ok(Some(kept)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Lets the companions of a file follow it to another name, or removes them.
fn move_companions(from: &Path, to: Option<&Path>) -> io::Result<()> {
    for suffix in COMPANIONS {
        let companion = with_suffix(from, suffix);
        let moved = match to {
            Some(to) => fs::rename(&companion, with_suffix(to, suffix)),
            None => fs::remove_file(&companion),
        };
        if_there(moved)?;
    }
    Ok(())
}

fn remove_with_companions(file: &Path) {
    if let Err(error) = move_companions(file, None).and_then(|()| if_there(fs::remove_file(file))) {
        tracing::warn!(path = %file.display(), error = %error, "could not remove a file");
    }
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Takes it well if there was no file to do it to.
fn if_there(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// What SQLite calls the files that belong to a database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];
/// What the name of a store ends with that a restore put aside.
const BEFORE_RESTORE: &str = ".before-restore";
