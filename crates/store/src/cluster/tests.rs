#![allow(clippy::unwrap_used, reason = "tests")]
use std::sync::Arc;

use super::*;
use crate::{Txn, memory::MemoryStore, sample};

#[tokio::test]
async fn an_empty_store_gets_an_identity_once() {
    let (store, master) = (MemoryStore::new(), MasterKey::generate());
    let first = Cluster::open(&store, master.clone()).await.unwrap();
    assert!(first.is_new && first.cluster.generation == 1);
    let second = Cluster::open(&store, master).await.unwrap();
    assert!(!second.is_new);
    assert_eq!(second.cluster, first.cluster);
    let sealed = first.sealer.seal(&sample::key("keys/1"), 1, &sample::secret());
    assert!(second.sealer.open(&sample::key("keys/1"), 1, &sealed).is_ok());
}

#[tokio::test]
async fn of_nodes_that_begin_together_one_makes_the_identity() {
    let (store, master) = (Arc::new(MemoryStore::new()), MasterKey::generate());
    let nodes: Vec<_> = (0..8)
        .map(|_| {
            let (store, master) = (Arc::clone(&store), master.clone());
            tokio::spawn(async move { Cluster::open(&*store, master).await.unwrap() })
        })
        .collect();
    let mut opened = Vec::new();
    for node in nodes {
        opened.push(node.await.unwrap());
    }
    assert_eq!(opened.iter().filter(|opened| opened.is_new).count(), 1);
    assert!(opened.iter().all(|other| other.cluster == opened[0].cluster));
}

#[tokio::test]
async fn another_master_key_is_refused_with_what_to_do() {
    let store = MemoryStore::new();
    sample::open(&store, &MasterKey::generate()).await;
    let error = Cluster::open(&store, MasterKey::generate()).await.unwrap_err();
    assert!(matches!(error, OpenClusterError::MasterKey(_)), "{error:?}");
    assert!(error.to_string().contains("Put the master key file back"), "{error}");
}

#[tokio::test]
async fn a_store_that_is_not_ours_or_too_new_is_refused() {
    let schema = |value: &'static str| Txn::new().put(Place::Schema.key(), value);
    for (txn, expected) in [
        (schema(r#"{"v":1,"version":3,"min_reader":2,"features":[]}"#), "needs a Portward that knows layout 2"),
        (schema(r#"{"v":1,"version":1,"min_reader":1,"features":["sharding"]}"#), "\"sharding\""),
        (schema(r#"{"v":9}"#), "cannot read \"meta/schema\""),
        (Txn::new().delete(Place::Schema.key()), "no \"meta/schema\""),
        (Txn::new().delete(Place::Cluster.key()), "no \"meta/cluster\""),
        (Txn::new().delete(Place::SealCheck.key()), "no \"meta/seal-check\""),
    ] {
        let (store, master) = (MemoryStore::new(), MasterKey::generate());
        sample::open(&store, &master).await;
        store.txn(txn).await.unwrap();
        let error = Cluster::open(&store, master).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_newer_layout_that_older_readers_can_cope_with_is_opened() {
    let (store, master) = (MemoryStore::new(), MasterKey::generate());
    sample::open(&store, &master).await;
    let txn = Txn::new().put(Place::Schema.key(), r#"{"v":1,"version":2,"min_reader":1,"features":[]}"#);
    store.txn(txn).await.unwrap();
    assert!(Cluster::open(&store, master).await.is_ok());
}
