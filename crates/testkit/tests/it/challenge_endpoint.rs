//! Where http-01 challenges are answered: exactly what is stored, for exactly who asks for it, and nothing of what was
//! asked (RFC 8555 section 8.3 warns of servers that answer whatever token they are given).

use std::{net::SocketAddr, num::NonZeroUsize};

use portward_core::{BindingId, BindingProtocol, Host, Timestamp};
use portward_proxy::{Clock, Proxy, ProxyOptions, ServedBinding, Snapshot, limits::Limits};
use portward_testkit::{Connection, Response, request};

const HTML: &str = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n";
const PREFIX: &str = "/.well-known/acme-challenge/";
const TOKEN: &str = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA";
const ANSWER: &str = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA.thumbprint";

/// A proxy that has no site, and an answer for one host.
async fn answering() -> (Proxy, SocketAddr) {
    let clock = Clock::new(|| Timestamp::parse("2026-11-20T12:00:00Z").unwrap());
    let proxy = Proxy::spawn(ProxyOptions {
        workers: NonZeroUsize::MIN,
        limits: Limits::default(),
        clock,
        access_log: None,
        given: Vec::new(),
    })
    .unwrap();
    let binding = ServedBinding::new(
        BindingId::parse("http").unwrap(),
        BindingProtocol::Http,
        SocketAddr::from(([127, 0, 0, 1], 0)),
    );
    let mut snapshot = Snapshot { bindings: vec![binding.into()], ..Snapshot::default() };
    snapshot.challenges.insert((Host::parse("new.test").unwrap(), TOKEN.into()), ANSWER.into());
    let bound = proxy.publish(snapshot).await;
    let at = *bound[0].result.as_ref().unwrap();
    (proxy, at)
}

async fn get(at: SocketAddr, host: &str, token: &str) -> Response {
    request(at, "GET", host, &format!("{PREFIX}{token}"), HTML).await
}

fn body(response: &Response) -> String {
    String::from_utf8_lossy(&response.body).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_the_stored_one_and_no_page() {
    let (_proxy, at) = answering().await;
    let answered = get(at, "new.test", TOKEN).await;
    assert_eq!((answered.status, body(&answered).as_str()), (200, ANSWER));
    let kind = answered.header("content-type").unwrap_or_default();
    assert!(!kind.contains("html"), "a browser would read it as a page: {}", answered.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_is_never_answered_with() {
    let (_proxy, at) = answering().await;
    let long = "a".repeat(4000);
    for token in [
        "<script>alert(1)</script>",
        "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "%3cscript%3e",
        "\"onload=alert(1)",
        "evaGxf",
        &format!("{TOKEN}.thumbprint"),
        &format!("{TOKEN}%00"),
        &format!("{TOKEN}%0d%0aSet-Cookie:a=b"),
        &format!("../{TOKEN}"),
        &long,
    ] {
        let refused = get(at, "new.test", token).await;
        let text = format!("{}{}", refused.head, body(&refused));
        assert!((400..500).contains(&refused.status), "{token}: {text}");
        for echo in ["<script>alert", "alert(1)", "Set-Cookie", "evaGxf", "aaaaaaaa", "thumbprint"] {
            assert!(!text.contains(echo), "{token}: {text}");
        }
    }
    // Longer than any request line that is read.
    let mut connection = Connection::plain(at).await.unwrap();
    let longest = "a".repeat(200 * 1024);
    let refused = connection.request("GET", "new.test", &format!("{PREFIX}{longest}"), HTML).await;
    // It may be cut before all of it is sent.
    if let Ok(refused) = refused {
        assert!(matches!(refused.status, 414 | 431) && refused.body.len() < 8 * 1024, "{}", refused.head);
    }
    assert_eq!(get(at, "new.test", TOKEN).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_and_another_method_get_no_answer() {
    let (_proxy, at) = answering().await;
    for host in ["other.test", "a.new.test", "test", "127.0.0.1", "[::1]", "localhost"] {
        let refused = get(at, host, TOKEN).await;
        assert!(
            (400..500).contains(&refused.status) && !body(&refused).contains("thumbprint"),
            "{host}: {}",
            refused.head
        );
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
        let headers = "Content-Length: 0\r\n";
        let refused = request(at, method, "new.test", &format!("{PREFIX}{TOKEN}"), headers).await;
        assert!((400..500).contains(&refused.status) && !body(&refused).contains("thumbprint"), "{method}");
    }
}
