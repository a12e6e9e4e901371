//! An agent that dials.

use std::{sync::Arc, time::Duration};

use portward_agent::{Agent, AgentOptions, ListenOptions};
use portward_core::Timestamp;
use portward_link::message::{Health, Withdraw, method};

use crate::{
    program::{Home, eventually, identity, some_day},
    server::{PATIENCE, Server},
};

/// Begins an agent in this process, with a clock of its own.
pub(crate) async fn begin(home: &Home, now: Timestamp) -> Agent {
    Agent::begin(AgentOptions {
        data_dir: home.path(),
        clock: Arc::new(move || now),
        host_name: "web-03".to_owned(),
        policy: std::path::PathBuf::from("/nonexistent/policy.toml"),
        listen: ListenOptions { on: Some(false), ..ListenOptions::default() },
    })
    .await
    .unwrap()
}

/// Has an agent trust and dial a server, and the server know it.
pub(crate) fn introduce(home: &Home, server: &Server, pin: portward_core::Thumbprint) {
    server.trust(&[home.thumbprint()]);
    home.done(&["configure", "--trust", &pin.to_string()]);
    home.done(&["poll-server", &server.address.to_string(), "--thumbprint", &pin.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_years_off_is_no_reason_not_to_link() {
    for now in ["1970-01-02T00:00:00Z", "2155-01-01T00:00:00Z"] {
        let now = Timestamp::parse(now).unwrap();
        let server_identity = identity("server");
        let mut server = Server::start(&server_identity).await;
        let home = Home::new();
        introduce(&home, &server, server_identity.thumbprint());
        let agent = begin(&home, now).await;
        let link = server.next().await;
        assert_eq!(link.health().await.now, now.unix());
        agent.stop().await;
        link.ended(Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_that_is_taken_away_cuts_the_link_and_given_back_makes_one_at_once() {
    let server_identity = identity("server");
    let pin = server_identity.thumbprint().to_string();
    let mut server = Server::start(&server_identity).await;
    let home = Home::new();
    let _running = home.start_with(&["run", "--no-listen"]);
    introduce(&home, &server, server_identity.thumbprint());
    let link = server.next().await;
    home.done(&["configure", "--remove-trust", &pin]);
    link.ended(Duration::from_secs(1)).await;
    assert!(server.is_left_alone(Duration::from_secs(2)).await);
    introduce(&home, &server, server_identity.thumbprint());
    let link = server.next().await;
    // The wrong pin in the place of the right one, and back.
    let wrong = identity("wrong").thumbprint().to_string();
    home.done(&["update-trust", "--old-thumbprint", &pin, "--new-thumbprint", &wrong]);
    link.ended(Duration::from_secs(1)).await;
    let problem = eventually("a reason", || home.status().servers[0].problem.clone()).await;
    assert!(problem.contains(&format!("expected the thumbprint {wrong}, and {pin} came")), "{problem}");
    assert!(problem.contains("portward-agent update-trust --old-thumbprint="), "{problem}");
    assert_eq!(home.run(&["status"]).code, 1);
    home.done(&["update-trust", "--old-thumbprint", &wrong, "--new-thumbprint", &pin]);
    let link = server.next().await;
    link.health().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_or_cuts_the_branch_is_not_taken() {
    let (one, other) = (identity("server"), identity("other"));
    let (pin, strange) = (one.thumbprint(), other.thumbprint());
    let mut server = Server::start(&one).await;
    let home = Home::new();
    introduce(&home, &server, pin);
    let agent = begin(&home, some_day()).await;
    let link = server.next().await;
    assert_eq!(link.announce(5, &[pin]).await.unwrap().seq, 5);
    assert_eq!(link.announce(4, &[pin]).await.unwrap_err(), "old-mark");
    assert_eq!(link.announce(5, &[pin, strange]).await.unwrap_err(), "old-mark");
    assert_eq!(link.announce(6, &[strange]).await.unwrap_err(), "cuts-branch");
    let trusts = link.health().await.trusts;
    assert_eq!((trusts.len(), trusts[0].mark.seq), (1, 5));
    assert_eq!(trusts[0].pins, [pin.to_string()]);
    // It is durable: the next run says it in its hello.
    agent.stop().await;
    let agent = begin(&home, some_day()).await;
    assert_eq!(server.next().await.peer().hello.trust.seq, 5);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_once_with_its_remedy_and_its_wait_is_kept() {
    let server_identity = identity("server");
    let server = Server::start(&server_identity).await;
    server.retry_after(3);
    let home = Home::new();
    let running = home.start_with(&["run", "--no-listen"]);
    home.done(&["configure", "--trust", &server_identity.thumbprint().to_string()]);
    home.done(&["poll-server", &server.address.to_string()]);
    let agent = home.thumbprint();
    let refused = eventually("a second try", || (server.refused().len() >= 2).then(|| server.refused())).await;
    assert!(refused[1] - refused[0] >= Duration::from_secs(3), "{refused:?}");
    let log = running.log();
    let remedy = format!("portward agent trust NAME --thumbprint={agent}");
    assert_eq!(log.matches(&remedy).count(), 1, "{log}");
    assert!(log.contains(&format!("It shows {}", server_identity.thumbprint())), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_moves_to_where_the_server_says_and_tries_each_address() {
    let server_identity = identity("server");
    let pin = server_identity.thumbprint();
    let (mut here, mut there) = (Server::start(&server_identity).await, Server::start(&server_identity).await);
    let home = Home::new();
    introduce(&home, &here, pin);
    there.trust(&[home.thumbprint()]);
    let agent = begin(&home, some_day()).await;
    let first = here.next().await;
    let nowhere = portward_core::DialAddress::parse("127.0.0.1:1", None).unwrap();
    first.announce_at(1, &[pin], &[&nowhere, &there.address]).await.unwrap();
    let second = there.next().await;
    first.ended(PATIENCE).await;
    assert_eq!(second.health().await.trusts[0].addresses, [nowhere.to_string(), there.address.to_string()]);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_lost_is_made_again() {
    let server_identity = identity("server");
    let mut server = Server::start(&server_identity).await;
    let home = Home::new();
    introduce(&home, &server, server_identity.thumbprint());
    let agent = begin(&home, some_day()).await;
    server.next().await.caller.close();
    server.next().await.health().await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_trusted_no_more_is_not_answered() {
    let server_identity = identity("server");
    let mut server = Server::start(&server_identity).await;
    let home = Home::new();
    introduce(&home, &server, server_identity.thumbprint());
    let agent = begin(&home, some_day()).await;
    let link = server.next().await;
    let withdrawn = link.caller.call::<method::Withdraw>(&Withdraw { delivery: "one".to_owned() }, PATIENCE).await;
    assert!(!withdrawn.unwrap().was_there);
    home.done(&["configure", "--reset-trust"]);
    let answer = link.caller.call::<method::Health>(&Health::default(), PATIENCE).await;
    assert!(answer.is_err(), "{answer:?}");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_agents_live_in_one_process() {
    let server_identity = identity("server");
    let mut server = Server::start(&server_identity).await;
    let mut agents = Vec::new();
    for _ in 0..100 {
        let home = Home::new();
        let line = server.join_string();
        let line = portward_link::JoinString::parse(&line).unwrap();
        let clock: portward_agent::Clock = Arc::new(some_day);
        portward_agent::join(&home.path(), &line, None, "web", &clock).await.unwrap();
        agents.push((begin(&home, some_day()).await, home));
    }
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let link = server.next().await;
        seen.insert(link.health().await.identity.thumbprint);
        // It is kept up until the end of the test.
        std::mem::forget(link);
    }
    assert_eq!(seen.len(), 100);
    for (agent, _home) in agents {
        agent.stop().await;
    }
}
