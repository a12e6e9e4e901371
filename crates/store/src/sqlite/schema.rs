//! The tables, and the settings of a connection.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, Result};

/// Says what a database file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing is in it.
    Empty,
    /// One of ours, of a version that we know.
    Ours,
    /// One of ours, of an older version.
    Older(i32),
    /// One of ours, of a newer version.
    Newer(i32),
    /// Something else.
    Foreign,
}

/// Opens a connection that can write. Nothing is changed yet.
pub(super) fn open_writer(file: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE,
    )?;
    // Before anything else: to switch to WAL needs a lock, too.
    connection.busy_timeout(BUSY)?;
    harden(&connection)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(file: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE,
    )?;
    connection.busy_timeout(BUSY)?;
    harden(&connection)?;
    Ok(connection)
}

/// Looks what the file is.
pub(super) fn look(connection: &Connection) -> Result<Found> {
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (id, version) {
        (APPLICATION_ID, VERSION) => Found::Ours,
        (APPLICATION_ID, older) if (1..VERSION).contains(&older) => Found::Older(older),
        (APPLICATION_ID, newer) => Found::Newer(newer),
        (0, 0) if tables == 0 => Found::Empty,
        _ => Found::Foreign,
    })
}

/// Makes writes durable, each by itself, and lets readers go on meanwhile.
pub(super) fn make_durable(connection: &Connection) -> Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES)
}

/// Makes the tables in an empty file, all or none.
pub(super) fn create(connection: &mut Connection) -> Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

fn harden(connection: &Connection) -> Result<()> {
    // A mapped file turns an error of the disk into a signal.
    connection.pragma_update_and_check(None, "mmap_size", 0, |_| Ok(()))?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// `log` has what each revision did, with what was there before: so a list can go back to an earlier revision,
/// and a watch can begin at one. `rev.compacted` is the newest revision that the log has forgotten.
/// Leases themselves are in memory, as they end with the process.
const TABLES: &str = "
    CREATE TABLE kv (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        value BLOB NOT NULL,
        create_rev INTEGER NOT NULL,
        mod_rev INTEGER NOT NULL,
        lease INTEGER
    ) STRICT;
    CREATE INDEX kv_by_mod_rev ON kv (mod_rev, key);
    CREATE INDEX kv_by_lease ON kv (lease) WHERE lease IS NOT NULL;
    CREATE TABLE log (
        id INTEGER PRIMARY KEY,
        rev INTEGER NOT NULL,
        at INTEGER NOT NULL,
        key TEXT NOT NULL,
        value BLOB,
        create_rev INTEGER,
        lease INTEGER,
        old_value BLOB,
        old_create_rev INTEGER,
        old_mod_rev INTEGER,
        old_lease INTEGER
    ) STRICT;
    CREATE INDEX log_by_rev ON log (rev);
    CREATE TABLE rev (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        r INTEGER NOT NULL,
        compacted INTEGER NOT NULL
    ) STRICT;
    INSERT INTO rev (id, r, compacted) VALUES (1, 0, 0);
";
/// `PTWD` in ASCII.
const APPLICATION_ID: i32 = 0x5054_5744;
/// The version of [`TABLES`].
pub(super) const VERSION: i32 = 1;
/// Nobody else should be there; a tool that looks into the file may be, for a moment.
const BUSY: Duration = Duration::from_secs(5);
/// What stays of the write-ahead log on the disk after a big transaction.
const JOURNAL_BYTES: i64 = 64 * 1024 * 1024;
/// More than there are statements here.
const STATEMENTS: usize = 32;
