//! Where a delivery is: its paths, and what is kept beside the first of them.
//!
//! ```text
//! /etc/nginx/tls/site.pem -> .portward/<delivery>/live/site.pem
//! /etc/nginx/tls/.portward/<delivery>/live -> v/7
//! /etc/nginx/tls/.portward/<delivery>/v/7/site.pem
//! ```
//!
//! `live` is the one thing that is changed when a version takes the place of another one: by a rename, so that all files
//! of it change in the same instant.

use std::io;

use portward_core::{DeliveryId, DeliveryPath};
use portward_link::message::Fault;
use zeroize::Zeroizing;

use super::{
    directory::{Access, Content, Directory, Entry},
    refused,
    wanted::OWN,
};
use crate::policy::{Policy, ground};

/// Is a place that was reached without following any symbolic link below an allowed directory.
#[derive(Debug)]
pub(super) struct Place {
    id: DeliveryId,
    files: Vec<Destination>,
    kept: Option<Kept>,
}

/// Is one of the paths.
#[derive(Debug)]
struct Destination {
    path: DeliveryPath,
    /// The directory of the path, or the deepest one above it that is there.
    home: Directory,
    /// What is missing down to the directory of the path.
    missing: Vec<String>,
    /// The name that it has there.
    name: String,
    /// The name that it has in a version.
    stored: String,
    /// What the symbolic link at the path says.
    link: String,
}

/// Is what is kept beside the first path.
#[derive(Debug)]
struct Kept {
    /// `.portward`
    all: Directory,
    /// `.portward/<delivery>`
    own: Directory,
    /// `.portward/<delivery>/v`
    versions: Directory,
}

/// Is what is found at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// A file of somebody else's.
    File,
    /// A link into what is kept for this delivery.
    Ours,
}

impl Place {
    /// Finds the place of a delivery, and changes nothing. `guarded` are directories in which nothing is installed.
    pub(super) fn find(
        policy: &Policy,
        id: &DeliveryId,
        paths: &[DeliveryPath],
        guarded: &[(u64, u64)],
    ) -> Result<Self, Fault> {
        let mut files: Vec<Destination> = Vec::new();
        for path in paths {
            let (home, missing) = reach(policy, path, guarded)?;
            let (directory, name) = path.split();
            let (first, first_name) = paths[0].split();
            // Two files of one name, from two directories, are kept in one.
            let is_namesake = !files.is_empty() && name == first_name;
            let stored = if is_namesake { format!("{name}.{}", files.len() + 1) } else { name.to_owned() };
            let inside = format!("{OWN}/{id}/live/{stored}");
            let link = if directory == first { inside } else { format!("{first}/{inside}") };
            files.push(Destination { path: path.clone(), home, missing, name: name.to_owned(), stored, link });
        }
        let mut place = Self { id: id.clone(), files, kept: None };
        place.kept = place.open_kept().map_err(|error| {
            refused("path-refused", format!("what is kept beside {} cannot be opened: {error}", paths[0]))
        })?;
        Ok(place)
    }

