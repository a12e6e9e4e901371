//! The model fails when a test wants it to, in the ways that real engines do.

use std::{sync::Arc, time::Duration};

use portward_core::{Binding, BindingId, Timestamp};
use portward_store::{
    Cond, HealthState, Key, Prefix, Read, Revision, Store, StoreError, Txn, TxnOutcome, WatchEvent,
    change::{self, Change, CommitError, Expected},
    memory::{MemoryStore, TxnFault},
};
use tokio::time::{Instant, pause, timeout};

use crate::fixture::{batch, commit, key, next, prefix, put, value};

fn a_change(expected: Expected) -> Change {
    let (protocol, address) = Binding::parse_url("https://127.0.0.1:8443").unwrap();
    let id = BindingId::parse("b1").unwrap();
    let mut change = Change::new("test", "add a binding", Timestamp::EPOCH);
    change.put_binding(&Binding::new(id, protocol, address), expected);
    change
}

async fn audit_records(store: &dyn Store) -> u64 {
    store.counts(&prefix("audit/"), Revision(0)).await.unwrap().all
}

#[tokio::test]
async fn a_lost_answer_is_found_out() {
    for (fault, happened) in [(TxnFault::IndeterminateDone, true), (TxnFault::IndeterminateNotDone, false)] {
        let store = MemoryStore::new();
        store.faults().fail_next_txn(fault);
        let txn = put("a", "1");
        let error = store.txn(txn.clone()).await.unwrap_err();
        assert!(matches!(&error, StoreError::Indeterminate { op_id, .. } if *op_id == txn.op_id));
        assert!(error.may_pass());
        assert_eq!(store.happened(&txn.op_id).await.unwrap().is_some(), happened);
        assert_eq!(value(&store, "a").await.is_some(), happened);
        let revision = commit(&store, txn.clone()).await;
        assert_eq!(store.happened(&txn.op_id).await.unwrap(), Some(revision));
        assert_eq!(store.revision().await.unwrap(), Revision(1), "sent twice, it happened once");
    }
}

#[tokio::test]
async fn a_change_whose_answers_get_lost_is_made_once() {
    use TxnFault::{IndeterminateDone as Done, IndeterminateNotDone as NotDone};
    for faults in [vec![Done], vec![NotDone], vec![NotDone, NotDone], vec![NotDone, Done], vec![NotDone, NotDone, Done]]
    {
        let store = MemoryStore::new();
        faults.iter().for_each(|fault| store.faults().fail_next_txn(*fault));
        let revision = change::commit(&store, a_change(Expected::Absent)).await.unwrap();
        assert_eq!(revision, Revision(1), "{faults:?}");
        assert_eq!(audit_records(&store).await, 1, "{faults:?}");
    }
}

#[tokio::test]
async fn a_change_that_stays_in_doubt_says_so() {
    let store = MemoryStore::new();
    (0..10).for_each(|_| store.faults().fail_next_txn(TxnFault::IndeterminateNotDone));
    let error = change::commit(&store, a_change(Expected::Any)).await.unwrap_err();
    assert!(matches!(error, CommitError::Store(StoreError::Indeterminate { .. })), "{error:?}");
}

#[tokio::test]
async fn a_store_that_is_away_refuses_and_comes_back() {
    let store = MemoryStore::new();
    let at = commit(&store, put("k/a", "1")).await;
    let mut watch = store.watch(&[prefix("k/")], at).await.unwrap();
    let waiting = tokio::spawn(async move { next(&mut watch).await });
    tokio::task::yield_now().await;
    store.faults().go_away();
    assert!(matches!(waiting.await.unwrap(), Some(WatchEvent::Lost(StoreError::Unavailable(_)))));
    assert!(matches!(store.txn(put("a", "1")).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.get(&key("k/a"), Read::Linearizable).await, Err(StoreError::Unavailable(_))));
    assert!(store.get(&key("k/a"), Read::Local).await.unwrap().0.is_some());
    assert!(store.watch(&[Prefix::all()], at).await.is_err());
    assert_eq!(store.health().await.state, HealthState::Down);
    store.faults().come_back();
    assert_eq!(store.health().await.state, HealthState::Up);
    commit(&store, put("a", "1")).await;
}

#[tokio::test]
async fn watches_can_be_held_back() {
    let store = MemoryStore::new();
    pause();
    let mut watch = store.watch(&[prefix("k/")], Revision(0)).await.unwrap();
    store.faults().hold_watches();
    let revision = commit(&store, put("k/a", "1")).await;
    assert!(timeout(Duration::from_secs(60), watch.next()).await.is_err());
    store.faults().release_watches();
    assert_eq!(batch(&mut watch).await.0, revision);
}

#[tokio::test]
async fn history_can_be_forgotten_while_a_watch_is_behind() {
    let store = MemoryStore::new();
    let mut watch = store.watch(&[prefix("k/")], Revision(0)).await.unwrap();
    commit(&store, put("k/a", "1")).await;
    let newest = commit(&store, put("k/a", "2")).await;
    store.compact(newest);
    assert!(matches!(next(&mut watch).await, Some(WatchEvent::Compacted { oldest }) if oldest == newest));
}

#[tokio::test]
async fn a_lease_is_lost_when_the_store_is_away_for_too_long() {
    let store = MemoryStore::new();
    pause();
    let ttl = Duration::from_secs(9);
    let lease = store.lease_grant(ttl).await.unwrap();
    commit(&store, Txn::new().put_leased(key("a"), "1", lease.id())).await;
    let since = Instant::now();
    store.faults().go_away();
    timeout(ttl * 2, lease.lost()).await.unwrap();
    assert!(since.elapsed() <= ttl + Duration::from_secs(1), "{:?}", since.elapsed());
    assert!(lease.is_lost());
    store.faults().come_back();
    tokio::time::advance(ttl).await;
    tokio::task::yield_now().await;
    assert_eq!(value(&store, "a").await, None);
}

#[tokio::test]
async fn a_lease_can_be_taken_from_its_owner_and_the_fence_holds() {
    let store: Arc<MemoryStore> = Arc::new(MemoryStore::new());
    pause();
    let lease = store.lease_grant(Duration::from_secs(10)).await.unwrap();
    let claim: Key = key("claims/role/stek");
    let fence =
        commit(&*store, Txn::new().when(Cond::Absent(claim.clone())).put_leased(claim.clone(), "me", lease.id())).await;
    store.expire_lease(lease.id()).await.unwrap();
    let late = Txn::new().when(Cond::ModRevision(claim, fence)).put(key("work"), "late");
    assert!(matches!(store.txn(late).await.unwrap(), TxnOutcome::Conflict { .. }));
    timeout(Duration::from_secs(11), lease.lost()).await.unwrap();
}
