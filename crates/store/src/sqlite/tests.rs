#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    sync::atomic::{AtomicI64, Ordering},
};

use super::*;
use crate::{LimitError, WatchEvent};

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn clock() -> Clock {
    Arc::new(|| Timestamp::EPOCH)
}

fn open_in(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, clock()).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn put(store: &SqliteStore, text: &str, bytes: usize) -> Result<TxnOutcome, StoreError> {
    store.txn(Txn::new().put(key(text), vec![b'v'; bytes])).await
}

/// Lets the writing thread run something of ours.
async fn on_writer<T: Send + 'static>(
    store: &SqliteStore,
    run: impl FnOnce(&mut write::Writer) -> T + Send + 'static,
) -> T {
    store.inner.writer.run(run).wait().await.unwrap()
}

/// SQLite's own limit.
const MANY_PAGES: i64 = 0xffff_fffe;

/// Lets the file grow by so many pages and no more, as a full disk does; none lifts that.
async fn leave_room(store: &SqliteStore, pages: Option<i64>) {
    on_writer(store, move |writer| {
        let connection = writer.connection();
        let used: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let most = pages.map_or(MANY_PAGES, |pages| used + pages);
        connection.pragma_update_and_check(None, "max_page_count", most, |_| Ok(())).unwrap();
    })
    .await;
}

#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    let base = tempfile::tempdir().unwrap();
    let directory = base.path().join("deep/data");
    let store = open_in(&directory);
    put(&store, "a", 1).await.unwrap();
    assert_eq!(mode(&directory), 0o700);
    let mut files = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert!(files >= 4, "the file, its log, its index and the lock");
    drop(store);
    fs::set_permissions(directory.join("store.db"), fs::Permissions::from_mode(0o644)).unwrap();
    drop(open_in(&directory));
    assert_eq!(mode(&directory.join("store.db")), 0o600);
}

#[tokio::test]
async fn every_commit_is_on_the_disk_before_it_is_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_in(directory.path());
    let (journal, synchronous, mapped) = on_writer(&store, |writer| {
        let ask = |name: &str| -> String {
            writer
                .connection()
                .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
                .map(|value| format!("{value:?}"))
                .unwrap()
        };
        (ask("journal_mode"), ask("synchronous"), ask("mmap_size"))
    })
    .await;
    assert_eq!(
        (journal.as_str(), synchronous.as_str(), mapped.as_str()),
        (r#"Text("wal")"#, "Integer(2)", "Integer(0)")
    );
}

#[tokio::test]
async fn a_full_disk_is_told_and_passes() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_in(directory.path());
    put(&store, "before", 10).await.unwrap();
    let before = store.revision().await.unwrap();
    leave_room(&store, Some(2)).await;
    let error = put(&store, "big", 200_000).await.unwrap_err();
    assert!(matches!(&error, StoreError::Full { place } if place.ends_with("store.db")), "{error:?}");
    assert!(error.may_pass() && error.to_string().contains("no space is left"), "{error}");
    let health = store.health().await;
    assert_eq!((health.state, health.revision), (HealthState::ReadOnly, Some(before)));
    assert_eq!(store.get(&key("big"), Read::Linearizable).await.unwrap(), (None, before));
    assert!(store.get(&key("before"), Read::Linearizable).await.unwrap().0.is_some(), "reading goes on");

    leave_room(&store, None).await;
    put(&store, "big", 200_000).await.unwrap();
    assert_eq!(store.health().await.state, HealthState::Up);
}

