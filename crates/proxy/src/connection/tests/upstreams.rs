use std::net::SocketAddr;

use portward_core::{Balance, SiteLimits, WaitLimit};

use super::harness::{App, Door, Nobody, Peer, site, snapshot};
use crate::{Groups, Limits, ServedSite, UpstreamState};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";

/// A door with these applications behind it; the groups show how they do.
async fn open(edit: impl FnOnce(SocketAddr) -> ServedSite) -> (Door, Groups) {
    let door = Door::open_with(Limits::default(), |_| {}).await;
    let site = edit(door.app.address);
    let groups = site.upstreams.clone();
    door.proxy.publish(snapshot(site)).await;
    (door, groups)
}

fn states(groups: &Groups) -> Vec<UpstreamState> {
    groups.view().into_iter().map(|view| view.health.state).collect()
}

/// Which of two applications is connected to.
async fn either(one: &App, other: &App) -> (char, Peer) {
    tokio::select! {
        app = one.accept() => ('a', app),
        app = other.accept() => ('b', app),
    }
}

#[tokio::test]
async fn the_applications_of_a_site_take_turns_and_one_that_is_away_is_passed_over() {
    let (away, other) = (Nobody::new(), App::listen().await);
    let (door, groups) = open(|app| site(&[app, away.address, other.address])).await;
    let mut seen = String::new();
    for _ in 0..12 {
        let mut client = door.send(GET).await;
        let (name, mut app) = either(&door.app, &other).await;
        seen.push(name);
        app.head().await;
        app.write(ANSWER).await;
        assert!(client.rest().await.starts_with("HTTP/1.1 204 "));
    }
    use UpstreamState::{Unwell, Well};
    assert_eq!(states(&groups), [Well, Unwell, Well]);
    // The request that finds out takes the turn of another one.
    assert!(seen.ends_with("ababab") || seen.ends_with("bababa"), "{seen}");
    let reason = groups.view()[1].health.reason.clone().unwrap();
    assert!(reason.contains(&format!("nobody listens at {}", away.address)), "{reason}");
}

#[tokio::test]
async fn if_none_of_several_can_be_reached_the_answer_says_when_to_come_again() {
    let (one, other) = (Nobody::new(), Nobody::new());
    let (door, groups) = open(|_| site(&[one.address, other.address])).await;
    for _ in 0..3 {
        let answer = door.send(GET).await.rest().await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: 5\r\n"), "{answer}");
        assert!(answer.contains("503 no-upstream") && !answer.contains(&one.address.port().to_string()), "{answer}");
    }
    assert_eq!(states(&groups), [UpstreamState::Unwell; 2]);
}

#[tokio::test]
async fn who_comes_back_is_found_by_requests_alone() {
    let (one, other) = (Nobody::new(), Nobody::new());
    let (door, groups) = open(|_| site(&[one.address, other.address])).await;
    assert!(door.send(GET).await.rest().await.starts_with("HTTP/1.1 503 "));
    let back = one.listen();
    let answering = tokio::spawn(async move {
        let (tcp, _) = back.accept().await.unwrap();
        let mut app = Peer::new(tcp);
        app.head().await;
        app.write(ANSWER).await;
    });
    // Each is tried once a second.
    while !door.send(GET).await.rest().await.starts_with("HTTP/1.1 204 ") {}
    answering.await.unwrap();
    assert_eq!(states(&groups), [UpstreamState::Recovering, UpstreamState::Unwell]);
}

#[tokio::test]
async fn a_new_connection_that_dies_is_followed_by_another_upstream_if_that_does_no_harm() {
    let other = App::listen().await;
    let (door, _) = open(|app| site(&[app, other.address])).await;
    for (request, again) in [
        ("GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n", true),
        ("PUT / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", true),
        ("POST / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", false),
        ("POST / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n", false),
    ] {
        let mut client = door.send(request.as_bytes()).await;
        let (first, mut app) = either(&door.app, &other).await;
        let head = app.head().await;
        drop(app);
        if again {
            let (second, mut app) = either(&door.app, &other).await;
            assert_ne!(first, second, "{request}");
            assert_eq!(app.head().await, head, "{request}");
            app.write(ANSWER).await;
            assert!(client.rest().await.starts_with("HTTP/1.1 204 "), "{request}");
        } else {
            assert!(client.rest().await.contains("upstream-closed"), "{request}");
        }
    }
}

