#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use portward_core::{KeyId, Management, SiteId, Source, VersionNumber};

use super::*;
use crate::{
    Kv, Op, Txn, change,
    change::{Change, Expected, NewKey, NewVersion},
    desired::read_kept,
    memory::MemoryStore,
    sample::{self, at, certificate_id, key},
    sealing::{MasterKey, Sealer, Secret},
};

/// What a desired state says, in a form that can be compared.
fn shown(desired: &Desired) -> String {
    let mut whole = desired.clone();
    let mut bad: Vec<String> = std::mem::take(&mut whole.bad).iter().map(|bad| format!("{bad:?}")).collect();
    bad.sort();
    format!("{whole:#?}\n{bad:#?}")
}

fn version<'a>(leaf: &str, key: &str, private_key: &'a Secret) -> NewVersion<'a> {
    let chain = sample::chain(leaf);
    NewVersion {
        source: Source::Imported,
        added: at(),
        facts: Arc::new(sample::facts(&chain.leaf)),
        chain,
        key: KeyId::parse(key).unwrap(),
        private_key: NewKey::Here(private_key),
    }
}

/// A number below `below`, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// Does something to the store, good or bad.
async fn disturb(store: &MemoryStore, dice: &mut Dice, turn: u64) {
    let sealer = Sealer::new("cluster", MasterKey::generate());
    let secret = Secret::from(b"key".to_vec());
    let id = certificate_id(&format!("c{}", dice.below(8)));
    let mut change = Change::new("test", "", at());
    match dice.below(12) {
        0..=2 => {
            let site = sample::site(&format!("s{}", dice.below(8)));
            change.put_site(&site, Expected::Any);
        }
        3 => change.remove_site(&SiteId::parse(&format!("s{}", dice.below(8))).unwrap(), Expected::Any),
        4..=6 => {
            let stored = super::super::read_certificate(store, &id).await.unwrap();
            let new = version(&format!("leaf {turn}"), &format!("k{turn}"), &secret);
            match stored {
                Some(stored) => {
                    change.add_version(&stored, new, &sealer);
                }
                None => {
                    change.add_certificate(&id, "name", Management::Unmanaged, new, &sealer);
                }
            }
        }
        7 => {
            if let Some(stored) = super::super::read_certificate(store, &id).await.unwrap() {
                change.remove_certificate(&stored);
            }
        }
        8 => change.put_http_challenge(&sample::challenge()),
        9 => change.put_binding(&sample::binding("b1", &format!("http://127.0.0.1:{}", 8000 + turn)), Expected::Any),
        10 => {
            let places = [
                format!("sites/s{}", dice.below(8)),
                format!("certs/{id}/spec"),
                format!("certs/{id}/v/{}", 1 + dice.below(3)),
                format!("keys/k{}", dice.below(turn + 1)),
                "settings/force-https".to_owned(),
                "sites/NOT-A-SITE".to_owned(),
                "acme/nothing".to_owned(),
            ];
            let at = key(&places[usize::try_from(dice.below(7)).unwrap()]);
            store.txn(Txn::new().put(at, &b"garbage"[..])).await.unwrap();
            return;
        }
        _ => {
            let all = store.list(&Prefix::all(), None, Page::first(1000)).await.unwrap().kvs;
            let places = Place::prefixes();
            let all: Vec<_> = all.iter().filter(|kv| places.iter().any(|place| place.contains(&kv.key))).collect();
            if !all.is_empty() {
                let victim = &all[usize::try_from(dice.below(all.len() as u64)).unwrap()].key;
                store.txn(Txn { then: vec![Op::Delete(victim.clone())], ..Txn::new() }).await.unwrap();
            }
            return;
        }
    }
    // Where a record was spoilt before, a change of its neighbours may be refused.
    let _ = change::commit(store, change).await;
}

