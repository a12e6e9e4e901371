//! Clients that come back to the same upstream, and paths that go to others.

use std::net::SocketAddr;

use portward_core::{Balance, Forwarding, PathRoute, SiteId, Upstream};

use super::harness::{App, Door, Peer, site, snapshot};
use crate::{Groups, Limits, ServedSite, StickyKey};

/// `shop.test` with these applications, in such a way that clients come back to them, and routes.
fn sticky(apps: &[SocketAddr], routes: &[String]) -> ServedSite {
    let own: Vec<_> = apps.iter().map(|app| Upstream::parse(&format!("http://{app}")).unwrap()).collect();
    let routes = PathRoute::parse_all(routes.iter().map(String::as_str)).unwrap();
    let key = StickyKey::new(&[7; 32]);
    let upstreams = Groups::new(&own, &routes, Some((&key, &SiteId::parse("shop").unwrap())), |_| None);
    let forwarding = Forwarding { balance: Balance::Sticky, ..Forwarding::default() };
    ServedSite { upstreams, forwarding: forwarding.into(), ..site(&[]) }
}

/// Asks with a cookie; gives who answered, the head that came to it, and the cookie that was set.
async fn ask(door: &Door, apps: &[&App], path: &str, cookie: &str) -> (usize, String, Option<String>) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n");
    let mut client = door.send(request.as_bytes()).await;
    let (index, mut app): (usize, Peer) = tokio::select! {
        app = apps[0].accept() => (0, app),
        app = apps[1].accept() => (1, app),
    };
    let head = app.head().await;
    app.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: own=1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.contains("Set-Cookie: own=1\r\n"), "{answer}");
    let ours = answer.lines().find_map(|line| line.strip_prefix("Set-Cookie: portward_upstream="));
    (index, head, ours.map(str::to_owned))
}

#[tokio::test]
async fn a_client_comes_back_to_who_answered_it_and_moves_when_that_one_is_gone() {
    let other = App::listen().await;
    let door = Door::open_with(Limits::default(), |_| {}).await;
    door.proxy.publish(snapshot(sticky(&[door.app.address, other.address], &[]))).await;
    let (first, head, set) = ask(&door, &[&door.app, &other], "/", "a=b").await;
    assert!(head.contains("\r\nCookie: a=b\r\n"), "{head}");
    let set = set.unwrap();
    let (token, attributes) = set.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax");
    assert!(token.len() == 24 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    let cookie = format!("portward_upstream={token}; a=b");
    for _ in 0..4 {
        let (index, head, set) = ask(&door, &[&door.app, &other], "/", &cookie).await;
        assert_eq!((index, set), (first, None));
        assert!(head.contains("\r\nCookie: a=b\r\n") && !head.contains("portward_upstream"), "{head}");
    }
    let (Door { proxy, address, app }, mut apps) = (door, Vec::new());
    apps.extend([app, other]);
    drop(apps.remove(first));
    let left = apps.remove(0);
    let door = Door { proxy, address, app: left };
    let nobody = App::listen().await;
    let (_, _, moved) = ask(&door, &[&door.app, &nobody], "/", &cookie).await;
    let moved = moved.unwrap();
    assert!(!moved.starts_with(token), "{moved}");
    let cookie = format!("portward_upstream={}", moved.split(';').next().unwrap());
    assert_eq!(ask(&door, &[&door.app, &nobody], "/", &cookie).await.2, None);
    assert!(ask(&door, &[&door.app, &nobody], "/", "portward_upstream=made-up").await.2.is_some());
}

#[tokio::test]
async fn a_path_below_a_prefix_goes_to_the_routes_upstream_as_it_was_sent() {
    let api = App::listen().await;
    let door = Door::open_with(Limits::default(), |_| {}).await;
    door.proxy.publish(snapshot(sticky(&[door.app.address], &[format!("/api=http://{}", api.address)]))).await;
    for (path, expected) in [("/", 0), ("/api", 1), ("/api/a%2Fb/./c?d=../", 1), ("/apis", 0), ("/x%2Fy//z", 0)] {
        let (index, head, set) = ask(&door, &[&door.app, &api], path, "a=b").await;
        assert_eq!(index, expected, "{path}");
        assert!(head.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{head}");
        assert!(set.unwrap().contains(if expected == 1 { "; Path=/api;" } else { "; Path=/;" }));
    }
    for path in ["/%61pi", "/x/../api", "//api", "/api/..%2fx", "/api%2fx"] {
        let mut client = door.send(format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\n\r\n").as_bytes()).await;
        assert!(client.until("ambiguous-path").await.starts_with("HTTP/1.1 400 "), "{path}");
    }
}
