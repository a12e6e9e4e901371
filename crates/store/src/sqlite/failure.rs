//! What errors of SQLite mean for the store.

use std::path::{Path, PathBuf};

use rusqlite::{Error, ErrorCode, ffi};

use crate::StoreError;

/// Says that the disk failed while a transaction was written.
#[derive(Debug, thiserror::Error)]
#[error("the disk fails under {}", .file.display())]
pub(super) struct DiskFails {
    /// What was written.
    pub(super) file: PathBuf,
    pub(super) source: Error,
}

/// Turns an error of a statement into one of the store. Not for errors of COMMIT: see [`is_certain`].
pub(super) fn of(error: Error, file: &Path) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => full(file),
        Some(ErrorCode::SystemIoFailure) if is_out_of_room(&error) => full(file),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { place: file.display().to_string(), cause: error.into() }
        }
        _ => StoreError::Unavailable(error.into()),
    }
}

/// Whether a failed COMMIT has surely not happened.
///
/// Of an error of the disk SQLite itself does not know: the frames may be in the log and count after a crash.
pub(super) fn is_certain(error: &Error) -> bool {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => is_out_of_room(error),
        Some(_) => true,
        None => false,
    }
}

/// The error of a disk without room.
pub(super) fn full(file: &Path) -> StoreError {
    StoreError::Full { place: file.display().to_string() }
}

/// The shared memory file grows by `ftruncate` or `write`, whose lack of room has a code of its own.
fn is_out_of_room(error: &Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE)
}
