#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use portward_core::{
    AgentOrigin, AgentPins, DeliveryFormat, DeliveryPath, Dialling, FileMode, FileOwner, IdentityState,
};

use super::*;
use crate::{
    Txn,
    backup::{self, Existing, RestoredBy},
    change::{CommitError, Expected, NewIdentity, NewJoin, commit},
    memory::MemoryStore,
    sample::{self, MARKER, at},
    sealing::MasterKey,
};

fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

fn token() -> JoinToken {
    JoinToken::parse("0a1b").unwrap()
}

fn id(text: &str) -> DeliveryId {
    DeliveryId::parse(text).unwrap()
}

fn plain_agent(text: &str) -> Agent {
    let pins = AgentPins::of(Thumbprint::of(text.as_bytes()));
    Agent { name: name(text), dialling: Dialling::Polling, pins, trusted: at(), origin: AgentOrigin::Approved }
}

fn plain_delivery(text: &str, agent: &str) -> StoredDelivery {
    let mut stored = sample::delivery(text, agent);
    stored.delivery.format = DeliveryFormat::Pem;
    stored.delivery.to = ["/a.pem", "/b.key"].map(|path| DeliveryPath::parse(path).unwrap()).into();
    stored.delivery.owner = FileOwner::default();
    stored.delivery.mode = FileMode::PRIVATE;
    stored.delivery.reload = None;
    stored.delivery.verify = None;
    stored
}

async fn opened() -> (MemoryStore, MasterKey, Sealer) {
    let (store, master) = (MemoryStore::new(), MasterKey::generate());
    let sealer = sample::open(&store, &master).await;
    (store, master, sealer)
}

/// Two agents, a delivery to each, and a join.
async fn filled() -> (MemoryStore, MasterKey, Sealer) {
    let (store, master, sealer) = opened().await;
    let mut change = sample::change("add agents");
    change.put_agent(&plain_agent("a..b"), &sealer, Expected::Absent);
    change.put_agent(&sample::agent("web-03"), &sealer, Expected::Absent);
    change.put_delivery(&sample::delivery("d1", "web-03"), Some(&sample::secret()), &sealer, Expected::Absent);
    change.put_delivery(&plain_delivery("d2", "a..b"), None, &sealer, Expected::Absent);
    let secret = sample::secret();
    let join = NewJoin { token: token(), agent: name("web-04"), secret: &secret, created: at(), expires: at() };
    change.add_join(join, &sealer);
    commit(&store, change).await.unwrap();
    (store, master, sealer)
}

async fn put(store: &dyn Store, text: &str, value: &'static str) {
    store.txn(Txn::new().put(sample::key(text), value)).await.unwrap();
}

#[tokio::test]
async fn agents_and_deliveries_are_read_as_they_were_written_at_one_revision() {
    let (store, _, sealer) = filled().await;
    let fleet = read_all(&store, &sealer).await.unwrap();
    assert!(fleet.bad.is_empty(), "{:?}", fleet.bad);
    assert_eq!(fleet.revision, store.revision().await.unwrap());
    let agents: Vec<Agent> = fleet.agents.iter().map(|stored| stored.value.clone()).collect();
    assert_eq!(agents, [plain_agent("a..b"), sample::agent("web-03")]);
    assert_eq!(fleet.agent(&name("web-03")).unwrap().value, sample::agent("web-03"));
    assert_eq!(fleet.agent(&name("web-04")), None);
    let listed: Vec<&Delivery> = fleet.deliveries.iter().map(|stored| &stored.value.delivery).collect();
    assert_eq!(listed, [&sample::delivery("d1", "web-03").delivery, &plain_delivery("d2", "a..b").delivery]);
    assert_eq!(fleet.delivery(&id("d2")).unwrap().value, plain_delivery("d2", "a..b"));
    assert_eq!(fleet.deliveries_of(&name("web-03")).count(), 1);

    let one = agent(&store, &sealer, &name("a..b")).await.unwrap().unwrap();
    assert_eq!(one, Stored { value: plain_agent("a..b"), revision: fleet.revision });
    assert_eq!(delivery(&store, &sealer, &id("d1")).await.unwrap().as_ref(), fleet.delivery(&id("d1")));
    assert_eq!(deliveries(&store, &sealer).await.unwrap(), fleet.deliveries);
    assert!(agent(&store, &sealer, &name("web-04")).await.unwrap().is_none());
    assert!(delivery(&store, &sealer, &id("d9")).await.unwrap().is_none());
    assert_eq!(open_delivery_password(&sealer, &fleet.deliveries[1].value).unwrap().map(|secret| secret.len()), None);
    // A change of them wakes nobody who serves, and is seen by whoever watches agents.
    let desired = crate::desired::read(&store).await.unwrap();
    assert!(desired.bad.is_empty(), "{:?}", desired.bad);
    let keys = [Place::Agent(name("web-03")).key(), Place::Delivery(id("d1")).key()];
    assert!(keys.iter().all(|key| prefixes().iter().any(|prefix| prefix.contains(key))));
}

