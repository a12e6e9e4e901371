#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use portward_core::{ConfirmWithin, ConfirmationId, NewWay, Permission};

use super::*;
use crate::{
    change::commit,
    desired::{self, Desired, StoredKey, open_private_key},
    memory::MemoryStore,
    sample,
    sealing::MasterKey,
    work::{AskedConfirmation, confirmation, confirmations},
};

async fn read(store: &MemoryStore) -> Desired {
    let desired = desired::read(store).await.unwrap();
    assert!(desired.bad.is_empty(), "{:?}", desired.bad);
    desired
}

async fn back(store: &MemoryStore, committed: &Committed) -> Result<Committed, GoBackError> {
    go_back(store, sample::change("go back"), &committed.before, committed.revision).await
}

#[tokio::test]
async fn a_removed_certificate_comes_back_with_its_private_keys() {
    let store = MemoryStore::new();
    let sealer = sample::open(&store, &MasterKey::generate()).await;
    sample::fill_certificate(&store, &sealer).await;
    let there = read(&store).await;

    let mut change = sample::change("remove cert-1");
    change.remove_certificate(&there.certificates[0]);
    let removed = commit_keeping(&store, change).await.unwrap();
    let gone = read(&store).await;
    assert!(gone.certificates.is_empty() && gone.keys.is_empty());

    back(&store, &removed).await.unwrap();
    let again = read(&store).await;
    assert_eq!(again.certificates[0].value, there.certificates[0].value);
    for StoredKey { id, sealed } in &again.keys {
        assert_eq!(open_private_key(&sealer, id, sealed).unwrap().expose(), sample::MARKER);
    }
    assert_eq!(again.keys.len(), there.keys.len());
    assert!(matches!(back(&store, &removed).await, Err(GoBackError::Commit(CommitError::Conflict { .. }))));
}

#[tokio::test]
async fn nobody_goes_back_over_a_later_change() {
    let store = MemoryStore::new();
    sample::open(&store, &MasterKey::generate()).await;
    let (one, other) = (sample::binding("b1", "http://[::]:80"), sample::binding("b2", "http://[::]:81"));
    let mut change = sample::change("add two");
    change.put_binding(&one, Expected::Absent);
    change.put_binding(&other, Expected::Absent);
    let added = commit_keeping(&store, change).await.unwrap();
    let mut change = sample::change("edit one");
    change.put_binding(&sample::binding("b2", "http://[::]:82"), Expected::Any);
    commit(&store, change).await.unwrap();
    let refused = back(&store, &added).await;
    assert!(
        matches!(refused, Err(GoBackError::Commit(CommitError::Conflict { key, .. })) if key.as_str() == "bindings/b2")
    );
    assert_eq!(read(&store).await.bindings.len(), 2, "nothing is half done");
}

#[tokio::test]
async fn what_is_named_must_still_be_there() {
    let store = MemoryStore::new();
    let sealer = sample::open(&store, &MasterKey::generate()).await;
    sample::fill(&store, &sealer).await;
    let mut change = sample::change("remove binding");
    change.remove_binding(&sample::binding("b1", "http://[::]:80").id, Expected::Any);
    commit(&store, change).await.unwrap();
    let mut change = sample::change("remove site");
    change.remove_site(&sample::site("s1").id, Expected::Any);
    let removed = commit_keeping(&store, change).await.unwrap();
    assert_eq!(removed.before.sites(), [sample::site("s1")]);
    let mut change = sample::change("remove certificate");
    change.remove_certificate(&read(&store).await.certificates[0]);
    commit(&store, change).await.unwrap();
    assert!(matches!(back(&store, &removed).await, Err(GoBackError::Commit(CommitError::Conflict { .. }))));
}

#[tokio::test]
async fn a_new_certificate_that_has_got_a_version_since_stays() {
    let store = MemoryStore::new();
    let sealer = sample::open(&store, &MasterKey::generate()).await;
    let mut change = sample::change("add cert-1");
    let private_key = sample::secret();
    let version = sample::version(sample::chain("leaf 1"), "key-1", &private_key);
    let management = portward_core::Management::Unmanaged;
    change.add_certificate(&sample::certificate_id("cert-1"), "Shop", management, version, &sealer);
    let added = commit_keeping(&store, change).await.unwrap();
    let stray = Key::parse("certs/cert-1/v/7").unwrap();
    let mut change = sample::change("a version");
    change.edit(stray.clone(), Some(Bytes::from_static(b"{}")), Expected::Absent);
    commit(&store, change).await.unwrap();
    assert!(matches!(back(&store, &added).await, Err(GoBackError::Grown(key)) if key == stray));
}

#[tokio::test]
async fn only_the_front_door_goes_back() {
    let store = MemoryStore::new();
    let sealer = sample::open(&store, &MasterKey::generate()).await;
    let mut change = sample::change("write what is no front door");
    change.edit(Key::parse("users/mara").unwrap(), Some(Bytes::from_static(b"{}")), Expected::Absent);
    let written = commit_keeping(&store, change).await.unwrap();
    assert!(!written.before.is_for_back());
    assert!(matches!(back(&store, &written).await, Err(GoBackError::NotForBack(_))));
    let mut change = sample::change("trust an agent");
    change.put_agent(&sample::agent("web-03"), &sealer, Expected::Absent);
    let written = commit_keeping(&store, change).await.unwrap();
    assert!(!written.before.is_for_back(), "whom one trusts is not what one goes back to");
}

#[tokio::test]
async fn what_waits_to_be_confirmed_is_stored_with_what_it_replaces() {
    let store = MemoryStore::new();
    sample::open(&store, &MasterKey::generate()).await;
    let binding = sample::binding("b1", "http://[::]:80");
    let mut change = sample::change("add b1");
    change.put_binding(&binding, Expected::Absent);
    commit(&store, change).await.unwrap();

    let id = ConfirmationId::parse("c1").unwrap();
    let mut change = sample::change("remove b1");
    change.remove_binding(&binding.id, Expected::Any);
    change.ask_confirmation(AskedConfirmation {
        id: id.clone(),
        within: ConfirmWithin::USUAL,
        permission: Permission::BindingChange,
        way: NewWay::Https,
        retires: vec![sample::binding("b2", "http://[::]:81").id],
    });
    let removed = commit_keeping(&store, change).await.unwrap();
    let waiting = confirmation(&store, &id).await.unwrap().unwrap();
    assert_eq!((waiting.revision, waiting.what.as_str(), waiting.way), (removed.revision, "remove b1", NewWay::Https));
    assert_eq!((&waiting.before, waiting.retires.len()), (&removed.before, 1));
    let mut other = sample::change("edit b1");
    other.put_binding(&binding, Expected::Any);
    assert_eq!(waiting.before.collides_with(&other).map(Key::as_str), Some("bindings/b1"));
    assert_eq!(waiting.before.collides_with(&sample::change("nothing")), None);
    let (made, within) = (sample::at(), ConfirmWithin::USUAL.duration());
    assert!(!waiting.is_over(made) && waiting.is_over(made.plus(within)));
    let set_back = portward_core::Timestamp::from_unix(made.unix() - 1).unwrap();
    assert_eq!(waiting.left(set_back), within, "a clock that is set back keeps nobody out for longer");

    let mut change = sample::change("go back");
    change.settle_confirmation(&waiting);
    go_back(&store, change, &waiting.before, waiting.revision).await.unwrap();
    assert_eq!(read(&store).await.bindings[0].value, binding);
    assert!(confirmations(&store).await.unwrap().0.is_empty());
}
