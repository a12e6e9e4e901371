//! Asking the file of a store whose it is, without opening the store.

use std::{path::Path, time::Duration};

use rusqlite::Connection;

use super::{
    open::FILE,
    read,
    schema::{self, Found},
};
use crate::{
    Kv, Page, Prefix, Revision, StoreError,
    cluster::Cluster,
    place::Place,
    records::{ClusterRecord, decode},
    watch::LogPart,
};

/// Is what a store says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// Whose it is.
    pub cluster: Cluster,
    /// Its newest revision.
    pub revision: Revision,
}

/// Looks into the store in a directory, which may be in use; none if it cannot say.
///
/// It takes no lock, changes nothing, and checks nothing.
pub fn peek(directory: &Path) -> Option<Peeked> {
    let file = directory.join(FILE);
    if !file.is_file() {
        return None;
    }
    let mut connection = schema::open_reader(&file).ok()?;
    connection.busy_timeout(BUSY).ok()?;
    if !matches!(schema::look(&connection), Ok(Found::Ours)) {
        return None;
    }
    let (kv, revision) = read::get(&mut connection, &Place::Cluster.key()).ok()?;
    let record: ClusterRecord = decode(&kv?.value).ok()?;
    Some(Peeked { cluster: Cluster { id: record.cluster_id, generation: record.generation }, revision })
}

/// Is what a file turned out to be, opened to read.
pub(crate) enum Looked {
    /// A store of a form that we know.
    Ours {
        /// It only reads.
        connection: Connection,
        /// The form.
        version: i32,
    },
    /// A store of an older form.
    Older {
        /// The form.
        version: i32,
        /// The one that it will have.
        known: i32,
    },
    /// A store of a newer form.
    Newer {
        /// The form.
        version: i32,
        /// The newest that we know.
        known: i32,
    },
    /// Something else.
    Foreign,
}

/// Opens a file to read, and sees what it is; it may be in use.
pub(crate) fn look(file: &Path) -> rusqlite::Result<Looked> {
    let connection = schema::open_reader(file)?;
    Ok(match schema::look(&connection)? {
        Found::Ours => Looked::Ours { connection, version: schema::VERSION },
        Found::Older(version) => Looked::Older { version, known: schema::VERSION },
        Found::Newer(version) => Looked::Newer { version, known: schema::VERSION },
        Found::Empty | Found::Foreign => Looked::Foreign,
    })
}

/// Whether anything below the prefixes was changed after a revision; none if it cannot be said.
pub(crate) fn changed_since(directory: &Path, prefixes: &[Prefix], after: Revision) -> Option<bool> {
    let mut connection = schema::open_reader(&directory.join(FILE)).ok()?;
    connection.busy_timeout(BUSY).ok()?;
    let mut after = after;
    loop {
        let newest = read::revision(&mut connection).ok()?;
        match read::log_after(&mut connection, prefixes, after).ok()? {
            LogPart::Compacted { .. } => return Some(true),
            LogPart::Batches { batches, .. } if !batches.is_empty() => return Some(true),
            LogPart::Batches { up_to, .. } if up_to >= newest => return Some(false),
            LogPart::Batches { up_to, .. } => after = up_to,
        }
    }
}

/// Looks at every page, every index, and whether both agree: `ok`, or what is not sound.
pub(crate) fn integrity(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection.prepare("PRAGMA integrity_check(10)")?.query_map([], |row| row.get(0))?.collect()
}

/// Reads all keys, as they are at one moment.
pub(crate) fn read_everything(mut connection: Connection) -> Result<Vec<Kv>, StoreError> {
    Ok(read::list(&mut connection, &Prefix::all(), None, &Page::first(usize::MAX))?.kvs)
}

/// A start does not wait for it.
const BUSY: Duration = Duration::from_millis(200);
