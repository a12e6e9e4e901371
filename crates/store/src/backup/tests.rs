#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    sync::Arc,
};

use portward_core::{ConfirmWithin, ConfirmationId, NewWay, Permission, Timestamp};

use super::*;
use crate::{
    Txn, WatchEvent,
    desired::{self, Desired, StoredKey, open_private_key},
    memory::MemoryStore,
    sample,
    sealing::MasterKey,
    sqlite::SqliteStore,
    work::{AskedConfirmation, confirmations},
};

fn by() -> RestoredBy {
    RestoredBy { who: "owner".to_owned(), actor: portward_core::ActorKind::Socket, address: None, at: sample::at() }
}

fn sqlite(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, Arc::new(|| Timestamp::EPOCH)).unwrap()
}

async fn read(store: &dyn Store) -> Desired {
    let desired = desired::read(store).await.unwrap();
    assert!(desired.bad.is_empty(), "{:?}", desired.bad);
    desired
}

async fn audits(store: &dyn Store) -> u64 {
    store.counts(&Prefix::of_checked("audit/".to_owned()), Revision(0)).await.unwrap().all
}

/// A filled store, its master key, and a backup of it.
async fn backed_up(directory: &Path) -> (MemoryStore, MasterKey, PathBuf) {
    let (store, master) = (MemoryStore::new(), MasterKey::generate());
    let sealer = sample::open(&store, &master).await;
    sample::fill(&store, &sealer).await;
    let out = directory.join("portward.backup");
    write(&store, &out).await.unwrap();
    (store, master, out)
}

#[tokio::test]
async fn a_backup_is_one_private_file_without_any_open_secret() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _, out) = backed_up(directory.path()).await;
    let lease = store.lease_grant(crate::Lease::MIN_TTL).await.unwrap();
    store.txn(Txn::new().put_leased(sample::key("nodes/n1/session"), "x", lease.id())).await.unwrap();
    let summary = write(&store, &out).await.unwrap();
    assert_eq!(summary.revision, store.revision().await.unwrap());
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left of the writing");
    let text = fs::read_to_string(&out).unwrap();
    for absent in ["MARKER", "ops/", "nodes/n1"] {
        assert!(!text.contains(absent), "{absent}");
    }
    let backup = Backup::open(&out).unwrap();
    assert_eq!((backup.cluster.clone(), backup.keys() as u64), (summary.cluster, summary.keys));
    for (_, value) in backup.content {
        assert!(!value.windows(6).any(|bytes| bytes == b"MARKER"));
    }
}

/// A change that had been confirmed since went back within a second of the restore.
#[tokio::test]
async fn what_waits_to_be_confirmed_is_in_no_backup_and_is_not_restored_from_an_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let (store, master, out) = backed_up(directory.path()).await;
    let mut change = sample::change("edit b1");
    change.put_binding(&sample::binding("b1", "http://127.0.0.1:81"), crate::change::Expected::Any);
    change.ask_confirmation(AskedConfirmation {
        id: ConfirmationId::parse("c1").unwrap(),
        within: ConfirmWithin::USUAL,
        permission: Permission::BindingChange,
        way: NewWay::Any,
        retires: Vec::new(),
    });
    crate::change::commit(&store, change).await.unwrap();
    let changed = read(&store).await.bindings[0].value.clone();
    write(&store, &out).await.unwrap();
    assert!(!fs::read_to_string(&out).unwrap().contains(CONFIRMATIONS));

    let old = directory.path().join("old");
    write_whole(&store, &old).await;
    assert!(fs::read_to_string(&old).unwrap().contains(CONFIRMATIONS));
    let whole = Backup::open(&old).unwrap().keys();
    let restored = restore(&old, &directory.path().join("data"), &master, Existing::Keep, &by()).unwrap();
    assert_eq!(restored.keys, whole - 1);
    let data = sqlite(&directory.path().join("data"));
    restore_into(&store, &old, &master, Existing::Replace, &by()).await.unwrap();
    for store in [&data as &dyn Store, &store] {
        assert!(confirmations(store).await.unwrap().0.is_empty());
        assert_eq!(read(store).await.bindings[0].value, changed, "what was stored stays");
    }
}