#[tokio::test]
async fn a_request_that_kills_two_applications_kills_no_third() {
    let (other, third) = (App::listen().await, App::listen().await);
    let (door, _) = open(|app| site(&[app, other.address, third.address])).await;
    let mut client = door.send(GET).await;
    for _ in 0..2 {
        let mut app = tokio::select! {
            app = door.app.accept() => app,
            app = other.accept() => app,
            app = third.accept() => app,
        };
        app.head().await;
    }
    assert!(client.rest().await.contains("upstream-closed"));
}

#[tokio::test]
async fn nothing_is_repeated_after_a_byte_of_the_response_also_with_other_upstreams() {
    let other = App::listen().await;
    let (door, _) = open(|app| site(&[app, other.address])).await;
    let mut client = door.send(GET).await;
    let (_, mut app) = either(&door.app, &other).await;
    app.head().await;
    app.write(b"H").await;
    drop(app);
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("upstream-closed"), "{answer}");
}

#[tokio::test]
async fn no_other_upstream_is_tried_when_the_time_for_a_response_is_up() {
    let other = App::listen().await;
    let limits = SiteLimits { response: WaitLimit::parse("1s").unwrap(), ..SiteLimits::default() };
    let (door, _) = open(|app| ServedSite { limits, ..site(&[app, other.address]) }).await;
    let mut client = door.send(GET).await;
    let (_, mut app) = either(&door.app, &other).await;
    app.head().await;
    assert!(client.rest().await.contains("upstream-timeout"));
}

#[tokio::test]
async fn who_says_five_times_that_it_is_not_well_is_passed_over_and_who_fails_by_itself_is_not() {
    let other = App::listen().await;
    let (door, groups) = open(|app| site(&[app, other.address])).await;
    for (status, expected) in [(500, [UpstreamState::Well; 2]), (503, [UpstreamState::Unwell, UpstreamState::Well])] {
        let mut answered = 0;
        while answered < 5 {
            let mut client = door.send(GET).await;
            let (name, mut app) = either(&door.app, &other).await;
            app.head().await;
            let status = if name == 'a' { status } else { 200 };
            answered += usize::from(name == 'a');
            app.write(format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").as_bytes())
                .await;
            assert!(client.rest().await.starts_with(&format!("HTTP/1.1 {status} ")), "the answer passes");
        }
        assert_eq!(states(&groups), expected, "{status}");
    }
}

#[tokio::test]
async fn the_one_with_the_fewest_requests_and_upgraded_connections_gets_the_next() {
    let other = App::listen().await;
    let (door, groups) = open(|app| {
        let mut site = site(&[app, other.address]);
        std::sync::Arc::make_mut(&mut site.forwarding).balance = Balance::LeastConnections;
        site
    })
    .await;
    let upgrade = b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    let mut tunnel = door.send(upgrade).await;
    let (busy, mut app) = either(&door.app, &other).await;
    app.head().await;
    app.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await;
    tunnel.head().await;
    for _ in 0..4 {
        let mut client = door.send(GET).await;
        let (name, mut app) = either(&door.app, &other).await;
        assert_ne!(name, busy);
        app.head().await;
        app.write(ANSWER).await;
        client.rest().await;
    }
    let in_flight = || -> u32 { groups.view().iter().map(|view| view.health.in_flight).sum() };
    assert_eq!(in_flight(), 1);
    drop((tunnel, app));
    while in_flight() > 0 {
        tokio::task::yield_now().await;
    }
}
