use std::sync::Arc;

use portward_core::{BindingId, BindingProtocol, ForceHttps, Host, HostPattern, Hsts, Upstream};

use super::harness::{Door, site, snapshot};
use crate::{Limits, ServedBinding, Snapshot};

#[tokio::test]
async fn a_host_that_no_site_has_is_told_so_and_the_connection_goes_on() {
    let door = Door::open().await;
    let mut client = door.send(b"GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n").await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    let length = length(&head);
    assert!(!String::from_utf8(client.take(length).await).unwrap().contains("shop.test"), "others are not listed");
    client.write(b"HEAD / HTTP/1.1\r\nHost: nobody.test\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 404 "));
    // Nothing of a body behind the answer to HEAD, and a body of ours to a POST is read to its end.
    client.write(b"POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: 5\r\n\r\nGET /").await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    client.take(self::length(&head)).await;
    client.write(b"GET /next HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    assert!(door.app.accept().await.head().await.starts_with("GET /next "));
}

#[tokio::test]
async fn an_answer_to_a_request_whose_body_waits_for_an_invitation_closes() {
    let door = Door::open().await;
    let mut client =
        door.send(b"POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    client.finish().await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("Connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn each_way_in_which_an_application_fails_has_a_code_of_its_own() {
    let door = Door::open().await;
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let publish = async |upstream: &str| {
        let mut site = site(&[door.app.address]);
        site.upstreams = vec![Upstream::parse(upstream).unwrap()].into();
        door.proxy.publish(snapshot(site)).await;
    };
    for (upstream, code) in
        [(format!("http://{gone}"), "upstream-refused"), ("http://nobody.invalid:80".to_owned(), "upstream-dns")]
    {
        publish(&upstream).await;
        let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n").await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains(code), "{upstream}: {answer}");
    }
    publish(&format!("http://{}", door.app.address)).await;
    for (response, code) in [
        ("", "upstream-closed"),
        ("HTTP/1.1 200 O", "upstream-closed"),
        ("SSH-2.0-OpenSSH\r\n", "upstream-bad-response"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "upstream-bad-response"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "upstream-bad-response"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "upstream-bad-response"),
        ("HTTP/1.1 200 OK\nContent-Length: 1\n\n", "upstream-bad-response"),
        ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "upstream-bad-response"),
    ] {
        let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n").await;
        let mut app = door.app.accept().await;
        app.head().await;
        app.write(response.as_bytes()).await;
        if code == "upstream-closed" {
            app.finish().await;
        }
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains(code), "{response:?}: {answer}");
        assert_eq!(app.rest().await, "", "{response:?}: its connection was closed");
    }
}

#[tokio::test]
async fn force_https_sends_to_the_https_binding_that_is_really_there() {
    let door = Door::open().await;
    let publish = async |force_https, https: bool| {
        let mut site = site(&[door.app.address]);
        site.force_https = force_https;
        let mut snapshot = snapshot(site);
        if https {
            snapshot.bindings.push(Arc::new(ServedBinding::new(
                BindingId::parse("tls").unwrap(),
                BindingProtocol::Https,
                "127.0.0.1:0".parse().unwrap(),
            )));
        }
        door.proxy.publish(snapshot).await.last().unwrap().result.as_ref().unwrap().port()
    };
    let navigation =
        "GET /a?b HTTP/1.1\r\nHost: SHOP.test:8080\r\nSec-Fetch-Mode: navigate\r\nConnection: close\r\n\r\n";
    let script = "GET /a?b HTTP/1.1\r\nHost: shop.test\r\nAccept: */*\r\nConnection: close\r\n\r\n";
    let post = "POST /a HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab";
    for (force_https, https, request, redirected) in [
        (ForceHttps::Off, true, navigation, None),
        (ForceHttps::Browsers, true, navigation, Some("/a?b")),
        (ForceHttps::Browsers, true, script, None),
        (ForceHttps::All, true, script, Some("/a?b")),
        (ForceHttps::All, true, post, Some("/a")),
        // Without an https binding a redirect would lead nowhere.
        (ForceHttps::All, false, script, None),
    ] {
        let port = publish(force_https, https).await;
        let mut client = door.send(request.as_bytes()).await;
        match redirected {
            Some(path) => {
                let answer = client.rest().await;
                assert!(answer.starts_with("HTTP/1.1 308 "), "{force_https} {request}: {answer}");
                let location = format!("\r\nLocation: https://shop.test:{port}{path}\r\n").to_ascii_lowercase();
                assert!(answer.to_ascii_lowercase().contains(&location), "{force_https} {request}: {answer}");
            }
            None => {
                let mut app = door.app.accept().await;
                app.head().await;
                app.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
                assert!(client.rest().await.starts_with("HTTP/1.1 204 "), "{force_https} {request}");
            }
        }
    }
}

#[tokio::test]
async fn a_challenge_is_answered_before_the_redirect_and_for_hosts_without_a_site() {
    let add = |snapshot: &mut Snapshot| {
        let mut site = site(&["127.0.0.1:1".parse().unwrap()]);
        site.force_https = ForceHttps::All;
        snapshot.sites.insert(&HostPattern::parse("shop.test").unwrap(), Arc::new(site));
        for host in ["shop.test", "new.test"] {
            let key = (Host::parse(host).unwrap(), "t0-k_n".into());
            snapshot.challenges.insert(key, format!("t0-k_n.{host}").into());
        }
    };
    let door = Door::open_with(Limits::default(), add).await;
    for host in ["shop.test", "NEW.test:80"] {
        let path = "/.well-known/acme-challenge/t0-k_n";
        let mut client =
            door.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes()).await;
        let answer = client.rest().await;
        let name = host.split(':').next().unwrap().to_ascii_lowercase();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&format!("\r\n\r\nt0-k_n.{name}")), "{answer}");
    }
}

#[tokio::test]
async fn hsts_of_the_application_does_not_pass_in_the_clear() {
    let hsts = Hsts::parse("1y").unwrap();
    for hsts in [Hsts::Off, hsts] {
        let door = Door::open().await;
        let mut site = site(&[door.app.address]);
        site.hsts = hsts;
        door.proxy.publish(snapshot(site)).await;
        let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
        let mut app = door.app.accept().await;
        app.head().await;
        app.write(b"HTTP/1.1 204 No Content\r\nstrict-transport-security: max-age=1\r\n\r\n").await;
        assert_eq!(client.head().await, "HTTP/1.1 204 No Content\r\n\r\n");
    }
}

#[tokio::test]
async fn each_request_sees_the_newest_snapshot() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    for served in [true, false, true] {
        let mut next = snapshot(site(&[door.app.address]));
        if !served {
            next.sites = Default::default();
        }
        door.proxy.publish(next).await;
        client.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
        if served {
            let mut app = door.app.accept().await;
            app.head().await;
            app.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
            assert!(client.head().await.starts_with("HTTP/1.1 204 "));
        } else {
            let head = client.head().await;
            assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
            client.take(length(&head)).await;
        }
    }
}

fn length(head: &str) -> usize {
    let lower = head.to_ascii_lowercase();
    lower.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap()
}
