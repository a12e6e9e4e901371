#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use std::sync::Arc;

use portward_core::{AgentSettings, ForceHttps, KeyId, Settings, VersionNumber};

use super::*;
use crate::{
    Page, Prefix,
    desired::{self, Desired, open_private_key},
    memory::MemoryStore,
    sample,
    sealing::{MasterKey, Sealer},
};

async fn opened() -> (MemoryStore, Sealer) {
    let store = MemoryStore::new();
    let sealer = sample::open(&store, &MasterKey::generate()).await;
    (store, sealer)
}

async fn keys(store: &dyn Store) -> Vec<String> {
    let listed = store.list(&Prefix::all(), None, Page::first(1000)).await.unwrap();
    let mut keys: Vec<_> = listed.kvs.iter().map(|kv| kv.key.to_string()).collect();
    keys.retain(|key| !key.starts_with("ops/") && !key.starts_with("meta/") && !key.starts_with("audit"));
    keys
}

async fn audits(store: &dyn Store) -> Vec<AuditRecord> {
    let audit = Prefix::of_checked("audit/".to_owned());
    let listed = store.list(&audit, None, Page::first(1000)).await.unwrap();
    listed.kvs.iter().map(|kv| crate::records::decode(&kv.value).unwrap()).collect()
}

async fn read(store: &dyn Store) -> Desired {
    let desired = desired::read(store).await.unwrap();
    assert!(desired.bad.is_empty(), "{:?}", desired.bad);
    desired
}

#[tokio::test]
async fn a_change_and_its_audit_record_have_one_revision() {
    let (store, _) = opened().await;
    let binding = sample::binding("b1", "https://[::]:8443");
    let mut change = sample::change("add binding b1");
    change.put_binding(&binding, Expected::Absent);
    let revision = commit(&store, change).await.unwrap();
    let desired = read(&store).await;
    assert_eq!(desired.bindings[0].value, binding);
    assert_eq!((desired.revision, desired.bindings[0].revision), (revision, revision));

    let mut change = sample::change("remove binding b1");
    change.remove_binding(&binding.id, Expected::At(revision));
    commit(&store, change).await.unwrap();
    assert!(read(&store).await.bindings.is_empty());

    let mut audits = audits(&store).await;
    audits.sort_by(|one, other| one.what.cmp(&other.what));
    let [added, removed] = audits.as_slice() else { panic!("{audits:?}") };
    assert_eq!((added.who.as_str(), added.what.as_str()), ("owner", "add binding b1"));
    assert_eq!(added.at, "2026-11-20T14:32:07Z");
    assert_eq!(added.changes[0].key, "bindings/b1");
    assert_eq!(added.changes[0].before, None);
    let written = sha256(&encode(&BindingRecord::from(&binding)));
    assert_eq!(added.changes[0].after.as_ref(), Some(&written));
    assert_eq!((removed.changes[0].before.as_ref(), &removed.changes[0].after), (Some(&written), &None));
    let place = store.list(&Prefix::of_checked("audit/2026-11-20/".to_owned()), None, Page::first(9)).await.unwrap();
    assert_eq!(place.kvs.len(), 2);
    assert!(place.kvs.iter().any(|kv| kv.mod_revision == revision));
}

