//! Transactions, lists, limits, and what stays.

use std::sync::Arc;

use portward_store::{
    Cond, Counts, HealthState, Key, LimitError, OpId, Page, Prefix, Revision, StoreError, Txn, TxnOutcome,
};

use crate::fixture::{Fixture, commit, for_each_engine, get, key, list, prefix, put, value};

for_each_engine!(
    a_transaction_does_all_or_nothing,
    a_conflict_shows_what_was_seen,
    revisions_rise_and_tell_who_made_what,
    concurrent_writers_lose_no_update,
    a_transaction_that_is_sent_twice_happens_once,
    a_list_shows_one_revision_whatever_happens_meanwhile,
    a_list_at_every_revision_is_what_was_there,
    a_list_of_what_is_forgotten_or_has_not_happened_is_refused,
    pages_end_where_the_prefix_ends,
    counts_tell_what_is_newer,
    what_is_over_a_limit_is_refused_and_changes_nothing,
    what_is_just_at_a_limit_is_accepted,
    what_was_acknowledged_is_there_after_reopening,
    everything_can_be_replaced_at_one_revision,
    health_tells_the_revision,
);

async fn a_transaction_does_all_or_nothing(fixture: impl Fixture) {
    let store = fixture.store();
    commit(&*store, put("a", "1").put(key("b"), "1")).await;
    let refused = Txn::new().when(Cond::Absent(key("a"))).put(key("b"), "2").put(key("c"), "2").delete(key("a"));
    assert!(matches!(store.txn(refused).await.unwrap(), TxnOutcome::Conflict { .. }));
    assert_eq!(list(&*store, "", None, 10).await.iter().filter(|kv| !kv.starts_with("ops/")).count(), 2);
    assert_eq!(value(&*store, "b").await.unwrap(), "1");

    commit(&*store, Txn::new().when(Cond::Present(key("a"))).put(key("b"), "2").put(key("c"), "2").delete(key("a")))
        .await;
    assert_eq!(value(&*store, "a").await, None);
    assert_eq!(value(&*store, "b").await.unwrap(), "2");
    assert_eq!(get(&*store, "b").await.unwrap().mod_revision, get(&*store, "c").await.unwrap().mod_revision);
}

async fn a_conflict_shows_what_was_seen(fixture: impl Fixture) {
    let store = fixture.store();
    let first = commit(&*store, put("a", "1")).await;
    for (cond, holds) in [
        (Cond::Absent(key("a")), false),
        (Cond::Absent(key("x")), true),
        (Cond::Present(key("a")), true),
        (Cond::Present(key("x")), false),
        (Cond::ModRevision(key("a"), first), true),
        (Cond::ModRevision(key("a"), Revision(first.0 + 1)), false),
        (Cond::ModRevision(key("x"), first), false),
    ] {
        let before = store.revision().await.unwrap();
        let txn = Txn::new().when(Cond::Present(key("a"))).when(cond.clone()).put(key("out"), "o");
        match store.txn(txn).await.unwrap() {
            TxnOutcome::Committed(revision) => assert!(holds && revision > before, "{cond:?}"),
            TxnOutcome::Conflict { at, seen } => {
                assert!(!holds, "{cond:?}");
                assert_eq!(at, before);
                assert_eq!(seen, [get(&*store, "a").await, get(&*store, cond.key().as_str()).await], "{cond:?}");
            }
        }
    }
}

async fn revisions_rise_and_tell_who_made_what(fixture: impl Fixture) {
    let store = fixture.store();
    let start = store.revision().await.unwrap();
    let made = commit(&*store, put("a", "1")).await;
    let changed = commit(&*store, put("a", "2")).await;
    assert!(start < made && made < changed);
    assert_eq!(store.revision().await.unwrap(), changed);
    let kv = get(&*store, "a").await.unwrap();
    assert_eq!((kv.create_revision, kv.mod_revision), (made, changed));

    let deleted = commit(&*store, Txn::new().delete(key("a")).delete(key("never-there"))).await;
    let again = commit(&*store, put("a", "3")).await;
    let kv = get(&*store, "a").await.unwrap();
    assert!(deleted < again);
    assert_eq!((kv.create_revision, kv.mod_revision), (again, again), "a key begins anew after it was deleted");
}

