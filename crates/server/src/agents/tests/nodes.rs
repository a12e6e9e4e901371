//! Several nodes over one store.
//!
//! They share what nodes of a cluster share and no more: the transactions of the store and its watches. Each has a proxy,
//! sockets, a roster and links of its own. The store is the model in memory, whose transactions are those that every
//! engine promises, etcd's too.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use portward_api::AgentJoinCreate;
use portward_core::{AgentName, DialAddress};
use portward_link::JoinString;
use portward_store::{
    Changes, Cond, Counts, Key, Kv, Lease, ListPage, Page, Prefix, Read, Revision, Store, StoreError, StoreHealth, Txn,
    TxnOutcome, WatchStream,
    agents::{self, JoinToken},
    memory::MemoryStore,
    sealing::MasterKey,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::fake::{Fake, address, bound, until};
use crate::{
    app::Apply,
    fixture::{Fixture, by},
};

/// Is the store, but who spends a join waits until all who are expected have read that it is not spent yet, so that all
/// of them do it at once.
struct Together {
    store: MemoryStore,
    expected: usize,
    came: watch::Sender<usize>,
}

impl Together {
    fn new(store: &MemoryStore, expected: usize) -> Arc<Self> {
        Arc::new(Self { store: store.clone(), expected, came: watch::Sender::new(0) })
    }

    async fn wait_for_all(&self) {
        let mut all = self.came.subscribe();
        self.came.send_modify(|came| *came += 1);
        // Who waits for an answer gives up after 5 s.
        let _ = timeout(Duration::from_secs(3), all.wait_for(|came| *came >= self.expected)).await;
    }
}

#[async_trait]
impl Store for Together {
    async fn get(&self, key: &Key, how: Read) -> Result<(Option<Kv>, Revision), StoreError> {
        self.store.get(key, how).await
    }

    async fn list(&self, prefix: &Prefix, at: Option<Revision>, page: Page) -> Result<ListPage, StoreError> {
        self.store.list(prefix, at, page).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        let is_of_a_join = |cond: &Cond| cond.key().as_str().starts_with("joins/");
        if txn.when.iter().any(is_of_a_join) {
            self.wait_for_all().await;
        }
        self.store.txn(txn).await
    }

    async fn watch(&self, prefixes: &[Prefix], after: Revision) -> Result<WatchStream, StoreError> {
        self.store.watch(prefixes, after).await
    }

    async fn changes(&self, prefixes: &[Prefix], after: Revision) -> Result<Changes, StoreError> {
        self.store.changes(prefixes, after).await
    }

    async fn lease_grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        self.store.lease_grant(ttl).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.store.revision().await
    }

    async fn counts(&self, prefix: &Prefix, newer_than: Revision) -> Result<Counts, StoreError> {
        self.store.counts(prefix, newer_than).await
    }

    async fn health(&self) -> StoreHealth {
        self.store.health().await
    }

    async fn replace_all(&self, when: Vec<Cond>, content: Vec<(Key, Bytes)>) -> Result<TxnOutcome, StoreError> {
        self.store.replace_all(when, content).await
    }
}

fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

fn dialled(at: SocketAddr) -> DialAddress {
    DialAddress::parse(&at.to_string(), None).unwrap()
}

/// Three nodes, where each is dialled, and a join string that the first one made.
async fn three_nodes(store: &MemoryStore, of_agents: &Arc<Together>) -> (Vec<Fixture>, Vec<DialAddress>, String) {
    let (master, mut nodes) = (MasterKey::generate(), Vec::new());
    for _ in 0..3 {
        nodes.push(Fixture::node(store, Arc::clone(of_agents) as Arc<dyn Store>, &master).await);
    }
    bound(&nodes[0]).await;
    let create = AgentJoinCreate { name: "web-03".to_owned(), ttl: None, addresses: Vec::new() };
    let created = nodes[0].app.add_agent(&by(), &create, Apply::Now).await.unwrap();
    let string = created.join_string.unwrap().expose().to_owned();
    let binding = nodes[0].stored().await.bindings[0].value.id.clone();
    let mut at = Vec::new();
    for node in &nodes {
        at.push(dialled(address(node, &binding).await));
        until("the identity is known", || node.app.agents().identities().is_some()).await;
    }
    (nodes, at, string)
}