#[tokio::test]
async fn a_lease_whose_keys_could_not_be_deleted_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_in(directory.path());
    tokio::time::pause();
    let lease = store.lease_grant(Lease::MIN_TTL).await.unwrap();
    let big = vec![b'v'; 200_000];
    store.txn(Txn::new().put_leased(key("k/a"), big, lease.id())).await.unwrap();
    let at = store.revision().await.unwrap();
    let mut watch = store.watch(&[Prefix::of_checked("k/".to_owned())], at).await.unwrap();
    leave_room(&store, Some(0)).await;
    // The deletion notes the old value, for which there is no room.
    assert!(matches!(lease.revoke().await, Err(StoreError::Full { .. })));
    leave_room(&store, None).await;
    loop {
        match watch.next().await {
            Some(WatchEvent::Alive) => {}
            Some(WatchEvent::Batch { deletes, .. }) => break assert_eq!(deletes, [key("k/a")]),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_panic_in_a_job_ends_that_job_only() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_in(directory.path());
    let failed = store
        .inner
        .write(OpId::random(), |writer| -> Result<(), _> {
            writer.connection().execute("DELETE FROM rev", []).unwrap();
            let _open = writer.connection().unchecked_transaction().unwrap();
            panic!("as a bug would")
        })
        .await;
    assert!(matches!(failed, Err(StoreError::Indeterminate { .. })), "{failed:?}");
    on_writer(&store, |writer| {
        writer.connection().execute("INSERT INTO rev VALUES (1, 7, 0)", []).unwrap();
    })
    .await;
    put(&store, "a", 1).await.unwrap();
}

#[tokio::test]
async fn a_second_store_in_the_same_process_is_refused_too() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_in(directory.path());
    let refused = SqliteStore::open(directory.path(), clock());
    assert!(
        matches!(refused, Err(OpenSqliteError::Lock(LockError::Held { pid: Some(pid), .. })) if pid == std::process::id())
    );
    drop(store);
    drop(open_in(directory.path()));
}

#[tokio::test]
async fn a_damaged_file_is_told_with_the_remedy_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_in(directory.path());
    for n in 0..50 {
        put(&store, &format!("k/{n}"), 3000).await.unwrap();
    }
    let file = store.file().to_owned();
    drop(store);
    let sound = fs::read(&file).unwrap();
    let torn = sound[..sound.len() / 2].to_vec();
    let mut scribbled = sound.clone();
    scribbled[5 * 4096..40 * 4096].fill(0xaa);
    for (what, damaged) in [("torn", torn), ("scribbled", scribbled), ("no database", b"nonsense".repeat(1000))] {
        fs::write(&file, &damaged).unwrap();
        let error = SqliteStore::open(directory.path(), clock()).unwrap_err();
        assert!(matches!(error, OpenSqliteError::Damaged { .. }), "{what}: {error:?}");
        assert!(error.to_string().contains("portward store restore FILE"), "{error}");
        assert_eq!(fs::read(&file).unwrap(), damaged, "{what}");
    }
    fs::write(&file, sound).unwrap();
    assert_eq!(
        open_in(directory.path()).counts(&Prefix::of_checked("k/".to_owned()), Revision(0)).await.unwrap().all,
        50
    );
}

#[test]
fn a_file_of_others_or_of_the_future_is_refused() {
    type Make = fn(&rusqlite::Connection) -> rusqlite::Result<()>;
    let cases: [(&str, Make, &str); 3] = [
        ("other tables", |c| c.execute_batch("CREATE TABLE users (name TEXT)"), "not a store of Portward"),
        ("another program", |c| c.pragma_update(None, "application_id", 77), "not a store of Portward"),
        (
            "a newer form",
            |c| {
                c.pragma_update(None, "application_id", 0x5054_5744)?;
                c.pragma_update(None, "user_version", 2)
            },
            "a newer Portward wrote this",
        ),
    ];
    for (what, make, expected) in cases {
        let directory = tempfile::tempdir().unwrap();
        make(&rusqlite::Connection::open(directory.path().join("store.db")).unwrap()).unwrap();
        let error = SqliteStore::open(directory.path(), clock()).unwrap_err();
        assert!(error.to_string().contains(expected), "{what}: {error}");
    }
}

