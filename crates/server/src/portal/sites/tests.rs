#![allow(clippy::unwrap_used, reason = "tests")]

use portward_core::Permission;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::super::browser::Browser;
use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, binding, bundle, by, import, site},
};

async fn add(fixture: &Fixture, names: &[&str]) {
    fixture.app.add_site(&by(), &site(names), Apply::Now).await.unwrap();
}

#[tokio::test]
async fn an_empty_list_teaches_and_a_viewer_is_offered_nothing() {
    let fixture = Fixture::start().await;
    let page = Browser::of(&fixture).get("/sites").await;
    page.shows("No site yet");
    page.shows("href=\"/sites/new\"");
    let viewer = Browser::with(&fixture, &[Permission::View]);
    viewer.get("/sites").await.hides("/sites/new");
    assert_eq!(viewer.get("/sites/new").await.status, 403);
}

#[tokio::test]
async fn the_list_is_filtered_by_names_and_upstreams_and_cut_into_pages() {
    let fixture = Fixture::start().await;
    for number in 0..102 {
        add(&fixture, &[&format!("n{number:03}.test"), &format!("www.n{number:03}.test")]).await;
    }
    let browser = Browser::of(&fixture);
    let first = browser.get("/sites").await;
    first.shows("page 1 of 2");
    first.shows("102 of 102");
    first.shows("+ 1</span>");
    assert_eq!(first.text.matches("<th scope=\"row\">").count(), 100);
    browser.get("/sites?page=2").await.shows("/sites/n101-test\"");
    let found = browser.get("/sites?q=www.n042").await;
    found.shows("1 of 102");
    found.shows("/sites/n042-test\"");
    browser.get("/sites?q=127.0.0.1:3000&page=9").await.shows("page 2 of 2");
    browser.get("/sites?q=%3Cscript%3E").await.shows("No site is like that");
}

#[tokio::test]
async fn a_site_shows_the_way_of_its_requests_and_only_what_is_known() {
    let fixture = Fixture::start().await;
    add(&fixture, &["shop.test", "www.shop.test"]).await;
    let browser = Browser::of(&fixture);
    let page = browser.get("/sites/shop-test").await;
    for text in [
        "There is no https binding",
        "In the clear, and it does not leave this machine.",
        "Not asked",
        "no request yet",
    ] {
        page.shows(text);
    }
    let input = import(&bundle(&["shop.test"], 90), None);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    let page = browser.get("/sites/shop-test").await;
    for text in [
        "A name has no certificate",
        "Browsers refuse a name.",
        "No certificate is valid for www.shop.test",
        ", version 1, ",
        " days left",
        "the leaf alone, signed by its own key",
        "portward site edit shop-test",
        "id: shop-test",
    ] {
        page.shows(text);
    }
    assert_eq!(browser.get("/sites/none").await.status, 404);
}

#[tokio::test]
async fn its_form_changes_what_was_changed_and_says_what_is_true_now() {
    let fixture = Fixture::start().await;
    add(&fixture, &["shop.test"]).await;
    let browser = Browser::of(&fixture);
    let fields = |force: &'static str, max_age: &'static str, names: &'static str| {
        [
            ("names", names),
            ("upstreams", "http://127.0.0.1:3000"),
            ("trust", "system"),
            ("certificate", "auto"),
            ("force_https", force),
            ("max_age", max_age),
        ]
    };
    assert_eq!(
        browser.post("/sites/shop-test", &fields("all", "off", "shop.test")).await.location(),
        "/sites/shop-test"
    );
    browser.get("/sites/shop-test").await.shows("Force HTTPS of shop-test is now all.");
    browser.post("/sites/shop-test", &fields("all", "86400", "shop.test")).await.location();
    browser.get("/sites/shop-test").await.shows("HSTS of shop-test is now 24 hours.");
    let before = fixture.audited().await;
    browser.post("/sites/shop-test", &fields("all", "86400", "shop.test")).await.location();
    assert_eq!(fixture.audited().await, before, "nothing was changed, so nothing was written");
    browser.post("/sites/shop-test", &fields("off", "off", "shop.test\r\nwww.shop.test")).await.location();
    let view = fixture.app.show_site(&by(), "shop-test").unwrap().view;
    assert_eq!(
        (view.names, view.force_https.as_str(), view.hsts.as_str()),
        (vec!["shop.test".to_owned(), "www.shop.test".to_owned()], "off", "off")
    );
}

