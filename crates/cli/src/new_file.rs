//! Files that are written whole, for their owner alone, and never over another.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};

use crate::failure::Failure;

/// Is a file that comes about under a passing name; it goes away unless it is kept.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    passing: PathBuf,
    file: File,
}

impl NewFile {
    /// Begins a file; refused if there is one of that name.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let Some(name) = path.file_name() else {
            return Err(Failure::usage(anyhow!("{} is not the name of a file", path.display())));
        };
        if path.symlink_metadata().is_ok() {
            return Err(taken(path));
        }
        let mut passing_name = OsString::from(".");
        passing_name.push(name);
        passing_name.push(format!(".{}.part", std::process::id()));
        let passing = path.with_file_name(passing_name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&passing)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_owned(), passing, file })
    }

    /// Gives the complete file its name.
    pub(crate) fn keep(self) -> Result<(), Failure> {
        self.file.sync_all().with_context(|| format!("cannot write {}", self.path.display()))?;
        // A link, unlike a rename, does not replace what came there meanwhile; some file systems have none.
        match fs::hard_link(&self.passing, &self.path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(taken(&self.path)),
            Err(_) => fs::rename(&self.passing, &self.path)
                .with_context(|| format!("cannot write {}", self.path.display()))
                .map_err(Failure::from),
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Gone already if the file was kept by a rename.
        let _ = fs::remove_file(&self.passing);
    }
}

fn taken(path: &Path) -> Failure {
    Failure::failed(anyhow!(
        "{} is there already, and Portward does not write over a file. Name another, or remove it",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(directory: &Path) -> Vec<OsString> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_kept_file_has_its_content_and_is_its_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.pfx");
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"content").unwrap();
        assert!(!path.exists(), "it has its name before it is complete");
        file.keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"content");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(directory.path()), ["shop.pfx"]);
    }

    #[test]
    fn a_file_that_is_there_is_refused_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.pfx");
        let begun = NewFile::create(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        for refused in [NewFile::create(&path).map(drop).unwrap_err(), begun.keep().unwrap_err()] {
            assert!(refused.to_string().contains("does not write over a file"), "{refused}");
        }
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert_eq!(names(directory.path()), ["shop.pfx"]);
    }

    #[test]
    fn what_is_not_kept_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        drop(NewFile::create(&directory.path().join("shop.pfx")).unwrap());
        assert_eq!(names(directory.path()), Vec::<OsString>::new());
    }
}
