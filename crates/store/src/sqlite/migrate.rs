//! Bringing a file of an older form to the one of today, with a copy of it as it was.

use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, TransactionBehavior};

use crate::disk::{self, Staged};

/// What makes each form of the one before it; the first one makes form 2 of form 1.
///
/// [`TABLES`](super::schema) are those of the last one.
pub(super) const STEPS: &[&str] = &[];

/// Says why a file keeps its older form; it is as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum MigrateError {
    /// There is no copy, so nothing was changed.
    #[error("no copy of it as it was can be made at {}", .copy.display())]
    Copy {
        /// Where it was to be.
        copy: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A step failed, and none of them was done.
    #[error("it cannot be brought from form {from} to a newer one")]
    Step {
        /// The form that it has.
        from: i32,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
}

/// Where the copy of a file as it was in an older form is.
pub(super) fn copy_of(file: &Path, form: i32) -> PathBuf {
    file.with_extension(format!("form-{form}.db"))
}

/// Brings a file from a form to the newest one: by all `steps` that it lacks, or by none.
///
/// One that failed before has left its copy, which stays as it is.
pub(super) fn migrate(connection: &mut Connection, file: &Path, from: i32, steps: &[&str]) -> Result<(), MigrateError> {
    let copy = copy_of(file, from);
    if !copy.exists() {
        keep(connection, &copy).map_err(|source| MigrateError::Copy { copy: copy.clone(), source })?;
    }
    let done = usize::try_from(from - 1).unwrap_or_default();
    step(connection, &steps[done.min(steps.len())..], from).map_err(|source| MigrateError::Step { from, source })?;
    tracing::info!(
        store.file = %file.display(),
        store.copy = %copy.display(),
        from,
        "the store has a newer form; as it was before, it is in the copy, which an older Portward opens in its place"
    );
    Ok(())
}

fn keep(connection: &Connection, copy: &Path) -> io::Result<()> {
    let staged = Staged::create(copy, 0o600)?;
    let into = staged.path().to_str().ok_or(io::ErrorKind::InvalidFilename)?;
    connection.execute("VACUUM INTO ?1", [into]).map_err(io::Error::other)?;
    staged.replace()?;
    disk::give_to_owner_of_directory(copy)
}

fn step(connection: &mut Connection, steps: &[&str], from: i32) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut form = from;
    for step in steps {
        transaction.execute_batch(step)?;
        form += 1;
    }
    transaction.pragma_update(None, "user_version", form)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::{super::schema, *};

    const NEXT: [&str; 2] =
        ["ALTER TABLE kv ADD COLUMN note TEXT", "CREATE TABLE more (id INTEGER PRIMARY KEY) STRICT"];

    fn form(connection: &Connection) -> i32 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    fn of_form_1(directory: &Path) -> (PathBuf, Connection) {
        let file = directory.join("store.db");
        fs::write(&file, "").unwrap();
        let mut connection = schema::open_writer(&file).unwrap();
        schema::make_durable(&connection).unwrap();
        schema::create(&mut connection).unwrap();
        connection.execute("INSERT INTO kv (key, value, create_rev, mod_rev) VALUES ('a', x'01', 1, 1)", []).unwrap();
        (file, connection)
    }

    #[test]
    fn an_older_file_becomes_a_newer_one_and_its_copy_is_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let (file, mut connection) = of_form_1(directory.path());
        migrate(&mut connection, &file, 1, &NEXT).unwrap();
        assert_eq!(form(&connection), 3);
        connection.execute("UPDATE kv SET note = 'new'", []).unwrap();
        let copy = copy_of(&file, 1);
        assert_eq!(copy, directory.path().join("store.form-1.db"));
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        let copy = schema::open_reader(&copy).unwrap();
        assert!(matches!(schema::look(&copy), Ok(schema::Found::Ours)));
        assert_eq!(copy.query_row("SELECT count(*) FROM kv", [], |row| row.get(0)), Ok(1));
        // The next form has a copy of its own.
        migrate(&mut connection, &file, 3, &[NEXT[0], NEXT[1], "DROP TABLE more"]).unwrap();
        assert_eq!((form(&connection), copy_of(&file, 3).exists()), (4, true));
    }

    #[test]
    fn a_step_that_fails_undoes_those_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let (file, mut connection) = of_form_1(directory.path());
        let error = migrate(&mut connection, &file, 1, &[NEXT[0], "nonsense"]).unwrap_err();
        assert!(matches!(error, MigrateError::Step { from: 1, .. }), "{error:?}");
        assert_eq!(form(&connection), 1);
        assert!(connection.execute("UPDATE kv SET note = 'new'", []).is_err());
        migrate(&mut connection, &file, 1, &NEXT).unwrap();
        assert_eq!(form(&connection), 3);
    }

    #[test]
    fn without_a_copy_nothing_is_changed() {
        let directory = tempfile::tempdir().unwrap();
        let (_, mut connection) = of_form_1(directory.path());
        let nowhere = directory.path().join("missing/store.db");
        let error = migrate(&mut connection, &nowhere, 1, &NEXT).unwrap_err();
        assert!(matches!(error, MigrateError::Copy { .. }), "{error:?}");
        assert_eq!(form(&connection), 1);
    }

    #[test]
    fn there_is_a_step_to_each_form() {
        assert_eq!(schema::VERSION, i32::try_from(1 + STEPS.len()).unwrap());
    }
}
