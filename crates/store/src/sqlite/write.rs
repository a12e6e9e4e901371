//! What the writing thread does.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use portward_core::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tokio::sync::watch;

use super::{
    Clock, failure,
    read::{find, revision_at, revisions, to_sql},
};
use crate::{Cond, Key, Kv, LeaseId, Op, OpId, Revision, StoreError, Txn, TxnOutcome, lease::LeaseTable};

/// Owns the connection that writes.
pub(super) struct Writer {
    connection: Connection,
    file: PathBuf,
    now: Clock,
    newest: watch::Sender<Revision>,
    leases: Arc<LeaseTable>,
    failing: Failing,
    retention: Retention,
    log_rows: u64,
    pruned: Option<Timestamp>,
    /// Whether the file was found to be sound.
    is_sound: bool,
}

/// Is why the last write failed; none if it did not.
pub(super) type Failing = Arc<Mutex<Option<String>>>;

/// Says how much of what happened is remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retention {
    /// Changes of keys, at most.
    pub(super) rows: u64,
    /// How long ago, at most.
    pub(super) age: std::time::Duration,
}

/// Says why something was not written, or that nobody knows.
#[derive(Debug)]
pub(super) enum WriteError {
    /// Nothing was written.
    Not(StoreError),
    /// SQLite does not know whether it was.
    Indeterminate(failure::DiskFails),
}

impl WriteError {
    /// What an operator is told of it.
    fn reason(&self) -> String {
        match self {
            Self::Not(StoreError::Unavailable(cause)) => format!("the store cannot be written: {cause}"),
            Self::Not(error) => error.to_string(),
            Self::Indeterminate(fails) => format!("{fails}: {}", fails.source),
        }
    }

    /// As the store tells of it.
    pub(super) fn for_op(self, op_id: OpId) -> StoreError {
        match self {
            Self::Not(error) => error,
            Self::Indeterminate(fails) => StoreError::Indeterminate { op_id, cause: fails.into() },
        }
    }
}

/// What a closure that runs inside a transaction asks for.
enum Verdict<T> {
    Commit(T),
    RollBack(T),
}

impl Writer {
    /// Takes the connection; `newest` is told of each revision after it is on the disk.
    pub(super) fn new(
        connection: Connection,
        file: PathBuf,
        now: Clock,
        newest: watch::Sender<Revision>,
        leases: Arc<LeaseTable>,
        failing: Failing,
    ) -> Result<Self, WriteError> {
        let retention = Retention::DEFAULT;
        let mut writer = Self {
            connection,
            file,
            now,
            newest,
            leases,
            failing,
            retention,
            log_rows: 0,
            pruned: None,
            is_sound: false,
        };
        let (rows, revision) = writer.transact(|transaction, _| {
            let rows: i64 = transaction.query_row("SELECT count(*) FROM log", [], |row| row.get(0))?;
            Ok(Verdict::RollBack(Ok((rows.unsigned_abs(), revisions(transaction)?.0))))
        })?;
        writer.log_rows = rows;
        writer.newest.send_replace(revision);
        Ok(writer)
    }

    /// Has it write from now on.
    pub(super) fn allow(&mut self) {
        self.is_sound = true;
    }

    /// Whether it may write.
    pub(super) fn is_allowed(&self) -> bool {
        self.is_sound
    }

    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Notices what another process has written.
    pub(super) fn look_again(&mut self) -> Result<(), WriteError> {
        let revision = self.transact(|transaction, _| Ok(Verdict::RollBack(Ok(revisions(transaction)?.0))))?;
        self.newest.send_replace(revision);
        Ok(())
    }

    /// Does a transaction, or finds that a condition does not hold.
    pub(super) fn txn(&mut self, txn: &Txn, ops_lease: LeaseId) -> Result<TxnOutcome, WriteError> {
        let leases = Arc::clone(&self.leases);
        self.transact(|transaction, now| {
            let note = txn.op_id.key();
            if let Some(noted) = find(transaction, &note)? {
                return Ok(Verdict::RollBack(Ok(TxnOutcome::Committed(noted.mod_revision))));
            }
            if let Some(conflict) = conflict(transaction, &txn.when)? {
                return Ok(Verdict::RollBack(Ok(conflict)));
            }
            for op in &txn.then {
                if let Op::Put { lease: Some(lease), .. } = op
                    && !leases.is_live(*lease)
                {
                    return Ok(Verdict::RollBack(Err(StoreError::NoLease(*lease))));
                }
            }
            let revision = next_revision(transaction)?;
            for op in &txn.then {
                match op {
                    Op::Put { key, value, lease } => put(transaction, revision, now, key, value, *lease)?,
                    Op::Delete(key) => delete(transaction, revision, now, key)?,
                }
            }
            put(transaction, revision, now, &note, &[], Some(ops_lease))?;
            Ok(Verdict::Commit(Ok(TxnOutcome::Committed(revision))))
        })
    }

    /// Deletes the keys of a lease.
    pub(super) fn delete_leased(&mut self, lease: LeaseId) -> Result<(), WriteError> {
        self.delete_where("SELECT key FROM kv WHERE lease = ?1", &[&lease.0])
    }

