//! The portal and the API as they are reached over the network, before anybody owns the server.

use std::net::SocketAddr;

use portward_testkit::{Connection, Response, TestServer, Upstream, get};

const PAGE: &str = "Accept: text/html\r\n";

async fn secure(address: SocketAddr, method: &str, host: &str, path: &str, headers: &str) -> Response {
    let mut connection = Connection::tls(address, "front.test").await.unwrap();
    connection.request(method, host, path, headers).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_shows_the_portal_at_every_binding() {
    let server = TestServer::start().await;
    let sites = server.client.list_sites().await.unwrap();
    assert_eq!((sites[0].id.as_str(), sites[0].upstreams.as_slice()), ("portal", &["portal".to_owned()][..]));

    let page = secure(server.https, "GET", "front.test", "/", PAGE).await;
    assert_eq!((page.status, page.header("location")), (303, Some("/setup")), "{}", page.head);
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    let api = secure(server.https, "GET", "127.0.0.1", "/api/v1/status", "").await;
    assert!(api.status == 403 && api.text().contains("\"setup-required\""), "{}", api.text());
    let style = secure(server.https, "GET", "localhost", "/assets/portward.css", "").await;
    assert_eq!((style.status, style.header("content-type")), (200, Some("text/css; charset=utf-8")));

    let port = server.https.port();
    let sent = get(server.http, "front.test:80", "/sites?a=1", PAGE).await;
    assert_eq!(sent.status, 308, "{}", sent.head);
    assert_eq!(sent.header("location"), Some(format!("https://front.test:{port}/sites?a=1").as_str()));
    let refused = get(server.http, "front.test", "/api/v1/status", "Authorization: Bearer ptw_marker\r\n").await;
    assert!(refused.status == 403 && refused.text().contains("\"token-over-http\""), "{}", refused.text());
    assert!(!refused.text().contains("ptw_marker"));
    for address in [server.http, server.admin] {
        assert_eq!(get(address, "localhost", "/healthz", "").await.status, 200);
        assert_eq!(get(address, "localhost", "/readyz", "").await.text(), "ready\n");
    }
    // What a client says of itself does not count.
    let forged = "X-Forwarded-Proto: https\r\nX-Forwarded-For: 127.0.0.1\r\n";
    assert_eq!(get(server.http, "front.test", "/api/v1/status", forged).await.status, 403);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_takes_its_names_from_the_portal_and_a_portal_has_a_name_of_its_own() {
    let server = TestServer::start().await;
    let shop = Upstream::start("shop").await;
    server.add_site(&["shop.test"], &shop).await;
    assert_eq!(get(server.http, "shop.test", "/", "").await.header("upstream"), Some("shop"));
    let stranger = secure(server.https, "GET", "portal.test", "/", PAGE).await;
    assert!(stranger.status == 421 && stranger.text().contains("portward site add portal.test"), "{}", stranger.text());

    let create = portward_api::SiteCreate {
        names: vec!["portal.test".to_owned()],
        upstreams: vec!["portal".to_owned()],
        force_https: Some("all".to_owned()),
        ..portward_api::SiteCreate::default()
    };
    server.client.add_site(&create).await.unwrap();
    assert_eq!(secure(server.https, "GET", "portal.test", "/", PAGE).await.status, 303);
    assert_eq!(get(server.http, "portal.test", "/healthz", "").await.status, 308, "force HTTPS is the site's");
    let both = portward_api::SiteCreate { upstreams: vec!["portal".to_owned(), shop.url()], ..create };
    let refused = server.client.add_site(&both).await.unwrap_err();
    assert!(refused.to_string().contains("the portal shares no load"), "{refused}");
    server.stop().await;
}

/// TeamCity let such paths pass as if they were its files or its challenges (CVE-2024-27199).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_that_can_be_read_in_two_ways_reach_nothing() {
    let server = TestServer::start().await;
    let revision = server.client.status().await.unwrap().revision;
    let mut by_tls = Connection::tls(server.https, "front.test").await.unwrap();
    let mut by_admin = Connection::plain(server.admin).await.unwrap();
    for start in ["/assets/", "/.well-known/acme-challenge/", "/app/https/settings/", "/setup/"] {
        for way in [
            "../",
            "..%2f",
            "%2e%2e/",
            "%2e%2e%2f",
            ".%2e/",
            "..%5c",
            "..;/",
            "./../",
            "%252e%252e%252f",
            "/../",
            "x/../../",
            "%00/../",
        ] {
            for end in ["api/v1/status", "app/https/settings/uploadCertificate", "healthz", "assets/portward.css"] {
                let path = format!("{start}{way}{end}");
                for method in ["GET", "POST"] {
                    let headers = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
                    let by_tls = by_tls.request(method, "front.test", &path, headers).await.unwrap();
                    let by_admin = by_admin.request(method, "localhost", &path, headers).await.unwrap();
                    for answer in [by_tls, by_admin] {
                        assert_eq!(answer.status, 400, "{method} {path}: {}", answer.head);
                    }
                }
            }
        }
    }
    assert_eq!(server.client.status().await.unwrap().revision, revision);
    server.stop().await;
}

/// A program elsewhere, with a token and the thumbprint that `portward setup-link` tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_opens_the_api_at_a_binding_and_at_the_loopback_listener() {
    use portward_api::{Client, SecretText};
    let server = TestServer::start().await;
    server.own().await;
    let token = SecretText::new(server.token(&["view"]).await);
    let leaf = Connection::tls(server.https, "front.test").await.unwrap().leaf.unwrap();
    let pin = portward_core::Thumbprint::of(&leaf);
    let url = format!("https://{}", server.https);
    let remote = Client::remote_pinned(&url, token.clone(), pin).unwrap();
    assert_eq!(remote.status().await.unwrap().sites, 1);
    let local = Client::remote(&format!("http://{}", server.admin), token.clone()).unwrap();
    assert_eq!(local.status().await.unwrap().sites, 1);
    let refused = remote.remove_site(&portward_core::SiteId::parse("portal").unwrap()).await.unwrap_err();
    assert!(refused.to_string().contains("site:change"), "{refused}");

    let stranger = Client::remote_pinned(&url, token, portward_core::Thumbprint::of(b"another")).unwrap();
    assert!(stranger.status().await.is_err());
    let unknown = Client::remote_pinned(&url, SecretText::new("ptw_1_x".to_owned()), pin).unwrap();
    assert!(unknown.status().await.unwrap_err().to_string().contains("not known"));

    // Nobody who is signed in nowhere gets more than the way to sign in.
    let page = secure(server.https, "GET", "front.test", "/problems?x=1", PAGE).await;
    assert_eq!(
        (page.status, page.header("location")),
        (303, Some("/sign-in?next=%2Fproblems%3Fx%3D1")),
        "{}",
        page.head
    );
    let api = secure(server.https, "GET", "front.test", "/api/v1/status", "").await;
    assert_eq!((api.status, api.header("www-authenticate")), (401, Some("Bearer")));
    server.stop().await;
}

/// Events, which have no end, and a body of a size that no buffer holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_and_uploads_pass_through_a_binding() {
    let server = TestServer::start().await;
    server.own().await;
    let token = server.token(&["view", "certificate:change"]).await;
    let authorization = format!("Authorization: Bearer {token}\r\n");
    let mut listening = Connection::tls(server.https, "front.test").await.unwrap();
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: front.test\r\n{authorization}\r\n");
    listening.send(request.as_bytes()).await.unwrap();
    listening.until("retry:").await;
    let shop = Upstream::start("shop").await;
    server.add_site(&["shop.test"], &shop).await;
    listening.until("event: served").await;

    let body = vec![b' '; 3_000_000];
    let head = format!(
        "POST /api/v1/certificates HTTP/1.1\r\nHost: front.test\r\n{authorization}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut sending = Connection::tls(server.https, "front.test").await.unwrap();
    sending.send(head.as_bytes()).await.unwrap();
    sending.send(&body).await.unwrap();
    let answer = sending.response().await.unwrap();
    assert!([400, 413].contains(&answer.status), "{}", answer.head);

    // Who listens is not waited for.
    let begun = std::time::Instant::now();
    server.stop().await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "{:?}", begun.elapsed());
}
