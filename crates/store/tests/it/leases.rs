//! Leases. The clock is paused: it jumps to the next timer whenever there is nothing else to do.
//! It does so, too, while a thread of an engine works; so only the model is held to upper bounds.

use std::time::Duration;

use portward_store::{Lease, LimitError, OP_REMEMBERED, StoreError, Txn};
use tokio::time::{Instant, pause};

use crate::fixture::{Fixture, batch, commit, for_each_engine, get, key, prefix, put, value};

for_each_engine!(
    a_revoked_lease_takes_its_keys_along_and_a_watch_shows_it,
    a_lease_whose_owner_is_gone_runs_out,
    a_lease_lives_as_long_as_its_handle,
    a_key_that_was_written_again_without_the_lease_stays,
    nothing_can_be_put_on_a_lease_that_is_over,
    leased_keys_do_not_outlive_the_process,
    what_happened_is_remembered_for_ten_minutes_only,
    a_lease_has_limits,
);

const TTL: Duration = Duration::from_secs(5);
const SLACK: Duration = Duration::from_secs(1);

async fn a_revoked_lease_takes_its_keys_along_and_a_watch_shows_it(fixture: impl Fixture) {
    let store = fixture.store();
    let lease = store.lease_grant(TTL).await.unwrap();
    let other = store.lease_grant(TTL).await.unwrap();
    let txn = Txn::new().put_leased(key("k/a"), "1", lease.id()).put_leased(key("k/b"), "1", lease.id());
    let at = commit(&*store, txn.put(key("k/c"), "1").put_leased(key("k/d"), "1", other.id())).await;
    assert_eq!(get(&*store, "k/a").await.unwrap().lease, Some(lease.id()));
    let mut watch = store.watch(&[prefix("k/")], at).await.unwrap();
    lease.revoke().await.unwrap();
    let (revision, puts, deletes) = batch(&mut watch).await;
    assert!(revision > at && puts.is_empty());
    assert_eq!(deletes, ["k/a", "k/b"]);
    assert_eq!(value(&*store, "k/a").await, None);
    assert!(value(&*store, "k/c").await.is_some() && value(&*store, "k/d").await.is_some());
}

async fn a_lease_whose_owner_is_gone_runs_out<F: Fixture>(fixture: F) {
    let store = fixture.store();
    pause();
    let lease = store.lease_grant(TTL).await.unwrap();
    let at = commit(&*store, Txn::new().put_leased(key("k/a"), "1", lease.id())).await;
    let mut watch = store.watch(&[prefix("k/")], at).await.unwrap();
    let gone = Instant::now();
    drop(lease);
    assert_eq!(batch(&mut watch).await.2, ["k/a"]);
    assert!(!F::KEEPS_TIME || gone.elapsed() <= TTL + SLACK, "{:?}", gone.elapsed());
    assert_eq!(value(&*store, "k/a").await, None);
}

async fn a_lease_lives_as_long_as_its_handle(fixture: impl Fixture) {
    let store = fixture.store();
    pause();
    let lease = store.lease_grant(TTL).await.unwrap();
    commit(&*store, Txn::new().put_leased(key("k/a"), "1", lease.id())).await;
    tokio::time::advance(TTL / 2).await;
    assert!(tokio::time::timeout(TTL * 20, lease.lost()).await.is_err());
    assert!(!lease.is_lost());
    assert!(value(&*store, "k/a").await.is_some());
}

async fn a_key_that_was_written_again_without_the_lease_stays(fixture: impl Fixture) {
    let store = fixture.store();
    let lease = store.lease_grant(TTL).await.unwrap();
    commit(&*store, Txn::new().put_leased(key("a"), "1", lease.id()).put_leased(key("b"), "1", lease.id())).await;
    commit(&*store, put("a", "2")).await;
    lease.revoke().await.unwrap();
    assert_eq!(value(&*store, "a").await.unwrap(), "2");
    assert_eq!(value(&*store, "b").await, None);
}

async fn nothing_can_be_put_on_a_lease_that_is_over(fixture: impl Fixture) {
    let store = fixture.store();
    let lease = store.lease_grant(TTL).await.unwrap();
    let id = lease.id();
    lease.revoke().await.unwrap();
    let before = store.revision().await.unwrap();
    let refused = store.txn(put("a", "1").put_leased(key("b"), "1", id)).await;
    assert!(matches!(refused, Err(StoreError::NoLease(gone)) if gone == id), "{refused:?}");
    assert_eq!(store.revision().await.unwrap(), before);
    assert_eq!(value(&*store, "a").await, None);
}

async fn leased_keys_do_not_outlive_the_process(fixture: impl Fixture) {
    let store = fixture.store();
    let lease = store.lease_grant(TTL).await.unwrap();
    let at = commit(&*store, put("k/a", "1").put_leased(key("k/b"), "1", lease.id())).await;
    // The model has no process that could end: there the lease ends with its owner.
    lease.revoke().await.unwrap();
    let lease = store.lease_grant(TTL).await.unwrap();
    commit(&*store, Txn::new().put_leased(key("k/c"), "1", lease.id())).await;
    drop((store, lease));
    pause();
    let fixture = fixture.reopen();
    let store = fixture.store();
    let mut watch = store.watch(&[prefix("k/")], at).await.unwrap();
    assert_eq!(batch(&mut watch).await.2, ["k/b"]);
    assert_eq!(batch(&mut watch).await.1, ["k/c=1"]);
    assert_eq!(batch(&mut watch).await.2, ["k/c"]);
    assert_eq!(value(&*store, "k/a").await.unwrap(), "1");
}

async fn what_happened_is_remembered_for_ten_minutes_only<F: Fixture>(fixture: F) {
    let store = fixture.store();
    pause();
    let txn = put("a", "1");
    // Before the commit: while an engine works on a thread of its own, paused time may jump to the end of the lease.
    let asked = Instant::now();
    let revision = commit(&*store, txn.clone()).await;
    let mut watch = store.watch(&[prefix("ops/")], revision).await.unwrap();
    assert_eq!(batch(&mut watch).await.2, [txn.op_id.key().to_string()]);
    assert!(asked.elapsed() >= OP_REMEMBERED);
    assert!(!F::KEEPS_TIME || asked.elapsed() < OP_REMEMBERED + Duration::from_secs(60) + SLACK);
    assert_eq!(store.happened(&txn.op_id).await.unwrap(), None);
    assert_eq!(value(&*store, "a").await.unwrap(), "1");
}

async fn a_lease_has_limits(fixture: impl Fixture) {
    let store = fixture.store();
    for (ttl, fine) in [
        (Lease::MIN_TTL, true),
        (Lease::MAX_TTL, true),
        (Lease::MIN_TTL - Duration::from_millis(1), false),
        (Lease::MAX_TTL + Duration::from_millis(1), false),
        (Duration::ZERO, false),
    ] {
        match store.lease_grant(ttl).await {
            Ok(lease) => assert!(fine && lease.ttl() == ttl, "{ttl:?}"),
            Err(StoreError::LimitExceeded(LimitError::LeaseTtl(_))) => assert!(!fine, "{ttl:?}"),
            other => panic!("{other:?}"),
        }
    }
}
