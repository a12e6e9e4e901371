//! The data directory: all that an agent keeps.
//!
//! One process runs on it; any number of commands change it beside that one, one after the other.
//! Every file is written whole under a passing name, and takes its place by a rename.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, ErrorKind, Read, Seek, Write},
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use portward_core::Timestamp;
use portward_link::{Identity, IdentityError};

use crate::{Configuration, ConfigurationError, identity_file};

/// Is the directory in which an agent keeps who it is and whom it trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDirectory {
    path: PathBuf,
}

/// Is what the directory holds, while it is changed.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Whom it trusts, and how it is reached.
    pub configuration: Configuration,
    /// Who it is; none before the first start.
    pub identity: Option<HeldIdentity>,
    /// Who it will be, when all servers that it trusts know it.
    pub next: Option<HeldIdentity>,
}

/// Is an identity of which it is known since when it is there.
#[derive(Clone, Debug)]
pub struct HeldIdentity {
    /// Certificate and key.
    pub identity: Identity,
    /// Since when the agent has it.
    pub since: Timestamp,
}

/// Keeps a second process from running on the directory.
#[derive(Debug)]
pub(crate) struct RunLock {
    file: File,
}

/// Says what does not work with a data directory.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It cannot be made, or be kept from others.
    #[error("the data directory {} cannot be used; give another one with --data-dir, or run as the user who owns it", .path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others can look into it, and there is more in it than what an agent keeps.
    #[error(
        "the data directory {0} is open to other users, and has other things in it; give a directory of its own, or: chmod 700 {0}",
        .path.display()
    )]
    Open {
        /// Which.
        path: PathBuf,
    },
    /// An agent runs on it already.
    #[error(
        "an agent runs on {} already ({}); commands work beside it, and a second agent needs another --data-dir",
        .path.display(),
        match .pid { Some(pid) => format!("process {pid}"), None => "another process".to_owned() }
    )]
    Running {
        /// Which.
        path: PathBuf,
        /// The process, if it has written down who it is.
        pid: Option<u32>,
    },
    /// A file cannot be read or written.
    #[error(
        "cannot {} {}{}",
        .what,
        .path.display(),
        if .source.kind() == ErrorKind::PermissionDenied { ", which is another user's; run it as that user" } else { "" }
    )]
    File {
        /// What was tried.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not what an agent writes.
    #[error(
        "{} is damaged: {reason}; put it back from a backup, or move it away and begin anew: portward-agent join STRING",
        .path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A file is of a newer program.
    #[error("{}", .path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// What was found.
        #[source]
        source: ConfigurationError,
    },
    /// No identity could be made.
    #[error("the agent's certificate could not be made")]
    Identity(#[from] IdentityError),
}

