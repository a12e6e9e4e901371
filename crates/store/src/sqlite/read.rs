//! What the reading thread does.

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::failure;
use crate::{Counts, Key, Kv, LeaseId, ListPage, Page, Prefix, Revision, StoreError, WatchEvent, watch::LogPart};

/// Reads one key.
pub(super) fn get(connection: &mut Connection, key: &Key) -> Result<(Option<Kv>, Revision), StoreError> {
    in_one_look(connection, |connection| {
        let (revision, _) = revisions(connection)?;
        Ok(Ok((find(connection, key)?, revision)))
    })
}

/// Reads the newest revision.
pub(super) fn revision(connection: &mut Connection) -> Result<Revision, StoreError> {
    in_one_look(connection, |connection| Ok(Ok(revisions(connection)?.0)))
}

/// Reads a page of keys as they are or were.
pub(super) fn list(
    connection: &mut Connection,
    prefix: &Prefix,
    at: Option<Revision>,
    page: &Page,
) -> Result<ListPage, StoreError> {
    in_one_look(connection, |connection| {
        let (newest, compacted) = revisions(connection)?;
        let asked = at.unwrap_or(newest);
        if asked > newest {
            return Ok(Err(StoreError::Future { asked, newest }));
        }
        if asked < compacted {
            return Ok(Err(StoreError::Compacted { asked, oldest: compacted }));
        }
        let limit = page.limit.max(1);
        let range = Range::of(prefix, page.after.as_ref());
        let earlier = if asked < newest { changed_since(connection, asked, &range)? } else { BTreeMap::new() };
        // So many that enough are left without those that were different then.
        let wanted = limit.saturating_add(1).saturating_add(earlier.len());
        let mut kvs: Vec<Kv> = range_of_kv(connection, &range, wanted)?;
        let complete = kvs.len() < wanted;
        let last = kvs.last().map(|kv| kv.key.clone());
        kvs.retain(|kv| !earlier.contains_key(&kv.key));
        // Beyond the last key that was read there may be others before these.
        kvs.extend(earlier.into_values().flatten().filter(|kv| complete || Some(&kv.key) <= last.as_ref()));
        kvs.sort_by(|one, other| one.key.cmp(&other.key));
        let more = kvs.len() > limit;
        kvs.truncate(limit);
        let next = kvs.last().filter(|_| more).map(|kv| kv.key.clone());
        Ok(Ok(ListPage { kvs, revision: asked, next }))
    })
}

/// Counts keys.
pub(super) fn counts(connection: &mut Connection, prefix: &Prefix, newer_than: Revision) -> Result<Counts, StoreError> {
    in_one_look(connection, |connection| {
        let range = Range::of(prefix, None);
        let count = |sql: &str, revision: Option<i64>| -> rusqlite::Result<u64> {
            let mut statement = connection.prepare_cached(sql)?;
            let count: i64 = match revision {
                None => statement.query_row(params![range.from, range.to], |row| row.get(0))?,
                Some(revision) => statement.query_row(params![range.from, range.to, revision], |row| row.get(0))?,
            };
            Ok(count.unsigned_abs())
        };
        let all = count("SELECT count(*) FROM kv WHERE key > ?1 AND (?2 IS NULL OR key < ?2)", None)?;
        let newer = count(
            "SELECT count(*) FROM kv WHERE key > ?1 AND (?2 IS NULL OR key < ?2) AND mod_rev > ?3",
            Some(to_sql(newer_than)),
        )?;
        Ok(Ok(Counts { all, newer }))
    })
}

/// Reads what happened after a revision, some thousand changes at a time.
pub(super) fn log_after(
    connection: &mut Connection,
    prefixes: &[Prefix],
    after: Revision,
) -> Result<LogPart, StoreError> {
    in_one_look(connection, |connection| {
        let (newest, compacted) = revisions(connection)?;
        if after < compacted {
            return Ok(Ok(LogPart::Compacted { oldest: compacted }));
        }
        let mut statement = connection
            .prepare_cached("SELECT rev, key, value, create_rev, lease FROM log WHERE rev > ?1 ORDER BY rev, id")?;
        let mut rows = statement.query([to_sql(after)])?;
        let mut batches = Vec::new();
        let (mut revision, mut changes, mut read) = (after, Vec::new(), 0);
        let mut up_to = newest;
        while let Some(row) = rows.next()? {
            let next = revision_at(row, 0)?;
            if next != revision {
                batches.extend(WatchEvent::batch(revision, std::mem::take(&mut changes), prefixes));
                if read >= LOG_ROWS {
                    up_to = revision;
                    break;
                }
                revision = next;
            }
            read += 1;
            let key = key_at(row, 1)?;
            let value: Option<Vec<u8>> = row.get(2)?;
            let after = match value {
                None => None,
                Some(value) => Some(Kv {
                    key: key.clone(),
                    value: value.into(),
                    create_revision: revision_at(row, 3)?,
                    mod_revision: revision,
                    lease: row.get::<_, Option<i64>>(4)?.map(LeaseId),
                }),
            };
            changes.push((key, after));
        }
        batches.extend(WatchEvent::batch(revision, changes, prefixes));
        Ok(Ok(LogPart::Batches { batches, up_to }))
    })
}

