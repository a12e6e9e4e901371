#![allow(clippy::unwrap_used, reason = "tests")]
use portward_core::{AgentHealth, Thumbprint, Timestamp, VersionNumber};
use serde_json::json;

use crate::{Revision, Txn, memory::MemoryStore, sample, work::*};

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(1_795_185_127 + second).unwrap()
}

fn name(number: usize) -> AgentName {
    AgentName::parse(&format!("web-{number:03}")).unwrap()
}

fn id(text: &str) -> DeliveryId {
    DeliveryId::parse(text).unwrap()
}

fn work() -> AgentWork {
    AgentWork {
        trust_generation: 2,
        trust_seq: u64::MAX,
        session_pin: Some(Thumbprint::of(b"server")),
        protocol: 1,
        last_heard: Some(at(1)),
        address: Some("192.0.2.7:4711".to_owned()),
        checked: Some(at(2)),
        health: AgentHealth::HasWarnings,
        reasons: vec!["the disk is full".to_owned()],
        report: Some(json!({"v": 9, "disks": [{"free": u64::MAX}]})),
    }
}

fn delivery_work() -> DeliveryWork {
    DeliveryWork {
        generation: 3,
        wanted: "0a".to_owned(),
        version: Some(VersionNumber(12)),
        thumbprint: Some(Thumbprint::of(b"leaf")),
        state: DeliveryState::Failed,
        stage: Some("reload".to_owned()),
        message: Some("m".to_owned()),
        output: Some("o".to_owned()),
        at: Some(at(3)),
        tries: 4,
        next_try: Some(at(5)),
        stored: Some("s".to_owned()),
        served: Some("t".to_owned()),
    }
}

/// So many agents, each with a delivery.
async fn filled(agents: usize) -> MemoryStore {
    let store = MemoryStore::new();
    let sealer = sample::open(&store, &crate::sealing::MasterKey::generate()).await;
    for number in 0..agents {
        let mut change = sample::change("add");
        change.put_agent(&sample::agent(name(number).as_str()), &sealer, Expected::Absent);
        let delivery = sample::delivery(&format!("d{number:03}"), name(number).as_str());
        change.put_delivery(&delivery, None, &sealer, Expected::Absent);
        commit(&store, change).await.unwrap();
    }
    store
}

#[tokio::test]
async fn what_is_remembered_of_an_agent_is_read_again_and_goes_with_it() {
    let store = filled(2).await;
    put_agent_works(&store, &[(name(0), work()), (name(1), AgentWork::default())]).await.unwrap();
    let works = [(id("d000"), delivery_work()), (id("d001"), DeliveryWork::default())];
    put_delivery_works(&store, &works).await.unwrap();
    assert_eq!(AgentWork::read(&store, &name(0)).await.unwrap(), Some(work()));
    assert_eq!(DeliveryWork::read(&store, &id("d000")).await.unwrap(), Some(delivery_work()));
    let (agents, deliveries) = (AgentWork::read_all(&store).await.unwrap(), DeliveryWork::read_all(&store).await);
    assert_eq!(agents, [(name(0), work()), (name(1), AgentWork::default())]);
    assert_eq!(deliveries.unwrap(), works);
    for state in DeliveryState::ALL {
        assert_eq!(DeliveryState::parse(state.as_str()), Some(state));
    }

    forget_agent(&store, &name(0), &[id("d000")]).await.unwrap();
    assert_eq!(AgentWork::read_all(&store).await.unwrap().len(), 1);
    assert_eq!(DeliveryWork::read_all(&store).await.unwrap().len(), 1);
    assert_eq!(AgentWork::read(&store, &name(0)).await.unwrap(), None);
}

