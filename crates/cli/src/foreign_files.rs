//! The files of another program, read as the user who asks.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use portward_api::{ForeignFile, SecretBytes};
use zeroize::Zeroizing;

use crate::{args::ForeignKind, failure::Failure};

/// Is what was read.
#[derive(Debug, Default)]
pub(crate) struct ForeignFiles {
    /// The files, in the order of their paths.
    pub(crate) files: Vec<ForeignFile>,
    /// What was not read although it may matter, and why.
    pub(crate) left_out: Vec<String>,
}

/// Reads what that program has at that path: for Traefik a file, for the others a directory with all below it.
pub(crate) fn read(kind: ForeignKind, path: &Path) -> Result<ForeignFiles, Failure> {
    let cannot = || format!("cannot read {}", path.display());
    let is_directory = fs::metadata(path).with_context(cannot)?.is_dir();
    let (path_shown, program) = (path.display(), kind.as_str());
    match (kind, is_directory) {
        (ForeignKind::Traefik, true) => Err(Failure::failed(anyhow!(
            "{path_shown} is a directory, and traefik keeps everything in one file; name it, as in {}",
            path.join("acme.json").display()
        ))),
        (ForeignKind::Traefik, false) => {
            let mut budget = MAX_BYTES;
            let data = content(path, &mut budget)?.ok_or_else(|| too_much(kind, path))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(ForeignFiles { files: vec![ForeignFile { path: name, data }], left_out: Vec::new() })
        }
        (_, false) => Err(Failure::failed(anyhow!("{path_shown} is a file; name the directory of {program}"))),
        (_, true) => {
            let root = fs::canonicalize(path).with_context(cannot)?;
            let mut walk = Walk {
                kind,
                top: path,
                open: vec![root.clone()],
                root,
                budget: MAX_BYTES,
                seen: 0,
                read: ForeignFiles::default(),
            };
            walk.directory(path, "")?;
            Ok(walk.read)
        }
    }
}

/// Goes through a directory.
struct Walk<'a> {
    kind: ForeignKind,
    /// The directory as it was named.
    top: &'a Path,
    /// The same without symbolic links.
    root: PathBuf,
    /// The directories that are being gone through, without symbolic links: a link back to one of them is a loop.
    open: Vec<PathBuf>,
    /// Bytes that may still be read.
    budget: u64,
    /// Files and directories until now.
    seen: usize,
    read: ForeignFiles,
}

impl Walk<'_> {
    fn directory(&mut self, at: &Path, relative: &str) -> Result<(), Failure> {
        let cannot = || format!("cannot read {}", at.display());
        let mut entries =
            fs::read_dir(at).with_context(cannot)?.collect::<io::Result<Vec<_>>>().with_context(cannot)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                self.leave_out(&path, "its name is not UTF-8");
                continue;
            };
            let relative = if relative.is_empty() { name.to_owned() } else { format!("{relative}/{name}") };
            self.entry(&entry, &path, name, &relative)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &fs::DirEntry, path: &Path, name: &str, relative: &str) -> Result<(), Failure> {
        let cannot = || format!("cannot read {}", path.display());
        let mut kind = entry.file_type().with_context(cannot)?;
        if is_not_needed(self.kind, name, relative) {
            return Ok(());
        }
        if kind.is_symlink() {
            let target = match fs::canonicalize(path) {
                Ok(target) => target,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.leave_out(path, "it is a link to nothing");
                    return Ok(());
                }
                Err(error) => return Err(anyhow::Error::new(error).context(cannot()).into()),
            };
            // Whoever may write to the directory must not choose what else of this machine is read.
            if !target.starts_with(&self.root) {
                self.leave_out(path, &format!("it is a link to {}, which is outside", target.display()));
                return Ok(());
            }
            kind = fs::metadata(path).with_context(cannot)?.file_type();
        }
        if !kind.is_dir() && !kind.is_file() {
            return Ok(());
        }
        self.seen += 1;
        if self.seen > MAX_FILES {
            return Err(too_much(self.kind, self.top));
        }
        if kind.is_file() {
            let data = content(path, &mut self.budget)?.ok_or_else(|| too_much(self.kind, self.top))?;
            self.read.files.push(ForeignFile { path: relative.to_owned(), data });
            return Ok(());
        }
        let real = fs::canonicalize(path).with_context(cannot)?;
        if !self.open.contains(&real) {
            self.open.push(real);
            self.directory(path, relative)?;
            self.open.pop();
        }
        Ok(())
    }

    fn leave_out(&mut self, path: &Path, why: &str) {
        self.read.left_out.push(format!("{} was left out: {why}", path.display()));
    }
}

/// The content of a file; none if it is larger than what may still be read.
fn content(path: &Path, budget: &mut u64) -> Result<Option<SecretBytes>, Failure> {
    let cannot = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(cannot)?;
    // With room for all of it, no copy of a key is left behind where it grew.
    let expected = file.metadata().with_context(cannot)?.len().min(*budget);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(expected).unwrap_or(0) + 1));
    file.take(*budget + 1).read_to_end(&mut bytes).with_context(cannot)?;
    let left = budget.checked_sub(bytes.len() as u64);
    Ok(left.map(|left| {
        *budget = left;
        SecretBytes::new(std::mem::take(&mut *bytes))
    }))
}

/// Whether it is neither certificate nor key nor setting: logs, requests, locks, and the programs of acme.sh.
fn is_not_needed(kind: ForeignKind, name: &str, relative: &str) -> bool {
    let programs: &[&str] = if kind == ForeignKind::AcmeSh { &["deploy", "dnsapi", "notify"] } else { &[] };
    ["csr", "locks", "logs"].contains(&name)
        || programs.contains(&relative)
        || [".csr", ".lock", ".log"].iter().any(|end| name.ends_with(end))
}

fn too_much(kind: ForeignKind, path: &Path) -> Failure {
    Failure::failed(anyhow!(
        "{} has more than {} MiB or {MAX_FILES} files, which is more than {} has; is it the right place?",
        path.display(),
        MAX_BYTES / 1024 / 1024,
        kind.as_str()
    ))
}

/// Above what 20,000 certificates with their keys take up.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Files and directories; an archive with every renewal of many years has fewer.
const MAX_FILES: usize = 50_000;

#[cfg(test)]
mod tests;