#[tokio::test]
async fn who_follows_has_what_who_reads_everything_has() {
    for seed in 0..8 {
        let store = MemoryStore::new();
        let mut dice = Dice(seed);
        let mut follower = Follower::begin(&store).await.unwrap();
        let mut begun_again = 0;
        for turn in 0..200 {
            for _ in 0..=dice.below(3) {
                disturb(&store, &mut dice, turn).await;
            }
            if dice.below(40) == 0 {
                store.compact(store.revision().await.unwrap());
            }
            let mut touched = Touched::default();
            follower.catch_up(&store, &mut touched).await.unwrap();
            begun_again += u64::from(touched.everything);
            let fresh = super::super::read(&store).await.unwrap();
            assert_eq!(shown(follower.desired()), shown(&fresh), "seed {seed}, turn {turn}");
        }
        assert!(begun_again < 190, "{begun_again}: hardly anything is applied by itself");
    }
}

#[tokio::test]
async fn a_change_touches_what_it_names_and_shares_the_rest() {
    let store = MemoryStore::new();
    let sealer = Sealer::new("cluster", MasterKey::generate());
    let secret = Secret::from(b"key".to_vec());
    let mut change = Change::new("test", "", at());
    for n in 0..5 {
        change.put_site(&sample::site(&format!("s{n}")), Expected::Any);
    }
    change.add_certificate(&certificate_id("c1"), "one", Management::Unmanaged, version("a", "k1", &secret), &sealer);
    change::commit(&store, change).await.unwrap();
    let mut follower = Follower::begin(&store).await.unwrap();
    let before = follower.desired().clone();

    let mut change = Change::new("test", "", at());
    change.add_version(before.certificate(&certificate_id("c1")).unwrap(), version("b", "k2", &secret), &sealer);
    change.put_site(&sample::site("s3"), Expected::Any);
    change::commit(&store, change).await.unwrap();
    let mut touched = Touched::default();
    follower.catch_up(&store, &mut touched).await.unwrap();
    let s3 = SiteId::parse("s3").unwrap();
    let expected =
        Touched { sites: [s3.clone()].into(), certificates: [certificate_id("c1")].into(), ..Touched::default() };
    assert_eq!(touched, expected);
    let after = follower.desired();
    assert_eq!(after.certificate(&certificate_id("c1")).unwrap().value.current, VersionNumber(2));
    assert_eq!(after.revision, store.revision().await.unwrap());
    for n in [0, 1, 2, 4] {
        let id = SiteId::parse(&format!("s{n}")).unwrap();
        assert!(Arc::ptr_eq(before.sites.shared(&id).unwrap(), after.sites.shared(&id).unwrap()));
    }
    assert!(!Arc::ptr_eq(before.sites.shared(&s3).unwrap(), after.sites.shared(&s3).unwrap()));

    // What is no part of the desired state touches nothing, and is caught up with.
    store.txn(Txn::new().put(key("work/x"), &b"x"[..])).await.unwrap();
    let mut touched = Touched::default();
    follower.catch_up(&store, &mut touched).await.unwrap();
    assert!(touched.is_nothing());
    assert_eq!(follower.desired().revision, store.revision().await.unwrap());
}

#[tokio::test]
async fn after_a_restore_everything_is_touched() {
    let store = MemoryStore::new();
    let mut change = Change::new("test", "", at());
    change.put_site(&sample::site("s1"), Expected::Any);
    change::commit(&store, change).await.unwrap();
    let mut follower = Follower::begin(&store).await.unwrap();
    store.replace_all(Vec::new(), Vec::new()).await.unwrap();
    let mut touched = Touched::default();
    follower.catch_up(&store, &mut touched).await.unwrap();
    assert!(touched.everything && follower.desired().sites.is_empty());
}