    fn open_kept(&self) -> io::Result<Option<Kept>> {
        let first = &self.files[0];
        if !first.missing.is_empty() {
            return Ok(None);
        }
        let open = || -> io::Result<Kept> {
            let all = first.home.own(OWN)?;
            let own = all.own(self.id.as_str())?;
            let versions = own.own(VERSIONS)?;
            Ok(Kept { all, own, versions })
        };
        match open() {
            Ok(kept) => Ok(Some(kept)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is at each path; refuses what may not be replaced.
    pub(super) fn found(&self) -> Result<Vec<Found>, Fault> {
        self.files.iter().map(Destination::found).collect()
    }

    /// Refuses a place that has no room for so many bytes.
    pub(super) fn check_room(&self, bytes: usize) -> Result<(), Fault> {
        let home = &self.files[0].home;
        let (free, has_inodes) = home.room().map_err(|error| {
            refused("no-room", format!("it cannot be found out how much room is in {}: {error}", home.path))
        })?;
        // As much again for what was there before.
        let wanted = 2 * bytes as u64 + SPARE;
        if free < wanted || !has_inodes {
            let what = if has_inodes {
                format!("{free} bytes free, and {wanted} are wanted")
            } else {
                "no inodes free".into()
            };
            return Err(refused("no-room", format!("the file system of {} has {what}; make room there", home.path)));
        }
        Ok(())
    }

    /// The version in use, if there is any.
    pub(super) fn live(&self) -> io::Result<Option<String>> {
        let Some(kept) = &self.kept else { return Ok(None) };
        match kept.own.look(LIVE)? {
            Entry::Nothing => Ok(None),
            Entry::Link(target) => match target.strip_prefix("v/").filter(|version| order(version).is_some()) {
                Some(version) => Ok(Some(version.to_owned())),
                None => Err(io::Error::other(format!("{}/{LIVE} leads to \"{target}\"; remove it", kept.own.path))),
            },
            _ => Err(io::Error::other(format!("{}/{LIVE} is no symbolic link; remove it", kept.own.path))),
        }
    }

    /// A name for a new version, which is not that of the one in use.
    pub(super) fn name_for(&self, number: u64, live: Option<&str>) -> String {
        (1..)
            .map(|n: u32| if n == 1 { number.to_string() } else { format!("{number}-{n}") })
            .find(|name| live != Some(name))
            .unwrap_or_default()
    }

    /// Makes the directories that are missing.
    pub(super) fn make(&mut self) -> io::Result<()> {
        for file in &mut self.files {
            for step in std::mem::take(&mut file.missing) {
                file.home = file.home.below_or_made(&step)?;
            }
        }
        let all = self.files[0].home.own_or_made(OWN)?;
        let own = all.own_or_made(self.id.as_str())?;
        let versions = own.own_or_made(VERSIONS)?;
        self.kept = Some(Kept { all, own, versions });
        Ok(())
    }

    /// Writes a version to the disk, beside the one in use.
    pub(super) fn stage(&self, version: &str, files: &[Zeroizing<Vec<u8>>], access: Access) -> io::Result<()> {
        let directory = self.new_version(version)?;
        for (file, bytes) in self.files.iter().zip(files) {
            directory.create(&file.stored, bytes, access)?;
        }
        directory.sync()
    }

    /// Keeps what is at the paths as a version, which is then in use: whoever opens a path sees what was there.
    ///
    /// `step` is told between the changes.
    pub(super) fn take_over(&self, version: &str, step: &dyn Fn(&str)) -> io::Result<()> {
        let live = self.live()?;
        let directory = self.new_version(version)?;
        for file in &self.files {
            if let Some(Content { bytes, access }) = self.content(file, live.as_deref())? {
                directory.create(&file.stored, &bytes, access)?;
            }
        }
        directory.sync()?;
        step("kept");
        self.switch(version)?;
        step("live-before");
        for (position, file) in self.files.iter().enumerate() {
            file.home.link(&file.name, &file.link)?;
            step(&format!("linked-{position}"));
        }
        Ok(())
    }

    fn new_version(&self, version: &str) -> io::Result<Directory> {
        let kept = self.kept()?;
        kept.versions.remove_with_files(version)?;
        let directory = kept.versions.own_or_made(version)?;
        kept.versions.sync()?;
        Ok(directory)
    }

    /// Puts a version in use: all files of it in the same instant.
    pub(super) fn switch(&self, version: &str) -> io::Result<()> {
        self.kept()?.own.link(LIVE, &format!("v/{version}"))
    }

    /// What is at each path now.
    pub(super) fn contents(&self) -> io::Result<Vec<Option<Content>>> {
        let live = self.live()?;
        self.files.iter().map(|file| self.content(file, live.as_deref())).collect()
    }

    fn content(&self, file: &Destination, live: Option<&str>) -> io::Result<Option<Content>> {
        if !file.missing.is_empty() {
            return Ok(None);
        }
        match file.home.look(&file.name)? {
            Entry::File => file.home.read_alone(&file.name).map(Some),
            Entry::Link(target) if target == file.link => live.map_or(Ok(None), |live| self.stored(file, live)),
            _ => Ok(None),
        }
    }

    fn stored(&self, file: &Destination, version: &str) -> io::Result<Option<Content>> {
        let Some(kept) = &self.kept else { return Ok(None) };
        let read = kept.versions.below(version).and_then(|directory| directory.read(&file.stored));
        match read {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes plain files of the links, with what they lead to now, and keeps nothing any more.
    ///
    /// A link that leads to nothing goes away. It can be done again after having been broken off.
    pub(super) fn release(&self, step: &dyn Fn(&str)) -> io::Result<()> {
        let live = self.live()?;
        for (position, file) in self.files.iter().enumerate() {
            if !file.missing.is_empty() || file.home.look(&file.name)? != Entry::Link(file.link.clone()) {
                continue;
            }
            match self.content(file, live.as_deref())? {
                Some(Content { bytes, access }) => file.home.replace(&file.name, &bytes, access)?,
                None => {
                    file.home.remove(&file.name)?;
                    file.home.sync()?;
                }
            }
            step(&format!("released-{position}"));
        }
        let Some(kept) = &self.kept else { return self.tidy() };
        kept.own.remove(LIVE)?;
        for version in kept.versions.list()? {
            kept.versions.remove_with_files(&version)?;
        }
        self.tidy()?;
        kept.own.remove_empty(VERSIONS)?;
        kept.all.remove_empty(self.id.as_str())?;
        // Other deliveries may have theirs in it.
        let _ = self.files[0].home.remove_empty(OWN);
        self.files[0].home.sync()
    }

    /// Removes a version that is not in use.
    pub(super) fn forget(&self, version: &str) -> io::Result<()> {
        self.kept.as_ref().map_or(Ok(()), |kept| kept.versions.remove_with_files(version))
    }

    /// Removes what a crash may have left half done.
    pub(super) fn tidy(&self) -> io::Result<()> {
        let kept = self.kept.iter().map(|kept| &kept.own);
        let homes = self.files.iter().filter(|file| file.missing.is_empty()).map(|file| &file.home);
        kept.chain(homes).try_for_each(Directory::tidy)
    }

    /// Removes all versions but the last ones, the one in use among them.
    pub(super) fn prune(&self, live: &str) -> io::Result<()> {
        let kept = self.kept()?;
        let mut versions = kept.versions.list()?;
        versions.retain(|version| version != live && order(version).is_some());
        versions.sort_by_key(|version| std::cmp::Reverse(order(version)));
        versions.iter().skip(KEEP - 1).try_for_each(|version| kept.versions.remove_with_files(version))
    }

    fn kept(&self) -> io::Result<&Kept> {
        self.kept.as_ref().ok_or_else(|| io::Error::other("nothing is kept of this delivery"))
    }
}

impl Destination {
    fn found(&self) -> Result<Found, Fault> {
        if !self.missing.is_empty() {
            return Ok(Found::Nothing);
        }
        let path = &self.path;
        let entry = self.home.look(&self.name);
        let entry = entry.map_err(|error| refused("path-refused", format!("{path} cannot be looked at: {error}")))?;
        let what = match entry {
            Entry::Nothing => return Ok(Found::Nothing),
            Entry::File => return Ok(Found::File),
            Entry::Link(target) if target == self.link => return Ok(Found::Ours),
            Entry::Shared => "is a file with several names (hard links)".to_owned(),
            Entry::Link(target) => {
                format!("is a symbolic link to \"{}\", and not one of this delivery", target.escape_debug())
            }
            Entry::Directory => "is a directory".to_owned(),
            Entry::Other(what) => format!("is {what}"),
        };
        let expected = "nothing, a plain file, and a link of this delivery are replaced";
        Err(refused("path-refused", format!("{path} {what}; only {expected}: remove it, or give another path")))
    }
}

/// Goes from an allowed directory to the directory of a path as far as it is there.
fn reach(policy: &Policy, path: &DeliveryPath, guarded: &[(u64, u64)]) -> Result<(Directory, Vec<String>), Fault> {
    let (allowed, steps) = policy.allows(path).ok_or_else(|| {
        let list: Vec<&str> = policy.directories.iter().map(|allowed| allowed.path.as_str()).collect();
        let list = if list.is_empty() { "none".to_owned() } else { list.join(", ") };
        let what = format!("{path} is not below a directory that {} allows ({list})", policy.path.display());
        refused("directory-not-allowed", what)
    })?;
    let unusable = |why: &dyn std::fmt::Display| {
        refused("directory-unusable", format!("the allowed directory {} cannot be used: {why}", allowed.path))
    };
    let fd = allowed.directory.as_ref().map_err(|why| unusable(why))?;
    let fd = fd.try_clone().map_err(|error| unusable(&error))?;
    let mut home = Directory::of(fd, allowed.path.to_string());
    let guard = |directory: &Directory| -> Result<(), Fault> {
        let stat = directory.stat().map_err(|error| unusable(&error))?;
        if guarded.contains(&ground::identity(&stat)) {
            let what = format!("{} has the agent's own files; nothing is installed there", directory.path);
            return Err(refused("path-refused", what));
        }
        Ok(())
    };
    guard(&home)?;
    let mut missing = Vec::new();
    for step in steps.iter().take(steps.len().saturating_sub(1)) {
        if !missing.is_empty() {
            missing.push((*step).to_owned());
            continue;
        }
        match home.below(step) {
            Ok(below) => {
                guard(&below)?;
                home = below;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push((*step).to_owned()),
            Err(error) => {
                let what = format!(
                    "{}/{step} on the way to {path} cannot be opened as a directory ({error}); symbolic links below {} are not followed",
                    home.path, allowed.path
                );
                return Err(refused("path-refused", what));
            }
        }
    }
    Ok((home, missing))
}

/// The number of a version, and how often it was made; none if it is no name of a version.
fn order(version: &str) -> Option<(u64, u32)> {
    let (number, again) = version.split_once('-').unwrap_or((version, "1"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_number(number) && is_number(again) { Some((number.parse().ok()?, again.parse().ok()?)) } else { None }
}

const LIVE: &str = "live";
const VERSIONS: &str = "v";
/// How many versions are kept.
const KEEP: usize = 3;
/// Directories and links take room, too.
const SPARE: u64 = 64 * 1024;
