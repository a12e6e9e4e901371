//! Identities that follow one another, on either side.

use std::time::Duration;

use portward_core::Thumbprint;
use portward_link::message::{IdentityAccepted, Rotate, method};

use crate::{
    polling::{begin, introduce},
    program::{Home, eventually, identity, some_day},
    server::{Linked, PATIENCE, Server},
};

async fn rotate(link: &Linked) -> Thumbprint {
    let reply = link.caller.call::<method::Rotate>(&Rotate {}, PATIENCE).await.unwrap();
    Thumbprint::parse(&reply.thumbprint).unwrap()
}

async fn accept(link: &Linked, thumbprint: Thumbprint) {
    let accepted = IdentityAccepted { thumbprint: thumbprint.to_string() };
    link.caller.call::<method::IdentityAccepted>(&accepted, PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_offers_its_next_identity_and_shows_it_when_it_is_known() {
    let server_identity = identity("server");
    let mut server = Server::start(&server_identity).await;
    let home = Home::new();
    let old = home.thumbprint();
    introduce(&home, &server, server_identity.thumbprint());
    let agent = begin(&home, some_day()).await;
    let first = server.next().await;
    assert_eq!((first.peer().shown.thumbprint, first.peer().next), (old, None));
    let (next, again) = tokio::join!(rotate(&first), rotate(&first));
    assert_eq!(next, again, "asked twice it is the same");

    let second = server.next().await;
    assert_eq!((second.peer().shown.thumbprint, second.peer().next), (old, Some(next)));
    first.closed_by_agent().await;
    let unknown = IdentityAccepted { thumbprint: server_identity.thumbprint().to_string() };
    assert!(second.caller.call::<method::IdentityAccepted>(&unknown, PATIENCE).await.is_err());
    assert!(home.path().join("next-identity.pem").exists() && agent.thumbprint() == old, "both are kept until then");
    server.trust(&[old, next]);
    accept(&second, next).await;
    assert!(!home.path().join("next-identity.pem").exists());

    let third = server.next().await;
    assert_eq!((third.peer().shown.thumbprint, third.peer().next), (next, None));
    second.ended(PATIENCE).await;
    accept(&third, next).await;
    assert!(third.is_up());
    assert_eq!(home.thumbprint(), next);
    assert_eq!(third.health().await.identity.thumbprint, next.to_string());
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_by_command_goes_the_same_way_and_with_now_it_does_not() {
    let server_identity = identity("server");
    let mut server = Server::start(&server_identity).await;
    let home = Home::new();
    let old = home.thumbprint();
    introduce(&home, &server, server_identity.thumbprint());
    let _running = home.start_with(&["run", "--no-listen"]);
    let first = server.next().await;
    home.done(&["new-certificate"]);
    let second = server.next().await;
    let next = second.peer().next.unwrap();
    first.ended(PATIENCE).await;
    server.trust(&[old, next]);
    accept(&second, next).await;
    let third = server.next().await;
    assert_eq!(third.peer().shown.thumbprint, next);
    home.done(&["new-certificate", "--now"]);
    third.ended(Duration::from_secs(1)).await;
    eventually("a refusal", || (!server.refused().is_empty()).then_some(())).await;
    server.trust(&[home.thumbprint()]);
    assert_eq!(server.next().await.peer().shown.thumbprint, home.thumbprint());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_is_shown_to_each_server_as_soon_as_that_one_knows_it() {
    let (here, there) = (identity("here"), identity("there"));
    let (mut one, mut other) = (Server::start(&here).await, Server::start(&there).await);
    let home = Home::new();
    let old = home.thumbprint();
    introduce(&home, &one, here.thumbprint());
    introduce(&home, &other, there.thumbprint());
    let agent = begin(&home, some_day()).await;
    let (to_one, _to_other) = (one.next().await, other.next().await);
    let next = rotate(&to_one).await;
    let (to_one, to_other) = (one.next().await, other.next().await);
    one.trust(&[old, next]);
    accept(&to_one, next).await;
    assert_eq!(one.next().await.peer().shown.thumbprint, next);
    assert!(to_other.is_up() && agent.thumbprint() == old, "the other one does not know it");
    other.trust(&[old, next]);
    accept(&to_other, next).await;
    assert_eq!(other.next().await.peer().shown.thumbprint, next);
    assert_eq!(agent.thumbprint(), next);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_follows_a_server_that_has_moved_on_and_is_never_without_a_link() {
    let (old, new) = (identity("old"), identity("new"));
    let mut server = Server::start(&old).await;
    let home = Home::new();
    introduce(&home, &server, old.thumbprint());
    // While the agent was away the server moved on; the old identity is shown to who expects it.
    server.show(&new, std::slice::from_ref(&old));
    let agent = begin(&home, some_day()).await;
    let first = server.next().await;
    assert_eq!(first.peer().ours, old.thumbprint());
    first.announce(7, &[new.thumbprint(), old.thumbprint()]).await.unwrap();
    let second = server.next().await;
    assert_eq!(second.peer().ours, new.thumbprint());
    // The first one ended after the second one was there: this very order is what the server sees.
    first.closed_by_agent().await;
    second.health().await;
    // The old one is retired over a link of the new one.
    second.announce(8, &[new.thumbprint()]).await.unwrap();
    server.show(&new, &[]);
    assert!(second.is_up());
    assert_eq!(agent.status().servers[0].pins, [new.thumbprint().to_string()]);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_that_is_there_stays_until_the_new_one_is_up() {
    let (old, new) = (identity("old"), identity("new"));
    let mut server = Server::start(&old).await;
    let home = Home::new();
    introduce(&home, &server, old.thumbprint());
    let agent = begin(&home, some_day()).await;
    let first = server.next().await;
    // It is announced as the one to expect, and cannot be shown yet.
    first.announce(7, &[new.thumbprint(), old.thumbprint()]).await.unwrap();
    assert!(server.is_left_alone(Duration::from_secs(3)).await);
    assert!(first.is_up());
    first.health().await;
    server.show(&new, std::slice::from_ref(&old));
    let second = server.next().await;
    assert_eq!(second.peer().ours, new.thumbprint());
    first.ended(PATIENCE).await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_trusted_pin_is_tried_when_the_expected_one_is_not_shown() {
    let (old, new, usual) = (identity("old"), identity("new"), identity("usual"));
    let mut server = Server::start(&old).await;
    let home = Home::new();
    introduce(&home, &server, old.thumbprint());
    let agent = begin(&home, some_day()).await;
    let first = server.next().await;
    first.announce(7, &[new.thumbprint(), old.thumbprint()]).await.unwrap();
    agent.stop().await;
    // Its usual identity is one that this agent has never heard of; the old one is still there for who asks for it.
    server.show(&usual, std::slice::from_ref(&old));
    let agent = begin(&home, some_day()).await;
    assert_eq!(server.next().await.peer().ours, old.thumbprint());
    agent.stop().await;
}
