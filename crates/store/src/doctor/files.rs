//! The files of a store: who can read them, how big they are, and whether there is room for more.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::Finding;
use crate::{
    disk_snapshot,
    sqlite::{FILE, LockError, StoreLock},
};

/// Looks at the files in a directory.
pub(super) fn look(directory: &Path) -> Vec<Finding> {
    vec![permissions(directory), space(directory), log(directory), user(directory)]
}

/// Whether nobody but the owner gets at them.
fn permissions(directory: &Path) -> Finding {
    let mut open = Vec::new();
    let files = ["", FILE, "store.db-wal", "store.db-shm", "master.key"].map(|name| directory.join(name));
    for path in files.iter().chain(&disk_snapshot::files(directory)) {
        let Ok(metadata) = fs::metadata(path) else { continue };
        let mode = metadata.permissions().mode() & 0o7777;
        // Whoever may pass through the directory gets at no file in it that is closed.
        let allowed = if metadata.is_dir() { 0o755 } else { 0o600 };
        if mode & !allowed != 0 {
            open.push(format!("{} has mode {mode:04o}", path.display()));
        }
    }
    match open.is_empty() {
        true => Finding::good("permissions", "the files can be read by their owner alone"),
        false => Finding::bad(
            "permissions",
            open.join("; "),
            format!(
                "chmod -R go-rwx {}; who could read the master key and the store has the private keys",
                directory.display()
            ),
        ),
    }
}

/// Whether there is room for what is to come.
fn space(directory: &Path) -> Finding {
    let found = match rustix::fs::statvfs(directory) {
        Ok(found) => found,
        Err(error) => {
            let seen = format!("it cannot be seen how much room {} has: {error}", directory.display());
            return Finding::warning("disk-space", seen, "look at the file system of the data directory");
        }
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let used = fs::metadata(directory.join(FILE)).map_or(0, |metadata| metadata.len());
    let seen = format!("{} are free, the store has {}", mebibytes(free), mebibytes(used));
    let remedy = "free some space on the file system of the data directory: without any, nothing can be changed";
    if free < LITTLE {
        Finding::bad("disk-space", seen, remedy)
    } else if free < used.saturating_mul(2).max(4 * LITTLE) {
        // A restore and a step of the form are written beside the store, and so is a disk snapshot.
        Finding::warning("disk-space", seen, remedy)
    } else {
        Finding::good("disk-space", seen)
    }
}

/// Whether what was written comes into the main file.
fn log(directory: &Path) -> Finding {
    let bytes = fs::metadata(directory.join("store.db-wal")).map_or(0, |metadata| metadata.len());
    let seen = format!("{} are written and not moved into the main file yet", mebibytes(bytes));
    match bytes > MUCH_LOG {
        false => Finding::good("write-ahead-log", seen),
        true => Finding::warning(
            "write-ahead-log",
            seen,
            "end other programs that have the store open, such as sqlite3; then it shrinks with the next changes",
        ),
    }
}

/// Who has the store open.
fn user(directory: &Path) -> Finding {
    match StoreLock::holder(directory) {
        Ok(None) => Finding::good("in-use", "no server runs with it"),
        Ok(Some(LockError::Held { pid: Some(pid), .. })) => {
            Finding::good("in-use", format!("process {pid} has it open"))
        }
        Ok(Some(error)) => Finding::good("in-use", error.to_string()),
        Err(error) => Finding::warning("in-use", error.to_string(), "run this as the user of the server, or as root"),
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1024 * 1024))
}

/// With less, the next changes may fail.
const LITTLE: u64 = 64 * 1024 * 1024;
/// It is cut to this after each big transaction.
const MUCH_LOG: u64 = 128 * 1024 * 1024;