    /// Deletes the keys of all leases, of which none outlives a process.
    pub(super) fn delete_all_leased(&mut self) -> Result<(), WriteError> {
        self.delete_where("SELECT key FROM kv WHERE lease IS NOT NULL", &[])
    }

    /// Puts other content in the place of all there is.
    pub(super) fn replace_all(&mut self, when: &[Cond], content: &[(Key, Bytes)]) -> Result<TxnOutcome, WriteError> {
        let outcome = self.transact(|transaction, _| {
            if let Some(conflict) = conflict(transaction, when)? {
                return Ok(Verdict::RollBack(Ok(conflict)));
            }
            let revision = next_revision(transaction)?;
            fill(transaction, revision, content)?;
            Ok(Verdict::Commit(Ok(TxnOutcome::Committed(revision))))
        })?;
        if matches!(outcome, TxnOutcome::Committed(_)) {
            self.log_rows = 0;
        }
        Ok(outcome)
    }

    fn delete_where(&mut self, keys: &str, given: &[&dyn rusqlite::ToSql]) -> Result<(), WriteError> {
        self.transact(|transaction, now| {
            let keys: Vec<String> =
                transaction.prepare_cached(keys)?.query_map(given, |row| row.get(0))?.collect::<Result<_, _>>()?;
            if keys.is_empty() {
                return Ok(Verdict::RollBack(Ok(())));
            }
            let revision = next_revision(transaction)?;
            for key in keys.iter().filter_map(|key| Key::parse(key).ok()) {
                delete(transaction, revision, now, &key)?;
            }
            Ok(Verdict::Commit(Ok(())))
        })
    }

    /// Runs `work` inside a transaction, forgets what is too old, commits, and wakes those who watch.
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, Timestamp) -> rusqlite::Result<Verdict<Result<T, StoreError>>>,
    ) -> Result<T, WriteError> {
        let now = (self.now)();
        let file = self.file.clone();
        let done = self.transact_in_sqlite(now, work);
        let done = done.map_err(|(error, at_commit)| {
            if at_commit && !failure::is_certain(&error) {
                WriteError::Indeterminate(failure::DiskFails { file: file.clone(), source: error })
            } else {
                WriteError::Not(failure::of(error, &file))
            }
        });
        match done {
            Ok((value, Some(revision))) => {
                self.failing(None);
                self.newest.send_replace(revision);
                value.map_err(WriteError::Not)
            }
            Ok((value, None)) => value.map_err(WriteError::Not),
            Err(error) => {
                self.failing(Some(error.reason()));
                Err(error)
            }
        }
    }

    /// Notes why nothing can be written, and tells when it begins and ends.
    fn failing(&self, why: Option<String>) {
        let before = std::mem::replace(&mut *self.failing.lock().unwrap_or_else(PoisonError::into_inner), why.clone());
        match (before, why) {
            (None, Some(why)) => {
                tracing::error!(store.file = %self.file.display(), why, "the store cannot be written: nothing can be changed until it can");
            }
            (Some(_), None) => tracing::info!(store.file = %self.file.display(), "the store can be written again"),
            _ => {}
        }
    }

    /// The flag of an error tells that it came from COMMIT.
    #[expect(clippy::type_complexity, reason = "the pair of error and flag lives for two lines only")]
    fn transact_in_sqlite<T>(
        &mut self,
        now: Timestamp,
        work: impl FnOnce(&Transaction<'_>, Timestamp) -> rusqlite::Result<Verdict<Result<T, StoreError>>>,
    ) -> Result<(Result<T, StoreError>, Option<Revision>), (rusqlite::Error, bool)> {
        let before = |error| (error, false);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(before)?;
        let changes_before = transaction.total_changes();
        let value = match work(&transaction, now).map_err(before)? {
            Verdict::RollBack(value) => return Ok((value, None)),
            Verdict::Commit(value) => value,
        };
        // An upper bound of new rows in the log is enough to know when to count.
        let added = transaction.total_changes().saturating_sub(changes_before);
        let due = self.log_rows + added > self.retention.rows + self.retention.rows / 10
            || self.pruned.is_none_or(|pruned| now.since(pruned) >= PRUNE_EVERY);
        let left = if due { Some(prune(&transaction, self.retention, now).map_err(before)?) } else { None };
        let (revision, _) = revisions(&transaction).map_err(before)?;
        transaction.commit().map_err(|error| (error, true))?;
        match left {
            Some(rows) => {
                self.log_rows = rows;
                self.pruned = Some(now);
            }
            None => self.log_rows += added,
        }
        Ok((value, Some(revision)))
    }

    /// The connection that writes.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    #[cfg(test)]
    pub(super) fn set_retention(&mut self, retention: Retention) {
        self.retention = retention;
        self.pruned = None;
    }
}

impl Retention {
    /// A day covers every outage that one sleeps through, and 100,000 changes are a few hundred megabytes at most.
    const DEFAULT: Self = Self { rows: 100_000, age: std::time::Duration::from_secs(24 * 3600) };
}

