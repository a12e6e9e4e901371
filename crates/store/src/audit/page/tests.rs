#![allow(clippy::unwrap_used, reason = "tests")]
use portward_core::{ActorKind, BindingId, Timestamp};

use super::*;
use crate::{
    Txn,
    change::{Change, Expected, commit},
    memory::MemoryStore,
};

async fn change(store: &MemoryStore, at: &str, who: &str, what: &str) {
    let mut change = Change::new(who, what, Timestamp::parse(at).unwrap());
    change = change.by(ActorKind::User, Some("192.0.2.7".parse().unwrap()));
    change.remove_binding(&BindingId::parse("https-443").unwrap(), Expected::Any);
    commit(store, change).await.unwrap();
}

async fn whats(store: &MemoryStore, filter: AuditFilter) -> Vec<String> {
    page(store, &filter, None, 100).await.unwrap().entries.into_iter().map(|entry| entry.what).collect()
}

fn who(text: &str) -> AuditFilter {
    AuditFilter { who: Some(text.to_owned()), ..AuditFilter::default() }
}

fn what(text: &str) -> AuditFilter {
    AuditFilter { what: Some(text.to_owned()), ..AuditFilter::default() }
}

fn day(text: &str) -> AuditFilter {
    AuditFilter { day: Some(Timestamp::parse(&format!("{text}T12:00:00Z")).unwrap()), ..AuditFilter::default() }
}

#[tokio::test]
async fn records_are_read_newest_first_by_pages_and_by_what_is_wanted() {
    let store = MemoryStore::new();
    assert_eq!(whats(&store, AuditFilter::default()).await, [""; 0]);
    for (at, by, text) in [
        ("2026-11-18T10:00:00Z", "ada", "add site a"),
        ("2026-11-18T10:00:00Z", "Bob", "edit site a"),
        ("2026-11-20T09:00:00Z", "ada", "remove site a"),
        ("2026-11-20T09:00:00Z", "ada", "add binding b"),
    ] {
        change(&store, at, by, text).await;
    }
    let newest_first = ["add binding b", "remove site a", "edit site a", "add site a"];
    assert_eq!(whats(&store, AuditFilter::default()).await, newest_first);
    let (mut before, mut read) = (None, Vec::new());
    for _ in 0..4 {
        let page = page(&store, &AuditFilter::default(), before, 1).await.unwrap();
        assert_eq!(page.entries.len(), 1);
        read.extend(page.entries.into_iter().map(|entry| entry.what));
        before = page.next;
    }
    assert_eq!((read, before), (newest_first.map(str::to_owned).into(), None));

    assert_eq!(whats(&store, who("BO")).await, ["edit site a"]);
    assert_eq!(whats(&store, what("SITE")).await, &newest_first[1..]);
    assert_eq!(whats(&store, what("bindings/https")).await, newest_first, "keys are looked at too");
    assert_eq!(whats(&store, day("2026-11-18")).await, &newest_first[2..]);
    for empty in [day("2026-11-19"), day("2026-11-17"), day("2030-01-01"), who("eve")] {
        assert_eq!(whats(&store, empty).await, [""; 0]);
    }

    let first = page(&store, &AuditFilter::default(), None, 1).await.unwrap().entries.remove(0);
    assert_eq!((first.number, first.actor, first.address), (Some(4), Some(ActorKind::User), "192.0.2.7".parse().ok()));
    assert_eq!(first.changes[0].key, "bindings/https-443");
    assert_eq!(AuditId::parse(&first.id.to_string()), Ok(first.id));
    let verified = crate::audit::verify(&store, Some(&first.sha256)).await.unwrap();
    assert_eq!((verified.has_known, verified.end.unwrap().sha256), (Some(true), first.sha256));
}

#[tokio::test]
async fn a_day_is_that_of_the_record_even_if_the_clock_was_ahead_before_it() {
    let store = MemoryStore::new();
    for (at, text) in [
        ("2026-11-18T10:00:00Z", "before"),
        ("2099-01-01T00:00:00Z", "ahead"),
        ("2026-11-18T11:00:00Z", "set back"),
        ("2026-11-19T09:00:00Z", "the day after"),
    ] {
        change(&store, at, "ada", text).await;
    }
    let newest_first = ["the day after", "set back", "ahead", "before"];
    assert_eq!(whats(&store, AuditFilter::default()).await, newest_first);
    for (asked, expected) in [
        ("2026-11-18", &["set back", "before"][..]),
        ("2026-11-19", &["the day after"]),
        ("2026-11-20", &[]),
        ("2099-01-01", &["ahead"]),
        ("2099-01-02", &[]),
    ] {
        assert_eq!(whats(&store, day(asked)).await, expected, "{asked}");
    }
    let (mut before, mut read) = (None, Vec::new());
    for _ in 0..2 {
        let page = page(&store, &day("2026-11-18"), before, 1).await.unwrap();
        read.extend(page.entries.into_iter().map(|entry| entry.what));
        before = page.next;
    }
    assert_eq!(read, ["set back", "before"]);
    let far = AuditId::parse("76EZ91ZP0R0000000000000000").unwrap();
    assert_eq!(page(&store, &AuditFilter::default(), Some(far), 9).await.unwrap().entries.len(), 4);
}

#[tokio::test]
async fn without_a_head_the_newest_records_are_found_too() {
    let store = MemoryStore::new();
    change(&store, "2026-11-18T10:00:00Z", "ada", "one").await;
    change(&store, "2026-11-20T10:00:00Z", "ada", "two").await;
    store.txn(Txn::new().delete(chain::head_key())).await.unwrap();
    assert_eq!(whats(&store, AuditFilter::default()).await, ["two", "one"]);
}

#[test]
fn what_is_no_id_is_refused() {
    for text in ["", "x", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "01KB1Q2V4M8Y0C5N7R9T3W6XZEE", "../../meta/cluster"] {
        assert!(AuditId::parse(text).is_err(), "{text}");
    }
}