/// Writes all keys, as backups had them once.
async fn write_whole(store: &dyn Store, out: &Path) {
    let revision = store.revision().await.unwrap();
    let cluster = cluster_at(store, revision).await.unwrap();
    let mut writer = BackupWriter::create(out, &cluster, revision).unwrap();
    for kv in store.list(&Prefix::all(), Some(revision), Page::first(1000)).await.unwrap().kvs {
        writer.add(&kv).unwrap();
    }
    writer.finish().unwrap();
}

#[tokio::test]
async fn no_backup_is_made_of_a_store_without_identity_or_to_where_nobody_can_write() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let store = MemoryStore::new();
    assert!(matches!(write(&store, &out).await, Err(BackupError::NoCluster)));
    sample::open(&store, &MasterKey::generate()).await;
    let nowhere = directory.path().join("missing/out");
    assert!(matches!(write(&store, &nowhere).await, Err(BackupError::Write { path, .. }) if path == nowhere));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_backup_restores_into_an_empty_directory_with_everything() {
    let directory = tempfile::tempdir().unwrap();
    let (store, master, out) = backed_up(directory.path()).await;
    let before = read(&store).await;
    let data = directory.path().join("new/data");
    let restored = restore(&out, &data, &master, Existing::Keep, &by()).unwrap();
    assert_eq!(restored.taken_at, before.revision);
    let after = sqlite(&data);
    let desired = read(&after).await;
    assert!(desired.revision > before.revision);
    assert_eq!(desired.certificates[0].value, before.certificates[0].value);
    assert_eq!(
        (&desired.bindings[0].value, &desired.sites[0].value),
        (&before.bindings[0].value, &before.sites[0].value)
    );
    let cluster = desired.cluster.clone().unwrap();
    assert_eq!(cluster, restored.cluster);
    assert_eq!(cluster.id, before.cluster.clone().unwrap().id);
    assert_eq!(cluster.generation, before.cluster.unwrap().generation + 1);
    let StoredKey { id, sealed } = desired.keys.first().unwrap();
    assert_eq!(open_private_key(&restored.sealer, id, sealed).unwrap().expose(), sample::MARKER);
    assert_eq!(audits(&after).await, 2, "the change before, and the restore");
    assert_eq!(fs::metadata(after.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let opened = crate::cluster::Cluster::open(&after, master).await.unwrap();
    assert!(!opened.is_new && opened.cluster == cluster);
}

#[tokio::test]
async fn a_restore_needs_leave_to_replace_and_a_store_that_nobody_uses() {
    let directory = tempfile::tempdir().unwrap();
    let (_, master, out) = backed_up(directory.path()).await;
    let data = directory.path().join("data");
    let running = sqlite(&data);
    let sealer = sample::open(&running, &master).await;
    let in_use = restore(&out, &data, &master, Existing::Replace, &by()).unwrap_err();
    let RestoreError::Replace { cause, .. } = &in_use else { panic!("{in_use:?}") };
    assert!(cause.to_string().contains(&format!("process {}", std::process::id())), "{cause}");

    let mut change = sample::change("add b9");
    change.put_binding(&sample::binding("b9", "http://127.0.0.1:80"), crate::change::Expected::Absent);
    let newest = crate::change::commit(&running, change).await.unwrap();
    drop((running, sealer));
    let refused = restore(&out, &data, &master, Existing::Keep, &by());
    assert!(matches!(refused, Err(RestoreError::NotEmpty)));
    assert_eq!(read(&sqlite(&data)).await.bindings[0].value.id.as_str(), "b9");

    restore(&out, &data, &master, Existing::Replace, &by()).unwrap();
    let store = sqlite(&data);
    let desired = read(&store).await;
    assert!(desired.revision > newest);
    assert_eq!(desired.bindings.iter().map(|binding| binding.value.id.as_str()).collect::<Vec<_>>(), ["b1"]);
    assert_eq!(audits(&store).await, 3, "both histories, and the restore");
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_store_that_was_replaced_stays_and_no_other_is_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let (_, master, out) = backed_up(directory.path()).await;
    let data = directory.path().join("data");
    assert_eq!(restore(&out, &data, &master, Existing::Keep, &by()).unwrap().kept, None);
    let mut change = sample::change("add b9");
    change.put_binding(&sample::binding("b9", "http://127.0.0.1:80"), crate::change::Expected::Absent);
    crate::change::commit(&sqlite(&data), change).await.unwrap();

    let restored = restore(&out, &data, &master, Existing::Replace, &by()).unwrap();
    let kept = restored.kept.unwrap();
    assert_eq!(kept, data.join("store.db.before-restore"));
    assert_eq!(read(&sqlite(&data)).await.revision, restored.revision);
    let again = restore(&out, &data, &master, Existing::Replace, &by()).unwrap().kept.unwrap();
    assert_eq!(again, data.join("store.db.before-restore.2"));
    assert_eq!(names(&data), ["store.db", "store.db.before-restore", "store.db.before-restore.2", "store.lock"]);

    let back = directory.path().join("back");
    fs::create_dir(&back).unwrap();
    fs::rename(kept, back.join("store.db")).unwrap();
    let bindings = read(&sqlite(&back)).await.bindings;
    assert_eq!(bindings.iter().map(|binding| binding.value.id.as_str()).collect::<Vec<_>>(), ["b1", "b9"]);
}

#[tokio::test]
async fn what_a_restore_writes_belongs_to_the_owner_of_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let (_, master, out) = backed_up(directory.path()).await;
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    // Only root can give the directory to somebody else; for others the owner is who they are.
    let _ = std::os::unix::fs::chown(&data, Some(65_534), Some(65_534));
    let owner = fs::metadata(&data).unwrap();
    restore(&out, &data, &master, Existing::Keep, &by()).unwrap();
    for name in names(&data) {
        let file = fs::metadata(data.join(&name)).unwrap();
        assert_eq!((file.uid(), file.gid()), (owner.uid(), owner.gid()), "{name}");
    }
}

#[tokio::test]
async fn a_damaged_store_is_replaced_with_leave_only() {
    let directory = tempfile::tempdir().unwrap();
    let (_, master, out) = backed_up(directory.path()).await;
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        fs::write(data.join(name), b"nonsense".repeat(1000)).unwrap();
    }
    assert!(matches!(restore(&out, &data, &master, Existing::Keep, &by()), Err(RestoreError::NotEmpty)));
    assert_eq!(fs::read(data.join("store.db")).unwrap(), b"nonsense".repeat(1000));
    restore(&out, &data, &master, Existing::Replace, &by()).unwrap();
    assert_eq!(read(&sqlite(&data)).await.certificates.len(), 1);
    let kept: Vec<_> = names(&data).into_iter().filter(|name| name.contains(".before-restore")).collect();
    assert!(kept.contains(&"store.db.before-restore".to_owned()), "{kept:?}");
    assert_eq!(fs::read(data.join("store.db.before-restore")).unwrap(), b"nonsense".repeat(1000));
    assert!(names(&data).iter().all(|name| !name.contains(".new")), "{:?}", names(&data));
}

