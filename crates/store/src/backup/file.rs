//! The form of a backup: one JSON object per line.
//!
//! The first line says what it is, the last has the SHA-256 of all bytes before it, and between them is a line for each key.

use std::{
    collections::HashSet,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Cause, Key, Kv, Revision,
    cluster::Cluster,
    disk::Staged,
    hex::hex,
    place::Place,
    records::{ClusterRecord, SchemaRecord, decode},
};

/// Is a backup that was read whole and found undamaged.
#[derive(Debug)]
pub struct Backup {
    /// Whose it is.
    pub cluster: Cluster,
    /// The revision at which it was taken.
    pub revision: Revision,
    /// Keys and values, as they were.
    pub(super) content: Vec<(Key, Bytes)>,
}

/// Says why a file is no backup that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadBackupError {
    /// The file cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is something else.
    #[error("{path} is not a backup of Portward", path = path.display())]
    NotABackup {
        /// The file.
        path: PathBuf,
    },
    /// Its form is not known here.
    #[error("{path} has form {version} of backups, and this Portward knows {known}; a newer Portward wrote this", path = path.display(), known = FORM)]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its form.
        version: u32,
    },
    /// Something of it is missing or was changed.
    #[error("{path} is damaged: {what}; use another backup", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was noticed.
        what: &'static str,
    },
}

impl Backup {
    /// Reads a file and checks all of it.
    pub fn open(path: &Path) -> Result<Self, ReadBackupError> {
        let bytes = fs::read(path).map_err(|source| ReadBackupError::Read { path: path.to_owned(), source })?;
        parse(&bytes).map_err(|fault| fault.of(path))
    }

    /// How many keys it has.
    pub fn keys(&self) -> usize {
        self.content.len()
    }

    pub(super) fn value(&self, place: &Place) -> Option<&Bytes> {
        let key = place.key();
        self.content.iter().find(|(other, _)| *other == key).map(|(_, value)| value)
    }
}

/// Writes a backup line by line.
pub(super) struct BackupWriter {
    staged: Staged,
    hash: digest::Context,
    keys: u64,
}

impl BackupWriter {
    /// Begins a file; it does not have its name yet.
    pub(super) fn create(out: &Path, cluster: &Cluster, revision: Revision) -> Result<Self, Cause> {
        let staged = Staged::create(out, 0o600)?;
        let mut writer = Self { staged, hash: digest::Context::new(&digest::SHA256), keys: 0 };
        writer.line(&Head {
            portward_backup: FORM,
            cluster_id: cluster.id.clone(),
            generation: cluster.generation,
            revision: revision.0,
        })?;
        Ok(writer)
    }

    /// Adds a key.
    pub(super) fn add(&mut self, kv: &Kv) -> Result<(), Cause> {
        self.keys += 1;
        self.line(&Entry { k: kv.key.to_string(), v: kv.value.to_vec() })
    }

