//! Directories opened by an absolute path, step by step: nobody but root and the agent's own user may lead it elsewhere.

use std::{
    collections::VecDeque,
    ffi::{CString, OsStr},
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
};

use rustix::{
    fs::{self, AtFlags, CWD, FileType, Mode, OFlags, Stat},
    process::geteuid,
};

/// Is a directory that was reached, and those that were passed on the way to it.
pub(crate) struct Ground {
    /// Open for reading.
    pub(crate) directory: OwnedFd,
    /// Each directory that was passed, itself last.
    pub(crate) passed: Vec<(String, Stat)>,
}

/// Opens a directory.
///
/// Symbolic links on the way count only if root or the agent's user made them: whoever else owns a directory above cannot
/// lead a program that runs as root to another place.
pub(crate) fn open(path: &str) -> Result<Ground, String> {
    let system = |what: &str, error: io::Error| format!("{what} cannot be opened: {error}");
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = fs::openat(CWD, "/", directory, Mode::empty()).map_err(|error| system("/", error.into()))?;
    let stat = fs::fstat(&root).map_err(|error| system("/", error.into()))?;
    let mut passed = vec![("/".to_owned(), stat)];
    // Where it is, from the root on.
    let mut stack = vec![(root, String::new())];
    let mut ahead: VecDeque<Vec<u8>> = parts(path.as_bytes()).collect();
    let mut links = 0;
    while let Some(part) = ahead.pop_front() {
        if part == b".." {
            if stack.len() > 1 {
                stack.pop();
            }
            continue;
        }
        let Some((here, above)) = stack.last() else { break };
        let shown = format!("{above}/{}", String::from_utf8_lossy(&part));
        let name = CString::new(part).map_err(|_| format!("{shown} is no name of a directory"))?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = match fs::openat(here, &name, flags, Mode::empty()) {
            Ok(found) => found,
            Err(rustix::io::Errno::NOENT) => return Err(format!("{shown} does not exist")),
            Err(error) => return Err(system(&shown, error.into())),
        };
        let stat = fs::fstat(&found).map_err(|error| system(&shown, error.into()))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                passed.push((shown.clone(), stat));
                stack.push((found, shown));
            }
            FileType::Symlink => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(format!("{path} leads through more than {MAX_LINKS} symbolic links"));
                }
                if !is_trusted(stat.st_uid) {
                    return Err(format!(
                        "{shown} is a symbolic link of user {}; only those of root and of the agent's user are followed",
                        stat.st_uid
                    ));
                }
                let target =
                    fs::readlinkat(&found, c"", Vec::new()).map_err(|error| system(&shown, error.into()))?.into_bytes();
                if target.starts_with(b"/") {
                    stack.truncate(1);
                }
                for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                    ahead.push_front(part);
                }
            }
            _ => return Err(format!("{shown} is no directory")),
        }
    }
    let (last, _) = stack.pop().ok_or_else(|| format!("{path} cannot be opened"))?;
    let readable = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = fs::openat(&last, c".", readable, Mode::empty()).map_err(|error| system(path, error.into()))?;
    Ok(Ground { directory, passed })
}

/// Says who else than root and the agent's user could change what is in a directory or file, if anybody could.
pub(crate) fn who_else(stat: &Stat) -> Option<String> {
    if !is_trusted(stat.st_uid) {
        return Some(format!("belongs to user {}", stat.st_uid));
    }
    match stat.st_mode & 0o022 {
        0 => None,
        0o020 => Some(format!("can be written by group {}", stat.st_gid)),
        _ => Some("can be written by everybody".to_owned()),
    }
}

/// Whether nobody but the owner of what is in it may rename or remove that, as in `/tmp`.
pub(crate) fn is_sticky(stat: &Stat) -> bool {
    stat.st_mode & 0o1000 != 0 && is_trusted(stat.st_uid)
}

/// Tells one file or directory from every other one.
pub(crate) fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// The same of a directory below which something is.
pub(crate) fn identity_of(path: &std::path::Path) -> Option<(u64, u64)> {
    fs::statat(CWD, path, AtFlags::empty()).ok().map(|stat| identity(&stat))
}

fn is_trusted(user: u32) -> bool {
    user == 0 || user == geteuid().as_raw()
}

fn parts(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let is_step = |part: &&[u8]| !part.is_empty() && *part != OsStr::new(".").as_bytes();
    path.split(|byte| *byte == b'/').filter(is_step).map(<[u8]>::to_vec)
}

/// As many as Linux itself follows (path_resolution(7)).
const MAX_LINKS: usize = 40;
