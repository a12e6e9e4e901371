#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use std::sync::Arc;

use bytes::Bytes;
use portward_core::{ActorKind, BindingId};

use super::*;
use crate::{
    Txn,
    audit::chain::{Link, head_key, place},
    change::{self, Change, Expected},
    memory::MemoryStore,
    records::{AuditedRecord, encode},
    sample,
};

/// An audit as it lies in a store.
#[derive(Clone)]
struct Lying {
    records: Vec<(Key, Bytes)>,
    head: Option<Bytes>,
}

impl Lying {
    async fn of(store: &dyn Store) -> Self {
        let listed = store.list(&prefix(), None, Page::first(1000)).await.unwrap();
        let (head, _) = store.get(&head_key(), crate::Read::Local).await.unwrap();
        let records = listed.kvs.into_iter().map(|kv| (kv.key, kv.value)).collect();
        Self { records, head: head.map(|kv| kv.value) }
    }

    fn verify(&self, known: Option<&str>) -> Verification {
        let mut records = self.records.clone();
        records.sort();
        let mut walk = Walk::new(known);
        records.iter().for_each(|(key, value)| walk.step(key, value));
        walk.end(self.head.as_deref())
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Verification {
        let mut changed = self.clone();
        change(&mut changed);
        changed.verify(None)
    }
}

/// A record as an older Portward wrote it.
fn older(n: u8) -> (Key, Bytes) {
    let text = format!(r#"{{"v":1,"at":"2026-11-20T14:32:06Z","who":"owner","what":"{n}","changes":[]}}"#);
    let ulid = ulid::Ulid::from_parts(1_795_185_126_000, n.into());
    (chain::key_of(ulid).unwrap(), Bytes::from(text.into_bytes()))
}

async fn change(store: &dyn Store, n: u32) {
    let mut change = Change::new("owner", format!("change {n}"), sample::at()).by(ActorKind::Socket, None);
    change.remove_binding(&BindingId::parse(&format!("b{n}")).unwrap(), Expected::Any);
    change::commit(store, change).await.unwrap();
}

/// A store with records of both kinds.
async fn store(older_records: u8, records: u32) -> MemoryStore {
    let store = MemoryStore::new();
    for n in 0..older_records {
        let (key, value) = older(n);
        store.txn(Txn::new().put(key, value)).await.unwrap();
    }
    for n in 0..records {
        change(&store, n).await;
    }
    store
}

async fn lying(older_records: u8, records: u32) -> Lying {
    Lying::of(&store(older_records, records).await).await
}

#[tokio::test]
async fn what_nobody_touched_is_whole() {
    for (older, records) in [(0, 0), (3, 0), (0, 1), (0, 7), (2, 7)] {
        let store = store(older, records).await;
        let found = verify(&store, None).await.unwrap();
        assert_eq!(found.broken, None, "{older} {records}");
        assert_eq!((found.older, found.records, found.breaks), (older.into(), records.into(), 0));
        assert_eq!(found.end.as_ref().map(|end| end.number), (records > 0).then_some(records.into()));
        assert_eq!(found, Lying::of(&store).await.verify(None));
    }
}

#[tokio::test]
async fn every_changed_byte_is_noticed() {
    let lying = lying(2, 6).await;
    for index in 0..lying.records.len() {
        for at in 0..lying.records[index].1.len() {
            for flip in [1, 2, 0x20] {
                let found = lying.with(|lying| {
                    let mut value = lying.records[index].1.to_vec();
                    value[at] ^= flip;
                    lying.records[index].1 = value.into();
                });
                assert!(found.broken.is_some(), "record {index}, byte {at}, {flip:#x}");
            }
        }
    }
    for at in 0..lying.head.as_ref().unwrap().len() {
        let found = lying.with(|lying| {
            let mut value = lying.head.as_ref().unwrap().to_vec();
            value[at] ^= 1;
            lying.head = Some(value.into());
        });
        // Where the head says that its record is, is said by the hash too.
        let in_key = String::from_utf8_lossy(&lying.head.as_ref().unwrap()[..at]).contains("\"key\":\"")
            && !String::from_utf8_lossy(&lying.head.as_ref().unwrap()[..at]).contains("\"sha256\"");
        assert!(found.broken.is_some() || in_key, "head, byte {at}");
    }
}

#[tokio::test]
async fn every_set_of_records_that_is_taken_away_is_noticed() {
    for older in [0, 2] {
        let lying = lying(older, 6).await;
        let count = lying.records.len();
        for taken in 1_u32..(1 << count) {
            let found = lying.with(|lying| {
                let mut index = 0;
                lying.records.retain(|_| {
                    index += 1;
                    taken & (1 << (index - 1)) == 0
                });
            });
            assert!(found.broken.is_some(), "{taken:b} of {older} older ones and 6");
        }
    }
}

#[tokio::test]
async fn every_other_order_is_noticed() {
    let lying = lying(2, 6).await;
    let count = lying.records.len();
    for (one, other) in (0..count).flat_map(|one| (0..one).map(move |other| (one, other))) {
        let found = lying.with(|lying| {
            let value = lying.records[one].1.clone();
            lying.records[one].1 = std::mem::replace(&mut lying.records[other].1, value);
        });
        assert!(found.broken.is_some(), "{one} and {other}");
    }
    let moved = lying.with(|lying| {
        let key = lying.records[4].0.as_str().replace("/01", "/00");
        lying.records[4].0 = Key::parse(&key).unwrap();
    });
    assert!(moved.broken.is_some());
}

#[tokio::test]
async fn every_record_that_is_put_between_is_noticed() {
    let lying = lying(2, 6).await;
    for follows in 2..lying.records.len() {
        let (key, value) = &lying.records[follows];
        for number in [1, follows as u64] {
            for previous in [None, Some(chain::hash(key, value)), Some("0".repeat(64))] {
                let link = Link { number, previous, last: Some(key.clone()), ..Link::default() };
                let record = AuditRecord::new(sample::at().to_string(), "x".to_owned(), "x".to_owned(), Vec::new());
                // The key of the one that follows is one greater: this one goes right behind all of them.
                let [(forged_key, forged), _] = place(link, record, sample::at());
                for key in [forged_key, chain::key_of(ulid::Ulid::from_parts(1_795_185_126_500, 0)).unwrap()] {
                    let taken = lying.records.iter().any(|(other, _)| *other == key);
                    let found = lying.with(|lying| {
                        if !taken {
                            lying.records.push((key, forged.clone()));
                        }
                    });
                    assert_eq!(found.broken.is_some(), !taken, "behind {follows}, as {number}");
                }
            }
        }
    }
    let late = older(9);
    let key = chain::key_of(ulid::Ulid::from_parts(1_795_185_128_000, 0)).unwrap();
    let found = lying.with(|lying| lying.records.push((key.clone(), late.1.clone())));
    assert_eq!(found.broken.map(|broken| (broken.key, broken.fault)), Some((key, Fault::Outside)));
    let found = lying.with(|lying| lying.records.push(late.clone()));
    assert_eq!(found.broken.map(|broken| broken.fault), Some(Fault::Older { expected: 2, found: 3 }));
}

#[tokio::test]
async fn an_end_that_is_cut_off_is_noticed_and_an_end_that_was_kept_says_so_even_if_all_was_written_anew() {
    let lying = lying(0, 6).await;
    let kept = lying.verify(None).end.unwrap();
    assert_eq!(lying.verify(Some(&kept.sha256.to_uppercase())).has_known, Some(true));
    for left in 0..6 {
        let found = lying.with(|lying| lying.records.truncate(left));
        let Some(Broken { key, fault: Fault::End { expected, hash, found: end }, .. }) = found.broken else {
            panic!("{left}")
        };
        assert_eq!((key.as_str(), expected, &hash), ("audit-head", 6, &kept.sha256));
        assert_eq!(end.map_or(0, |end| end.number), left as u64);
    }
    let mut shorter = lying.clone();
    shorter.records.truncate(4);
    let (key, value) = shorter.records[3].clone();
    let head = AuditHeadRecord::new(4, key.to_string(), chain::hash(&key, &value));
    shorter.head = Some(encode(&head));
    let found = shorter.verify(Some(&kept.sha256));
    assert_eq!((found.broken, found.has_known), (None, Some(false)), "this is what the hash is kept for");
    for head in [None, Some(Bytes::from_static(b"{}"))] {
        let found = lying.with(|lying| lying.head = head);
        assert_eq!(found.broken.map(|broken| broken.fault), Some(Fault::NoEnd));
        assert_eq!(found.breaks, 1);
    }
}

#[tokio::test]
async fn writers_at_the_same_moment_make_one_chain() {
    let store = Arc::new(MemoryStore::new());
    let writers: Vec<_> = (0..50)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { change(&*store, n).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let found = verify(&*store, None).await.unwrap();
    assert_eq!((found.records, found.broken), (50, None));
}

#[tokio::test]
async fn changes_go_on_where_the_end_was_lost_and_that_stays_known() {
    for lost in [Txn::new().delete(head_key()), Txn::new().put(head_key(), "{}")] {
        let store = store(0, 3).await;
        store.txn(lost).await.unwrap();
        change(&store, 7).await;
        change(&store, 8).await;
        let found = verify(&store, None).await.unwrap();
        let broken = found.broken.unwrap();
        assert_eq!((found.records, broken.number, broken.fault), (5, Some(3), Fault::NotFollowed));
    }
}

#[test]
fn faults_say_what_was_expected_and_what_came() {
    let key = |n: u8| older(n).0;
    let texts: Vec<String> = [
        Fault::Unreadable,
        Fault::Outside,
        Fault::Previous { expected: "aa".repeat(32), found: Some((key(1), "bb".repeat(32))) },
        Fault::Previous { expected: "aa".repeat(32), found: None },
        Fault::Joined("aa".repeat(32)),
        Fault::Number { expected: 7, found: 8 },
        Fault::NotFollowed,
        Fault::Older { expected: 2, found: 3 },
        Fault::End {
            expected: 12,
            hash: "aa".repeat(32),
            found: Some(AuditEnd { id: None, number: 9, sha256: "bb".repeat(32) }),
        },
        Fault::End { expected: 12, hash: "aa".repeat(32), found: None },
        Fault::NoEnd,
    ]
    .iter()
    .map(ToString::to_string)
    .collect();
    for text in &texts {
        assert!(!text.contains('{') && text.len() > 40, "{text}");
    }
    assert_eq!(texts[5], "it says that it is number 8, and by those before it it is number 7");
}

#[test]
fn a_record_of_version_2_looks_like_this() {
    let changes = vec![AuditedRecord { key: "sites/s".to_owned(), before: None, after: Some("ab".to_owned()) }];
    let mut record = AuditRecord::new(sample::at().to_string(), "ada".to_owned(), "add site s".to_owned(), changes);
    record.actor = Some("user".to_owned());
    record.address = Some("2001:db8::1".to_owned());
    let link = Link { number: 2, previous: Some("cd".to_owned()), ..Link::default() };
    let [(_, value), (key, head)] = place(link, record, sample::at());
    let expected = concat!(
        r#"{"v":2,"at":"2026-11-20T14:32:07Z","who":"ada","actor":"user","address":"2001:db8::1","what":"add site s","#,
        r#""changes":[{"key":"sites/s","before":null,"after":"ab"}],"number":2,"previous":"cd"}"#
    );
    assert_eq!((value, key.as_str()), (Bytes::from(expected), "audit-head"));
    let head: AuditHeadRecord = decode(&head).unwrap();
    assert_eq!((head.number, head.sha256.len()), (2, 64));
}