#[tokio::test]
async fn the_log_is_kept_within_its_limits() {
    let directory = tempfile::tempdir().unwrap();
    let seconds = Arc::new(AtomicI64::new(0));
    let now = Arc::clone(&seconds);
    let store = SqliteStore::open(
        directory.path(),
        Arc::new(move || Timestamp::from_unix(now.load(Ordering::Relaxed)).unwrap()),
    )
    .unwrap();
    let rows = |store: &SqliteStore| {
        let store = store.clone();
        async move {
            on_writer(&store, |writer| {
                let sql = "SELECT count(*), coalesce(min(rev), 0), (SELECT compacted FROM rev) FROM log";
                writer.connection().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
            })
            .await
        }
    };
    // Two rows each: the key, and the note of the transaction.
    on_writer(&store, |writer| writer.set_retention(write::Retention { rows: 100, age: Duration::from_secs(1000) }))
        .await;
    for n in 0..200 {
        put(&store, &format!("k/{n}"), 1).await.unwrap();
    }
    let (count, oldest, compacted): (i64, i64, i64) = rows(&store).await;
    assert!((60..=120).contains(&count), "{count}");
    assert_eq!(oldest, compacted + 1);

    seconds.fetch_add(999, Ordering::Relaxed);
    put(&store, "k/young", 1).await.unwrap();
    assert!(rows(&store).await.0 > 2);
    seconds.fetch_add(999, Ordering::Relaxed);
    put(&store, "k/younger", 1).await.unwrap();
    let (count, oldest, compacted): (i64, i64, i64) = rows(&store).await;
    assert_eq!((count, oldest, compacted), (4, 201, 200));
}

#[tokio::test]
async fn reads_do_not_wait_for_writes() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_in(directory.path());
    put(&store, "a", 1).await.unwrap();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let writing = {
        let store = store.clone();
        tokio::spawn(async move {
            on_writer(&store, move |writer| {
                let transaction = writer.connection().unchecked_transaction().unwrap();
                transaction.execute("UPDATE kv SET value = x'00'", []).unwrap();
                wait.recv().unwrap();
                transaction.commit().unwrap();
            })
            .await;
        })
    };
    tokio::task::yield_now().await;
    for _ in 0..10 {
        assert_eq!(&store.get(&key("a"), Read::Linearizable).await.unwrap().0.unwrap().value[..], b"v");
        store.list(&Prefix::all(), None, Page::first(10)).await.unwrap();
    }
    go_on.send(()).unwrap();
    writing.await.unwrap();
    assert_eq!(&store.get(&key("a"), Read::Linearizable).await.unwrap().0.unwrap().value[..], [0]);
}

#[tokio::test]
async fn pages_of_100_000_certificates_are_read_through_the_index() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_in(directory.path());
    let content = (0..100_000).map(|n| (key(&format!("certs/{n:06}/v/1")), Bytes::from_static(b"{}"))).collect();
    store.replace_all(vec![], content).await.unwrap();
    let at = store.revision().await.unwrap();
    put(&store, "certs/050000/v/1", 5).await.unwrap();
    let (mut page, mut keys) = (Some(Page::first(1000)), Vec::new());
    while let Some(asked) = page {
        let listed = store.list(&Prefix::of_checked("certs/".to_owned()), Some(at), asked).await.unwrap();
        assert!(listed.kvs.iter().all(|kv| kv.value == "{}"));
        keys.extend(listed.kvs.iter().map(|kv| kv.key.clone()));
        page = listed.following(1000);
    }
    assert_eq!(keys.len(), 100_000);
    assert!(keys.is_sorted());
    let plan: Vec<String> = on_writer(&store, |writer| {
        let sql = "EXPLAIN QUERY PLAN SELECT key, value, create_rev, mod_rev, lease FROM kv
                   WHERE key > 'a' AND (NULL IS NULL OR key < NULL) ORDER BY key LIMIT 1000";
        let mut statement = writer.connection().prepare(sql).unwrap();
        statement.query_map([], |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap()
    })
    .await;
    assert!(plan.iter().all(|step| step.contains("USING INDEX") && !step.contains("TEMP B-TREE")), "{plan:?}");
}

#[tokio::test]
async fn limits_hold_before_anything_is_asked_of_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_in(directory.path());
    leave_room(&store, Some(0)).await;
    let refused = put(&store, "a", Txn::MAX_VALUE_BYTES + 1).await;
    assert!(matches!(refused, Err(StoreError::LimitExceeded(LimitError::Value { .. }))));
}
