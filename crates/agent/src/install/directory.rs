//! Directories that are open: everything is done relative to them, and no symbolic link is followed.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::OwnedFd,
};

use rustix::{
    fs::{self, AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid},
    io::Errno,
    process::geteuid,
};
use zeroize::Zeroizing;

/// Is an open directory. What it is called may be given to another one meanwhile; this one stays.
#[derive(Debug)]
pub(super) struct Directory {
    fd: OwnedFd,
    /// For messages.
    pub(super) path: String,
}

/// Is what has a name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Nothing,
    /// A regular file that has no other name.
    File,
    /// A regular file with several names (hard links).
    Shared,
    /// A symbolic link, and what it says.
    Link(String),
    Directory,
    /// As in `a device`.
    Other(&'static str),
}

/// Says who owns a file and who may read it; the agent's own user and group where nothing is said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
    pub(super) mode: u32,
}

/// Is a file as it was read.
pub(super) struct Content {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) access: Access,
}

impl Directory {
    pub(super) fn of(fd: OwnedFd, path: String) -> Self {
        Self { fd, path }
    }

    /// A directory in it, which may be no symbolic link.
    pub(super) fn below(&self, name: &str) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, name, flags, Mode::empty())?;
        Ok(Self { fd, path: format!("{}/{name}", self.path.trim_end_matches('/')) })
    }

    /// The same, made if it is not there: everybody may look into it, and only the agent's user may write.
    pub(super) fn below_or_made(&self, name: &str) -> io::Result<Self> {
        self.make(name).map_err(|error| self.cannot("be made", name, &error))
    }

    fn make(&self, name: &str) -> io::Result<Self> {
        match fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o700)) {
            Ok(()) => {
                let made = self.below(name)?;
                fs::fchmod(&made.fd, Mode::from_raw_mode(0o755))?;
                self.sync()?;
                Ok(made)
            }
            Err(Errno::EXIST) => self.below(name),
            Err(error) => Err(error.into()),
        }
    }

    /// A directory of the agent's own in it, made if it is not there; one that somebody else could write is refused.
    pub(super) fn own_or_made(&self, name: &str) -> io::Result<Self> {
        self.below_or_made(name)?.only_if_own()
    }

    /// The same, which must be there.
    pub(super) fn own(&self, name: &str) -> io::Result<Self> {
        self.below(name)?.only_if_own()
    }

    fn only_if_own(self) -> io::Result<Self> {
        let stat = self.stat()?;
        if stat.st_uid != geteuid().as_raw() || stat.st_mode & 0o022 != 0 {
            let who = format!("user {}, mode {:o}", stat.st_uid, stat.st_mode & 0o7777);
            return Err(io::Error::other(format!("somebody else can write in {} ({who}); remove it", self.path)));
        }
        Ok(self)
    }

    pub(super) fn stat(&self) -> io::Result<Stat> {
        Ok(fs::fstat(&self.fd)?)
    }

    /// Bytes that may be written, and whether files may be made.
    pub(super) fn room(&self) -> io::Result<(u64, bool)> {
        let stat = fs::fstatvfs(&self.fd)?;
        // Some file systems make inodes as they need them, and say that they have none.
        Ok((stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_files == 0 || stat.f_favail >= MIN_INODES))
    }

    /// What has a name.
    pub(super) fn look(&self, name: &str) -> io::Result<Entry> {
        let stat = match fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(Entry::Nothing),
            Err(error) => return Err(error.into()),
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if stat.st_nlink == 1 => Entry::File,
            FileType::RegularFile => Entry::Shared,
            FileType::Directory => Entry::Directory,
            FileType::Symlink => {
                let target = fs::readlinkat(&self.fd, name, Vec::new())?;
                Entry::Link(target.to_string_lossy().into_owned())
            }
            FileType::Fifo => Entry::Other("a fifo"),
            FileType::Socket => Entry::Other("a socket"),
            FileType::CharacterDevice | FileType::BlockDevice => Entry::Other("a device"),
            _ => Entry::Other("something special"),
        })
    }

    /// Reads a regular file.
    pub(super) fn read(&self, name: &str) -> io::Result<Content> {
        self.take(name).map(|(content, _)| content).map_err(|error| self.cannot("be read", name, &error))
    }

    /// The same, unless the file has another name, too.
    pub(super) fn read_alone(&self, name: &str) -> io::Result<Content> {
        let alone = |(content, is_alone)| {
            if is_alone { Ok(content) } else { Err(io::Error::other("it has several names (hard links)")) }
        };
        self.take(name).and_then(alone).map_err(|error| self.cannot("be read", name, &error))
    }

    fn take(&self, name: &str) -> io::Result<(Content, bool)> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, name, flags, Mode::empty())?;
        let stat = fs::fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("it is no regular file"));
        }
        let length = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        if length > MAX_BYTES {
            return Err(io::Error::other(format!("it has more than {} KiB", MAX_BYTES / 1024)));
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
        File::from(fd).take(MAX_BYTES).read_to_end(&mut bytes)?;
        let access = Access { user: Some(stat.st_uid), group: Some(stat.st_gid), mode: stat.st_mode & 0o777 };
        Ok((Content { bytes, access }, stat.st_nlink == 1))
    }

    /// Writes a file that is not there yet, to the disk.
    pub(super) fn create(&self, name: &str, bytes: &[u8], access: Access) -> io::Result<()> {
        self.write(name, bytes, access).map_err(|error| self.cannot("be written", name, &error))
    }

    fn write(&self, name: &str, bytes: &[u8], access: Access) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, name, flags, Mode::from_raw_mode(0o600))?;
        // Nobody else is let in before it belongs to whom it shall.
        if access.user.is_some() || access.group.is_some() {
            let own = fs::fstat(&fd)?;
            let user = access.user.filter(|user| *user != own.st_uid).map(Uid::from_raw);
            let group = access.group.filter(|group| *group != own.st_gid).map(Gid::from_raw);
            if user.is_some() || group.is_some() {
                fs::fchown(&fd, user, group).map_err(|error| {
                    let who = |id: Option<u32>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
                    let wanted = format!("{}:{}", who(access.user), who(access.group));
                    io::Error::new(
                        error.kind(),
                        format!("it cannot be given to {wanted}: {error}; only root can give files away"),
                    )
                })?;
            }
        }
        fs::fchmod(&fd, Mode::from_raw_mode(access.mode & 0o777))?;
        let mut file = File::from(fd);
        file.write_all(bytes)?;
        file.sync_all()
    }

    /// Puts a file in the place of whatever has the name, at once.
    pub(super) fn replace(&self, name: &str, bytes: &[u8], access: Access) -> io::Result<()> {
        self.remove(TEMPORARY)?;
        self.create(TEMPORARY, bytes, access).and_then(|()| self.rename(TEMPORARY, name)).inspect_err(|_| {
            let _ = self.remove(TEMPORARY);
        })
    }

    /// Puts a symbolic link in the place of whatever has the name, at once.
    pub(super) fn link(&self, name: &str, target: &str) -> io::Result<()> {
        self.remove(TEMPORARY)?;
        let linked = fs::symlinkat(target, &self.fd, TEMPORARY);
        linked.map_err(|error| self.cannot("be made a symbolic link", name, &error.into()))?;
        self.rename(TEMPORARY, name).inspect_err(|_| {
            let _ = self.remove(TEMPORARY);
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let renamed = fs::renameat(&self.fd, from, &self.fd, to);
        renamed.map_err(|error| self.cannot("be replaced", to, &error.into()))?;
        self.sync()
    }

    /// Removes what is no directory; it need not be there.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        let removed = gone(fs::unlinkat(&self.fd, name, AtFlags::empty()));
        removed.map_err(|error| self.cannot("be removed", name, &error))
    }

    /// Removes what a crash may have left half done in it.
    pub(super) fn tidy(&self) -> io::Result<()> {
        self.remove(TEMPORARY)
    }

    /// Removes a directory with the files in it; it need not be there.
    pub(super) fn remove_with_files(&self, name: &str) -> io::Result<()> {
        match self.below(name) {
            Ok(inner) => inner.list()?.iter().try_for_each(|file| inner.remove(file))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        self.remove_empty(name)
    }

    /// Removes an empty directory; it need not be there.
    pub(super) fn remove_empty(&self, name: &str) -> io::Result<()> {
        gone(fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR))
    }

    /// The names in it.
    pub(super) fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.fd)?)
    }

    /// The same error, of which it can be read where it happened.
    fn cannot(&self, what: &str, name: &str, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}/{name} cannot {what}: {error}", self.path.trim_end_matches('/')))
    }
}

fn gone(removed: rustix::io::Result<()>) -> io::Result<()> {
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What is being made, before it takes the place of something. One delivery runs at a time.
const TEMPORARY: &str = ".portward-new";
/// No certificate file is larger.
const MAX_BYTES: u64 = 1024 * 1024;
const MIN_INODES: u64 = 16;
