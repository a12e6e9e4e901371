//! Files that appear whole or not at all, and stay after a power cut.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown},
    path::{Path, PathBuf},
};

use crate::random;

/// Makes a file that was not there before, with that mode and content; `AlreadyExists` if there is one.
pub(crate) fn write_new(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut staged = Staged::create(path, mode)?;
    staged.file().write_all(content)?;
    staged.file().sync_all()?;
    // A link, unlike a rename, does not replace what is there.
    fs::hard_link(&staged.path, path)?;
    drop(staged);
    sync_directory(path)
}

/// Makes a directory that only its owner enters, and those above it that are missing.
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes sure that the name of a file stays after a power cut.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

/// Lets a file belong to whoever the directory that it is in belongs to.
pub(crate) fn give_to_owner_of_directory(file: &Path) -> io::Result<()> {
    let (owner, now) = (fs::metadata(directory_of(file))?, fs::metadata(file)?);
    if (owner.uid(), owner.gid()) == (now.uid(), now.gid()) {
        return Ok(());
    }
    match chown(file, Some(owner.uid()), Some(owner.gid())) {
        // Only root gives files away; anybody else who may write here is the owner, or let in by him.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        given => given,
    }
}

/// Is a file that is being written under a passing name, which goes away with it.
pub(crate) struct Staged {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Staged {
    /// Begins a file that will be called `target`.
    pub(crate) fn create(target: &Path, mode: u32) -> io::Result<Self> {
        let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut staged_name = OsString::from(".");
        staged_name.push(name);
        staged_name.push(format!(".{:016x}.new", u64::from_be_bytes(random::bytes())));
        let path = directory_of(target).join(staged_name);
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
        Ok(Self { file, path, target: target.to_owned() })
    }

    /// Where it is for now.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What to write to.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts the complete file in the place of what was there, if anything.
    pub(crate) fn replace(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.target)?;
        sync_directory(&self.target)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After a rename the name is gone already, and that is well.
        let _ = fs::remove_file(&self.path);
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
