//! What the agent remembers of what it installed, and of what it is installing: `installed.json`.
//!
//! It is written before anything is changed and after all is well, so that whoever opens it after a crash knows what was
//! going on. No secret is in it.

use std::{
    collections::BTreeMap,
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use portward_link::message::Install;
use serde::{Deserialize, Serialize};

use super::durable;

/// Is what is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    /// What is installed, by the name of the delivery.
    #[serde(default)]
    pub(super) installed: BTreeMap<String, Record>,
    /// What is being installed, or could not be brought to an end.
    #[serde(default)]
    pub(super) pending: BTreeMap<String, Pending>,
    /// The last generation of each delivery that was withdrawn.
    #[serde(default)]
    pub(super) withdrawn: BTreeMap<String, u64>,
}

/// Is one version of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) generation: u64,
    /// SHA-256 of all that was asked.
    pub(super) digest: String,
    /// SHA-256 of the leaf.
    pub(super) thumbprint: String,
    /// Until when the leaf is valid, in seconds since 1970.
    pub(super) not_after: i64,
    pub(super) install: Install,
    /// SHA-256 of each file.
    pub(super) files: Vec<String>,
    /// Whether it was seen to be served.
    #[serde(default)]
    pub(super) verified: Option<bool>,
}

/// Is an installation that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    /// What it comes to.
    pub(super) record: Record,
    /// Where its files are, below `v`.
    pub(super) version: String,
    /// What was in use before, below `v`.
    pub(super) before: String,
    /// Whether what was in use before were no links of ours.
    pub(super) first: bool,
    /// Whether the program may have been told.
    pub(super) told: bool,
    /// Whether it failed, and what was in use before is put back.
    pub(super) going_back: bool,
}

/// Keeps a ledger in a directory.
#[derive(Debug)]
pub(super) struct LedgerFile {
    directory: PathBuf,
}

impl LedgerFile {
    /// Opens the ledger in a directory, which is made if it is not there.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, Ledger)> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let file = Self { directory: directory.to_owned() };
        let ledger = match std::fs::read(directory.join(NAME)) {
            Ok(json) => serde_json::from_slice(&json).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ledger::default(),
            Err(error) => return Err(error),
        };
        Ok((file, ledger))
    }

    /// Writes it to the disk.
    pub(super) fn save(&self, ledger: &Ledger) -> io::Result<()> {
        let json = serde_json::to_vec_pretty(ledger).map_err(io::Error::other)?;
        durable::write(&self.directory, NAME, &json)
    }
}

/// The file.
pub(super) const NAME: &str = "installed.json";
