//! HTTP/1.1 clients in front of an application that speaks HTTP/2.

use h2::{Reason, server::Builder};
use portward_core::{Upstream, UpstreamHttp, UpstreamTrust};

use super::harness::{Door, SHORT, short, site, snapshot};
use crate::{
    Limits,
    forward::http2_fixture::{App, Talk, response},
    snapshot::Snapshot,
    tls::fixture::certificate,
};

/// A door before `app`, to which HTTP/2 is spoken in the clear.
async fn door(app: &App) -> Door {
    door_with(app, Limits::default()).await
}

async fn door_with(app: &App, limits: Limits) -> Door {
    Door::open_with(limits, |served: &mut Snapshot| {
        let mut site = site(&[app.address]);
        std::sync::Arc::make_mut(&mut site.forwarding).http = UpstreamHttp::Two;
        *served = snapshot(site);
    })
    .await
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn requests_of_several_clients_share_one_connection() {
    let app = App::listen().await;
    let door = door(&app).await;
    let mut first = door
        .send(b"GET /a?b=c HTTP/1.1\r\nHost: Shop.test\r\nCookie: a=b\r\nConnection: x-hop\r\nX-Hop: 1\r\nTE: trailers\r\n\r\n")
        .await;
    let mut talk = app.accept().await;
    let one = talk.next().await;
    assert_eq!(one.request.uri().to_string(), "http://Shop.test/a?b=c");
    let headers = one.request.headers();
    for (name, value) in
        [("cookie", "a=b"), ("te", "trailers"), ("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "http")]
    {
        assert_eq!(headers[name], value);
    }
    for gone in ["host", "connection", "x-hop"] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
    assert!(one.request.body().is_end_stream());
    let mut second = door.send(&get("/second")).await;
    let two = talk.next().await;
    two.answer(200, &[("content-length", "3"), ("strict-transport-security", "max-age=1"), ("x-a", "b")], "two");
    assert_eq!(second.head().await, "HTTP/1.1 200 OK\r\nx-a: b\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(second.take(3).await, b"two");
    one.answer(404, &[], "");
    assert_eq!(first.head().await, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    for (sent, expected) in
        [("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"), ("PUT", "HTTP/1.1 204 No Content\r\n\r\n")]
    {
        first.write(format!("{sent} / HTTP/1.1\r\nHost: shop.test\r\n\r\n").as_bytes()).await;
        let asked = talk.next().await;
        assert_eq!(asked.request.method(), sent);
        match sent {
            "HEAD" => asked.answer(200, &[("content-length", "7")], ""),
            _ => asked.answer(204, &[], ""),
        }
        assert_eq!(first.head().await, expected);
    }
    assert!(!app.is_called().await);
}

#[tokio::test]
async fn bodies_and_trailers_go_both_ways() {
    let app = App::listen().await;
    let door = door(&app).await;
    let mut client = door
        .send(
            b"POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n\
            3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\nHost: evil\r\n\r\n",
        )
        .await;
    let mut talk = app.accept().await;
    let mut asked = talk.next().await;
    assert!(!asked.request.headers().contains_key("transfer-encoding"));
    let (body, trailers) = asked.body().await;
    assert_eq!((&body[..], trailers.len()), (&b"abcde"[..], 1));
    assert_eq!(trailers["x-sum"], "5");
    let mut send = asked.head(200, &[("content-type", "application/grpc")], false);
    send.send_data("hello".into(), false).unwrap();
    send.send_trailers(response(200, &[("grpc-status", "0"), ("content-length", "9")]).headers().clone()).unwrap();
    let head = client.head().await;
    assert!(head.contains("Transfer-Encoding: chunked\r\n"), "{head}");
    assert_eq!(client.until("\r\n\r\n").await, "5\r\nhello\r\n0\r\ngrpc-status: 0\r\n\r\n");

    let large = vec![b'x'; 5_000_000];
    let head = format!("PUT / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: {}\r\n\r\n", large.len());
    let sending = tokio::spawn(async move {
        client.write(head.as_bytes()).await;
        client.write(&vec![b'x'; 5_000_000]).await;
        client
    });
    let mut asked = talk.next().await;
    assert_eq!(asked.request.headers()["content-length"], "5000000");
    let (body, _) = asked.body().await;
    assert!(body == large);
    let mut send = asked.head(200, &[], false);
    tokio::spawn(async move {
        let mut rest = bytes::Bytes::from(vec![b'y'; 5_000_000]);
        while !rest.is_empty() {
            send.reserve_capacity(rest.len());
            let room = std::future::poll_fn(|cx| send.poll_capacity(cx)).await.unwrap().unwrap();
            let part = rest.split_to(room.min(rest.len()));
            send.send_data(part, rest.is_empty()).unwrap();
        }
    });
    let mut client = sending.await.unwrap();
    client.head().await;
    let chunked = client.until("\r\n0\r\n\r\n").await;
    assert_eq!(chunked.bytes().filter(|byte| *byte == b'y').count(), 5_000_000);
}

#[tokio::test]
async fn a_response_does_not_wait_for_the_end_of_its_request() {
    let app = App::listen().await;
    let door = door(&app).await;
    let mut client = door.send(b"POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut talk = app.accept().await;
    let mut asked = talk.next().await;
    let mut send = asked.head(200, &[], false);
    assert!(client.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
    for word in ["one", "two", "three"] {
        client.write(format!("{:x}\r\n{word}\r\n", word.len()).as_bytes()).await;
        assert_eq!(asked.some().await.unwrap(), word);
        send.send_data(word.into(), false).unwrap();
        assert_eq!(client.until(word).await, format!("{:x}\r\n{word}", word.len()));
        client.take(2).await;
    }
    client.write(b"0\r\n\r\n").await;
    assert_eq!(asked.body().await.0, b"");
    send.send_data("".into(), true).unwrap();
    client.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn a_client_that_goes_takes_its_stream_with_it_and_no_other() {
    let app = App::listen().await;
    let door = door(&app).await;
    let mut other = door.send(&get("/other")).await;
    let mut talk = app.accept().await;
    let other_asked = talk.next().await;
    let client = door.send(&get("/waits")).await;
    let mut asked = talk.next().await;
    client.reset();
    assert_eq!(asked.reset().await, Reason::CANCEL);
    other_asked.answer(200, &[], "");
    other.head().await;
}

#[tokio::test]
async fn what_the_upstream_breaks_off_is_seen_to_be_broken() {
    let app = App::listen().await;
    let door = door(&app).await;
    let mut client = door.send(&get("/before")).await;
    let mut talk = app.accept().await;
    talk.next().await.respond.send_reset(Reason::INTERNAL_ERROR);
    let answer = client.head().await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");

    let mut client = door.send(&get("/after")).await;
    let mut asked = talk.next().await;
    let mut send = asked.head(200, &[], false);
    send.send_data("part".into(), false).unwrap();
    client.until("part").await;
    send.send_reset(Reason::INTERNAL_ERROR);
    assert_eq!(client.rest().await, "\r\n", "no last chunk");

    // Everything was said, and the rest of the request is not wanted: the crate resets with NO_ERROR.
    let mut client = door.send(b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 10\r\n\r\nabc").await;
    let mut asked = talk.next().await;
    let mut send = asked.head(413, &[("content-length", "2")], false);
    send.send_data("no".into(), true).unwrap();
    drop((asked, send));
    let answer = client.until("no").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_with_its_body_whatever_the_method() {
    let app = App::listen().await;
    let door = door(&app).await;
    let mut client = door.send(b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 4\r\n\r\nbody").await;
    let mut talk = app.accept().await;
    for _ in 0..2 {
        let mut refused = talk.next().await;
        assert_eq!(refused.some().await.unwrap(), "body");
        refused.respond.send_reset(Reason::REFUSED_STREAM);
        // There may be more room on another one.
        talk = app.accept().await;
    }
    let mut asked = talk.next().await;
    assert_eq!(asked.body().await.0, b"body");
    asked.answer(201, &[], "");
    assert!(client.head().await.starts_with("HTTP/1.1 201 "));
}

#[tokio::test]
async fn who_refuses_all_the_time_is_not_asked_for_ever() {
    let app = App::listen().await;
    let door = door(&app).await;
    let mut client = door.send(b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 4\r\n\r\nbody").await;
    let mut talks = Vec::new();
    for _ in 0..3 {
        let mut talk = app.accept().await;
        talk.next().await.respond.send_reset(Reason::REFUSED_STREAM);
        talks.push(talk);
    }
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
}

#[tokio::test]
async fn a_connection_that_says_goodbye_ends_its_requests_and_gets_no_new_one() {
    let app = App::listen().await;
    let door = door(&app).await;
    let mut client = door.send(&get("/one")).await;
    let mut talk = app.accept().await;
    let one = talk.next().await;
    talk.leave();
    // Whether the goodbye has arrived shows with the next request: it goes elsewhere, or is sent there again.
    let mut next = door.send(b"POST /two HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1\r\n\r\nx").await;
    let mut second = tokio::select! {
        second = app.accept() => second,
        late = talk.next() => {
            late.answer(200, &[], "");
            next.head().await;
            next.write(&get("/two")).await;
            app.accept().await
        }
    };
    one.answer(200, &[], "");
    client.head().await;
    let two = second.next().await;
    assert_eq!(two.path(), "/two");
    two.answer(200, &[], "");
    next.head().await;
    assert!(talk.ended().await);
}

#[tokio::test]
async fn as_many_streams_as_the_upstream_allows_are_on_one_connection() {
    let app = App::listen().await;
    let door = door(&app).await;
    let mut builder = Builder::new();
    builder.max_concurrent_streams(2);
    let mut clients = Vec::new();
    for at in 0..2 {
        clients.push(door.send(&get(&format!("/{at}"))).await);
    }
    let mut first = app.accept_with(&builder).await;
    let held = [first.next().await, first.next().await];
    clients.push(door.send(&get("/2")).await);
    let mut second = app.accept_with(&builder).await;
    let more = second.next().await;
    assert_eq!(more.path(), "/2");
    for asked in held.into_iter().chain([more]) {
        asked.answer(200, &[], "");
    }
    for client in &mut clients {
        client.head().await;
    }
    clients[0].write(&get("/3")).await;
    assert_eq!(first.next().await.path(), "/3", "there is room on the first one again");
}

#[tokio::test]
async fn a_connection_that_is_lost_is_replaced_for_what_may_be_repeated() {
    let app = App::listen().await;
    let door = door(&app).await;
    let mut client = door.send(&get("/one")).await;
    let mut talk = app.accept().await;
    talk.next().await.answer(200, &[], "");
    client.head().await;
    client.write(&get("/two")).await;
    let lost = talk.next().await;
    talk.close();
    drop(lost);
    let mut talk = app.accept().await;
    let again = talk.next().await;
    assert_eq!(again.path(), "/two");
    again.answer(200, &[], "");
    client.head().await;

    client.write(b"POST /three HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let lost = talk.next().await;
    talk.close();
    drop(lost);
    assert!(client.head().await.starts_with("HTTP/1.1 502 "), "it may have been carried out");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let app = App::listen().await;
    let door = door_with(&app, short(|limits| limits.upstream_idle = SHORT)).await;
    let mut client = door.send(&get("/")).await;
    let mut talk = app.accept().await;
    talk.next().await.answer(200, &[], "");
    client.head().await;
    assert!(talk.ended().await);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_its_own_stream_alone() {
    let app = App::listen().await;
    let door = door(&app).await;
    let _slow = door.send(&get("/slow")).await;
    let mut talk = app.accept().await;
    let mut asked = talk.next().await;
    let mut send = asked.head(200, &[], false);
    let mut sent = 0;
    // What the windows, the sockets and the buffers between take, and no more.
    loop {
        send.reserve_capacity(65_536);
        let room = tokio::time::timeout(
            std::time::Duration::from_millis(300),
            std::future::poll_fn(|cx| send.poll_capacity(cx)),
        );
        let Ok(room) = room.await else { break };
        let room = room.unwrap().unwrap();
        send.send_data(vec![b'x'; room].into(), false).unwrap();
        sent += room;
        assert!(sent < 64 * 1024 * 1024, "nothing holds the application up");
    }
    for _ in 0..20 {
        let mut client = door.send(&get("/quick")).await;
        let mut quick = talk.next().await;
        quick.head(200, &[], false).send_data(vec![b'q'; 30_000].into(), true).unwrap();
        client.until("0\r\n\r\n").await;
    }
}

#[tokio::test]
async fn what_is_no_response_of_http2_is_a_bad_one() {
    let app = App::listen().await;
    let door = door(&app).await;
    let mut client = door.send(&get("/")).await;
    let mut talk = app.accept().await;
    let mut asked = talk.next().await;
    let large = "x".repeat(20_000);
    for (headers, body) in [
        (&[("content-length", "5")][..], Some("four")),
        (&[("content-length", "3")], Some("four")),
        (&[("content-length", "1, 1")], Some("x")),
        (&[("content-length", "1"), ("content-length", "1")], Some("x")),
        (&[("x", &large), ("y", &large)], None),
    ] {
        let mut send = asked.head(200, headers, body.is_none());
        if let Some(body) = body {
            send.send_data(body.into(), true).unwrap();
        }
        let answer = client.rest_or_head().await;
        let is_refused = answer.starts_with("HTTP/1.1 502 ") || (answer.contains("Content-Length: ") && body.is_some());
        assert!(is_refused, "{headers:?}: {answer}");
        client = door.send(&get("/")).await;
        asked = talk.next().await;
    }
}

#[tokio::test]
async fn early_hints_are_passed_on_and_a_few_are_enough() {
    let app = App::listen().await;
    let door = door(&app).await;
    let mut client = door.send(&get("/")).await;
    let mut talk = app.accept().await;
    let mut asked = talk.next().await;
    asked.respond.send_informational(response(103, &[("link", "</a.css>; rel=preload")])).unwrap();
    assert_eq!(client.head().await, "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n");
    asked.answer(200, &[], "");
    client.head().await;
    client.write(&get("/")).await;
    let mut asked = talk.next().await;
    for _ in 0..40 {
        let _ = asked.respond.send_informational(response(103, &[]));
    }
    while client.head().await == "HTTP/1.1 103 Early Hints\r\n\r\n" {}
    assert_ne!(asked.reset().await, Reason::NO_ERROR);
}

#[tokio::test]
async fn an_upstream_without_http2_is_told_of() {
    let app = App::listen().await;
    let door = door(&app).await;
    let mut client = door.send(&get("/")).await;
    let mut tcp = app.tcp().await;
    tokio::io::AsyncWriteExt::write_all(&mut tcp, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    let answer = client.head().await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert!(client.until("upstream").await.contains("upstream"));
}

#[tokio::test]
async fn over_tls_the_upstream_chooses_and_upgrades_go_over_http1() {
    let app = App::listen().await;
    let shown = certificate("app", &["localhost"]);
    let door = Door::open_with(Limits::default(), |served: &mut Snapshot| {
        let mut site = site(&[]);
        site.upstreams = vec![Upstream::parse(&format!("https://{}", app.address)).unwrap()].into();
        site.upstream_trust = UpstreamTrust::DangerInsecure;
        *served = snapshot(site);
    })
    .await;
    let mut client = door.send(&get("/one")).await;
    let (stream, agreed) = app.secured(&shown, &["h2", "http/1.1"]).await;
    assert_eq!(agreed.as_deref(), Some("h2"));
    let mut talk = Talk::begin(stream, &Builder::new()).await;
    let asked = talk.next().await;
    assert_eq!(asked.request.uri().scheme_str(), Some("https"));
    asked.answer(200, &[], "");
    client.head().await;

    let upgrade = b"GET /chat HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut socket = door.send(upgrade).await;
    let (stream, agreed) = app.secured(&shown, &["h2", "http/1.1"]).await;
    assert_eq!(agreed.as_deref(), Some("http/1.1"));
    let mut peer = super::harness::Peer::of(stream);
    peer.head().await;
    peer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello").await;
    socket.head().await;
    socket.until("hello").await;

    talk.leave();
    assert!(talk.ended().await);
    client.write(&get("/two")).await;
    let (stream, agreed) = app.secured(&shown, &["http/1.1"]).await;
    assert_eq!(agreed.as_deref(), Some("http/1.1"));
    let mut peer = super::harness::Peer::of(stream);
    assert!(peer.head().await.starts_with("GET /two HTTP/1.1\r\n"));
    peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    client.head().await;
}

#[tokio::test]
async fn who_waits_for_100_is_invited_by_us_and_the_upstream_hears_nothing_of_it() {
    let app = App::listen().await;
    let door = door(&app).await;
    let head = b"PUT / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    let mut client = door.send(head).await;
    let mut talk = app.accept().await;
    let mut asked = talk.next().await;
    assert!(!asked.request.headers().contains_key("expect"));
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    // The upstream's own invitation comes too late to mean anything.
    asked.respond.send_informational(response(100, &[])).unwrap();
    client.write(b"body").await;
    assert_eq!(asked.body().await.0, b"body");
    asked.answer(200, &[], "");
    assert!(client.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
}
