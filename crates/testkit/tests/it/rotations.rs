//! The server's identity changes, and agents follow by themselves: nobody visits a machine, and who is there stays linked.

use std::{
    ops::Range,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use portward_agent::{Agent, AgentOptions, DataDirectory, DirectoryError, ListenOptions};
use portward_api::{
    AgentTrust, AgentsCheck, AuditQuery, Effect, IdentityExport, IdentityImport, IdentityRotate, SecretText,
    SettingsUpdate,
};
use portward_core::{AgentName, Thumbprint};
use portward_testkit::{Fleet, FleetOptions, TestServer, Watch, eventually};

/// Agents that run, beside one in a hundred and more that are away.
async fn fleet(server: &TestServer, root: &Path, count: usize, here: Range<usize>) -> Fleet {
    let options = FleetOptions { root, prefix: "agent-", count, clock: Arc::new(server.clock()) };
    let fleet = Fleet::make(&server.client, options).await.unwrap();
    fleet.start(here.clone()).await;
    let (names, client) = (fleet.names(here), &server.client);
    eventually("all are linked and healthy", async || {
        let agents = client.list_agents().await.unwrap();
        let is_well = |name: &String| {
            let agent = agents.iter().find(|agent| agent.name == *name);
            agent.is_some_and(|agent| agent.connected && agent.trust_is_newest && agent.health == "Healthy")
        };
        names.iter().all(is_well).then_some(())
    })
    .await;
    fleet
}

async fn identity(server: &TestServer) -> String {
    server.client.show_identity().await.unwrap().thumbprint
}

/// Waits until a rotation is over for all but so many.
async fn waits_for(server: &TestServer, laggards: usize) {
    eventually("those that are there have followed", async || {
        let rotation = server.client.show_identity().await.unwrap().rotation?;
        (rotation.phase == "retire" && rotation.agents - rotation.acknowledged == laggards).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_agents_follow_a_rotation_and_those_that_are_there_are_never_without_a_link() {
    let (server, root) = (TestServer::start_ticking().await, tempfile::tempdir().unwrap());
    let (here, away) = (0..57, 57..60);
    let fleet = fleet(&server, root.path(), 60, here.clone()).await;
    let watch = Watch::begin(&fleet, &server.client, here.clone());
    let changed = server.client.rotate_identity(&IdentityRotate::default()).await.unwrap();
    waits_for(&server, away.len()).await;
    assert_eq!(identity(&server).await, changed.new_thumbprint);
    // Those that are away were told nothing, and get in by the identity that they know.
    let identities = server.client.show_identity().await.unwrap().identities;
    assert!(identities.iter().any(|identity| identity.thumbprint == changed.old_thumbprint && identity.state == "old"));
    fleet.start(away).await;
    let settled = fleet.settles(&server.client, PATIENCE).await.unwrap();
    let seen = watch.end().await;
    assert_eq!(settled.thumbprint, changed.new_thumbprint);
    assert_eq!(seen.gaps, Vec::<String>::new());
    assert!(seen.looks_at_agents > 20 && seen.looks_at_server > 2, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_follow_an_imported_identity_and_are_never_without_a_link() {
    let (server, root) = (TestServer::start_ticking().await, tempfile::tempdir().unwrap());
    let fleet = fleet(&server, root.path(), 6, 0..5).await;
    let watch = Watch::begin(&fleet, &server.client, 0..5);
    let password = SecretText::new("a lime tree by the door".to_owned());
    let made = server.client.export_identity(&IdentityExport { password: password.clone(), new: true }).await.unwrap();
    let import = IdentityImport { file: made.pfx, file_name: "own.pfx".to_owned(), password: Some(password) };
    let changed = server.client.import_identity(&import).await.unwrap();
    assert_eq!((identity(&server).await, &changed.new_thumbprint), (made.thumbprint.clone(), &made.thumbprint));
    waits_for(&server, 1).await;
    fleet.start(5..6).await;
    assert_eq!(fleet.settles(&server.client, PATIENCE).await.unwrap().thumbprint, made.thumbprint);
    assert_eq!(watch.end().await.gaps, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_rotation_may_begin_while_the_first_waits_for_somebody() {
    let (server, root) = (TestServer::start_ticking().await, tempfile::tempdir().unwrap());
    let fleet = fleet(&server, root.path(), 8, 0..6).await;
    let watch = Watch::begin(&fleet, &server.client, 0..6);
    server.client.rotate_identity(&IdentityRotate::default()).await.unwrap();
    waits_for(&server, 2).await;
    // One comes back between the two, and one after both.
    let second = server.client.rotate_identity(&IdentityRotate::default()).await.unwrap();
    waits_for(&server, 2).await;
    fleet.start(6..7).await;
    waits_for(&server, 1).await;
    let third = server.client.rotate_identity(&IdentityRotate::default()).await.unwrap();
    assert_eq!(third.old_thumbprint, second.new_thumbprint);
    fleet.start(7..8).await;
    assert_eq!(fleet.settles(&server.client, PATIENCE).await.unwrap().thumbprint, third.new_thumbprint);
    assert_eq!(watch.end().await.gaps, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_removed_while_it_lags_is_waited_for_no_longer() {
    let (server, root) = (TestServer::start_ticking().await, tempfile::tempdir().unwrap());
    let fleet = fleet(&server, root.path(), 4, 0..3).await;
    server.client.rotate_identity(&IdentityRotate::default()).await.unwrap();
    waits_for(&server, 1).await;
    let name = AgentName::parse(&fleet.names(3..4)[0]).unwrap();
    server.client.remove_agent(&name, Effect::Apply).await.unwrap();
    eventually("the old identity is destroyed", async || {
        let identity = server.client.show_identity().await.unwrap();
        (identity.rotation.is_none() && identity.identities.len() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compromised_identity_is_left_by_those_that_are_there_and_lets_nobody_in_any_more() {
    let (server, root) = (TestServer::start_ticking().await, tempfile::tempdir().unwrap());
    let fleet = fleet(&server, root.path(), 6, 0..5).await;
    let watch = Watch::begin(&fleet, &server.client, 0..5);
    let changed = server.client.rotate_identity(&IdentityRotate { compromised: true }).await.unwrap();
    assert_eq!(identity(&server).await, changed.new_thumbprint);
    waits_for(&server, 1).await;
    assert_eq!(watch.end().await.gaps, Vec::<String>::new());
    // A minute later it is destroyed, whoever may still know it: looking at the agents is what an agent's news leads to.
    server.set_now(server.now().plus(Duration::from_secs(61)));
    fleet.stop(0..1).await;
    // It is out of the store first, and then out of use.
    eventually("the compromised one is destroyed", async || {
        let identity = server.client.show_identity().await.unwrap();
        (identity.identities.len() == 1 && identity.rotation.is_none()).then_some(())
    })
    .await;
    fleet.start(0..1).await;
    fleet.start(5..6).await;
    let reason = eventually("who was away says why there is no link", async || {
        fleet.problems().into_iter().find(|problem| problem.contains(&changed.new_thumbprint))
    })
    .await;
    assert!(reason.contains("unexpected security certificate"), "{reason}");
    eventually("everybody else is linked", async || {
        let agents = server.client.list_agents().await.unwrap();
        let connected: Vec<bool> = agents.iter().map(|agent| agent.connected).collect();
        (connected == [true, true, true, true, true, false]).then_some(())
    })
    .await;
}

/// An agent that listens, and is trusted.
async fn listening(server: &TestServer, root: &Path) -> (Agent, AgentName) {
    let pin = Thumbprint::parse(&identity(server).await).unwrap();
    let now = server.now();
    let data_dir = root.join("listens");
    let trusting = DataDirectory::open(&data_dir).unwrap().edit(|draft| {
        draft.configuration.trust(pin, now);
        Ok::<_, DirectoryError>(())
    });
    trusting.unwrap();
    let listen = ListenOptions { on: Some(true), address: Some([127, 0, 0, 1].into()), port: Some(0) };
    let options = AgentOptions {
        data_dir,
        clock: Arc::new(server.clock()),
        host_name: "listens".to_owned(),
        listen,
        policy: "/nonexistent".into(),
    };
    let agent = Agent::begin(options).await.unwrap();
    let trust = AgentTrust {
        name: "listens".to_owned(),
        thumbprint: agent.thumbprint().to_string(),
        listening: agent.status().listen.address,
    };
    server.client.trust_agent(&trust, Effect::Apply).await.unwrap();
    (agent, AgentName::parse("listens").unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_listens_follows_a_rotation_and_is_never_without_a_link() {
    let (server, root) = (TestServer::start_ticking().await, tempfile::tempdir().unwrap());
    let pin = Thumbprint::parse(&identity(&server).await).unwrap();
    let (agent, name) = listening(&server, root.path()).await;
    let trusts = async |pin: &str| {
        eventually("the agent is linked, healthy, and trusts one identity", async || {
            let view = server.client.show_agent(&name).await.unwrap();
            let is_well = view.connected && view.trust_is_newest && view.health == "Healthy";
            let pins: Vec<String> = agent.status().servers.into_iter().flat_map(|server| server.pins).collect();
            (is_well && pins == [pin]).then_some(())
        })
        .await;
    };
    trusts(&pin.to_string()).await;
    let changed = server.client.rotate_identity(&IdentityRotate::default()).await.unwrap();
    let followed = trusts(&changed.new_thumbprint);
    let linked = async {
        loop {
            assert!(agent.links() > 0, "the agent is without a link");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = followed => {}
        () = linked => {}
    }
    eventually("the old identity is destroyed", async || {
        let identity = server.client.show_identity().await.unwrap();
        (identity.identities.len() == 1 && identity.rotation.is_none()).then_some(())
    })
    .await;
}

/// How often agents were asked for a new identity, as the audit has it.
async fn asked(server: &TestServer) -> usize {
    let records = server.client.list_audit(&AuditQuery::default()).await.unwrap().items;
    let is_it = |record: &&portward_api::AuditView| {
        record.who == "portward (agents)" && record.what.contains("follow its identity")
    };
    records.iter().filter(is_it).count()
}

/// Waits until agents are known by others than `before`, are healthy, and the ones before count for a day yet.
async fn have_new_ones(server: &TestServer, before: &[(String, String)]) {
    let begun = Instant::now();
    loop {
        let agents = server.client.list_agents().await.unwrap();
        let is_so = |(name, before): &(String, String)| {
            let agent = agents.iter().find(|agent| agent.name == *name).unwrap();
            agent.previous_thumbprint.as_ref() == Some(before)
                && agent.thumbprint != *before
                && agent.next_thumbprint.is_none()
                && agent.connected
                && agent.health == "Healthy"
        };
        if before.iter().all(is_so) {
            return;
        }
        let slow: Vec<_> = before.iter().filter(|one| !is_so(one)).collect();
        assert!(begun.elapsed() < PATIENCE, "{slow:?} are not known by new ones: {agents:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_identities_of_agents_are_followed_by_new_ones_and_nobody_is_without_a_link() {
    let (server, root) = (TestServer::start_ticking().await, tempfile::tempdir().unwrap());
    let fleet = fleet(&server, root.path(), 6, 0..5).await;
    let (listens, name) = listening(&server, root.path()).await;
    eventually("the one that listens is linked and healthy", async || {
        let view = server.client.show_agent(&name).await.unwrap();
        (view.connected && view.health == "Healthy").then_some(())
    })
    .await;
    let of_all = server.client.list_agents().await.unwrap();
    let mut before: Vec<_> = of_all.into_iter().map(|agent| (agent.name, agent.thumbprint)).collect();
    let away = before.remove(5);
    assert_eq!((before.len(), away.0.as_str()), (6, fleet.names(5..6)[0].as_str()));
    let watch = Watch::begin(&fleet, &server.client, 0..5);
    server.set_now(server.now().plus(Duration::from_secs(367 * 24 * 3600)));
    let looks = async {
        loop {
            assert!(listens.links() > 0, "the one that listens is without a link");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = have_new_ones(&server, &before) => {}
        () = looks => {}
    }
    assert_eq!(watch.end().await.gaps, Vec::<String>::new());
    assert_eq!(server.client.show_agent(&name).await.unwrap().thumbprint, listens.thumbprint().to_string());
    assert_eq!(asked(&server).await, 6);

    // Who was away says that its identity is old, and is asked at the next look: an edit of the settings is one.
    fleet.start(5..6).await;
    let name = AgentName::parse(&away.0).unwrap();
    eventually("it says how it is", async || {
        let view = server.client.show_agent(&name).await.unwrap();
        view.reasons.iter().any(|reason| reason.contains("It has its identity for 367 days")).then_some(())
    })
    .await;
    let look = async |days| {
        let update = SettingsUpdate { agent_identity_days: Some(days), ..SettingsUpdate::default() };
        server.client.edit_settings(&update).await.unwrap();
    };
    look(364).await;
    have_new_ones(&server, &[away]).await;
    look(363).await;
    let checked = server.client.check_agents(&AgentsCheck::default()).await.unwrap();
    assert!(checked.iter().all(|checked| checked.health == "Healthy"), "{checked:?}");
    look(362).await;
    assert_eq!((asked(&server).await, checked.len()), (7, 7));
}

/// An agent that begins, or whose link was lost, tries again within a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);
