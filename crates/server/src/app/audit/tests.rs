#![allow(clippy::unwrap_used, reason = "tests")]
use portward_store::{Key, Store, Txn};

use super::*;
use crate::{
    app::Apply,
    fixture::{Fixture, by, site},
};

async fn changed(fixture: &Fixture) {
    for name in ["a.test", "b.test", "c.test"] {
        fixture.app.add_site(&by(), &site(&[name]), Apply::Now).await.unwrap();
    }
}

#[tokio::test]
async fn who_changed_what_is_listed_newest_first_with_what_was_written() {
    let fixture = Fixture::start().await;
    let empty = fixture.app.list_audit(&by(), &AuditQuery::default()).await.unwrap();
    assert_eq!(empty, AuditPage { items: Vec::new(), next_cursor: None });
    changed(&fixture).await;
    let query = AuditQuery { limit: Some(2), ..AuditQuery::default() };
    let page = fixture.app.list_audit(&by(), &query).await.unwrap();
    let whats: Vec<&str> = page.items.iter().map(|view| view.what.as_str()).collect();
    assert_eq!(whats, ["add site c-test for c.test", "add site b-test for b.test"]);
    let newest = &page.items[0];
    assert_eq!((newest.who.as_str(), newest.actor.as_deref(), newest.address.as_deref()), ("test", Some("user"), None));
    assert_eq!((newest.at.as_str(), newest.number), ("2026-11-20T12:00:00Z", Some(3)));
    assert_eq!((newest.changes[0].key.as_str(), &newest.changes[0].before), ("sites/c-test", &None));
    assert_eq!(newest.previous.as_ref(), Some(&page.items[1].sha256));
    let rest = AuditQuery { cursor: page.next_cursor, what: Some("a-test".to_owned()), ..AuditQuery::default() };
    let rest = fixture.app.list_audit(&by(), &rest).await.unwrap();
    assert_eq!((rest.items.len(), rest.next_cursor), (1, None));
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let fixture = Fixture::start().await;
    for query in [
        AuditQuery { day: Some("yesterday".to_owned()), ..AuditQuery::default() },
        AuditQuery { cursor: Some("x".to_owned()), ..AuditQuery::default() },
        AuditQuery { limit: Some(0), ..AuditQuery::default() },
        AuditQuery { limit: Some(1001), ..AuditQuery::default() },
    ] {
        let refused = fixture.app.list_audit(&by(), &query).await.unwrap_err();
        assert_eq!(refused.code(), "invalid-parameter", "{query:?}");
    }
    let refused = fixture.app.verify_audit(&by(), Some("abc")).await.unwrap_err();
    assert!(refused.to_string().contains("64 hexadecimal digits"), "{refused}");
}

#[tokio::test]
async fn a_record_that_was_touched_is_told_of() {
    let fixture = Fixture::start().await;
    changed(&fixture).await;
    let whole = fixture.app.verify_audit(&by(), None).await.unwrap();
    let end = whole.end.clone().unwrap();
    assert_eq!((whole.ok, whole.records, end.number, whole.breaks), (true, 3, 3, 0));
    let known = fixture.app.verify_audit(&by(), Some(&end.sha256)).await.unwrap();
    assert_eq!((known.ok, known.has_known), (true, Some(true)));
    let unknown = fixture.app.verify_audit(&by(), Some(&"0".repeat(64))).await.unwrap();
    assert_eq!((unknown.ok, unknown.has_known), (false, Some(false)));

    let second = fixture.app.list_audit(&by(), &AuditQuery::default()).await.unwrap().items.remove(1);
    let key = Key::parse(&format!("audit/2026-11-20/{}", second.id)).unwrap();
    let (kv, _) = fixture.store.get(&key, portward_store::Read::Local).await.unwrap();
    let text = String::from_utf8(kv.unwrap().value.to_vec()).unwrap().replace("\"test\"", "\"eve\"");
    fixture.store.txn(Txn::new().put(key.clone(), text)).await.unwrap();
    let broken = fixture.app.verify_audit(&by(), None).await.unwrap();
    let first = broken.broken.unwrap();
    assert_eq!((broken.ok, first.number), (false, Some(3)));
    assert!(first.message.contains(&second.sha256) && first.message.contains(key.as_str()), "{}", first.message);
}
