//! Limits and header rules of a site, as clients of HTTP/1.1 and HTTP/2 meet them.

use std::{net::SocketAddr, process::Output, time::Duration};

use portward_api::{HeaderSet, SiteUpdate};
use portward_testkit::{TestServer, Upstream, request};
use tokio::net::TcpListener;

/// Asks by curl, over HTTPS.
async fn curl(https: SocketAddr, version: &str, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new("curl");
    let port = https.port();
    command.args(["--silent", "--show-error", "--insecure", "--include", "--max-time", "20", version]);
    command.args(["--resolve", &format!("shop.test:{port}:127.0.0.1")]).args(arguments);
    command.arg(format!("https://shop.test:{port}/"));
    let Output { stdout, stderr, .. } = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(!stdout.is_empty(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap().to_ascii_lowercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn header_rules_hold_for_every_response_of_the_application() {
    let upstream = Upstream::start("shop").await;
    let server = TestServer::start().await;
    let site = server.add_site(&["shop.test"], &upstream).await;
    let set = vec![HeaderSet { name: "X-Frame-Options".to_owned(), value: "DENY".to_owned() }];
    let update = SiteUpdate {
        set_headers: Some(set.clone()),
        remove_headers: Some(vec!["Upstream".to_owned()]),
        ..SiteUpdate::default()
    };
    let edited = server.edit_site(&site, update).await;
    assert_eq!((edited.set_headers, edited.remove_headers), (set, vec!["Upstream".to_owned()]));
    for version in ["--http1.1", "--http2"] {
        let answer = curl(server.https, version, &[]).await;
        assert!(answer.contains(" 200") && answer.contains("x-frame-options: deny"), "{version}: {answer}");
        assert!(!answer.contains("\nupstream: shop"), "{version}: {answer}");
    }
    let none = SiteUpdate { set_headers: Some(vec![]), remove_headers: Some(vec![]), ..SiteUpdate::default() };
    server.edit_site(&site, none).await;
    let answer = request(server.http, "GET", "shop.test", "/", "").await;
    assert_eq!((answer.header("upstream"), answer.header("x-frame-options")), (Some("shop"), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_of_the_site_is_refused() {
    let upstream = Upstream::start("shop").await;
    let server = TestServer::start().await;
    let site = server.add_site(&["shop.test"], &upstream).await;
    let limit = |text: &str| SiteUpdate { max_body: Some(text.to_owned()), ..SiteUpdate::default() };
    let (fits, exceeds) = ("x".repeat(1024), "x".repeat(1025));
    assert_eq!(server.edit_site(&site, limit("1KiB")).await.max_body.as_deref(), Some("1KiB"));
    for version in ["--http1.1", "--http2"] {
        for framing in [&[][..], &["--header", "Transfer-Encoding: chunked"]] {
            if version == "--http2" && !framing.is_empty() {
                continue;
            }
            let send = |body| [framing, &["--data", body]].concat();
            let answer = curl(server.https, version, &send(&fits)).await;
            assert!(answer.contains(" 200"), "{version}: {answer}");
            let answer = curl(server.https, version, &send(&exceeds)).await;
            assert!(answer.contains(" 413") && answer.contains("body-too-large"), "{version}: {answer}");
        }
    }
    assert_eq!(server.edit_site(&site, limit("none")).await.max_body, None);
    let answer = curl(server.https, "--http2", &["--data", &exceeds]).await;
    assert!(answer.contains(" 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_does_not_answer_in_the_time_of_the_site_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = TestServer::start().await;
    let create = portward_api::SiteCreate {
        names: vec!["shop.test".to_owned()],
        upstreams: vec![format!("http://{}", silent.local_addr().unwrap())],
        response_timeout: Some("1s".to_owned()),
        ..portward_api::SiteCreate::default()
    };
    assert_eq!(server.client.add_site(&create).await.unwrap().response_timeout.as_deref(), Some("1s"));
    let begun = std::time::Instant::now();
    for version in ["--http1.1", "--http2"] {
        let answer = curl(server.https, version, &[]).await;
        assert!(answer.contains(" 504") && answer.contains("upstream-timeout"), "{version}: {answer}");
    }
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_to_a_site_is_counted_by_way_and_by_whom() {
    let upstream = Upstream::start("shop").await;
    let server = TestServer::start().await;
    let site = server.add_site(&["shop.test"], &upstream).await;
    let update = SiteUpdate { force_https: Some("browsers".to_owned()), ..SiteUpdate::default() };
    server.edit_site(&site, update).await;
    for _ in 0..3 {
        request(server.http, "GET", "shop.test", "/", "User-Agent: TeamCity Agent\r\n").await;
    }
    let browser = "User-Agent: Mozilla/5.0 Firefox/140.0\r\nSec-Fetch-Mode: navigate\r\n";
    assert_eq!(request(server.http, "GET", "shop.test", "/", browser).await.status, 308);
    curl(server.https, "--http2", &[]).await;
    curl(server.https, "--http1.1", &[]).await;
    let traffic = server.client.show_traffic(&site).await.unwrap();
    let http = &traffic.http;
    assert_eq!((traffic.requests, http.requests, http.browsers, http.others, http.redirected), (6, 4, 1, 3, 1));
    assert_eq!((traffic.https.http_1, traffic.https.http_2), (1, 1));
    assert_eq!((traffic.answers.success, traffic.answers.redirect), (5, 1));
    assert_eq!(traffic.minutes.last(), Some(&6));
    let mut clients: Vec<_> = http.clients.iter().map(|it| (it.family.as_str(), it.browser, it.requests)).collect();
    clients.sort_unstable();
    assert_eq!(clients, [("Firefox", true, 1), ("TeamCity Agent", false, 3)]);
    // An edit makes another snapshot, and the counts go on.
    let update = SiteUpdate { hsts: Some("1d".to_owned()), ..SiteUpdate::default() };
    server.edit_site(&site, update).await;
    request(server.http, "GET", "shop.test", "/", "").await;
    assert_eq!(server.client.show_traffic(&site).await.unwrap().requests, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_makes_nobody_an_operator_by_the_admin_socket() {
    let server = TestServer::start().await;
    let create = portward_api::SiteCreate {
        names: vec!["shop.test".to_owned()],
        upstreams: vec![format!("unix:{}", server.data_dir().join("admin.sock").display())],
        ..portward_api::SiteCreate::default()
    };
    server.client.add_site(&create).await.unwrap();
    for path in ["/api/v1/status", "/metrics", "/health"] {
        let answer = request(server.http, "GET", "shop.test", path, "").await;
        assert_eq!(answer.status, 403, "{path}: {}", answer.head);
        assert!(String::from_utf8_lossy(&answer.body).contains("came through a proxy"), "{path}: {}", answer.head);
    }
}
