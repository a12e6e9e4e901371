//! The lock that keeps a second process away from a store.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Keeps all other processes away from the store in a directory, until it is dropped or the process ends.
#[derive(Debug)]
pub struct StoreLock {
    file: File,
}

/// Says why a store cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "the store in {directory} is in use by {holder}; stop that process first, or let it do the work: its commands need no lock",
        directory = directory.display(),
        holder = holder(*pid)
    )]
    Held {
        /// The data directory.
        directory: PathBuf,
        /// The process, if it has written down who it is.
        pid: Option<u32>,
    },
    /// The lock file cannot be used.
    #[error("cannot lock {path}", path = path.display())]
    File {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl StoreLock {
    /// Takes the lock of a directory, which must exist. It blocks for a moment if another one has it.
    ///
    /// Who has just closed the store may have it still: while a program is started, the new process has a copy of the file
    /// until the program begins.
    pub fn take(directory: &Path) -> Result<Self, LockError> {
        let path = directory.join(LOCK_FILE);
        let failed = |source| LockError::File { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let mut locked = file.try_lock();
        for _ in 0..TRIES {
            if !matches!(locked, Err(TryLockError::WouldBlock)) {
                break;
            }
            #[expect(clippy::disallowed_methods, reason = "nobody tells when another process lets go of a lock")]
            thread::sleep(PAUSE);
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => {}
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { directory: directory.to_owned(), pid: pid(&mut file) });
            }
        }
        let lock = Self { file };
        lock.sign();
        Ok(lock)
    }

    /// Is the lock that another process has lent with its store.
    pub(super) fn lent(file: File) -> Self {
        let lock = Self { file };
        lock.sign();
        lock
    }

    /// Writes down who has it; that is for messages alone, the lock is what counts.
    pub(super) fn sign(&self) {
        let mut file = &self.file;
        let signed = file.set_len(0).and_then(|()| file.rewind());
        if let Err(error) = signed.and_then(|()| writeln!(file, "{}", std::process::id())) {
            tracing::debug!(error = %error, "could not write the process id into the lock file");
        }
    }

    /// The same lock once more, for another process.
    pub(super) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

impl StoreLock {
    /// Who has the lock of a directory; none if nobody has. It is asked for a moment, and not kept.
    pub(crate) fn holder(directory: &Path) -> io::Result<Option<LockError>> {
        let mut file = match File::open(directory.join(LOCK_FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
            Err(TryLockError::WouldBlock) => {
                Ok(Some(LockError::Held { directory: directory.to_owned(), pid: pid(&mut file) }))
            }
        }
    }
}

/// The process that wrote down who it is.
fn pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(MAX_PID_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn holder(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}

/// What is locked.
pub(super) const LOCK_FILE: &str = "store.lock";
/// A quarter of a second in all: a start that finds another server is not told much later.
const TRIES: u32 = 25;
const PAUSE: Duration = Duration::from_millis(10);
/// More than any process id has.
const MAX_PID_BYTES: u64 = 32;