/// Reads one key, inside whatever transaction there is.
pub(super) fn find(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Kv>> {
    let mut statement =
        connection.prepare_cached("SELECT key, value, create_rev, mod_rev, lease FROM kv WHERE key = ?1")?;
    statement.query_row([key.as_str()], kv_of).optional()
}

/// The newest revision and the newest forgotten one, inside whatever transaction there is.
pub(super) fn revisions(connection: &Connection) -> rusqlite::Result<(Revision, Revision)> {
    let mut statement = connection.prepare_cached("SELECT r, compacted FROM rev WHERE id = 1")?;
    statement.query_row([], |row| Ok((revision_at(row, 0)?, revision_at(row, 1)?)))
}

/// A revision as SQLite has it. It would take a million writes a second 292,000 years to leave its range.
pub(super) fn to_sql(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

/// A revision in a column.
pub(super) fn revision_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Revision> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map(Revision).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// Runs several statements that see the same state of the store.
fn in_one_look<T>(
    connection: &mut Connection,
    look: impl FnOnce(&Connection) -> rusqlite::Result<Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let file = connection.path().unwrap_or_default().to_owned();
    let failed = |error| failure::of(error, file.as_ref());
    let transaction = connection.transaction().map_err(failed)?;
    look(&transaction).map_err(failed)?
}

/// Is a range of keys, both ends outside.
struct Range {
    from: String,
    to: Option<String>,
}

impl Range {
    fn of(prefix: &Prefix, after: Option<&Key>) -> Self {
        // No key equals a prefix, as no key ends with `/` or is empty; so the start may be outside.
        let start = prefix.as_str();
        let from = after.map_or(start, |after| after.as_str().max(start));
        Self { from: from.to_owned(), to: prefix.end() }
    }
}

fn range_of_kv(connection: &Connection, range: &Range, limit: usize) -> rusqlite::Result<Vec<Kv>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "SELECT key, value, create_rev, mod_rev, lease FROM kv
         WHERE key > ?1 AND (?2 IS NULL OR key < ?2) ORDER BY key LIMIT ?3",
    )?;
    statement.query_map(params![range.from, range.to, limit], kv_of)?.collect()
}

/// For each key that changed after a revision, what it had then.
fn changed_since(
    connection: &Connection,
    revision: Revision,
    range: &Range,
) -> rusqlite::Result<BTreeMap<Key, Option<Kv>>> {
    let mut statement = connection.prepare_cached(
        "SELECT key, old_value, old_create_rev, old_mod_rev, old_lease FROM log
         WHERE rev > ?1 AND key > ?2 AND (?3 IS NULL OR key < ?3) ORDER BY rev, id",
    )?;
    let mut rows = statement.query(params![to_sql(revision), range.from, range.to])?;
    let mut earlier = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let key = key_at(row, 0)?;
        if earlier.contains_key(&key) {
            continue;
        }
        let was_there = row.get::<_, Option<i64>>(3)?.is_some();
        let before = if was_there { Some(kv_of(row)?) } else { None };
        earlier.insert(key, before);
    }
    Ok(earlier)
}

/// Key, value, revision of creation, of change, lease.
fn kv_of(row: &Row<'_>) -> rusqlite::Result<Kv> {
    Ok(Kv {
        key: key_at(row, 0)?,
        value: Bytes::from(row.get::<_, Vec<u8>>(1)?),
        create_revision: revision_at(row, 2)?,
        mod_revision: revision_at(row, 3)?,
        lease: row.get::<_, Option<i64>>(4)?.map(LeaseId),
    })
}

fn key_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Key> {
    let text = row.get_ref(column)?.as_str()?;
    Key::parse(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into()))
}

/// How many changes one reading of the log takes at least, if there are as many.
const LOG_ROWS: usize = 2000;