#[tokio::test]
async fn a_password_opens_for_its_delivery_and_generation_alone() {
    let (store, _, sealer) = filled().await;
    let first = delivery(&store, &sealer, &id("d1")).await.unwrap().unwrap().value;
    assert_eq!(open_delivery_password(&sealer, &first).unwrap().unwrap().expose(), MARKER);
    let mut second = StoredDelivery { generation: 2, ..first.clone() };
    assert!(open_delivery_password(&sealer, &second).is_err(), "it was sealed for the first generation");
    let mut elsewhere = first.clone();
    elsewhere.delivery.id = id("d2");
    assert!(open_delivery_password(&sealer, &elsewhere).is_err(), "it was sealed for another delivery");

    let mut change = sample::change("edit a delivery");
    change.put_delivery(&second, Some(&Secret::copy_of(b"MARKER-2")), &sealer, Expected::Any);
    commit(&store, change).await.unwrap();
    second = delivery(&store, &sealer, &id("d1")).await.unwrap().unwrap().value;
    assert_eq!(second.generation, 2);
    assert_eq!(open_delivery_password(&sealer, &second).unwrap().unwrap().expose(), b"MARKER-2");
    second.password = first.password;
    assert!(open_delivery_password(&sealer, &second).is_err(), "older passwords are not taken for newer ones");
    for kv in store.list(&Prefix::all(), None, Page::first(100)).await.unwrap().kvs {
        assert!(!String::from_utf8_lossy(&kv.value).contains("MARKER"), "{}", kv.key);
    }
}

#[tokio::test]
async fn a_join_is_used_once() {
    let (store, _, sealer) = filled().await;
    let stored = join(&store, &sealer, &token()).await.unwrap().unwrap();
    assert_eq!((&stored.value.agent, stored.value.used), (&name("web-04"), None));
    assert_eq!(open_join_secret(&sealer, &stored.value).unwrap().expose(), MARKER);
    let other = StoredJoin { token: JoinToken::parse("0a1c").unwrap(), ..stored.value.clone() };
    assert!(open_join_secret(&sealer, &other).is_err());
    assert!(join(&store, &sealer, &other.token).await.unwrap().is_none());

    let used = StoredJoin { used: Some((at(), Thumbprint::of(b"web-04"))), ..stored.value.clone() };
    let use_it = || {
        let mut change = sample::change("join web-04");
        change.put_join(&used, &sealer, Expected::At(stored.revision));
        change.put_agent(&plain_agent("web-04"), &sealer, Expected::Absent);
        change
    };
    commit(&store, use_it()).await.unwrap();
    assert!(matches!(commit(&store, use_it()).await, Err(CommitError::Conflict { .. })));
    let read = joins(&store, &sealer).await.unwrap().remove(0).value;
    assert_eq!(read, used);
    assert_eq!(open_join_secret(&sealer, &read).unwrap().expose(), MARKER, "it is sealed as it was");
    let mut change = sample::change("make it again");
    let secret = sample::secret();
    let again = NewJoin { token: token(), agent: name("web-04"), secret: &secret, created: at(), expires: at() };
    change.add_join(again, &sealer);
    assert!(matches!(commit(&store, change).await, Err(CommitError::Conflict { .. })));
    let mut change = sample::change("forget it");
    change.remove_join(&token(), Expected::Any);
    commit(&store, change).await.unwrap();
    assert!(joins(&store, &sealer).await.unwrap().is_empty());
}