    /// Ends the file and gives it its name; tells how many keys it has.
    pub(super) fn finish(mut self) -> Result<u64, Cause> {
        let foot = Foot { keys: self.keys, sha256: hex(self.hash.clone().finish().as_ref()) };
        self.line(&foot)?;
        self.staged.replace()?;
        Ok(self.keys)
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), Cause> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.hash.update(&bytes);
        self.staged.file().write_all(&bytes)?;
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    portward_backup: u32,
    cluster_id: String,
    generation: u64,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    k: String,
    #[serde(with = "crate::records::base64")]
    v: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Foot {
    keys: u64,
    sha256: String,
}

/// Says what is wrong with the bytes of a file, wherever they came from.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    NotABackup,
    Newer(u32),
    Damaged(&'static str),
}

impl Fault {
    fn of(self, path: &Path) -> ReadBackupError {
        let path = path.to_owned();
        match self {
            Self::NotABackup => ReadBackupError::NotABackup { path },
            Self::Newer(version) => ReadBackupError::Newer { path, version },
            Self::Damaged(what) => ReadBackupError::Damaged { path, what },
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Backup, Fault> {
    #[derive(Deserialize)]
    struct Form {
        portward_backup: u32,
    }
    let first = bytes.split_inclusive(|b| *b == b'\n').next().unwrap_or_default();
    // A form of the future may have anything else in it, so this is looked at by itself.
    let Form { portward_backup: form } = serde_json::from_slice(first).map_err(|_| Fault::NotABackup)?;
    if form > FORM {
        return Err(Fault::Newer(form));
    }
    let head: Head = serde_json::from_slice(first).map_err(|_| Fault::Damaged("its first line cannot be read"))?;
    let body = bytes.strip_suffix(b"\n").ok_or(Fault::Damaged("it ends in the middle of a line"))?;
    let foot_start = body.iter().rposition(|b| *b == b'\n').ok_or(Fault::Damaged("only its first line is there"))? + 1;
    let (before, last) = body.split_at(foot_start);
    let foot: Foot = serde_json::from_slice(last).map_err(|_| Fault::Damaged("its end is missing"))?;
    if foot.sha256 != hex(digest::digest(&digest::SHA256, before).as_ref()) {
        return Err(Fault::Damaged("its checksum is wrong"));
    }
    let mut content = Vec::new();
    let mut seen = HashSet::new();
    for line in before.split_inclusive(|b| *b == b'\n').skip(1) {
        let entry: Entry = serde_json::from_slice(line).map_err(|_| Fault::Damaged("a line cannot be read"))?;
        let key = Key::parse(&entry.k).map_err(|_| Fault::Damaged("a line has an impossible key"))?;
        if !seen.insert(key.clone()) {
            return Err(Fault::Damaged("a key is there twice"));
        }
        content.push((key, entry.v.into()));
    }
    if content.len() as u64 != foot.keys {
        return Err(Fault::Damaged("keys are missing"));
    }
    let cluster = Cluster { id: head.cluster_id, generation: head.generation };
    let backup = Backup { cluster, revision: Revision(head.revision), content };
    check_identity(&backup)?;
    Ok(backup)
}

/// The first line must tell the truth about what follows, and the layout must be one that we know.
fn check_identity(backup: &Backup) -> Result<(), Fault> {
    let record = |place: &Place| backup.value(place).ok_or(Fault::Damaged("it does not say whose it is"));
    let cluster: ClusterRecord =
        decode(record(&Place::Cluster)?).map_err(|_| Fault::Damaged("it does not say whose it is"))?;
    if cluster.cluster_id != backup.cluster.id || cluster.generation != backup.cluster.generation {
        return Err(Fault::Damaged("it contradicts itself about whose it is"));
    }
    let schema: SchemaRecord = match decode(record(&Place::Schema)?) {
        Err(crate::RecordError::Newer { v, .. }) => return Err(Fault::Newer(v)),
        decoded => decoded.map_err(|_| Fault::Damaged("it does not say which layout it has"))?,
    };
    if schema.min_reader > SchemaRecord::LAYOUT || !schema.features.is_empty() {
        return Err(Fault::Newer(schema.version));
    }
    Ok(())
}

/// The form of backups that is written, and the newest that is read.
const FORM: u32 = 1;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::records::encode;

    fn kv(key: Key, value: impl Into<Bytes>) -> Kv {
        let (create_revision, mod_revision) = (Revision(1), Revision(1));
        Kv { key, value: value.into(), create_revision, mod_revision, lease: None }
    }

    fn written() -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("backup");
        let cluster = Cluster { id: "c1".to_owned(), generation: 2 };
        let mut writer = BackupWriter::create(&path, &cluster, Revision(9)).unwrap();
        writer.add(&kv(Place::Cluster.key(), encode(&ClusterRecord::new("c1".to_owned(), 2)))).unwrap();
        writer.add(&kv(Place::Schema.key(), encode(&SchemaRecord::ours()))).unwrap();
        writer.add(&kv(Key::parse("bindings/b").unwrap(), &b"\xff\n{}"[..])).unwrap();
        assert!(!path.exists(), "it has its name only when it is complete");
        assert_eq!(writer.finish().unwrap(), 3);
        fs::read(path).unwrap()
    }

    /// Seals content of our choice with a right checksum.
    fn with_checksum(lines: &str, keys: u64) -> Vec<u8> {
        let sha256 = hex(digest::digest(&digest::SHA256, lines.as_bytes()).as_ref());
        format!("{lines}{{\"keys\":{keys},\"sha256\":\"{sha256}\"}}\n").into_bytes()
    }

    #[test]
    fn what_is_written_is_read() {
        let backup = parse(&written()).unwrap();
        assert_eq!(backup.cluster, Cluster { id: "c1".to_owned(), generation: 2 });
        assert_eq!(backup.revision, Revision(9));
        assert_eq!(backup.content[2], (Key::parse("bindings/b").unwrap(), Bytes::from_static(b"\xff\n{}")));
    }

    #[test]
    fn every_prefix_of_a_backup_is_refused() {
        let bytes = written();
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
    }

    #[test]
    fn every_changed_byte_of_a_backup_is_noticed() {
        let bytes = written();
        for index in 0..bytes.len() {
            for flip in [1, 0x20, 0x80] {
                let mut changed = bytes.clone();
                changed[index] ^= flip;
                assert!(parse(&changed).is_err(), "byte {index} with {flip:#x}");
            }
        }
    }

    #[test]
    fn a_file_is_refused_for_what_it_is() {
        let head = r#"{"portward_backup":1,"cluster_id":"c1","generation":2,"revision":9}"#;
        let line = |key: &str, value: &[u8]| {
            serde_json::to_string(&Entry { k: key.to_owned(), v: value.to_vec() }).unwrap() + "\n"
        };
        let cluster = line("meta/cluster", &encode(&ClusterRecord::new("c1".to_owned(), 2)));
        let other = line("meta/cluster", &encode(&ClusterRecord::new("c2".to_owned(), 2)));
        let schema = line("meta/schema", &encode(&SchemaRecord::ours()));
        let newer = line("meta/schema", br#"{"v":1,"version":2,"min_reader":2,"features":[]}"#);
        let feature = line("meta/schema", br#"{"v":1,"version":1,"min_reader":1,"features":["x"]}"#);
        for (bytes, expected) in [
            (b"SQLite format 3\0".to_vec(), Fault::NotABackup),
            (Vec::new(), Fault::NotABackup),
            (b"{\"portward_backup\":2,\"more\":1}\n".to_vec(), Fault::Newer(2)),
            (with_checksum(&format!("{head}\n"), 0), Fault::Damaged("it does not say whose it is")),
            (
                with_checksum(&format!("{head}\n{other}{schema}"), 2),
                Fault::Damaged("it contradicts itself about whose it is"),
            ),
            (with_checksum(&format!("{head}\n{cluster}{newer}"), 2), Fault::Newer(2)),
            (with_checksum(&format!("{head}\n{cluster}{feature}"), 2), Fault::Newer(1)),
            (with_checksum(&format!("{head}\n{cluster}{schema}"), 3), Fault::Damaged("keys are missing")),
            (with_checksum(&format!("{head}\n{cluster}{cluster}{schema}"), 3), Fault::Damaged("a key is there twice")),
            (with_checksum(&format!("{head}\n{cluster}{schema}x\n"), 3), Fault::Damaged("a line cannot be read")),
        ] {
            assert_eq!(parse(&bytes).unwrap_err(), expected);
        }
    }
}
