#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

use super::*;
use crate::{
    Store, Txn,
    sample::{self, at, key},
    sqlite::SqliteStore,
};

/// Is a store with some content, open.
struct Patient {
    directory: tempfile::TempDir,
    master: MasterKey,
    store: SqliteStore,
}

impl Patient {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let master = MasterKey::generate();
        let store = SqliteStore::open(directory.path(), Arc::new(at)).unwrap();
        let sealer = sample::open(&store, &master).await;
        sample::fill(&store, &sealer).await;
        Self { directory, master, store }
    }

    /// Everything that is not good, by its name.
    async fn complaints(&self) -> Vec<(&'static str, Verdict, String)> {
        complaints(self.directory.path(), &self.master).await
    }
}

async fn complaints(directory: &Path, master: &MasterKey) -> Vec<(&'static str, Verdict, String)> {
    let findings = examine(directory, Ok(master.clone())).await;
    for finding in &findings {
        assert_eq!(finding.verdict == Verdict::Good, finding.remedy.is_empty(), "{finding:?}");
        assert!(!finding.seen.is_empty());
    }
    // How much room there is is not up to the test.
    let complaints =
        findings.into_iter().filter(|finding| finding.verdict != Verdict::Good && finding.what != "disk-space");
    complaints.map(|finding| (finding.what, finding.verdict, finding.seen)).collect()
}

#[tokio::test]
async fn a_store_that_is_well_has_nothing_but_good_findings_while_it_is_used() {
    let patient = Patient::new().await;
    crate::disk_snapshot::write(&patient.store, patient.directory.path(), &patient.master).await.unwrap();
    assert_eq!(patient.complaints().await, []);
    let findings = examine(patient.directory.path(), Ok(patient.master.clone())).await;
    let names: Vec<&str> = findings.iter().map(|finding| finding.what).collect();
    let expected = [
        "permissions",
        "disk-space",
        "write-ahead-log",
        "in-use",
        "format",
        "integrity",
        "records",
        "references",
        "cluster",
        "secrets",
        "authenticity",
        "audit",
        "disk-snapshot",
        "disk-snapshot",
    ];
    assert_eq!(names, expected);
    assert!(findings[3].seen.contains(&std::process::id().to_string()), "{:?}", findings[3]);
    patient.store.txn(Txn::new().put(key("work/x"), "x")).await.unwrap();

    let Patient { directory, master, store } = patient;
    drop(store);
    assert_eq!(complaints(directory.path(), &master).await, []);
}

#[tokio::test]
async fn each_defect_is_found_and_told_apart() {
    let cases: [(&str, &str, Option<&str>, &[&str]); 5] = [
        ("a record is no record", "sites/s1", Some("garbage"), &["records"]),
        ("a key of nobody", "sites/NOBODY", Some("{}"), &["records"]),
        ("a private key is gone", "keys/key-1", None, &["references"]),
        ("a certificate is gone", "certs/cert-1/spec", None, &["records", "references"]),
        ("the chain of the audit is broken", "audit-head", Some("garbage"), &["audit"]),
    ];
    for (what, place, value, expected) in cases {
        let patient = Patient::new().await;
        let txn = match value {
            Some(value) => Txn::new().put(key(place), value),
            None => Txn { then: vec![crate::Op::Delete(key(place))], ..Txn::new() },
        };
        patient.store.txn(txn).await.unwrap();
        let found = patient.complaints().await;
        let names: Vec<&str> = found.iter().map(|(what, ..)| *what).collect();
        assert_eq!(names, expected, "{what}: {found:?}");
        assert!(found.iter().all(|(_, verdict, _)| *verdict == Verdict::Bad), "{what}: {found:?}");
    }
}

#[tokio::test]
async fn another_master_key_and_open_files_are_found() {
    let patient = Patient::new().await;
    let found = complaints(patient.directory.path(), &MasterKey::generate()).await;
    assert_eq!(found.iter().map(|(what, ..)| *what).collect::<Vec<_>>(), ["cluster"], "{found:?}");
    let file = patient.directory.path().join("store.db");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let found = patient.complaints().await;
    assert_eq!(found[0].0, "permissions");
    assert!(found[0].2.contains("0644"), "{found:?}");
    let findings = examine(patient.directory.path(), Err("there is none".to_owned())).await;
    assert!(findings.iter().any(|finding| finding.what == "master-key" && finding.seen == "there is none"));
}

#[tokio::test]
async fn a_file_that_is_damaged_foreign_or_of_the_future_ends_the_look() {
    let patient = Patient::new().await;
    let Patient { directory, master, store } = patient;
    let file = store.file().to_owned();
    drop(store);
    let sound = fs::read(&file).unwrap();
    let mut scribbled = sound.clone();
    let end = scribbled.len();
    scribbled[2 * 4096..end - 4096].fill(0xaa);
    fs::write(&file, scribbled).unwrap();
    let found = complaints(directory.path(), &master).await;
    assert!(found.iter().any(|(what, verdict, _)| *what == "integrity" && *verdict == Verdict::Bad), "{found:?}");

    fs::write(&file, b"nonsense".repeat(1000)).unwrap();
    let found = complaints(directory.path(), &master).await;
    assert_eq!(found.iter().map(|(what, ..)| *what).collect::<Vec<_>>(), ["format"], "{found:?}");

    fs::write(&file, &sound).unwrap();
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let found = complaints(directory.path(), &master).await;
    assert!(found[0].2.contains("form 99"), "{found:?}");
}