#[tokio::test]
async fn a_running_store_is_replaced_at_one_revision() {
    let directory = tempfile::tempdir().unwrap();
    let (_, master, out) = backed_up(directory.path()).await;
    let data = directory.path().join("data");
    let memory = MemoryStore::new();
    let stores: [Arc<dyn Store>; 2] = [Arc::new(memory.clone()), Arc::new(sqlite(&data))];
    for store in stores {
        sample::open(&*store, &master).await;
        let mut change = sample::change("add b9");
        change.put_binding(&sample::binding("b9", "http://127.0.0.1:80"), crate::change::Expected::Absent);
        let newest = crate::change::commit(&*store, change).await.unwrap();
        let kept = restore_into(&*store, &out, &master, Existing::Keep, &by()).await;
        assert!(matches!(kept, Err(RestoreError::NotEmpty)));
        let mut watch = store.watch(&[Prefix::all()], newest).await.unwrap();
        let restored = restore_into(&*store, &out, &master, Existing::Replace, &by()).await.unwrap();
        assert!(matches!(watch.next().await, Some(WatchEvent::Compacted { oldest }) if oldest > newest));
        let desired = read(&*store).await;
        assert_eq!(desired.bindings[0].value.id.as_str(), "b1");
        assert_eq!(desired.cluster.as_ref(), Some(&restored.cluster));
        assert_eq!(restored.cluster.generation, 2);
        let StoredKey { id, sealed } = desired.keys.first().unwrap();
        assert!(open_private_key(&restored.sealer, id, sealed).is_ok());
        assert_eq!(audits(&*store).await, 3);
    }
}