#[tokio::test]
async fn a_form_that_is_refused_keeps_what_was_typed() {
    let fixture = Fixture::start().await;
    add(&fixture, &["shop.test"]).await;
    add(&fixture, &["wiki.test"]).await;
    let browser = Browser::of(&fixture);
    let taken = [
        ("names", "shop.test\r\nwiki.test"),
        ("upstreams", "http://127.0.0.1:4000"),
        ("trust", "system"),
        ("certificate", "auto"),
        ("force_https", "all"),
        ("max_age", "off"),
    ];
    let page = browser.post("/sites/shop-test", &taken).await;
    assert_eq!(page.status, 422);
    page.shows("has the name wiki.test already");
    page.shows("Nothing was saved.");
    page.shows("http://127.0.0.1:4000</textarea>");
    page.shows("<b aria-label=\"added\">+</b><span>force_https: all</span>");
    assert_eq!(fixture.app.show_site(&by(), "shop-test").unwrap().view.force_https, "off");

    let page =
        browser.post("/sites/shop-test/limits", &[("max_body", "much"), ("response", "20m"), ("idle", "")]).await;
    assert_eq!(page.status, 422);
    page.shows("value=\"much\"");
    page.shows("is neither none nor a size");
    let page = browser.post("/sites/shop-test/headers", &[("set", "Upgrade: h2c"), ("remove", "Server")]).await;
    assert_eq!(page.status, 422);
    page.shows("belongs to the connection");
    page.shows("Upgrade: h2c</textarea>");
    let page = browser.post("/sites/new", &[("names", "shop.test"), ("upstreams", "http://127.0.0.1:1")]).await;
    assert_eq!(page.status, 422);
    page.shows("id=\"names-e\"");
    page.shows("shop.test</textarea>");
}

#[tokio::test]
async fn limits_and_headers_are_saved() {
    let fixture = Fixture::start().await;
    add(&fixture, &["shop.test"]).await;
    let browser = Browser::of(&fixture);
    browser
        .post("/sites/shop-test/limits", &[("max_body", "10GiB"), ("response", "5m"), ("idle", "")])
        .await
        .location();
    let set = "X-Frame-Options: DENY\r\nReferrer-Policy: same-origin\r\n";
    browser.post("/sites/shop-test/headers", &[("set", set), ("remove", "Server")]).await.location();
    let view = fixture.app.show_site(&by(), "shop-test").unwrap().view;
    assert_eq!(
        (view.max_body.as_deref(), view.response_timeout.as_deref(), view.idle_timeout),
        (Some("10GiB"), Some("5m"), None)
    );
    assert_eq!((view.set_headers.len(), view.remove_headers), (2, vec!["Server".to_owned()]));
    browser.get("/sites/shop-test/headers").await.shows("--set-header &#39;X-Frame-Options: DENY&#39;");
    browser.post("/sites/shop-test/headers", &[("set", ""), ("remove", "")]).await.location();
    assert_eq!(fixture.app.show_site(&by(), "shop-test").unwrap().view.set_headers, []);
}

