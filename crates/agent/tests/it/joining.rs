//! Joining, beside an agent that runs and without one.

use crate::{
    program::{Home, identity},
    server::Server,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_joins_with_a_line_and_is_linked_at_once() {
    let mut server = Server::start(&identity("server")).await;
    let home = Home::new();
    let running = home.start_with(&["run"]);
    let joined = home.done(&["join", &server.join_string(), "--name", "Web-03"]);
    let agent = home.thumbprint();
    let address = server.address.to_string();
    assert_eq!(
        joined,
        format!(
            "Joined as web-03\nThe thumbprint of this agent: {agent}\nThe thumbprint of the server: {}\n\
             The server is dialled at: {address}\nThe agent that runs dials it now.\n",
            home.status().servers[0].pins[0]
        )
    );
    let link = server.next().await;
    assert_eq!(link.peer().shown.thumbprint, agent);
    assert_eq!((link.peer().hello.trust.generation, link.peer().hello.trust.seq), (1, 1));
    let health = link.health().await;
    assert_eq!(health.identity.thumbprint, agent.to_string());
    assert_eq!(health.trusts[0].addresses, [address]);
    assert!(health.disks.iter().all(|disk| disk.total > 0) && !health.disks.is_empty(), "{health:?}");
    assert_eq!(health.instance, link.peer().hello.instance);
    let status = home.status();
    assert!(status.problems().is_empty() && status.servers[0].links.len() == 1, "{status:?}");
    // A polling agent listens nowhere unless somebody wants it to.
    assert!(!status.listen.on, "{status:?}");
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_counts_once_and_whole() {
    let server = Server::start(&identity("server")).await;
    let (home, other) = (Home::new(), Home::new());
    let line = server.join_string();
    let torn = home.run(&["join", &line[..line.len() - 3]]);
    assert_eq!(torn.code, 2);
    assert!(torn.stderr.contains("the join string is not whole"), "{torn:?}");
    let joined = home.run_with(&["join", "-"], &format!("{line}\n"));
    assert_eq!(joined.code, 0, "{joined:?}");
    assert!(joined.stdout.ends_with("portward-agent service install, or portward-agent run\n"), "{joined:?}");
    let again = other.run(&["join", &line]);
    assert_eq!(again.code, 4);
    assert!(again.stderr.contains("the server refuses: the join string was used already."), "{again:?}");
    assert!(again.stderr.contains("portward agent add NAME"), "{again:?}");
    assert!(other.status().servers.is_empty());
    assert!(!other.run(&["join", &line]).stderr.contains(&line[10..30]), "the line is a secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_shows_something_else_gets_no_secret() {
    let server = Server::start(&identity("server")).await;
    let home = Home::new();
    let line = server.join_string();
    let other = identity("another");
    server.show(&other, &[]);
    let refused = home.run(&["join", &line]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains(&format!("and {} came", other.thumbprint())), "{refused:?}");
    assert!(home.status().servers.is_empty());
    drop(server);
    let gone = home.run(&["join", &line]);
    assert_eq!(gone.code, 1);
    assert!(gone.stderr.contains("the server was not reached: 127.0.0.1:"), "{gone:?}");
}
