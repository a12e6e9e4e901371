//! Force HTTPS and HSTS, as clients of every kind see them.

use std::time::Duration;

use portward_api::SiteUpdate;
use portward_testkit::{Authority, Connection, TestServer, Upstream, eventually, request};

const BROWSER: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nSec-Fetch-Mode: navigate\r\n";
const OLD_BROWSER: &str = "Accept: text/html,*/*;q=0.8\r\n";
const CURL: &str = "Accept: */*\r\nUser-Agent: curl/8\r\n";
const XHR: &str = "Accept: text/html, */*\r\nSec-Fetch-Mode: cors\r\nX-Requested-With: XMLHttpRequest\r\n";
const AGENT: &str = "User-Agent: TeamCity Agent\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_sends_the_clients_that_it_should_to_the_right_port() {
    let upstream = Upstream::start("shop").await;
    let server = TestServer::start().await;
    let site = server.add_site(&["shop.test"], &upstream).await;
    let target = format!("https://shop.test:{}/a?b=c", server.https.port());
    for (mode, redirected) in [
        ("off", [false, false, false, false, false, false, false]),
        ("browsers", [true, true, true, false, false, false, false]),
        ("all", [true, true, true, true, true, true, true]),
    ] {
        server.edit_site(&site, SiteUpdate { force_https: Some(mode.to_owned()), ..SiteUpdate::default() }).await;
        for ((who, method, headers), redirected) in [
            ("a browser", "GET", BROWSER),
            ("an old browser", "GET", OLD_BROWSER),
            ("a form of a browser", "POST", BROWSER),
            ("curl", "GET", CURL),
            ("a script's POST", "POST", CURL),
            ("XHR", "GET", XHR),
            ("an agent", "GET", AGENT),
        ]
        .into_iter()
        .zip(redirected)
        {
            let headers = if method == "POST" { format!("{headers}Content-Length: 0\r\n") } else { headers.to_owned() };
            // With another port in the Host header, as where a port is forwarded.
            for host in ["shop.test", "SHOP.test:8080"] {
                let response = request(server.http, method, host, "/a?b=c", &headers).await;
                if redirected {
                    assert_eq!(response.status, 308, "{mode}, {who}: {}", response.head);
                    assert_eq!(response.header("location"), Some(target.as_str()), "{mode}, {who}");
                } else {
                    assert_eq!(response.header("upstream"), Some("shop"), "{mode}, {who}: {}", response.head);
                }
                assert_eq!(response.header("strict-transport-security"), None, "never in the clear");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_is_not_exempt_from_the_redirect() {
    let upstream = Upstream::start("shop").await;
    let server = TestServer::start().await;
    let site = server.add_site(&["shop.test"], &upstream).await;
    server.edit_site(&site, SiteUpdate { force_https: Some("all".to_owned()), ..SiteUpdate::default() }).await;
    for path in [
        "/.well-known/acme-challenge/",
        "/.well-known/acme-challenge/../../admin",
        "/.well-known/acme-challenge/%2e%2e/admin",
        "/.well-known/acme-challenge/unknown-token",
        "/.well-known/acme-challenge/a/b",
        "/.well-known/security.txt",
    ] {
        let response = request(server.http, "GET", "shop.test", path, "").await;
        assert_eq!(response.status, 308, "{path}: {}", response.head);
    }
    assert!(upstream.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_https_binding_nothing_is_redirected_into_the_void() {
    let upstream = Upstream::start("shop").await;
    // The portal is on the admin listener then, and needs no https binding.
    let server = TestServer::start_before(&upstream).await;
    let site = server.add_site(&["shop.test"], &upstream).await;
    server.edit_site(&site, SiteUpdate { force_https: Some("all".to_owned()), ..SiteUpdate::default() }).await;
    let status = server.client.status().await.unwrap();
    let https = status.bindings.iter().find(|binding| binding.url.starts_with("https")).unwrap();
    server.client.remove_binding(&portward_core::BindingId::parse(&https.id).unwrap()).await.unwrap();
    let response = request(server.http, "GET", "shop.test", "/", BROWSER).await;
    assert_eq!(response.header("upstream"), Some("shop"), "{}", response.head);
    assert!(!server.client.status().await.unwrap().problems.is_empty(), "the operator is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn hsts_is_sent_only_over_https_with_a_certificate_that_holds() {
    let upstream = Upstream::start("shop").await;
    let server = TestServer::start().await;
    let site = server.add_site(&["shop.test"], &upstream).await;
    let hsts = Some("1y,includeSubDomains".to_owned());
    server.edit_site(&site, SiteUpdate { hsts, ..SiteUpdate::default() }).await;
    let seen = async || {
        let mut connection = Connection::tls(server.https, "shop.test").await.unwrap();
        let response = connection.request("GET", "shop.test", "/", "").await.unwrap();
        assert_eq!(response.status, 200);
        response.header("strict-transport-security").map(str::to_owned)
    };
    assert_eq!(seen().await, None, "the certificate is self-signed");

    let authority = Authority::new();
    let begin = server.now();
    let id = server.import(&authority.issue(&["shop.test"], begin)).await;
    assert_eq!(seen().await.as_deref(), Some("max-age=31536000; includeSubDomains"));

    // Any change makes the server look at the clock; without one it does so by itself within a minute.
    server.set_now(begin.plus(Duration::from_secs(91 * 24 * 3600)));
    server.add_site(&["other.test"], &upstream).await;
    eventually("an expired certificate ends HSTS", async || seen().await.is_none().then_some(())).await;
    let shown = server.client.show_certificate(&id).await.unwrap();
    assert_eq!(shown.status, "expired");
}