#[test]
fn a_token_is_safe_in_a_path() {
    for bad in ["", "A", "a/b", "..", "../access/setup", "a b", &"a".repeat(65)] {
        assert_eq!(JoinToken::parse(bad), None, "{bad:?}");
    }
    assert_eq!(token().to_string(), token().as_str());
}

#[tokio::test]
async fn an_agent_goes_with_its_deliveries_and_no_delivery_comes_after_it() {
    let (store, _, sealer) = filled().await;
    let there = agent(&store, &sealer, &name("web-03")).await.unwrap().unwrap();
    let mut change = sample::change("remove web-03");
    change.remove_agent(&there.value.name, Expected::At(there.revision));
    for stored in deliveries_of(&store, &sealer, &there.value.name).await.unwrap() {
        change.remove_delivery(&stored.value.delivery.id, Expected::At(stored.revision));
    }
    commit(&store, change).await.unwrap();
    let fleet = read_all(&store, &sealer).await.unwrap();
    let left = |stored: &Stored<StoredDelivery>| stored.value.delivery.id.to_string();
    assert_eq!(fleet.deliveries.iter().map(left).collect::<Vec<_>>(), ["d2"]);
    assert!(fleet.agents.len() == 1 && fleet.bad.is_empty());

    let late = |agent: &str| {
        let mut change = sample::change("add a delivery");
        change.put_delivery(&plain_delivery("d3", agent), None, &sealer, Expected::Absent);
        change.require_agent(&name(agent));
        change.require_certificate(&sample::certificate_id("cert-1"));
        change
    };
    let missing = |result| match result {
        Err(CommitError::Conflict { key, .. }) => key.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(commit(&store, late("web-03")).await), "agents/web-03");
    assert_eq!(missing(commit(&store, late("a..b")).await), "certs/cert-1/spec");
    sample::fill_certificate(&store, &sealer).await;
    commit(&store, late("a..b")).await.unwrap();
}