#[tokio::test]
async fn how_requests_reach_the_upstreams_is_saved_and_shown() {
    let fixture = Fixture::start().await;
    add(&fixture, &["shop.test"]).await;
    let browser = Browser::of(&fixture);
    let wrong = [("health_path", "health"), ("routes", "/api=portal"), ("balance", "sticky")];
    let page = browser.post("/sites/shop-test/forwarding", &wrong).await;
    assert_eq!(page.status, 422);
    for text in ["id=\"health_path-e\"", "The route of /api leads to the portal", "value=\"sticky\" checked"] {
        page.shows(text);
    }
    page.shows("/api=portal</textarea>");
    let fields = [
        ("balance", "least-connections"),
        ("health_path", "/health"),
        ("routes", "/api=http://127.0.0.1:8081\r\n/api=unix:/run/api.sock\r\n"),
        ("proxy_protocol", "v2"),
        ("upstream_http", "2"),
    ];
    browser.post("/sites/shop-test/forwarding", &fields).await.location();
    let view = fixture.app.show_site(&by(), "shop-test").unwrap().view;
    let told = [view.balance, view.health_path, view.proxy_protocol, view.upstream_http].map(Option::unwrap_or_default);
    assert_eq!(told, ["least-connections", "/health", "v2", "2"]);
    assert_eq!(view.routes[0].upstreams, ["http://127.0.0.1:8081", "unix:/run/api.sock"]);
    let page = browser.get("/sites/shop-test/forwarding").await;
    for text in [
        "Requests of shop-test reach the upstreams as you asked.",
        "value=\"least-connections\" checked",
        "/api=http://127.0.0.1:8081\n/api=unix:/run/api.sock</textarea>",
        "--route /api=http://127.0.0.1:8081",
        "--proxy-protocol v2",
        "upstream_http: &#39;2&#39;",
    ] {
        page.shows(text);
    }
    let page = browser.get("/sites/shop-test").await;
    for text in [
        "answers the fewest",
        "In flight",
        "GET /health",
        "all the time",
        "for /api",
        "unix:/run/api.sock",
        "PROXY protocol, v2",
    ] {
        page.shows(text);
    }
    let none = [("health_path", ""), ("routes", "")];
    browser.post("/sites/shop-test/forwarding", &none).await.location();
    browser.get("/sites/shop-test/forwarding").await.shows("--no-routes");
    let view = fixture.app.show_site(&by(), "shop-test").unwrap().view;
    assert_eq!((view.balance.as_deref(), view.health_path, view.routes), (Some("round-robin"), None, Vec::new()));

    let portal = portward_api::SiteCreate { upstreams: vec!["portal".to_owned()], ..site(&["portal.test"]) };
    fixture.app.add_site(&by(), &portal, Apply::Now).await.unwrap();
    let page = browser.get("/sites/portal-test/forwarding").await;
    page.shows("reached in one way");
    page.hides("Save and serve");
    let page = browser.post("/sites/portal-test/forwarding", &[("balance", "sticky")]).await;
    assert_eq!(page.status, 422);
}

#[tokio::test]
async fn a_new_site_is_made_with_a_preset_and_leads_on_in_the_first_run() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    let page = browser.get("/sites/new?preset=proxmox").await;
    for text in ["https://127.0.0.1:8006</textarea>", "In Proxmox VE", "20 minutes", "--preset proxmox"] {
        page.shows(text);
    }
    let setup = browser.get("/sites/new?setup=1").await;
    setup.shows("Step 3 of 5");
    setup.hides("id=\"nav\"");
    let fields = [
        ("setup", "1"),
        ("preset", "gitea"),
        ("names", "git.test"),
        ("upstreams", "http://127.0.0.1:3000"),
        ("force_https", "all"),
    ];
    let next = browser.post("/sites/new", &fields).await;
    assert_eq!(next.location(), "/sites/new?setup=certificate&site=git-test");
    let page = browser.get(next.location()).await;
    for text in
        ["Step 4 of 5", "How does git.test prove itself?", "href=\"/import\"", "href=\"/lets-encrypt\"", "href=\"/\""]
    {
        page.shows(text);
    }
    let page = browser.get("/sites/git-test").await;
    for text in ["Gitea, Forgejo preset", "ROOT_URL = https://git.test/", "REVERSE_PROXY_TRUSTED_PROXIES = 127.0.0.1"] {
        page.shows(text);
    }
}

#[tokio::test]
async fn upstreams_are_asked_when_somebody_says_so() {
    let fixture = Fixture::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    let input =
        portward_api::SiteCreate { upstreams: vec![upstream], preset: Some("grafana".to_owned()), ..site(&["g.test"]) };
    fixture.app.add_site(&by(), &input, Apply::Now).await.unwrap();
    let asked = tokio::spawn(async move {
        // The first connection shows that there is somebody, the second one asks.
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = vec![0; 4096];
            let length = stream.read(&mut heard).await.unwrap_or(0);
            if length > 0 {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                return String::from_utf8_lossy(&heard[..length]).into_owned();
            }
        }
    });
    let browser = Browser::of(&fixture);
    browser.get("/sites/g-test").await.shows("Not asked");
    browser.post("/sites/g-test/ask", &[]).await.location();
    let heard = asked.await.unwrap();
    assert!(heard.starts_with("GET /api/health HTTP/1.1\r\n") && heard.contains("g.test"), "{heard}");
    let page = browser.get("/sites/g-test").await;
    page.shows("The upstream answers.");
    page.shows("Answered 200");
    // It is gone now.
    browser.post("/sites/g-test/ask", &[]).await.location();
    let page = browser.get("/sites/g-test").await;
    page.shows("It does not answer.");
    page.hides("Answered 200");
}

