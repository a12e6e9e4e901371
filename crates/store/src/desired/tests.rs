#![allow(clippy::unwrap_used, reason = "tests")]
use portward_core::{Host, HostPattern};

use super::*;
use crate::{Txn, memory::MemoryStore, sample, sealing::MasterKey};

async fn put(store: &dyn Store, text: &str, value: &'static str) {
    store.txn(Txn::new().put(sample::key(text), value)).await.unwrap();
}

#[tokio::test]
async fn an_empty_store_is_an_empty_desired_state() {
    let desired = read(&MemoryStore::new()).await.unwrap();
    assert!(desired.cluster.is_none() && desired.bindings.is_empty() && desired.bad.is_empty());
    assert_eq!(desired.settings, Settings::default());
}

#[tokio::test]
async fn one_bad_record_takes_nothing_else_along() {
    let store = MemoryStore::new();
    let sealer = sample::open(&store, &MasterKey::generate()).await;
    sample::fill(&store, &sealer).await;
    for (key, value, reason) in [
        ("bindings/bad", "nonsense", "malformed"),
        ("bindings/newer", r#"{"v":3}"#, "a newer Portward wrote this"),
        ("sites/bad", r#"{"v":1}"#, "malformed"),
        ("certs/no-spec/v/1", "{}", "malformed"),
        ("certs/bad-spec/spec", "{", "malformed"),
        ("chains/short", "{}", "no"),
        ("keys/UPPER", "{}", "no"),
        ("keys/bad", "{}", "malformed"),
        ("settings/force-https", r#"{"v":1,"mode":"often"}"#, "mode"),
        ("settings/unknown", "{}", "a newer one may have written it"),
        (
            "notifications/ops",
            r#"{"v":1,"kind":"ntfy","target":"t","settings":{},"secret_names":[],"secrets":null,"generation":1,"events":["never"],"enabled":true}"#,
            "events",
        ),
        ("acme/chal/http/shop.test/tok", r#"{"v":1,"key_authorization":"other.thumb"}"#, "key_authorization"),
        ("identity/1", r#"{"v":2}"#, "a newer Portward wrote this"),
        ("identity/2", r#"{"v":1,"certificate":"AA=="}"#, "malformed"),
        ("identity/trust", r#"{"v":1,"seq":1,"addresses":["nowhere"]}"#, "malformed"),
        ("identity/else", "{}", "a newer one may have written it"),
    ] {
        put(&store, key, value).await;
        let desired = read(&store).await.unwrap();
        assert_eq!(desired.bad.len(), 1, "{key}: {:?}", desired.bad);
        assert_eq!(desired.bad[0].key.as_str(), key);
        let told = desired.bad[0].reason.to_string();
        assert!(told.contains(reason), "{key}: {told}");
        assert_eq!((desired.bindings.len(), desired.sites.len(), desired.certificates.len()), (1, 1, 1), "{key}");
        assert_eq!(desired.certificates[0].value.versions.len(), 1, "{key}");
        store.txn(Txn::new().delete(sample::key(key))).await.unwrap();
    }
    assert!(read(&store).await.unwrap().bad.is_empty());
}

#[tokio::test]
async fn a_certificate_with_bad_parts_stays_with_the_good_ones() {
    let store = MemoryStore::new();
    let sealer = sample::open(&store, &MasterKey::generate()).await;
    sample::fill(&store, &sealer).await;
    put(&store, "certs/cert-1/v/10", "nonsense").await;
    put(&store, "certs/cert-1/v/2", "nonsense").await;
    let desired = read(&store).await.unwrap();
    let mut bad: Vec<_> = desired.bad.iter().map(|bad| bad.key.as_str()).collect();
    bad.sort_unstable();
    assert_eq!(bad, ["certs/cert-1/v/10", "certs/cert-1/v/2"]);
    let id = sample::certificate_id("cert-1");
    assert!(desired.certificate(&id).unwrap().value.current_version().is_some());

    put(&store, "certs/cert-1/current", r#"{"v":1,"version":10}"#).await;
    let desired = read(&store).await.unwrap();
    let dangling = desired.bad.iter().find(|bad| bad.key.as_str() == "certs/cert-1/current").unwrap();
    assert!(matches!(&*dangling.reason, RecordError::Dangling(key) if key.as_str() == "certs/cert-1/v/10"));
    let certificate = &desired.certificate(&id).unwrap().value;
    assert!(certificate.current_version().is_none() && certificate.versions.len() == 1);
}

#[tokio::test]
async fn a_certificate_that_is_called_as_its_host_shares_the_name_with_the_site() {
    let store = MemoryStore::new();
    let sealer = sample::open(&store, &MasterKey::generate()).await;
    sample::fill(&store, &sealer).await;
    put(&store, "certs/cert-1/spec", r#"{"v":1,"name":"shop.test","managed":false}"#).await;
    let desired = read(&store).await.unwrap();
    let certificate = &desired.certificate(&sample::certificate_id("cert-1")).unwrap().value;
    let HostPattern::Exact(Host::Name(host)) = &desired.sites[0].value.names[0] else { panic!("no name") };
    assert_eq!(&*certificate.name, "shop.test");
    assert!(Arc::ptr_eq(&certificate.name, &host.text()));
}

#[tokio::test]
async fn a_version_without_its_issuers_or_its_certificate_is_told_of() {
    let store = MemoryStore::new();
    let sealer = sample::open(&store, &MasterKey::generate()).await;
    sample::fill(&store, &sealer).await;
    let listed = store.list(&crate::Prefix::of_checked("chains/".to_owned()), None, Page::first(2)).await.unwrap();
    let issuers = listed.kvs[0].key.clone();
    store.txn(Txn::new().delete(issuers.clone())).await.unwrap();
    let desired = read(&store).await.unwrap();
    assert_eq!(desired.bad.len(), 2, "the version, and the pointer to it: {:?}", desired.bad);
    assert!(desired.bad.iter().any(|bad| matches!(&*bad.reason, RecordError::Dangling(key) if *key == issuers)));

    store.txn(Txn::new().delete(sample::key("certs/cert-1/spec"))).await.unwrap();
    let desired = read(&store).await.unwrap();
    assert!(desired.certificates.is_empty());
    assert_eq!(desired.bad[0].key.as_str(), "certs/cert-1/v/1");
}

#[tokio::test]
async fn versions_come_in_the_order_of_their_numbers() {
    let store = MemoryStore::new();
    let sealer = sample::open(&store, &MasterKey::generate()).await;
    sample::fill(&store, &sealer).await;
    let (first, _) = store.get(&sample::key("certs/cert-1/v/1"), crate::Read::Local).await.unwrap();
    for n in [2, 10, 9] {
        let txn = Txn::new().put(sample::key(&format!("certs/cert-1/v/{n}")), first.clone().unwrap().value);
        store.txn(txn).await.unwrap();
    }
    let desired = read(&store).await.unwrap();
    let numbers: Vec<_> = desired.certificates[0].value.versions.iter().map(|version| version.number.0).collect();
    assert_eq!(numbers, [1, 2, 9, 10]);
}

#[tokio::test]
async fn a_channel_keeps_its_secrets_sealed_for_its_generation() {
    let store = MemoryStore::new();
    let sealer = sample::open(&store, &MasterKey::generate()).await;
    let secrets = |value: &str| BTreeMap::from([("url".to_owned(), Zeroizing::new(value.to_owned()))]);
    let mut channel = StoredChannel {
        id: ChannelId::parse("ops").unwrap(),
        kind: "slack".to_owned(),
        target: "hooks.slack.com".to_owned(),
        settings: BTreeMap::from([("authority".to_owned(), "pem".to_owned())]),
        secret_names: vec!["url".to_owned()],
        secrets: None,
        generation: 1,
        wanted: Wanted::parse(&["expired"]).unwrap(),
        enabled: true,
    };
    let mut change = sample::change("add a channel");
    change.put_channel(&channel, &secrets("MARKER-1"), &sealer, crate::change::Expected::Absent);
    crate::change::commit(&store, change).await.unwrap();
    let first = read(&store).await.unwrap().channels.remove(0).value;
    assert_eq!(open_channel_secrets(&sealer, &first).unwrap(), secrets("MARKER-1"));
    let listed = store.list(&Prefix::all(), None, Page::first(100)).await.unwrap();
    assert!(listed.kvs.iter().all(|kv| !String::from_utf8_lossy(&kv.value).contains("MARKER")));

    channel.generation = 2;
    let mut change = sample::change("edit a channel");
    change.put_channel(&channel, &secrets("MARKER-2"), &sealer, crate::change::Expected::Any);
    crate::change::commit(&store, change).await.unwrap();
    let mut second = read(&store).await.unwrap().channels.remove(0).value;
    assert_eq!(open_channel_secrets(&sealer, &second).unwrap(), secrets("MARKER-2"));
    channel.secrets.clone_from(&second.secrets);
    assert_eq!(second, channel);
    second.secrets = first.secrets;
    assert!(open_channel_secrets(&sealer, &second).is_err(), "older secrets are not taken for newer ones");
}

#[tokio::test]
async fn an_identity_goes_on_with_its_key_as_it_is_sealed() {
    use crate::change::{Expected, NewIdentity, commit};
    use portward_core::{DialAddress, IdentityState, Thumbprint};
    let store = MemoryStore::new();
    let sealer = sample::open(&store, &MasterKey::generate()).await;
    let key = sample::secret();
    let mut change = sample::change("add identities");
    for seq in [10, 2, 1] {
        let certificate = format!("der {seq}").into_bytes().into();
        let state = IdentityState::Next;
        change.add_identity(NewIdentity { seq, certificate, key: &key, state, created: sample::at() }, &sealer);
    }
    let addresses = ["door.test:10943", "[2001:db8::7]:443"].map(|text| DialAddress::parse(text, None).unwrap());
    let bindings = vec!["[::]:10943".parse().unwrap()];
    let trust = StoredTrust { bindings, ..StoredTrust::FIRST.newer_at(addresses.into()) };
    let trust = trust.newer_at(Vec::new());
    change.put_trust(&trust, Expected::Absent);
    let revision = commit(&store, change).await.unwrap();
    let desired = read(&store).await.unwrap();
    assert!(desired.bad.is_empty(), "{:?}", desired.bad);
    assert_eq!(desired.trust, Some(Stored { value: trust, revision }));
    let numbers: Vec<_> = desired.identities.iter().map(|stored| stored.value.seq).collect();
    assert_eq!(numbers, [1, 2, 10]);
    let second = desired.identity(2).unwrap().value.clone();
    assert_eq!(second.thumbprint, Thumbprint::of(b"der 2"));
    assert_eq!((&second.certificate[..], second.created), (&b"der 2"[..], sample::at()));
    assert_eq!(open_identity_key(&sealer, 2, &second.key).unwrap().expose(), sample::MARKER);
    assert!(open_identity_key(&sealer, 1, &second.key).is_err(), "it is sealed for its number");
    let listed = store.list(&Prefix::all(), None, Page::first(100)).await.unwrap();
    assert!(listed.kvs.iter().all(|kv| !String::from_utf8_lossy(&kv.value).contains("MARKER")));

    let shown = StoredIdentity { state: IdentityState::Current, ..second };
    let mut change = sample::change("show it");
    change.put_identity(&shown, Expected::At(revision));
    change.remove_identity(1, Expected::At(revision));
    commit(&store, change).await.unwrap();
    let desired = read(&store).await.unwrap();
    assert_eq!(desired.identities.len(), 2);
    assert_eq!(desired.identity(2).unwrap().value, shown);
    assert_eq!(
        open_identity_key(&sealer, 2, &desired.identity(2).unwrap().value.key).unwrap().expose(),
        sample::MARKER
    );

    let mut change = sample::change("another of that number");
    let certificate = b"der".as_slice().into();
    let new = NewIdentity { seq: 2, certificate, key: &key, state: IdentityState::Next, created: sample::at() };
    change.add_identity(new, &sealer);
    assert!(matches!(commit(&store, change).await, Err(crate::change::CommitError::Conflict { .. })));
}

#[test]
fn addresses_are_taken_back_from_those_who_were_told_of_them() {
    let at = |text: &str| vec![portward_core::DialAddress::parse(text, None).unwrap()];
    let never = StoredTrust::FIRST.newer();
    assert_eq!((never.seq, never.told_until), (4, None));
    let told = never.clone().newer_at(at("wrong.test:1"));
    assert!((0..20).all(|seq| !told.took_back(seq)), "they count");
    let back = told.newer_at(at("wrong.test:2")).newer_at(Vec::new()).newer();
    assert_eq!((back.seq, back.told_from, back.told_until), (12, 6, Some(10)));
    let took: Vec<u64> = (0..20).filter(|seq| back.took_back(*seq)).collect();
    assert_eq!(took, [6, 7, 8, 9]);
    // Nobody was told of any.
    assert!((0..20).all(|seq| !never.clone().newer_at(Vec::new()).took_back(seq)));
    // One who was away may still have the first ones when others are taken back.
    let again = back.newer_at(at("right.test:1")).newer_at(Vec::new());
    assert!(again.took_back(6) && again.took_back(15) && !again.took_back(16));
    // A record of before says that there are some, and not since when.
    let before = StoredTrust { seq: 8, addresses: at("wrong.test:1"), ..StoredTrust::FIRST }.newer_at(Vec::new());
    assert!(before.took_back(2) && !before.took_back(0), "who was never told anything has none of them");
}