#[tokio::test]
async fn a_change_that_expects_something_else_is_refused_and_leaves_no_trace() {
    let (store, _) = opened().await;
    let binding = sample::binding("b1", "https://[::]:8443");
    let put = |expected| {
        let mut change = sample::change("put");
        change.put_binding(&binding, expected);
        change
    };
    let first = commit(&store, put(Expected::Absent)).await.unwrap();
    let second = commit(&store, put(Expected::At(first))).await.unwrap();
    let before = (store.revision().await.unwrap(), audits(&store).await.len());
    for expected in [Expected::Absent, Expected::At(first), Expected::At(Revision(0))] {
        match commit(&store, put(expected)).await {
            Err(CommitError::Conflict { key, seen, at }) => {
                assert_eq!((key.as_str(), seen, at), ("bindings/b1", Some(second), second), "{expected:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    let mut gone = sample::change("change what is not there");
    gone.put_site(&sample::site("s1"), Expected::At(second));
    assert!(matches!(commit(&store, gone).await, Err(CommitError::Conflict { seen: None, .. })));
    let mut dangling = put(Expected::Any);
    dangling.require_certificate(&sample::certificate_id("cert-1"));
    assert!(
        matches!(commit(&store, dangling).await, Err(CommitError::Conflict { key, .. }) if key.as_str() == "certs/cert-1/spec")
    );
    assert_eq!((store.revision().await.unwrap(), audits(&store).await.len()), before);
    commit(&store, put(Expected::Any)).await.unwrap();
}

#[tokio::test]
async fn of_many_who_expect_the_same_one_wins_and_those_who_expect_nothing_all_do() {
    let store = Arc::new(MemoryStore::new());
    let run = |expected| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut change = sample::change("put");
            change.put_binding(&sample::binding("b1", "https://[::]:8443"), expected);
            commit(&*store, change).await.is_ok()
        })
    };
    let racers: Vec<_> = (0..10).map(|_| run(Expected::Absent)).collect();
    let mut won = 0;
    for racer in racers {
        won += usize::from(racer.await.unwrap());
    }
    assert_eq!(won, 1);
    assert_eq!(audits(&*store).await.len(), 1);
    assert!(run(Expected::Any).await.unwrap() && run(Expected::Any).await.unwrap());
}

#[tokio::test]
async fn an_import_is_one_transaction_and_its_key_opens_only_for_us() {
    let (store, sealer) = opened().await;
    let revision = sample::fill(&store, &sealer).await;
    let desired = read(&store).await;
    assert_eq!(desired.revision, revision);
    let stored = &desired.certificates[0];
    assert_eq!((stored.spec_revision, stored.current_revision), (revision, Some(revision)));
    let certificate = &stored.value;
    assert_eq!((&*certificate.name, certificate.current), ("Shop", VersionNumber(1)));
    let version = certificate.current_version().unwrap();
    assert_eq!(version.chain, sample::chain("leaf 1"));
    assert_eq!(*version.facts, sample::facts(b"leaf 1"));
    let sealed = desired.private_key(&version.key).unwrap();
    assert_eq!(open_private_key(&sealer, &version.key, sealed).unwrap().expose(), sample::MARKER);
    assert!(open_private_key(&sealer, &KeyId::parse("key-2").unwrap(), sealed).is_err());
    for kv in store.list(&Prefix::all(), None, Page::first(100)).await.unwrap().kvs {
        assert!(!kv.value.windows(6).any(|bytes| bytes == b"MARKER"), "{}", kv.key);
        assert!(!format!("{kv:?}").contains("MARKER"), "{}", kv.key);
    }
    let issuers = keys(&store).await.iter().filter(|key| key.starts_with("chains/")).count();
    assert_eq!(issuers, 1);
}

#[tokio::test]
async fn a_replacement_is_served_and_can_be_gone_back_from() {
    let (store, sealer) = opened().await;
    sample::fill(&store, &sealer).await;
    let before = read(&store).await;
    let private_key = sample::secret();
    let replace = |key: &str| {
        let mut change = sample::change("replace");
        let number = change.add_version(
            &before.certificates[0],
            sample::version(sample::chain("leaf 2"), key, &private_key),
            &sealer,
        );
        assert_eq!(number, VersionNumber(2));
        change
    };
    commit(&store, replace("key-2")).await.unwrap();
    let after = read(&store).await;
    assert_eq!(after.certificates[0].value.current, VersionNumber(2));
    assert_eq!(after.certificates[0].value.versions.len(), 2);
    let lost = commit(&store, replace("key-3")).await.unwrap_err();
    assert!(matches!(lost, CommitError::Conflict { .. }), "{lost:?}");
    assert!(!keys(&store).await.contains(&"keys/key-3".to_owned()));

    let mut back = sample::change("go back");
    back.set_current(&after.certificates[0], VersionNumber(1));
    commit(&store, back).await.unwrap();
    let back = read(&store).await;
    assert_eq!(back.certificates[0].value.current_version().unwrap().chain.leaf[..], b"leaf 1"[..]);
    assert_eq!(back.certificates[0].value.next_number(), VersionNumber(3));
    let mut nowhere = sample::change("go to a version that is not there");
    nowhere.set_current(&back.certificates[0], VersionNumber(9));
    assert!(
        matches!(commit(&store, nowhere).await, Err(CommitError::Conflict { key, .. }) if key.as_str() == "certs/cert-1/v/9")
    );
}

#[tokio::test]
async fn old_versions_and_their_keys_go_but_never_the_one_that_is_served() {
    let (store, sealer) = opened().await;
    sample::fill(&store, &sealer).await;
    let private_key = sample::secret();
    let last = u32::try_from(KEPT_VERSIONS).unwrap() + 4;
    for n in 2..=last {
        let desired = read(&store).await;
        let mut change = sample::change("replace");
        let version = sample::version(sample::chain(&format!("leaf {n}")), &format!("key-{n}"), &private_key);
        change.add_version(&desired.certificates[0], version, &sealer);
        commit(&store, change).await.unwrap();
    }
    let desired = read(&store).await;
    let numbers: Vec<_> = desired.certificates[0].value.versions.iter().map(|version| version.number.0).collect();
    assert_eq!(numbers, (5..=last).collect::<Vec<_>>());
    assert_eq!(numbers.len(), KEPT_VERSIONS);
    assert_eq!(desired.keys.len(), KEPT_VERSIONS);
    assert_eq!(
        desired.certificates[0].value.current_version().unwrap().chain.leaf[..],
        *format!("leaf {last}").as_bytes()
    );

    let mut back = sample::change("go back");
    back.set_current(&desired.certificates[0], VersionNumber(5));
    commit(&store, back).await.unwrap();
    let mut change = sample::change("replace what was gone back to");
    let version = sample::version(sample::chain("leaf next"), "key-next", &private_key);
    change.add_version(&read(&store).await.certificates[0], version, &sealer);
    commit(&store, change).await.unwrap();
    let desired = read(&store).await;
    let numbers: Vec<_> = desired.certificates[0].value.versions.iter().map(|version| version.number.0).collect();
    let expected: Vec<_> = std::iter::once(5).chain(7..=last + 1).collect();
    assert_eq!(numbers, expected, "one can go back once more to what was served");
}

#[tokio::test]
async fn removing_a_certificate_leaves_nothing_but_shared_issuers() {
    let (store, sealer) = opened().await;
    sample::fill(&store, &sealer).await;
    let first = read(&store).await;
    let private_key = sample::secret();
    let mut change = sample::change("replace");
    change.add_version(
        &first.certificates[0],
        sample::version(sample::chain("leaf 2"), "key-2", &private_key),
        &sealer,
    );
    commit(&store, change).await.unwrap();
    let mut stale = sample::change("remove what somebody else replaced");
    stale.remove_certificate(&first.certificates[0]);
    assert!(matches!(commit(&store, stale).await, Err(CommitError::Conflict { .. })));

    let mut remove = sample::change("remove");
    remove.remove_certificate(&read(&store).await.certificates[0]);
    commit(&store, remove).await.unwrap();
    let mut left = keys(&store).await;
    left.retain(|key| !key.starts_with("chains/"));
    assert_eq!(left, ["bindings/b1", "sites/s1"]);
    sample::fill_certificate(&store, &sealer).await;
    assert_eq!(read(&store).await.certificates.len(), 1, "the id can be used again");
}

#[tokio::test]
async fn name_management_settings_and_challenges_are_written_and_read() {
    let (store, sealer) = opened().await;
    sample::fill(&store, &sealer).await;
    let desired = read(&store).await;
    assert_eq!((desired.settings.clone(), desired.settings_revision), (Settings::default(), Revision(0)));
    let settings = Settings {
        force_https: ForceHttps::All,
        agents: AgentSettings { identity_age: None, ..AgentSettings::DEFAULT },
        trusted_proxies: vec![portward_core::Network::parse("10.0.0.0/8").unwrap()],
        ..Settings::default()
    };
    let mut change = sample::change("several things");
    assert!(change.is_empty());
    change.edit_certificate(&desired.certificates[0], "New name", &sample::managed());
    change.put_settings(&settings);
    change.put_http_challenge(&sample::challenge());
    let revision = commit(&store, change).await.unwrap();
    let desired = read(&store).await;
    let certificate = &desired.certificates[0];
    assert_eq!((&*certificate.value.name, &certificate.value.management), ("New name", &sample::managed()));
    assert_eq!(certificate.revision(), revision);
    assert_eq!((desired.settings.clone(), desired.settings_revision), (settings, revision));
    assert_eq!(desired.challenges, [sample::challenge()]);
    let mut change = sample::change("answered");
    change.remove_http_challenge(sample::challenge().host(), sample::challenge().token());
    commit(&store, change).await.unwrap();
    assert!(read(&store).await.challenges.is_empty());
}