#[tokio::test]
async fn a_bad_record_is_told_of_and_takes_nothing_else_along() {
    let (store, _, sealer) = filled().await;
    let d1 = store.get(&sample::key("deliveries/d1"), Read::Local).await.unwrap().0.unwrap();
    let d1 = String::from_utf8(d1.value.to_vec()).unwrap();
    for (key, value, reason) in [
        ("agents/bad", "nonsense", "malformed"),
        ("agents/newer", r#"{"v":2}"#, "a newer Portward wrote this"),
        ("agents/UPPER", "{}", "a newer one may have written it"),
        ("agents/web/03", "{}", "a newer one may have written it"),
        ("deliveries/bad", "{}", "malformed"),
        ("deliveries/newer", r#"{"v":2,"agent":7}"#, "a newer Portward wrote this"),
        ("deliveries/mode", &d1.replace("\"640\"", "\"644\""), "malformed"),
        ("deliveries/path", &d1.replace("/etc/with", "/etc/../with"), "malformed"),
        ("deliveries/more", &d1.replace("\"mode\"", "\"more\":1,\"mode\""), "malformed"),
    ] {
        store.txn(Txn::new().put(sample::key(key), value.to_owned())).await.unwrap();
        let fleet = read_all(&store, &sealer).await.unwrap();
        assert_eq!(fleet.bad.len(), 1, "{key}: {:?}", fleet.bad);
        assert_eq!(fleet.bad[0].key.as_str(), key);
        let told = fleet.bad[0].reason.to_string();
        assert!(told.contains(reason), "{key}: {told}");
        assert_eq!((fleet.agents.len(), fleet.deliveries.len()), (2, 2), "{key}");
        assert_eq!(deliveries(&store, &sealer).await.unwrap().len(), 2, "{key}");
        store.txn(Txn::new().delete(sample::key(key))).await.unwrap();
    }
    let mut wrong = plain_delivery("paths", "web-03");
    wrong.delivery.to.pop();
    for (stored, reason, left) in [(plain_delivery("lost", "web-99"), "agents/web-99", 3), (wrong, "\"to\"", 2)] {
        let id = stored.delivery.id.clone();
        let mut change = sample::change("add what cannot be");
        change.put_delivery(&stored, None, &sealer, Expected::Absent);
        commit(&store, change).await.unwrap();
        let fleet = read_all(&store, &sealer).await.unwrap();
        assert_eq!((fleet.bad.len(), fleet.deliveries.len()), (1, left), "{id}: {:?}", fleet.bad);
        assert!(fleet.bad[0].reason.to_string().contains(reason), "{id}: {:?}", fleet.bad);
        let mut change = sample::change("remove it");
        change.remove_delivery(&id, Expected::Any);
        commit(&store, change).await.unwrap();
    }
    put(&store, "agents/bad", r#"{"v":2}"#).await;
    let error = agent(&store, &sealer, &name("bad")).await.unwrap_err();
    assert!(matches!(error, ReadAgentsError::Record { source: RecordError::Newer { v: 2, .. }, .. }), "{error:?}");
    put(&store, "joins/bad", "{}").await;
    assert_eq!(joins(&store, &sealer).await.unwrap().len(), 1);
    assert!(join(&store, &sealer, &JoinToken::parse("bad").unwrap()).await.is_err());
}

/// Who can write the store, and has no master key, tries what they can.
#[tokio::test]
async fn what_portward_did_not_write_makes_nobody_trusted() {
    let (store, master, sealer) = filled().await;
    let value = async |key: &str| {
        let kv = store.get(&sample::key(key), Read::Local).await.unwrap().0.unwrap();
        String::from_utf8(kv.value.to_vec()).unwrap()
    };
    let (agent_a, agent_web, delivery_1) =
        (value("agents/a..b").await, value("agents/web-03").await, value("deliveries/d1").await);
    let join_1 = value("joins/0a1b").await;
    let cluster = crate::desired::read(&store).await.unwrap().cluster.unwrap().id;
    let without = |text: &str| {
        let (content, _) = text.split_once(",\"mac\"").unwrap();
        format!("{content}}}")
    };
    let foreign = async |cluster: &str, master: MasterKey| {
        let (elsewhere, other) = (MemoryStore::new(), Sealer::new(cluster, master));
        let mut change = sample::change("trust an agent elsewhere");
        change.put_agent(&plain_agent("evil"), &other, Expected::Absent);
        elsewhere.txn(Txn::new().put(sample::key("x"), "1")).await.unwrap();
        commit(&elsewhere, change).await.unwrap();
        let kv = elsewhere.get(&sample::key("agents/evil"), Read::Local).await.unwrap().0.unwrap();
        String::from_utf8(kv.value.to_vec()).unwrap()
    };
    let pin = plain_agent("a..b").pins.current.to_string();
    let mut evil = agent_a.replace(&pin, &Thumbprint::of(b"evil").to_string());
    assert_ne!(evil, agent_a);
    for (key, forged) in [
        ("agents/a..b", evil.clone()),
        ("agents/evil", std::mem::take(&mut evil)),
        ("agents/evil", agent_a.clone()),
        ("agents/a..b", agent_web.clone()),
        ("agents/a..b", without(&agent_a)),
        ("agents/a..b", agent_a.replace("\"approved\"", "\"joined\"")),
        ("agents/a..b", agent_a.replace("\"listens\":null", "\"listens\":\"evil.test:10933\"")),
        ("agents/evil", foreign("another-cluster", master.clone()).await),
        ("agents/evil", foreign(&cluster, MasterKey::generate()).await),
        ("deliveries/d1", delivery_1.replace("web-03", "a..b")),
        ("deliveries/d1", delivery_1.replace("/etc/", "/tmp/")),
        ("deliveries/d9", delivery_1.clone()),
        ("joins/0a1b", join_1.replace("web-04", "web-03")),
        ("joins/0a1c", join_1.clone()),
    ] {
        let before = store.get(&sample::key(key), Read::Local).await.unwrap().0.map(|kv| kv.value);
        assert_ne!(before.as_deref(), Some(forged.as_bytes()), "{key}: nothing was forged");
        store.txn(Txn::new().put(sample::key(key), forged.clone())).await.unwrap();
        let fleet = read_all(&store, &sealer).await.unwrap();
        if key.starts_with("joins/") {
            assert!(
                joins(&store, &sealer).await.unwrap().iter().all(|stored| stored.value.token.as_str() != &key[6..])
            );
        } else {
            let told: Vec<String> = fleet.bad.iter().map(|bad| format!("{}: {}", bad.key, bad.reason)).collect();
            // A delivery to an agent that does not count is told of too.
            assert!(
                told.iter().any(|told| told.contains(key) && told.contains("does not count")),
                "{forged}: {told:?}"
            );
            assert!(fleet.agents.iter().all(|stored| Place::Agent(stored.value.name.clone()).key().as_str() != key));
        }
        let back = match before {
            Some(before) => Txn::new().put(sample::key(key), before),
            None => Txn::new().delete(sample::key(key)),
        };
        store.txn(back).await.unwrap();
    }
    assert!(read_all(&store, &sealer).await.unwrap().bad.is_empty());
}

#[tokio::test]
async fn a_backup_has_agents_deliveries_joins_and_identities() {
    let (store, master, sealer) = filled().await;
    let key = sample::secret();
    let (state, certificate) = (IdentityState::Current, b"der".as_slice().into());
    let mut change = sample::change("add an identity");
    change.add_identity(NewIdentity { seq: 3, certificate, key: &key, state, created: at() }, &sealer);
    commit(&store, change).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("backup");
    backup::write(&store, &file).await.unwrap();
    assert!(!std::fs::read_to_string(&file).unwrap().contains("MARKER"));
    let by = RestoredBy { who: "test".to_owned(), actor: portward_core::ActorKind::Socket, address: None, at: at() };
    let other = MemoryStore::new();
    let restored = backup::restore_into(&other, &file, &master, Existing::Keep, &by).await.unwrap();
    let (before, after) = (read_all(&store, &sealer).await.unwrap(), read_all(&other, &restored.sealer).await.unwrap());
    let agents = |fleet: &Fleet| fleet.agents.iter().map(|stored| stored.value.clone()).collect::<Vec<_>>();
    let deliveries = |fleet: &Fleet| fleet.deliveries.iter().map(|stored| stored.value.clone()).collect::<Vec<_>>();
    assert_eq!((agents(&after), deliveries(&after)), (agents(&before), deliveries(&before)));
    let password = open_delivery_password(&restored.sealer, &after.deliveries[0].value).unwrap();
    assert_eq!(password.unwrap().expose(), MARKER);
    let join = join(&other, &restored.sealer, &token()).await.unwrap().unwrap().value;
    assert_eq!(open_join_secret(&restored.sealer, &join).unwrap().expose(), MARKER);
    let identity = crate::desired::read(&other).await.unwrap().identities.remove(0).value;
    let opened = crate::desired::open_identity_key(&restored.sealer, 3, &identity.key);
    assert_eq!(opened.unwrap().expose(), MARKER);
    let again = backup::restore_into(&other, &file, &master, Existing::Keep, &by).await;
    assert!(matches!(again, Err(backup::RestoreError::NotEmpty)), "what has agents is not empty: {again:?}");
}
