//! Watches: every event, once, in order, or the news that it is forgotten.

use std::sync::Arc;

use portward_store::{Prefix, Revision, Txn, WatchEvent};

use crate::fixture::{Fixture, batch, commit, for_each_engine, key, next, prefix, put};

for_each_engine!(
    a_watch_gives_what_comes_and_what_was,
    a_transaction_is_one_batch,
    a_watch_gives_its_prefixes_only,
    every_watch_gets_every_event_once_and_in_order,
    a_watch_that_is_dropped_while_it_waits_loses_nothing,
    a_watch_goes_on_after_reopening,
    a_watch_from_a_forgotten_revision_says_so_and_ends,
    a_watch_from_the_oldest_known_revision_misses_nothing,
    replacing_everything_ends_watches_with_where_to_go_on,
    a_watch_ends_when_the_store_is_closed,
);

async fn a_watch_gives_what_comes_and_what_was(fixture: impl Fixture) {
    let store = fixture.store();
    let first = commit(&*store, put("k/a", "1")).await;
    let second = commit(&*store, put("k/a", "2")).await;
    let mut from_start = store.watch(&[prefix("k/")], Revision(0)).await.unwrap();
    let mut from_first = store.watch(&[prefix("k/")], first).await.unwrap();
    let mut from_now = store.watch(&[prefix("k/")], second).await.unwrap();
    let third = commit(&*store, Txn::new().delete(key("k/a"))).await;
    assert_eq!(batch(&mut from_start).await, (first, vec!["k/a=1".to_owned()], vec![]));
    for watch in [&mut from_start, &mut from_first] {
        assert_eq!(batch(watch).await, (second, vec!["k/a=2".to_owned()], vec![]));
    }
    for watch in [&mut from_start, &mut from_first, &mut from_now] {
        assert_eq!(batch(watch).await, (third, vec![], vec!["k/a".to_owned()]));
    }
}

async fn a_transaction_is_one_batch(fixture: impl Fixture) {
    let store = fixture.store();
    commit(&*store, put("k/old", "1").put(key("k/kept"), "1")).await;
    let at = store.revision().await.unwrap();
    let mut watch = store.watch(&[Prefix::all()], at).await.unwrap();
    let txn = put("k/z", "2").put(key("k/a"), "2").delete(key("k/old")).delete(key("k/never-there"));
    let note = txn.op_id.key();
    let revision = commit(&*store, txn).await;
    let expected = vec!["k/a=2".to_owned(), "k/z=2".to_owned(), format!("{note}=")];
    assert_eq!(batch(&mut watch).await, (revision, expected, vec!["k/old".to_owned()]));
}

async fn a_watch_gives_its_prefixes_only(fixture: impl Fixture) {
    let store = fixture.store();
    let mut watch = store.watch(&[prefix("a/"), prefix("b/")], Revision(0)).await.unwrap();
    let mut nothing = store.watch(&[], Revision(0)).await.unwrap();
    let first = commit(&*store, put("a/1", "1").put(key("c/1"), "1")).await;
    commit(&*store, put("c/2", "1").put(key("ab/1"), "1").put(key("a"), "1")).await;
    let third = commit(&*store, put("b/1", "1")).await;
    assert_eq!(batch(&mut watch).await, (first, vec!["a/1=1".to_owned()], vec![]));
    assert_eq!(batch(&mut watch).await, (third, vec!["b/1=1".to_owned()], vec![]));
    // Paused, the clock jumps to the sign of life as soon as there is nothing else to do.
    tokio::time::pause();
    assert!(matches!(nothing.next().await, Some(WatchEvent::Alive)));
}

async fn every_watch_gets_every_event_once_and_in_order(fixture: impl Fixture) {
    const EVENTS: usize = 60;
    let store = fixture.store();
    let watchers: Vec<_> = (0..3)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut watch = store.watch(&[prefix("k/")], Revision(0)).await.unwrap();
                let mut seen = Vec::new();
                while seen.len() < EVENTS {
                    seen.push(batch(&mut watch).await);
                }
                seen
            })
        })
        .collect();
    let mut written = Vec::new();
    for n in 0..EVENTS {
        let revision = commit(&*store, Txn::new().put(key("k/a"), n.to_string()).put(key("other"), "x")).await;
        written.push((revision, vec![format!("k/a={n}")], vec![]));
    }
    for watcher in watchers {
        assert_eq!(watcher.await.unwrap(), written);
    }
}