impl DataDirectory {
    /// Takes a directory, and makes it if it is missing.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let failed = |source| DirectoryError::Directory { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let directory = Self { path: path.canonicalize().map_err(failed)? };
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            if !directory.is_ours().map_err(failed)? {
                return Err(DirectoryError::Open { path: path.to_owned() });
            }
            fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed)?;
        }
        Ok(directory)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what is there.
    pub fn read(&self) -> Result<Draft, DirectoryError> {
        let _lock = self.lock_for_change()?;
        self.load()
    }

    /// Changes what is there; nothing is written if `change` fails. Gives what is there then.
    ///
    /// It waits for others that change it, so it is called where blocking is allowed.
    pub fn edit<T, E: From<DirectoryError>>(
        &self,
        change: impl FnOnce(&mut Draft) -> Result<T, E>,
    ) -> Result<(T, Draft), E> {
        let _lock = self.lock_for_change()?;
        let before = self.load()?;
        let mut after = before.clone();
        let changed = change(&mut after)?;
        after.settle();
        self.store(&before, &after)?;
        Ok((changed, after))
    }

    /// Keeps others from running on it.
    pub(crate) fn lock_for_run(&self) -> Result<RunLock, DirectoryError> {
        let path = self.path.join(RUN_LOCK);
        let failed = |source| DirectoryError::File { what: "lock", path: path.clone(), source };
        let mut file = lock_file(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let read = file.take(MAX_PID_BYTES).read_to_string(&mut text);
                let pid = read.ok().and_then(|_| text.trim().parse().ok());
                return Err(DirectoryError::Running { path: self.path.clone(), pid });
            }
        }
        self.clean()?;
        // The number is for messages alone; the lock is what counts.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(RunLock { file })
    }

    /// Writes down that the agent is alive; it need not outlast a power cut.
    pub(crate) fn beat(&self, now: Timestamp) -> Result<(), DirectoryError> {
        self.replace(HEARTBEAT, format!("{}\n", now.unix()).as_bytes(), Durable::No)
    }

    /// Where it is written that an agent is alive; nothing is made for whoever only looks.
    pub(crate) fn heartbeat(path: &Path) -> PathBuf {
        path.join(HEARTBEAT)
    }

    /// Where a running agent is asked.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }

    /// The same, by a path that fits into a socket address (unix(7)): through the open directory if need be.
    pub(crate) fn short_socket(&self) -> io::Result<(PathBuf, Option<File>)> {
        let socket = self.socket();
        if socket.as_os_str().len() <= SOCKET_PATH {
            return Ok((socket, None));
        }
        let directory = File::open(&self.path)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()));
        Ok((path, Some(directory)))
    }

    /// Whether all that is in there is an agent's, so that it may be kept from others.
    fn is_ours(&self) -> io::Result<bool> {
        let ours = [CONFIGURATION, IDENTITY, NEXT_IDENTITY, RUN_LOCK, CHANGE_LOCK, HEARTBEAT, SOCKET];
        let mut names = fs::read_dir(&self.path)?.map(|entry| entry.map(|entry| entry.file_name()));
        let mut is_empty = true;
        let mut has_ours = false;
        names.try_for_each(|name| {
            is_empty = false;
            has_ours |= ours.iter().any(|our| name.as_ref().is_ok_and(|name| name == our));
            name.map(drop)
        })?;
        Ok(is_empty || has_ours)
    }

    /// Removes what was being written when a process was killed: there may be a key in it.
    fn clean(&self) -> Result<(), DirectoryError> {
        let _lock = self.lock_for_change()?;
        let failed = |source| DirectoryError::File { what: "clean", path: self.path.clone(), source };
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if name.as_encoded_bytes().starts_with(PASSING.as_bytes()) {
                fs::remove_file(self.path.join(name)).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn lock_for_change(&self) -> Result<File, DirectoryError> {
        let path = self.path.join(CHANGE_LOCK);
        let locked = lock_file(&path).and_then(|file| file.lock().map(|()| file));
        locked.map_err(|source| DirectoryError::File { what: "lock", path, source })
    }

    fn load(&self) -> Result<Draft, DirectoryError> {
        let configuration = match self.content(CONFIGURATION)? {
            None => Configuration::default(),
            Some(bytes) => {
                let path = self.path.join(CONFIGURATION);
                let text = String::from_utf8_lossy(&bytes);
                Configuration::parse(&text).map_err(|error| match error {
                    ConfigurationError::Damaged(reason) => DirectoryError::Damaged { path, reason },
                    newer @ ConfigurationError::Newer(_) => DirectoryError::Newer { path, source: newer },
                })?
            }
        };
        let identity = |name| {
            let read = |bytes: zeroize::Zeroizing<Vec<u8>>| {
                identity_file::read(&bytes)
                    .map_err(|reason| DirectoryError::Damaged { path: self.path.join(name), reason })
            };
            self.content(name)?.map(read).transpose()
        };
        Ok(Draft { configuration, identity: identity(IDENTITY)?, next: identity(NEXT_IDENTITY)? })
    }

    fn content(&self, name: &str) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, DirectoryError> {
        match fs::read(self.path.join(name)) {
            Ok(bytes) => Ok(Some(zeroize::Zeroizing::new(bytes))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DirectoryError::File { what: "read", path: self.path.join(name), source }),
        }
    }

    /// Writes what has changed, in an order in which it counts at any time.
    fn store(&self, before: &Draft, after: &Draft) -> Result<(), DirectoryError> {
        let (was_next, is_next) = (thumbprint(&before.next), thumbprint(&after.next));
        if thumbprint(&before.identity) != thumbprint(&after.identity) {
            if was_next.is_some() && was_next == thumbprint(&after.identity) {
                self.rename(NEXT_IDENTITY, IDENTITY)?;
            } else if let Some(held) = &after.identity {
                self.write_identity(IDENTITY, held)?;
            }
        }
        if was_next != is_next {
            match &after.next {
                Some(held) => self.write_identity(NEXT_IDENTITY, held)?,
                None => self.remove(NEXT_IDENTITY)?,
            }
        }
        if before.configuration != after.configuration {
            self.replace(CONFIGURATION, after.configuration.write().as_bytes(), Durable::Yes)?;
        }
        Ok(())
    }

    fn write_identity(&self, name: &str, held: &HeldIdentity) -> Result<(), DirectoryError> {
        let text = identity_file::write(held)
            .map_err(|reason| DirectoryError::Damaged { path: self.path.join(name), reason })?;
        self.replace(name, text.as_bytes(), Durable::Yes)
    }

    fn replace(&self, name: &str, bytes: &[u8], durable: Durable) -> Result<(), DirectoryError> {
        let path = self.path.join(name);
        let write = || {
            // Only its owner may read it, from the beginning.
            let mut file = tempfile::Builder::new().prefix(PASSING).tempfile_in(&self.path)?;
            file.write_all(bytes)?;
            if durable == Durable::Yes {
                file.as_file().sync_all()?;
            }
            file.persist(&path).map_err(|error| error.error)?;
            if durable == Durable::Yes { self.sync() } else { Ok(()) }
        };
        write().map_err(|source| DirectoryError::File { what: "write", path: path.clone(), source })
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DirectoryError> {
        let renamed = fs::rename(self.path.join(from), self.path.join(to)).and_then(|()| self.sync());
        renamed.map_err(|source| DirectoryError::File { what: "write", path: self.path.join(to), source })
    }

    fn remove(&self, name: &str) -> Result<(), DirectoryError> {
        match fs::remove_file(self.path.join(name)).and_then(|()| self.sync()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(DirectoryError::File { what: "remove", path: self.path.join(name), source: error })
            }
            _ => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

impl Drop for RunLock {
    /// Lets go by unlocking (flock(2)): a program that is being started has a copy of the file until it begins, and closing
    /// would leave the lock with it.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::debug!(error = %error, "could not unlock the data directory");
        }
    }
}

impl Draft {
    /// The identity, which is made if there is none; gives whether it was made.
    pub fn identity_or_new(&mut self, name: &str, now: Timestamp) -> Result<bool, DirectoryError> {
        if self.identity.is_some() {
            return Ok(false);
        }
        self.identity = Some(HeldIdentity { identity: Identity::new(name, now)?, since: now });
        Ok(true)
    }

    /// The next identity takes its place when every server that is trusted knows it.
    fn settle(&mut self) {
        let next = thumbprint(&self.next);
        let trusted = &mut self.configuration.trusted;
        if next.is_some() && trusted.iter().all(|server| server.knows == next) {
            self.identity = self.next.take();
        }
        let next = thumbprint(&self.next);
        for server in trusted.iter_mut().filter(|server| server.knows != next) {
            server.knows = None;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Durable {
    Yes,
    No,
}

fn thumbprint(held: &Option<HeldIdentity>) -> Option<portward_core::Thumbprint> {
    held.as_ref().map(|held| held.identity.thumbprint())
}

fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

const CONFIGURATION: &str = "agent.json";
const IDENTITY: &str = "identity.pem";
const NEXT_IDENTITY: &str = "next-identity.pem";
const RUN_LOCK: &str = "agent.lock";
const CHANGE_LOCK: &str = "change.lock";
const HEARTBEAT: &str = "heartbeat";
const SOCKET: &str = "agent.sock";
const SOCKET_PATH: usize = 107;
/// Begins the names of files that are being written.
const PASSING: &str = ".new-";
/// More than any process id has.
const MAX_PID_BYTES: u64 = 32;

#[cfg(test)]
mod tests;
