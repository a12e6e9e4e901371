//! The files that came, and which of them have been looked at.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use zeroize::Zeroizing;

use super::ForeignFile;
use crate::pem;

/// Holds files by path.
pub(super) struct Files(BTreeMap<String, File>);

struct File {
    data: Zeroizing<Vec<u8>>,
    used: Cell<bool>,
}

impl Files {
    pub(super) fn new(files: impl Iterator<Item = ForeignFile>) -> Self {
        Self(files.map(|file| (file.path, File { data: file.data, used: Cell::new(false) })).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All paths in their order.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The content of a file, which counts as used then.
    pub(super) fn bytes(&self, path: &str) -> Option<&[u8]> {
        let file = self.0.get(path)?;
        file.used.set(true);
        Some(&file.data)
    }

    /// The content of a file as text, which counts as used then.
    pub(super) fn text(&self, path: &str) -> Option<Zeroizing<String>> {
        self.bytes(path).map(pem::text::decode)
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// Paths of the files in a directory and below it.
    pub(super) fn below<'a>(&'a self, directory: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let beginning = format!("{directory}/");
        let from = self.0.range(beginning.clone()..).map(|(path, _)| path.as_str());
        from.take_while(move |path| path.starts_with(&beginning))
    }

    /// Paths of files that nothing has asked for.
    pub(super) fn unused(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, file)| !file.used.get()).map(|(path, _)| path.as_str())
    }

    /// Directories that have files of which the test is true, in their order, each once.
    pub(super) fn directories(&self, is_wanted: impl Fn(&[&str]) -> bool) -> BTreeSet<&str> {
        let paths = self.paths().filter(|path| is_wanted(&path.split('/').collect::<Vec<_>>()));
        paths.filter_map(|path| path.rsplit_once('/')).map(|(directory, _)| directory).collect()
    }
}