#[tokio::test]
async fn what_an_older_portward_did_not_know_is_as_at_first_and_a_newer_one_is_not_guessed_at() {
    let store = MemoryStore::new();
    let put = async |key: &str, value: &'static str| {
        store.txn(Txn::new().put(sample::key(key), value)).await.unwrap();
    };
    put("work/agent/web-000", r#"{"v":1}"#).await;
    put("work/delivery/d1", r#"{"v":1}"#).await;
    assert_eq!(AgentWork::read(&store, &name(0)).await.unwrap(), Some(AgentWork::default()));
    assert_eq!(DeliveryWork::read(&store, &id("d1")).await.unwrap(), Some(DeliveryWork::default()));
    for (value, is_newer) in [(r#"{"v":2}"#, true), (r#"{"v":1,"health":"Grand","state":"grand"}"#, false), ("", false)]
    {
        put("work/agent/web-000", value).await;
        put("work/delivery/d1", value).await;
        for error in [
            AgentWork::read(&store, &name(0)).await.unwrap_err(),
            DeliveryWork::read(&store, &id("d1")).await.unwrap_err(),
        ] {
            let newer = matches!(error, ReadWorkError::Record { source: RecordError::Newer { v: 2, .. }, .. });
            assert_eq!(newer, is_newer, "{value} {error:?}");
        }
    }
}

#[tokio::test]
async fn many_are_written_in_few_changes_and_those_that_are_gone_are_not() {
    let store = filled(120).await;
    let before = store.counts(&Prefix::of_checked("ops/".to_owned()), Revision(0)).await.unwrap().all;
    let mut works: Vec<_> = (0..120).map(|number| (name(number), work())).collect();
    put_agent_works(&store, &works).await.unwrap();
    let after = store.counts(&Prefix::of_checked("ops/".to_owned()), Revision(0)).await.unwrap().all;
    assert_eq!(AgentWork::read_all(&store).await.unwrap(), works);
    // Each needs two keys, and a transaction has a hundred.
    assert!(after - before <= 3, "{before} {after}");

    let mut change = sample::change("remove");
    change.remove_agent(&name(7), Expected::Any);
    change.forget_agent_work(&name(7));
    commit(&store, change).await.unwrap();
    works.iter_mut().for_each(|(_, work)| work.trust_seq = 5);
    // One that no value can hold hinders no other.
    works[9].1.reasons = vec!["x".repeat(Txn::MAX_VALUE_BYTES)];
    let refused = put_agent_works(&store, &works).await.unwrap_err();
    assert!(matches!(refused, CommitError::Store(StoreError::LimitExceeded(_))), "{refused:?}");
    let read = AgentWork::read_all(&store).await.unwrap();
    assert_eq!(read.len(), 119);
    for (agent, found) in read {
        assert_eq!(found.trust_seq == 5, agent != name(9), "{agent}");
        assert_ne!(agent, name(7));
    }
}

#[tokio::test]
async fn a_report_that_is_too_long_is_left_out() {
    let store = filled(1).await;
    let long = json!("x".repeat(AgentWork::MAX_REPORT_BYTES));
    put_agent_works(&store, &[(name(0), AgentWork { report: Some(long), ..work() })]).await.unwrap();
    let read = AgentWork::read(&store, &name(0)).await.unwrap().unwrap();
    assert_eq!(read, AgentWork { report: None, ..work() });
}

#[tokio::test]
async fn an_edit_keeps_what_others_wrote_and_makes_nothing_of_what_is_gone() {
    let store = filled(1).await;
    put_agent_works(&store, &[(name(0), work())]).await.unwrap();
    let edited = edit_agent_work(&store, &name(0), |work| work.trust_seq = 8).await.unwrap();
    assert_eq!(edited, Some(AgentWork { trust_seq: 8, ..work() }));
    let racers: Vec<_> = (0..5)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { edit_delivery_work(&store, &id("d000"), |work| work.tries += 1).await.is_ok() })
        })
        .collect();
    for racer in racers {
        assert!(racer.await.unwrap());
    }
    assert_eq!(DeliveryWork::read(&store, &id("d000")).await.unwrap().unwrap().tries, 5);
    assert_eq!(edit_agent_work(&store, &name(1), |_| ()).await.unwrap(), None);
    assert_eq!(edit_delivery_work(&store, &id("d9"), |_| ()).await.unwrap(), None);
    assert_eq!(AgentWork::read(&store, &name(1)).await.unwrap(), None);
    let mut change = Change::of_work();
    change.put_delivery_work(&id("d9"), &delivery_work());
    assert!(matches!(commit(&store, change).await, Err(CommitError::Conflict { .. })));
}