async fn concurrent_writers_lose_no_update(fixture: impl Fixture) {
    const WRITERS: usize = 8;
    const EACH: usize = 20;
    let store = fixture.store();
    commit(&*store, put("counter", "0")).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut done = 0;
                while done < EACH {
                    let seen = get(&*store, "counter").await.unwrap();
                    let count: usize = String::from_utf8(seen.value.to_vec()).unwrap().parse().unwrap();
                    let txn = Txn::new()
                        .when(Cond::ModRevision(key("counter"), seen.mod_revision))
                        .put(key("counter"), (count + 1).to_string());
                    if let TxnOutcome::Committed(_) = store.txn(txn).await.unwrap() {
                        done += 1;
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(value(&*store, "counter").await.unwrap(), (WRITERS * EACH).to_string());
}

async fn a_transaction_that_is_sent_twice_happens_once(fixture: impl Fixture) {
    let store = fixture.store();
    let txn = Txn::new().when(Cond::Absent(key("a"))).put(key("a"), "1");
    assert_eq!(store.happened(&txn.op_id).await.unwrap(), None);
    let first = commit(&*store, txn.clone()).await;
    assert_eq!(store.happened(&txn.op_id).await.unwrap(), Some(first));
    commit(&*store, put("a", "2")).await;
    assert_eq!(store.txn(txn).await.unwrap(), TxnOutcome::Committed(first));
    assert_eq!(value(&*store, "a").await.unwrap(), "2");

    let refused = Txn::new().when(Cond::Absent(key("a"))).put(key("b"), "1");
    store.txn(refused.clone()).await.unwrap();
    assert_eq!(store.happened(&refused.op_id).await.unwrap(), None);
    assert_eq!(store.happened(&OpId::random()).await.unwrap(), None);
}

async fn a_list_shows_one_revision_whatever_happens_meanwhile(fixture: impl Fixture) {
    let store = fixture.store();
    let mut txn = Txn::new();
    for n in 0..20 {
        txn = txn.put(key(&format!("k/{n:02}")), format!("{n}"));
    }
    let at = commit(&*store, txn).await;
    let expected: Vec<_> = (0..20).map(|n| format!("k/{n:02}={n}")).collect();
    let (mut found, mut page, mut step) = (Vec::new(), Some(Page::first(3)), 0);
    while let Some(asked) = page {
        let listed = store.list(&prefix("k/"), Some(at), asked).await.unwrap();
        assert_eq!(listed.revision, at);
        found.extend(listed.kvs.iter().map(|kv| format!("{}={}", kv.key, String::from_utf8_lossy(&kv.value))));
        page = listed.following(3);
        let (gone, changed, new) = (19 - step, 18 - step, format!("k/{:02}-new", step * 3));
        step += 1;
        commit(
            &*store,
            Txn::new()
                .delete(key(&format!("k/{gone:02}")))
                .put(key(&format!("k/{changed:02}")), "x")
                .put(key(&new), "n"),
        )
        .await;
    }
    assert!(step > 5);
    assert_eq!(found, expected);
}

async fn a_list_at_every_revision_is_what_was_there(fixture: impl Fixture) {
    let store = fixture.store();
    let mut history = Vec::new();
    for txn in [
        put("k/b", "1").put(key("k/d"), "1"),
        put("k/a", "1").delete(key("k/b")),
        put("k/b", "2").put(key("k/c"), "2"),
        put("k/b", "3").delete(key("k/a")).delete(key("k/d")),
        Txn::new().delete(key("k/b")),
        put("k/b", "4").put(key("other"), "4"),
    ] {
        let revision = commit(&*store, txn).await;
        history.push((revision, list(&*store, "k/", None, 10).await));
    }
    for (revision, expected) in history {
        for limit in 1..=5 {
            assert_eq!(list(&*store, "k/", Some(revision), limit).await, expected, "at {revision}, pages of {limit}");
        }
    }
}

async fn a_list_of_what_is_forgotten_or_has_not_happened_is_refused(fixture: impl Fixture) {
    let store = fixture.store();
    let old = commit(&*store, put("a", "1")).await;
    commit(&*store, put("a", "2")).await;
    let newest = store.revision().await.unwrap();
    let future = Revision(newest.0 + 1);
    let refused = store.list(&Prefix::all(), Some(future), Page::first(1)).await;
    assert!(matches!(refused, Err(StoreError::Future { asked, newest: n }) if asked == future && n == newest));
    fixture.forget().await;
    let refused = store.list(&Prefix::all(), Some(old), Page::first(1)).await;
    let Err(StoreError::Compacted { asked, oldest }) = refused else { panic!("{refused:?}") };
    assert!(asked == old && oldest > old);
    assert_eq!(list(&*store, "", Some(oldest), 10).await.iter().filter(|kv| *kv == "a=2").count(), 1);
}

async fn pages_end_where_the_prefix_ends(fixture: impl Fixture) {
    let store = fixture.store();
    let keys = ["certs/1/a", "certs/1/b", "certs/10/a", "certs/1-0/a", "certs", "certsx/a"];
    commit(&*store, keys.iter().fold(Txn::new(), |txn, text| txn.put(key(text), "v"))).await;
    for limit in 0..4 {
        assert_eq!(list(&*store, "certs/1/", None, limit.max(1)).await, ["certs/1/a=v", "certs/1/b=v"]);
    }
    let listed = store.list(&prefix("certs/1/"), None, Page::first(2)).await.unwrap();
    assert_eq!(listed.next, None, "a page that is just full and the last one says so");
    let all = list(&*store, "", None, 2).await;
    assert_eq!(all.iter().filter(|kv| kv.starts_with("certs")).count(), keys.len());
    assert!(all.is_sorted_by_key(|kv| kv.split('=').next()));
}

async fn counts_tell_what_is_newer(fixture: impl Fixture) {
    let store = fixture.store();
    let first = commit(&*store, put("k/a", "1").put(key("k/b"), "1").put(key("other"), "1")).await;
    let second = commit(&*store, put("k/b", "2").put(key("k/c"), "2")).await;
    for (revision, newer) in [(Revision(0), 3), (first, 2), (second, 0)] {
        assert_eq!(store.counts(&prefix("k/"), revision).await.unwrap(), Counts { all: 3, newer });
    }
    commit(&*store, Txn::new().delete(key("k/a"))).await;
    assert_eq!(store.counts(&prefix("k/"), second).await.unwrap(), Counts { all: 2, newer: 0 });
}

fn many(ops: usize) -> Txn {
    (0..ops).fold(Txn::new(), |txn, n| txn.put(key(&format!("many/{n}")), "v"))
}

async fn what_is_over_a_limit_is_refused_and_changes_nothing(fixture: impl Fixture) {
    let store = fixture.store();
    let before = store.revision().await.unwrap();
    let big = "v".repeat(Txn::MAX_VALUE_BYTES);
    let conditions = (0..=Txn::MAX_OPS).fold(Txn::new(), |txn, n| txn.when(Cond::Absent(key(&format!("c/{n}")))));
    let bytes = (0..4).fold(Txn::new(), |txn, n| txn.put(key(&format!("big/{n}")), big.clone()));
    for (txn, expected) in [
        (many(Txn::MAX_OPS + 1), LimitError::Ops(101)),
        (conditions, LimitError::Ops(101)),
        (bytes, LimitError::Bytes(4 * Txn::MAX_VALUE_BYTES + 4 * 5)),
        (
            Txn::new().put(key("a"), format!("{big}v")),
            LimitError::Value { key: key("a"), bytes: Txn::MAX_VALUE_BYTES + 1 },
        ),
        (put("a", "1").delete(key("a")), LimitError::SameKey(key("a"))),
        (put("ops/x", "1"), LimitError::Reserved(key("ops/x"))),
    ] {
        match store.txn(txn).await {
            Err(StoreError::LimitExceeded(error)) => assert_eq!(error, expected),
            other => panic!("{other:?} instead of {expected:?}"),
        }
    }
    assert_eq!(store.revision().await.unwrap(), before);
}

async fn what_is_just_at_a_limit_is_accepted(fixture: impl Fixture) {
    let store = fixture.store();
    commit(&*store, many(Txn::MAX_OPS)).await;
    assert_eq!(store.counts(&prefix("many/"), Revision(0)).await.unwrap().all, 100);
    let big = "v".repeat(Txn::MAX_VALUE_BYTES);
    let keys = ["b/0", "b/1", "b/2"];
    let txn = keys.iter().fold(Txn::new(), |txn, text| txn.put(key(text), big.clone()));
    let rest = Txn::MAX_BYTES - 3 * (3 + Txn::MAX_VALUE_BYTES) - 3;
    commit(&*store, txn.put(key("b/3"), "v".repeat(rest))).await;
    assert_eq!(get(&*store, "b/3").await.unwrap().value.len(), rest);
    let longest = Key::parse(&"k".repeat(Key::MAX_BYTES)).unwrap();
    commit(&*store, Txn::new().put(longest.clone(), "")).await;
    assert_eq!(get(&*store, longest.as_str()).await.unwrap().value.len(), 0, "an empty value is a value");
}

async fn what_was_acknowledged_is_there_after_reopening(mut fixture: impl Fixture) {
    let mut last = Revision(0);
    for round in 0..3 {
        let store = fixture.store();
        assert!(store.revision().await.unwrap() >= last);
        for n in 0..5 {
            last = commit(&*store, Txn::new().put(key(&format!("k/{round}-{n}")), format!("{n}"))).await;
        }
        drop(store);
        fixture = fixture.reopen();
    }
    let store = fixture.store();
    assert_eq!(store.counts(&prefix("k/"), Revision(0)).await.unwrap().all, 15);
    assert!(commit(&*store, put("k/after", "1")).await > last);
    assert_eq!(get(&*store, "k/2-4").await.unwrap().mod_revision, last);
}

async fn everything_can_be_replaced_at_one_revision(fixture: impl Fixture) {
    let store = fixture.store();
    let old = commit(&*store, put("a", "1").put(key("b"), "1")).await;
    let content = || vec![(key("b"), "2".into()), (key("c"), "2".into())];
    let refused = store.replace_all(vec![Cond::Absent(key("a"))], content()).await.unwrap();
    assert!(matches!(refused, TxnOutcome::Conflict { .. }));
    assert_eq!(value(&*store, "a").await.unwrap(), "1");

    let outcome = store.replace_all(vec![Cond::ModRevision(key("a"), old)], content()).await.unwrap();
    let TxnOutcome::Committed(revision) = outcome else { panic!("{outcome:?}") };
    assert!(revision > old);
    assert_eq!(list(&*store, "", None, 10).await, ["b=2", "c=2"]);
    assert_eq!(list(&*store, "", Some(revision), 10).await, ["b=2", "c=2"]);
    assert_eq!(get(&*store, "b").await.unwrap().mod_revision, revision);
    assert!(commit(&*store, put("d", "3")).await > revision);
}

async fn health_tells_the_revision(fixture: impl Fixture) {
    let store = fixture.store();
    let revision = commit(&*store, put("a", "1")).await;
    let health = store.health().await;
    assert_eq!((health.state, health.revision, health.note.as_str()), (HealthState::Up, Some(revision), ""));
}