async fn a_watch_that_is_dropped_while_it_waits_loses_nothing(fixture: impl Fixture) {
    let store = fixture.store();
    let mut watch = store.watch(&[prefix("k/")], Revision(0)).await.unwrap();
    let mut seen = Vec::new();
    let writer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0..30 {
                commit(&*store, Txn::new().put(key("k/a"), n.to_string())).await;
            }
        })
    };
    while seen.len() < 30 {
        // The other branch wins whenever the first has to wait, which drops it at every point where it can wait.
        tokio::select! {
            biased;
            event = watch.next() => match event {
                Some(WatchEvent::Batch { puts, .. }) => seen.push(String::from_utf8(puts[0].value.to_vec()).unwrap()),
                Some(WatchEvent::Alive) => {}
                other => panic!("{other:?}"),
            },
            () = tokio::task::yield_now() => {}
        }
    }
    writer.await.unwrap();
    assert_eq!(seen, (0..30).map(|n| n.to_string()).collect::<Vec<_>>());
}

async fn a_watch_goes_on_after_reopening(fixture: impl Fixture) {
    let store = fixture.store();
    let first = commit(&*store, put("k/a", "1")).await;
    let second = commit(&*store, put("k/a", "2").put(key("k/b"), "2")).await;
    drop(store);
    let fixture = fixture.reopen();
    let store = fixture.store();
    let mut watch = store.watch(&[prefix("k/")], first).await.unwrap();
    assert_eq!(batch(&mut watch).await, (second, vec!["k/a=2".to_owned(), "k/b=2".to_owned()], vec![]));
    let third = commit(&*store, put("k/c", "3")).await;
    assert_eq!(batch(&mut watch).await, (third, vec!["k/c=3".to_owned()], vec![]));
}

async fn a_watch_from_a_forgotten_revision_says_so_and_ends(fixture: impl Fixture) {
    let store = fixture.store();
    let old = commit(&*store, put("k/a", "1")).await;
    let forgotten = commit(&*store, put("k/a", "2")).await;
    fixture.forget().await;
    let mut watch = store.watch(&[prefix("k/")], old).await.unwrap();
    let event = next(&mut watch).await;
    assert!(matches!(event, Some(WatchEvent::Compacted { oldest }) if oldest >= forgotten), "{event:?}");
    assert!(next(&mut watch).await.is_none());
}

async fn a_watch_from_the_oldest_known_revision_misses_nothing(fixture: impl Fixture) {
    let store = fixture.store();
    commit(&*store, put("k/a", "1")).await;
    commit(&*store, put("k/a", "2")).await;
    fixture.forget().await;
    let mut watch = store.watch(&[prefix("k/")], Revision(0)).await.unwrap();
    let Some(WatchEvent::Compacted { oldest }) = next(&mut watch).await else { panic!("nothing is forgotten") };
    let third = commit(&*store, put("k/b", "3")).await;
    let mut watch = store.watch(&[prefix("k/")], oldest).await.unwrap();
    assert_eq!(batch(&mut watch).await, (third, vec!["k/b=3".to_owned()], vec![]));
}

async fn replacing_everything_ends_watches_with_where_to_go_on(fixture: impl Fixture) {
    let store = fixture.store();
    let at = commit(&*store, put("k/a", "1")).await;
    let mut watch = store.watch(&[prefix("k/")], at).await.unwrap();
    store.replace_all(vec![], vec![(key("k/b"), "2".into())]).await.unwrap();
    let Some(WatchEvent::Compacted { oldest }) = next(&mut watch).await else { panic!("the watch goes on") };
    assert!(oldest > at && next(&mut watch).await.is_none());
    let mut watch = store.watch(&[prefix("k/")], oldest).await.unwrap();
    let third = commit(&*store, put("k/c", "3")).await;
    assert_eq!(batch(&mut watch).await, (third, vec!["k/c=3".to_owned()], vec![]));
}

async fn a_watch_ends_when_the_store_is_closed(fixture: impl Fixture) {
    let store = fixture.store();
    let at = commit(&*store, put("k/a", "1")).await;
    let mut watch = store.watch(&[prefix("k/")], at).await.unwrap();
    drop(store);
    drop(fixture);
    let event = next(&mut watch).await;
    assert!(matches!(event, Some(WatchEvent::Lost(_))), "{event:?}");
    assert!(next(&mut watch).await.is_none());
}
