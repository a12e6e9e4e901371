//! Opening the file: who may, what it is, and whether it is sound.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::watch;

use super::{
    Clock, Inner, LockError, StoreLock,
    migrate::{self, MigrateError},
    schema::{self, Found},
    worker::Worker,
    write::{self, WriteError, Writer},
};
use crate::{Cause, OpId, Revision, StoreError, disk, lease::LeaseTable};

/// Says why the embedded store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenSqliteError {
    /// The directory or the file cannot be made or reached.
    #[error("cannot use {path} for the store", path = path.display())]
    Path {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process has it, or the lock cannot be taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The directory is on another machine.
    #[error(
        "{directory} is on a network file system ({kind}), where SQLite loses data; put the data directory on a local disk",
        directory = directory.display()
    )]
    NetworkFileSystem {
        /// The directory.
        directory: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// The file has other tables than ours.
    #[error("{file} is a database, but not a store of Portward", file = file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// The file has a form that we do not know.
    #[error(
        "{file} has form {version}, which this Portward does not know; a newer Portward wrote this: install that one",
        file = file.display()
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its form.
        version: i32,
    },
    /// The file is damaged.
    #[error(
        "{file} is damaged; go back to a backup: portward store restore FILE. The damaged file is not touched until then",
        file = file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was found.
        #[source]
        cause: Cause,
    },
    /// The database does not open for another reason.
    #[error("cannot open {file}", file = file.display())]
    Database {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: Cause,
    },
}

/// The file with everything in it.
pub(crate) const FILE: &str = "store.db";

/// Opens the store, with all that it needs to run, and begins to check it; with the lock of the process that has lent it, if one has.
pub(super) fn open(directory: &Path, now: Clock, lent: Option<File>) -> Result<Inner, OpenSqliteError> {
    let at_directory = |source| OpenSqliteError::Path { path: directory.to_owned(), source };
    disk::make_private_directory(directory).map_err(at_directory)?;
    if let Some(kind) = network_file_system(directory).map_err(at_directory)? {
        return Err(OpenSqliteError::NetworkFileSystem { directory: directory.to_owned(), kind });
    }
    let lock = match lent {
        Some(lock) => StoreLock::lent(lock),
        None => StoreLock::take(directory)?,
    };
    let file = directory.join(FILE);
    make_private_file(&file).map_err(|source| OpenSqliteError::Path { path: file.clone(), source })?;

    let (connection, found) = open_ours(&file)?;
    let database = |error: rusqlite::Error| of_sqlite(error, &file);
    let newest = watch::Sender::new(Revision::default());
    let leases = Arc::<LeaseTable>::default();
    let failing = write::Failing::default();
    let writer = Writer::new(connection, file.clone(), now, newest.clone(), Arc::clone(&leases), Arc::clone(&failing))
        .map_err(|error| of_write(error, &file))?;
    let reader = schema::open_reader(&file).map_err(database)?;
    let at_thread = |source: io::Error| OpenSqliteError::Database { file: file.clone(), cause: source.into() };
    let writer = Worker::spawn("store-writer", writer).map_err(at_thread)?;
    let reader = Worker::spawn("store-reader", reader).map_err(at_thread)?;
    // What is to be written waits for it, as one is done after the other.
    let (tell, settled) = mpsc::sync_channel(1);
    writer.run(move |writer: &mut Writer| {
        // Who does not want to know has closed the store.
        let _ = tell.send(settle(writer, found));
    });
    let expiry = crate::lease::Expiry::default();
    let settled = Mutex::new(Some(settled));
    Ok(Inner {
        writer,
        reader,
        expiry,
        newest,
        leases,
        failing,
        file,
        lent: Arc::default(),
        settled,
        lock: Mutex::new(Some(lock)),
    })
}