/// 100 joins with one join string, at three nodes that share the store's transactions, as they will with etcd: one is
/// taken, and nobody has to look at another node to know it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_who_join_with_one_string_at_three_nodes_one_does() {
    let store = MemoryStore::new();
    let together = Together::new(&store, JOINS);
    let (nodes, at, string) = three_nodes(&store, &together).await;

    let mut joining = JoinSet::new();
    for turn in 0..JOINS {
        let (fake, at, string) = (Fake::new("copy"), at[turn % at.len()].clone(), string.clone());
        joining.spawn(async move {
            let joined = fake.join_at(&at, &string).await;
            (fake, joined)
        });
    }
    let (joined, refused): (Vec<_>, Vec<_>) =
        joining.join_all().await.into_iter().partition(|(_, joined)| joined.is_ok());
    assert_eq!((joined.len(), refused.len()), (1, JOINS - 1));
    for (_, answer) in refused {
        let reason = answer.unwrap_err();
        assert!(reason.contains("this join string does not count: it was used"), "{reason}");
    }
    let raced = *together.came.borrow();
    assert!(raced > JOINS / 2, "{raced} of {JOINS} tried to spend it before anybody had");

    // There is one agent, the one that won, and each node knows it.
    let (winner, _) = &joined[0];
    let sealer = nodes[0].sealer().await;
    let fleet = agents::read_all(&store, &sealer).await.unwrap();
    assert_eq!(fleet.agents.len(), 1);
    assert_eq!(fleet.agents[0].value.pins.current, winner.thumbprint());
    for node in &nodes {
        let roster = node.app.agents().roster();
        let pin = || roster.agent(&name("web-03")).map(|agent| agent.value.pins.current);
        until("known by every node", || pin() == Some(winner.thumbprint())).await;
        assert_eq!(roster.len(), 1);
    }
    let token = JoinToken::parse(&JoinString::parse(&string).unwrap().token).unwrap();
    let join = agents::join(&store, &sealer, &token).await.unwrap().unwrap().value;
    assert_eq!(join.used.map(|(_, by)| by), Some(winner.thumbprint()));
    let joins = nodes[0].app.list_audit(&by(), &portward_api::AuditQuery::default()).await.unwrap().items;
    let joins = joins.iter().filter(|record| record.what.starts_with("agent web-03 joins with")).count();
    assert_eq!(joins, 1);

    // It is spent at every node, but for the one that spent it, whose answer may have been lost.
    for at in &at {
        let reason = Fake::new("late").join_at(at, &string).await.unwrap_err();
        assert!(reason.contains("this join string does not count"), "{reason}");
        assert_eq!(winner.join_at(at, &string).await.unwrap(), "web-03");
    }
}

/// An agent that one node trusts is trusted by the others, and one that one node removes loses its link to another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_removed_at_one_node_loses_the_link_to_another_within_a_second() {
    let store = MemoryStore::new();
    let (nodes, at, string) = three_nodes(&store, &Together::new(&store, 1)).await;
    let fake = Fake::new("web-03");
    fake.join_at(&at[0], &string).await.unwrap();
    let third = &nodes[2];
    until("trusted there", || third.app.agents().roster().agent(&name("web-03")).is_some()).await;
    let link = fake.link(at[2].to_string().parse().unwrap()).await.unwrap();
    until("linked", || third.app.agents().link(&name("web-03")).is_some()).await;
    let revoked = Instant::now();
    nodes[1].app.remove_agent(&by(), "web-03", crate::app::Precondition::None, Apply::Now).await.unwrap();
    timeout(Duration::from_secs(5), link).await.expect("the link ends").unwrap();
    assert!(revoked.elapsed() < Duration::from_secs(1), "{:?}", revoked.elapsed());
}

const JOINS: usize = 100;