/// Clears all tables and fills them anew at one revision, which must be the newest.
pub(super) fn fill(
    transaction: &Transaction<'_>,
    revision: Revision,
    content: &[(Key, Bytes)],
) -> rusqlite::Result<()> {
    let revision = to_sql(revision);
    transaction.execute("DELETE FROM kv", [])?;
    transaction.execute("DELETE FROM log", [])?;
    transaction.execute("UPDATE rev SET r = ?1, compacted = ?1 WHERE id = 1", [revision])?;
    let mut insert = transaction
        .prepare_cached("INSERT INTO kv (key, value, create_rev, mod_rev, lease) VALUES (?1, ?2, ?3, ?3, NULL)")?;
    for (key, value) in content {
        insert.execute(params![key.as_str(), &value[..], revision])?;
    }
    Ok(())
}

fn next_revision(transaction: &Transaction<'_>) -> rusqlite::Result<Revision> {
    let mut statement = transaction.prepare_cached("UPDATE rev SET r = r + 1 WHERE id = 1 RETURNING r")?;
    statement.query_row([], |row| revision_at(row, 0))
}

fn conflict(transaction: &Transaction<'_>, when: &[Cond]) -> rusqlite::Result<Option<TxnOutcome>> {
    let seen = when.iter().map(|cond| find(transaction, cond.key())).collect::<Result<Vec<_>, _>>()?;
    if when.iter().zip(&seen).all(|(cond, seen)| cond.holds(seen.as_ref())) {
        return Ok(None);
    }
    Ok(Some(TxnOutcome::Conflict { at: revisions(transaction)?.0, seen }))
}

fn put(
    transaction: &Transaction<'_>,
    revision: Revision,
    now: Timestamp,
    key: &Key,
    value: &[u8],
    lease: Option<LeaseId>,
) -> rusqlite::Result<()> {
    let before = find(transaction, key)?;
    let created = before.as_ref().map_or(revision, |kv| kv.create_revision);
    transaction
        .prepare_cached(
            "INSERT INTO kv (key, value, create_rev, mod_rev, lease) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (key) DO UPDATE SET value = ?2, mod_rev = ?4, lease = ?5",
        )?
        .execute(params![key.as_str(), value, to_sql(created), to_sql(revision), lease.map(|lease| lease.0)])?;
    log(transaction, revision, now, key, Some((value, created, lease)), before.as_ref())
}

fn delete(transaction: &Transaction<'_>, revision: Revision, now: Timestamp, key: &Key) -> rusqlite::Result<()> {
    let Some(before) = find(transaction, key)? else { return Ok(()) };
    transaction.prepare_cached("DELETE FROM kv WHERE key = ?1")?.execute([key.as_str()])?;
    log(transaction, revision, now, key, None, Some(&before))
}

fn log(
    transaction: &Transaction<'_>,
    revision: Revision,
    now: Timestamp,
    key: &Key,
    after: Option<(&[u8], Revision, Option<LeaseId>)>,
    before: Option<&Kv>,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO log
             (rev, at, key, value, create_rev, lease, old_value, old_create_rev, old_mod_rev, old_lease)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            to_sql(revision),
            now.unix(),
            key.as_str(),
            after.map(|(value, _, _)| value),
            after.map(|(_, created, _)| to_sql(created)),
            after.and_then(|(_, _, lease)| lease).map(|lease| lease.0),
            before.map(|kv| &kv.value[..]),
            before.map(|kv| to_sql(kv.create_revision)),
            before.map(|kv| to_sql(kv.mod_revision)),
            before.and_then(|kv| kv.lease).map(|lease| lease.0),
        ])?;
    Ok(())
}

/// Forgets what is beyond the retention, whole revisions only, and gives how many changes are left.
fn prune(transaction: &Transaction<'_>, retention: Retention, now: Timestamp) -> rusqlite::Result<u64> {
    let rows = i64::try_from(retention.rows).unwrap_or(i64::MAX);
    let newest_forgotten: Option<i64> = transaction
        .prepare_cached(
            "SELECT max(
                 coalesce((SELECT rev FROM log ORDER BY rev DESC, id DESC LIMIT 1 OFFSET ?1), 0),
                 coalesce((SELECT rev FROM log WHERE at >= ?2 ORDER BY rev, id LIMIT 1) - 1,
                          (SELECT max(rev) FROM log), 0))",
        )?
        .query_row(params![rows, now.minus(retention.age).unix()], |row| row.get(0))?;
    if let Some(revision) = newest_forgotten {
        transaction.prepare_cached("DELETE FROM log WHERE rev <= ?1")?.execute([revision])?;
        transaction
            .prepare_cached("UPDATE rev SET compacted = max(compacted, ?1) WHERE id = 1")?
            .execute([revision])?;
    }
    let left: i64 = transaction.prepare_cached("SELECT count(*) FROM log")?.query_row([], |row| row.get(0))?;
    Ok(left.unsigned_abs())
}

/// Looking for what is too old costs a few milliseconds, and a day is not that precise.
const PRUNE_EVERY: std::time::Duration = std::time::Duration::from_secs(600);