#[tokio::test]
async fn a_backup_that_cannot_be_used_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (store, master, out) = backed_up(directory.path()).await;
    let other = MasterKey::generate();
    let before = store.revision().await.unwrap();
    let data = directory.path().join("data");
    let file = directory.path().join("other");
    let good = fs::read_to_string(&out).unwrap();
    let cut = &good[..good.len() - 10];
    for (content, master, expected) in [
        (good.as_str(), &other, "another master key"),
        (cut, &master, "cannot restore from this file"),
        ("SQLite format 3\0", &master, "cannot restore from this file"),
        ("{\"portward_backup\":9}\n", &master, "cannot restore from this file"),
    ] {
        fs::write(&file, content).unwrap();
        let offline = restore(&file, &data, master, Existing::Replace, &by()).unwrap_err();
        let online = restore_into(&store, &file, master, Existing::Replace, &by()).await.unwrap_err();
        assert!(offline.to_string().contains(expected) && online.to_string().contains(expected), "{offline} {online}");
    }
    assert!(!data.exists());
    assert_eq!(store.revision().await.unwrap(), before);
}

async fn add(store: &dyn Store, id: &str) {
    let mut change = sample::change(id);
    change.put_binding(&sample::binding(id, "http://127.0.0.1:80"), crate::change::Expected::Any);
    crate::change::commit(store, change).await.unwrap();
}

async fn chained(store: &dyn Store) -> (u64, u64) {
    let found = crate::audit::verify(store, None).await.unwrap();
    assert_eq!(found.broken, None);
    let end = found.end.unwrap();
    assert_eq!(end.number, found.records);
    (found.older, found.records)
}

#[tokio::test]
async fn the_audit_stays_one_chain_whatever_is_restored_over_what() {
    let directory = tempfile::tempdir().unwrap();
    let (store, master, early) = backed_up(directory.path()).await;
    let restore = async |store: &dyn Store, file: &Path| {
        restore_into(store, file, &master, Existing::Replace, &by()).await.unwrap();
        add(store, "after").await;
        chained(store).await
    };
    add(&store, "b2").await;
    add(&store, "b3").await;
    let late = directory.path().join("late");
    write(&store, &late).await.unwrap();
    // The backup is the beginning of what there is.
    assert_eq!(restore(&store, &early).await, (0, 5));
    // What there is, is the beginning of the backup.
    let beginning = MemoryStore::new();
    sample::open(&beginning, &master).await;
    restore_into(&beginning, &early, &master, Existing::Replace, &by()).await.unwrap();
    let from_beginning = directory.path().join("from-beginning");
    add(&beginning, "b2").await;
    write(&beginning, &from_beginning).await.unwrap();
    // Both have a beginning in common, and each goes on in its own way.
    assert_eq!(restore(&store, &from_beginning).await, (0, 5 + 2 + 2));
    assert_eq!(restore(&beginning, &late).await, (0, 3 + 2 + 2));
    // They have nothing in common.
    let other = MemoryStore::new();
    sample::open(&other, &master).await;
    add(&other, "b7").await;
    assert_eq!(restore(&other, &late).await, (0, 1 + 3 + 2));
    let again = directory.path().join("again");
    write(&other, &again).await.unwrap();
    assert_eq!(restore(&other, &again).await, (0, 6 + 2), "a chain that was joined goes on like any other");
}

#[tokio::test]
async fn records_that_are_older_than_the_chain_are_brought_and_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let (store, master) = (MemoryStore::new(), MasterKey::generate());
    sample::open(&store, &master).await;
    let record = r#"{"v":1,"at":"2026-11-20T14:32:06Z","who":"owner","what":"old","changes":[]}"#;
    store.txn(Txn::new().put(sample::key("audit/2026-11-20/01KAGQH8Q00000000000000000"), record)).await.unwrap();
    let old = directory.path().join("old");
    write(&store, &old).await.unwrap();
    let newer = MemoryStore::new();
    sample::open(&newer, &master).await;
    add(&newer, "b1").await;
    restore_into(&newer, &old, &master, Existing::Replace, &by()).await.unwrap();
    assert_eq!(chained(&newer).await, (1, 2));
    add(&newer, "b1").await;
    assert_eq!(chained(&newer).await, (1, 3));
    restore_into(&newer, &old, &master, Existing::Replace, &by()).await.unwrap();
    assert_eq!(chained(&newer).await, (1, 4));
    restore_into(&store, &old, &master, Existing::Replace, &by()).await.unwrap();
    assert_eq!(chained(&store).await, (1, 1));
}
