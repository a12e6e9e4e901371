//! Looking at a store that is in use or not, without changing anything: is it sound, complete and ours?

mod content;
mod files;

use std::path::Path;

use rusqlite::Connection;

use crate::{
    disk_snapshot::{self, DiskSnapshot},
    sealing::MasterKey,
    sqlite::{self, Looked},
};

/// Is what was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, as in `integrity` or `disk-space`; stable for programs.
    pub what: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What to do; empty where nothing is.
    pub remedy: String,
}

/// Says how something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Somebody should look.
    Warning,
    /// Something is lost, or will not work.
    Bad,
}

impl Finding {
    fn good(what: &'static str, seen: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Good, seen: seen.into(), remedy: String::new() }
    }

    fn warning(what: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Warning, seen: seen.into(), remedy: remedy.into() }
    }

    fn bad(what: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Bad, seen: seen.into(), remedy: remedy.into() }
    }
}

impl Verdict {
    /// The word for it: `good`, `warning` or `bad`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// Looks at the store in a directory. A server may run with it; nothing is changed, and nothing is locked.
///
/// Without the master key, or why there is none, secrets are not tried. It holds all records in memory, and takes some
/// seconds with a hundred thousand certificates.
pub async fn examine(directory: &Path, master: Result<MasterKey, String>) -> Vec<Finding> {
    let mut findings = files::look(directory);
    let file = directory.join(sqlite::FILE);
    let connection = match sqlite::look(&file) {
        Ok(Looked::Ours { connection, version }) => {
            findings.push(Finding::good("format", format!("form {version}, which this Portward writes")));
            connection
        }
        Ok(Looked::Older { version, known }) => {
            let seen = format!("form {version}; the next start makes form {known} of it, and keeps a copy as it was");
            findings.push(Finding::warning("format", seen, "start the server, and ask again"));
            return findings;
        }
        Ok(Looked::Newer { version, known }) => {
            let seen = format!("form {version}, and this Portward knows forms up to {known}");
            findings.push(Finding::bad("format", seen, "install the Portward that wrote it, or a newer one"));
            return findings;
        }
        Ok(Looked::Foreign) => {
            let seen = format!("{} is not a store of Portward", file.display());
            findings.push(Finding::bad("format", seen, "give the data directory of the server: --data-dir DIR"));
            return findings;
        }
        Err(error) => {
            let seen = format!("{} cannot be opened: {error}", file.display());
            findings.push(Finding::bad("format", seen, RESTORE));
            return findings;
        }
    };
    findings.push(integrity(&connection));
    let kvs = match sqlite::read_everything(connection) {
        Ok(kvs) => kvs,
        Err(error) => {
            findings.push(Finding::bad("records", format!("not all records can be read: {error}"), RESTORE));
            return findings;
        }
    };
    let master = match master {
        Ok(master) => Some(master),
        Err(error) => {
            findings.push(Finding::bad("master-key", error, "put the saved copy of the master key file in its place"));
            None
        }
    };
    findings.extend(content::look(kvs, master.as_ref()).await);
    if let Some(master) = &master {
        findings.extend(snapshots(directory, master));
    }
    findings
}

/// Looks at the file itself.
fn integrity(connection: &Connection) -> Finding {
    match sqlite::integrity(connection) {
        Ok(lines) if lines == ["ok"] => Finding::good("integrity", "every page and index of the file is sound"),
        Ok(lines) => Finding::bad("integrity", lines.join("; "), RESTORE),
        Err(error) => Finding::bad("integrity", error.to_string(), RESTORE),
    }
}

/// Looks at both generations of the disk snapshot.
fn snapshots(directory: &Path, master: &MasterKey) -> Vec<Finding> {
    let peeked = sqlite::peek(directory);
    let look = |file: std::path::PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match DiskSnapshot::read_file(&file, master, peeked.as_ref()) {
            Ok(snapshot) => {
                let revision = snapshot.desired.revision.0;
                Finding::good("disk-snapshot", format!("{name} has the desired state of revision {revision}"))
            }
            Err(disk_snapshot::ReadDiskSnapshotError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                Finding::good("disk-snapshot", format!("{name} was not written yet"))
            }
            Err(error) => Finding::warning(
                "disk-snapshot",
                format!("{name} is not believed: {error}"),
                "nothing is lost: a running server writes a new one after the next change",
            ),
        }
    };
    disk_snapshot::files(directory).map(look).into()
}

/// What helps where the file itself is not sound.
const RESTORE: &str = "keep a copy of the data directory, and go back to a backup: portward store restore FILE";

#[cfg(test)]
mod tests;