#[tokio::test]
async fn a_change_that_comes_meanwhile_is_applied_like_any_other() {
    let store = MemoryStore::new();
    let mut follower = Follower::begin(&store).await.unwrap();
    let mut newest = store.revision().await.unwrap();
    for turn in 1..10 {
        for site in [format!("s{turn}"), format!("s{turn}-meanwhile")] {
            newest = store.revision().await.unwrap();
            let mut change = Change::new("test", "", at());
            change.put_site(&sample::site(&site), Expected::Any);
            change::commit(&store, change).await.unwrap();
        }
        // It was asked for before the last of them came.
        let mut touched = Touched::default();
        follower.catch_up_to(newest, &store, &mut touched).await.unwrap();
        assert!(!touched.everything, "everything was read again, at turn {turn}");
        assert_eq!(follower.desired().sites.len(), 2 * turn);
        assert_eq!(follower.desired().revision, store.revision().await.unwrap());
    }
    // One that has less is another store.
    let mut touched = Touched::default();
    follower.catch_up_to(Revision(newest.0 - 1), &store, &mut touched).await.unwrap();
    assert!(touched.everything);
}

/// What is kept of a store, in the order in which it is kept, with the records of each thing together.
async fn kept(store: &MemoryStore) -> Vec<Vec<Kv>> {
    let mut things: Vec<Vec<Kv>> = Vec::new();
    for prefix in Place::prefixes() {
        for kv in store.list(&prefix, None, Page::first(1000)).await.unwrap().kvs {
            let thing = |kv: &Kv| kv.key.segments().take(2).collect::<Vec<_>>().join("/");
            match things.last_mut() {
                Some(last) if thing(&last[0]) == thing(&kv) => last.push(kv),
                _ => things.push(vec![kv]),
            }
        }
    }
    things
}

#[tokio::test]
async fn kept_records_say_what_the_store_says_and_certificates_share_ids() {
    let mut shared = 0;
    for seed in 0..8 {
        let store = MemoryStore::new();
        let mut dice = Dice(seed);
        for turn in 0..100 {
            disturb(&store, &mut dice, turn).await;
        }
        let things = kept(&store).await;
        for at_once in [1, 2, 7, 1000] {
            let mut parts = things.chunks(at_once);
            let fill = |part: &mut Vec<Kv>| parts.next().map(|next| *part = next.concat()).is_some();
            let follower = read_kept(fill, |part: &Vec<Kv>, take| records_of(part, take))
                .unwrap()
                .at(store.revision().await.unwrap());
            let fresh = super::super::read(&store).await.unwrap();
            assert_eq!(shown(follower.desired()), shown(&fresh), "seed {seed}, {at_once} at once");
            for desired in [follower.desired(), &fresh] {
                let versions = desired.certificates.iter().flat_map(|stored| &stored.value.versions);
                for (id, key) in versions.filter_map(|version| Some((&version.key, desired.keys.get(&version.key)?))) {
                    assert!(
                        std::ptr::eq(id.as_str(), key.id.as_str()),
                        "seed {seed}, {at_once} at once: {id} is there twice"
                    );
                    shared += 1;
                }
            }
        }
    }
    assert!(shared > 100, "{shared}");
}

fn records_of(part: &[Kv], take: &mut dyn FnMut(&str, &[u8], Revision) -> bool) -> bool {
    part.iter().all(|kv| take(kv.key.as_str(), &kv.value, kv.mod_revision))
}

#[test]
fn kept_records_are_read_on_several_threads_and_lose_nothing() {
    let kvs: Vec<Kv> = (0..5000)
        .map(|n| Kv {
            key: key(&format!("sites/s{n:05}")),
            value: crate::records::encode(&crate::records::SiteRecord::from(&sample::site("s"))),
            create_revision: Revision(1),
            mod_revision: Revision(n + 1),
            lease: None,
        })
        .collect();
    let mut parts = kvs.chunks(300);
    let fill = |part: &mut Vec<Kv>| parts.next().map(|next| *part = next.to_vec()).is_some();
    let follower = read_kept(fill, |part: &Vec<Kv>, take| records_of(part, take)).unwrap();
    let desired = follower.desired();
    assert_eq!(desired.sites.len(), 5000);
    assert_eq!(desired.sites[4999].revision, Revision(5000));
}