#[tokio::test]
async fn traffic_history_and_removal_have_their_pages() {
    let fixture = Fixture::start().await;
    add(&fixture, &["shop.test"]).await;
    add(&fixture, &["shop.test-2.test"]).await;
    let browser = Browser::of(&fixture);
    let page = browser.get("/sites/shop-test/traffic").await;
    page.shows("data-live=\"/sites/shop-test/traffic/live\"");
    page.shows("Nobody since 20 Nov 2026, 12:00 UTC.");
    let live = browser.get("/sites/shop-test/traffic/live").await;
    live.shows("data-on");
    live.hides("<html");
    let history = browser.get("/sites/shop-test/history").await;
    history.shows("add site shop-test for shop.test");
    history.hides("shop-test-2");
    Browser::with(&fixture, &[Permission::View]).get("/sites/shop-test/history").await.shows("audit:view");
    let page = browser.get("/sites/shop-test/remove").await;
    page.shows("Remove shop.test?");
    page.shows("is answered by no site any more");
    assert_eq!(browser.post("/sites/shop-test/remove", &[]).await.location(), "/sites");
    browser.get("/sites").await.shows("The site shop-test is removed.");
    assert_eq!(fixture.app.list_sites(&by()).len(), 1);
}

#[tokio::test]
async fn a_viewer_sees_everything_and_changes_nothing() {
    let fixture = Fixture::start().await;
    add(&fixture, &["shop.test"]).await;
    let viewer = Browser::with(&fixture, &[Permission::View]);
    for path in ["", "/forwarding", "/headers", "/limits", "/traffic", "/history"] {
        let page = viewer.get(&format!("/sites/shop-test{path}")).await;
        assert_eq!(page.status, 200, "{path}");
        page.hides("Save and serve");
    }
    for path in ["", "/forwarding", "/headers", "/limits", "/remove"] {
        assert_eq!(viewer.post(&format!("/sites/shop-test{path}"), &[]).await.status, 403, "{path}");
    }
}

/// Choosing a preset submits the form, and emptied it.
#[tokio::test]
async fn a_preset_fills_in_what_nobody_touched() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    let typed = "names=shop.test&upstreams=http%3A%2F%2F127.0.0.1%3A4000&force_https=all&was=&preset=gitea";
    let page = browser.get(&format!("/sites/new?{typed}")).await;
    for text in [
        "shop.test</textarea>",
        "http://127.0.0.1:4000</textarea>",
        "value=\"all\" checked",
        "<option value=\"gitea\" selected>",
    ] {
        page.shows(text);
    }
    let page = browser.get("/sites/new?names=shop.test&upstreams=&force_https=browsers&was=&preset=gitea").await;
    page.shows("shop.test</textarea>");
    page.hides("rows=\"1\" required autocapitalize=\"none\" spellcheck=\"false\" placeholder=\"http://127.0.0.1:3000\" aria-describedby=\"upstreams-h\"></textarea>");
}

/// A file in which the preset stands alone changes nothing, and a command that is not forced is refused.
#[tokio::test]
async fn what_does_the_same_has_all_that_the_form_has() {
    let fixture = Fixture::start().await;
    add(&fixture, &["shop.test"]).await;
    let browser = Browser::of(&fixture);
    let page = browser.get("/sites/new?preset=vaultwarden").await;
    for text in ["max_body: 525MiB", "response_timeout: ", "idle_timeout: "] {
        page.shows(text);
    }
    browser.get("/sites/shop-test/remove").await.hides("--force");
    let fields = [
        ("names", "shop..test"),
        ("upstreams", "http://127.0.0.1:3000"),
        ("trust", "system"),
        ("certificate", "auto"),
        ("force_https", "all"),
        ("max_age", "off"),
        ("confirm", "on"),
    ];
    let refused = browser.post("/sites/shop-test", &fields).await;
    assert_eq!(refused.status, 422);
    refused.shows("--confirm-within 60s");
    refused.shows("?confirm_within=60");
}