/// Opens a connection to a file that is ours and sound; an empty file gets its tables.
pub(super) fn open_checked(file: &Path) -> Result<Connection, OpenSqliteError> {
    let (connection, found) = open_ours(file)?;
    make_sound(&connection, file, found)?;
    Ok(connection)
}

/// Opens a connection to a file that is ours; an empty file gets its tables.
fn open_ours(file: &Path) -> Result<(Connection, Found), OpenSqliteError> {
    let database = |error| of_sqlite(error, file);
    let mut connection = schema::open_writer(file).map_err(database)?;
    let found = schema::look(&connection).map_err(database)?;
    match found {
        Found::Foreign => return Err(OpenSqliteError::Foreign { file: file.to_owned() }),
        Found::Newer(version) => return Err(OpenSqliteError::Newer { file: file.to_owned(), version }),
        Found::Older(form) => {
            check(&connection, file)?;
            schema::make_durable(&connection).map_err(database)?;
            let older = |error: MigrateError| OpenSqliteError::Database { file: file.to_owned(), cause: error.into() };
            migrate::migrate(&mut connection, file, form, migrate::STEPS).map_err(older)?;
        }
        Found::Empty => {
            schema::make_durable(&connection).map_err(database)?;
            schema::create(&mut connection).map_err(database)?;
        }
        Found::Ours => {}
    }
    Ok((connection, found))
}

/// Looks whether a file is sound that was there before, and has it written durably.
fn make_sound(connection: &Connection, file: &Path, found: Found) -> Result<(), OpenSqliteError> {
    if found == Found::Ours {
        check(connection, file)?;
        schema::make_durable(connection).map_err(|error| of_sqlite(error, file))?;
    }
    Ok(())
}

/// Gets ready to write: nothing may be written before the file was found to be sound.
fn settle(writer: &mut Writer, found: Found) -> Result<(), OpenSqliteError> {
    let file = writer.file().to_owned();
    make_sound(writer.connection(), &file, found)?;
    writer.allow();
    match writer.delete_all_leased() {
        // A full disk is no reason not to serve what is there; who reads passes over keys without a lease.
        Err(WriteError::Not(StoreError::Full { .. })) => Ok(()),
        deleted => deleted.map_err(|error| of_write(error, &file)),
    }
}

/// Makes the file with mode 0600 before SQLite would make it with another; its companions take the mode from it.
pub(super) fn make_private_file(file: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(file)?;
    let permissions = fs::metadata(file)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        fs::set_permissions(file, fs::Permissions::from_mode(0o600))?;
    }
    disk::sync_directory(file)
}

/// Looks at every page, but not at whether indexes and tables agree: that would take several times as long.
fn check(connection: &Connection, file: &Path) -> Result<(), OpenSqliteError> {
    let found: Result<String, _> = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match found {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => Err(OpenSqliteError::Damaged { file: file.to_owned(), cause: found.into() }),
        Err(error) => Err(of_sqlite(error, file)),
    }
}

fn of_sqlite(error: rusqlite::Error, file: &Path) -> OpenSqliteError {
    let file = file.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            OpenSqliteError::Damaged { file, cause: error.into() }
        }
        _ => OpenSqliteError::Database { file, cause: error.into() },
    }
}

fn of_write(error: WriteError, file: &Path) -> OpenSqliteError {
    let file = file.to_owned();
    match error {
        WriteError::Not(StoreError::Damaged { cause, .. }) => OpenSqliteError::Damaged { file, cause },
        other => OpenSqliteError::Database { file, cause: other.for_op(OpId::random()).into() },
    }
}

/// Numbers of `statfs(2)`.
fn network_file_system(directory: &Path) -> io::Result<Option<&'static str>> {
    let found = rustix::fs::statfs(directory)?.f_type;
    Ok(match found {
        rustix::fs::NFS_SUPER_MAGIC => Some("NFS"),
        0x517b | 0xfe53_4d42 | 0xff53_4d42 => Some("SMB"),
        _ => None,
    })
}
