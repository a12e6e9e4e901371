#![allow(clippy::unwrap_used, reason = "tests")]
use portward_core::{ForceHttps, Management, Settings, Source};

use super::*;
use crate::{
    change::{Committed, NewVersion, commit_keeping, go_back},
    desired::{self, Desired},
    memory::MemoryStore,
    sample,
    sealing::{MasterKey, Sealer, Secret},
};

async fn opened() -> (MemoryStore, Sealer) {
    let store = MemoryStore::new();
    let sealer = sample::open(&store, &MasterKey::generate()).await;
    (store, sealer)
}

async fn read(store: &MemoryStore) -> Desired {
    let desired = desired::read(store).await.unwrap();
    assert!(desired.bad.is_empty(), "{:?}", desired.bad);
    desired
}

fn redirect(change: &mut Change) {
    change.put_settings(&Settings { force_https: ForceHttps::All, ..Settings::default() });
}

fn add(change: &mut Change, id: &str, sealer: &Sealer) {
    let (key, private_key) = (format!("{id}-1"), sample::secret());
    let version = sample::version(sample::chain(&key), &key, &private_key);
    change.add_certificate(&sample::certificate_id(id), id, Management::Unmanaged, version, sealer);
}

/// Adds a version, as a CA or an operator does.
async fn add_version(store: &MemoryStore, id: &str, key: &str, source: Source, sealer: &Sealer) -> Committed {
    let stored = desired::read_certificate(store, &sample::certificate_id(id)).await.unwrap().unwrap();
    let private_key: Secret = sample::secret();
    let version = NewVersion { source, ..sample::version(sample::chain(key), key, &private_key) };
    let mut change = sample::change("a version");
    change.add_version(&stored, version, sealer);
    commit_keeping(store, change).await.unwrap()
}

async fn back(store: &MemoryStore, committed: &Committed) -> WentBack {
    go_back_entirely(store, sample::change("go back"), &committed.before, committed.revision).await.unwrap()
}

fn key_ids(desired: &Desired) -> Vec<String> {
    desired.keys.iter().map(|stored| stored.id.to_string()).collect()
}

/// A redirect that shut its operator out stayed for good, as a certificate beside it had been issued for.
#[tokio::test]
async fn what_was_issued_for_a_certificate_goes_with_the_change_that_added_it() {
    let (store, sealer) = opened().await;
    let mut change = sample::change("apply");
    add(&mut change, "shop", &sealer);
    redirect(&mut change);
    let made = commit_keeping(&store, change).await.unwrap();
    for key in ["shop-2", "shop-3"] {
        add_version(&store, "shop", key, Source::Acme, &sealer).await;
    }
    assert!(go_back(&store, sample::change("undo"), &made.before, made.revision).await.is_err());
    let went = back(&store, &made).await;
    assert_eq!((went.gone, went.left), (vec![sample::certificate_id("shop")], Vec::new()));
    let after = read(&store).await;
    assert_eq!((after.certificates.len(), key_ids(&after)), (0, Vec::<String>::new()));
    assert_eq!((after.settings.force_https, after.revision), (ForceHttps::Off, went.revision));
}

/// Ten versions are kept, so that what the change wrote itself may be gone.
#[tokio::test]
async fn many_versions_later_it_goes_as_well() {
    let (store, sealer) = opened().await;
    let mut change = sample::change("apply");
    add(&mut change, "shop", &sealer);
    let made = commit_keeping(&store, change).await.unwrap();
    for at in 2..=12 {
        add_version(&store, "shop", &format!("shop-{at}"), Source::Acme, &sealer).await;
    }
    assert!(!key_ids(&read(&store).await).contains(&"shop-1".to_owned()));
    back(&store, &made).await;
    let after = read(&store).await;
    assert_eq!((after.certificates.len(), after.keys.len()), (0, 0));
}

#[tokio::test]
async fn what_is_issued_at_the_moment_of_going_back_goes_too() {
    let (store, sealer) = opened().await;
    let mut change = sample::change("apply");
    add(&mut change, "shop", &sealer);
    redirect(&mut change);
    let made = commit_keeping(&store, change).await.unwrap();
    let issuing = store.clone();
    store.faults().before_next_txn(move || {
        let issue = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(add_version(&issuing, "shop", "shop-2", Source::Acme, &sealer));
        };
        std::thread::spawn(issue).join().unwrap();
    });
    back(&store, &made).await;
    let after = read(&store).await;
    assert_eq!((after.certificates.len(), after.keys.len(), after.settings.force_https), (0, 0, ForceHttps::Off));
}

#[tokio::test]
async fn a_certificate_that_was_there_before_is_served_as_before() {
    let (store, sealer) = opened().await;
    let mut change = sample::change("add shop");
    add(&mut change, "shop", &sealer);
    commit_keeping(&store, change).await.unwrap();
    let imported = add_version(&store, "shop", "shop-2", Source::Imported, &sealer).await;
    add_version(&store, "shop", "shop-3", Source::Acme, &sealer).await;
    let went = back(&store, &imported).await;
    assert_eq!((went.gone, went.left), (Vec::new(), Vec::new()));
    let after = read(&store).await;
    let shop = &after.certificates[0].value;
    let versions: Vec<u32> = shop.versions.iter().map(|version| version.number.0).collect();
    assert_eq!((shop.current, versions), (VersionNumber(1), vec![1, 3]));
    assert_eq!(key_ids(&after), ["shop-1", "shop-3"]);
}

#[tokio::test]
async fn what_does_not_fit_into_one_change_stays_whole_and_all_else_goes_back() {
    let (store, sealer) = opened().await;
    let ids: Vec<String> = (10..30).map(|at| format!("c{at}")).collect();
    let mut change = sample::change("apply");
    ids.iter().for_each(|id| add(&mut change, id, &sealer));
    redirect(&mut change);
    let made = commit_keeping(&store, change).await.unwrap();
    for id in &ids {
        add_version(&store, id, &format!("{id}-2"), Source::Acme, &sealer).await;
    }
    let went = back(&store, &made).await;
    let after = read(&store).await;
    assert_eq!(after.settings.force_https, ForceHttps::Off);
    assert!(went.gone.len() > 10 && !went.left.is_empty(), "{went:?}");
    assert_eq!(went.gone.len() + went.left.len(), ids.len());
    let left: Vec<_> = after.certificates.iter().map(|stored| stored.value.id.clone()).collect();
    assert_eq!(left, went.left);
    assert!(after.certificates.iter().all(|stored| stored.value.versions.len() == 2));
    assert_eq!(after.keys.len(), 2 * left.len());
}
