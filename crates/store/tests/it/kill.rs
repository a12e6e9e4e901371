//! A process that is killed while it writes loses nothing that it was told is written.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use portward_core::Timestamp;
use portward_store::{
    Prefix, Revision, Store, Txn,
    sqlite::{LockError, OpenSqliteError, SqliteStore},
};

use crate::fixture::{batch, commit, get, key, prefix};

const ROUNDS: usize = 20;
const DIRECTORY: &str = "PORTWARD_TEST_STORE";

fn open(directory: &Path) -> Result<SqliteStore, OpenSqliteError> {
    SqliteStore::open(directory, Arc::new(|| Timestamp::EPOCH))
}

/// Starts this test program anew, for nothing but the writing below.
fn writer(directory: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "kill::the_child_writes_until_it_is_killed", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    command
}

#[tokio::test]
async fn the_child_writes_until_it_is_killed() {
    // Without the variable nobody started it as a child, and there is nothing to do.
    let Some(directory) = env::var_os(DIRECTORY) else { return };
    let store = open(directory.as_ref()).unwrap();
    let first = store.counts(&prefix("a/"), Revision(0)).await.unwrap().all;
    for n in first..first + 100_000 {
        let pair = Txn::new().put(key(&format!("a/{n}")), n.to_string()).put(key(&format!("b/{n}")), "x".repeat(5000));
        commit(&store, pair).await;
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nwritten {n}").unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut total = 0;
    for round in 0..ROUNDS {
        let mut child = writer(directory.path()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = Vec::new();
        let mut take = |line: std::io::Result<String>| {
            if let Some(n) = line.unwrap().strip_prefix("written ") {
                acknowledged.push(n.parse::<u64>().unwrap());
            }
            acknowledged.len()
        };
        // A different number of writes each time, so that the kill comes at different moments.
        for line in lines.by_ref() {
            if take(line) > round * 3 {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            // The last line may be cut off, and then it does not count.
            take(line);
        }

        let store = open(directory.path()).unwrap();
        let last = *acknowledged.last().unwrap();
        for n in acknowledged {
            let (a, b) = (get(&store, &format!("a/{n}")).await, get(&store, &format!("b/{n}")).await);
            assert_eq!(a.unwrap().mod_revision, b.unwrap().mod_revision, "write {n} of round {round}");
        }
        let (a, b) = (
            store.counts(&prefix("a/"), Revision(0)).await.unwrap().all,
            store.counts(&prefix("b/"), Revision(0)).await.unwrap().all,
        );
        assert_eq!(a, b, "half of a transaction in round {round}");
        assert!(a > last && a <= last + 2, "{a} writes are there, and {last} was the last acknowledged");
        total = a;
    }

    let store = open(directory.path()).unwrap();
    let mut watch = store.watch(&[prefix("a/")], Revision(0)).await.unwrap();
    for n in 0..total {
        assert_eq!(batch(&mut watch).await.1, [format!("a/{n}={n}")]);
    }
    assert_eq!(store.counts(&Prefix::all(), Revision(0)).await.unwrap().all, 2 * total, "notes of the dead are gone");
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = writer(directory.path()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap().starts_with("written ")));
    let refused = open(directory.path()).unwrap_err();
    let message = refused.to_string();
    assert!(matches!(refused, OpenSqliteError::Lock(LockError::Held { pid: Some(pid), .. }) if pid == child.id()));
    assert!(message.contains(&format!("process {}", child.id())), "{message}");
    assert!(message.contains(&directory.path().display().to_string()), "{message}");
    child.kill().unwrap();
    child.wait().unwrap();
    open(directory.path()).unwrap();
}
