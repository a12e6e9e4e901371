#![allow(clippy::unwrap_used, reason = "tests")]
use std::time::Duration;

use portward_api::SiteRoute;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, binding, bundle, by, free_port, import, site},
};

/// An application that answers everything with a status.
async fn application(status: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nServer: app\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

/// A server with https and http on this machine, and certificates for the names.
async fn serving(names: &[&str]) -> (Fixture, u16) {
    let fixture = Fixture::start().await;
    fixture
        .app
        .import_certificate(&by(), import(&bundle(names, 90), None), Precondition::None, Apply::Now)
        .await
        .unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    fixture.app.add_binding(&by(), &binding("http://127.0.0.1:0"), Apply::Now).await.unwrap();
    let served = fixture.served.now();
    let https = served.desired.bindings.iter().find(|stored| stored.value.is_https()).unwrap();
    let port = served.binding(&https.value.id).unwrap().result.as_ref().unwrap().port();
    (fixture, port)
}

async fn with_site(fixture: &Fixture, name: &str, upstream: String) {
    let mut create = site(&[name]);
    create.upstreams = vec![upstream];
    fixture.app.add_site(&by(), &create, Apply::Now).await.unwrap();
}

async fn explained(fixture: &Fixture, host: String) -> ExplainView {
    fixture.app.explain(&by(), &ExplainRequest { host }).await.unwrap()
}

fn step<'a>(view: &'a ExplainView, step: &str, vantage: Option<&str>) -> &'a ExplainStep {
    let mut steps = view.steps.iter().filter(|found| found.step == step && found.vantage.as_deref() == vantage);
    steps.next().unwrap_or_else(|| unreachable!("{step} {vantage:?} in {view:#?}"))
}

#[tokio::test]
async fn a_site_that_is_served_is_explained_to_the_end() {
    let (fixture, port) = serving(&["127.0.0.1"]).await;
    let application = application("204 No Content").await;
    with_site(&fixture, "127.0.0.1", format!("http://{application}")).await;
    let view = explained(&fixture, format!("127.0.0.1:{port}/x")).await;
    assert_eq!(view.site.as_deref(), Some("127-0-0-1"));
    for (name, vantage) in [
        ("connection", Some("inside")),
        ("connection", Some("dns")),
        ("tls", Some("inside")),
        ("certificate", None),
        ("certificate", Some("dns")),
        ("site", None),
        ("upstream", None),
        ("response", Some("inside")),
        ("response", Some("dns")),
    ] {
        let found = step(&view, name, vantage);
        assert_eq!(found.mark, "good", "{found:#?}");
    }
    assert_eq!(step(&view, "response", Some("inside")).message, "The client gets 204.");
    assert_eq!(step(&view, "upstream", None).message, format!("http://{application} answers with 204."));
    assert!(step(&view, "tls", Some("inside")).message.starts_with("TLS 1.3, and h2"), "{view:#?}");
    let told: Vec<&str> = view.steps.iter().map(|step| step.message.as_str()).collect();
    assert!(told.contains(&"Wanted, stored and served are the same."), "{told:#?}");
    assert_eq!((view.mark.as_str(), view.message.contains("signed by its own key")), ("warning", true), "{view:#?}");
}

#[tokio::test]
async fn an_application_that_is_down_is_the_cause_that_is_told() {
    let (fixture, port) = serving(&["shop.test"]).await;
    let gone = SocketAddr::from(([127, 0, 0, 1], free_port()));
    with_site(&fixture, "shop.test", format!("http://{gone}")).await;
    let view = explained(&fixture, format!("shop.test:{port}")).await;
    let upstream = step(&view, "upstream", None);
    assert_eq!(
        upstream.message,
        format!("The application at http://{gone} takes no connection: nothing listens there.")
    );
    assert_eq!((upstream.mark.as_str(), view.mark.as_str()), ("bad", "bad"));
    let response = step(&view, "response", Some("inside"));
    assert!(response.message.contains("502") && response.message.contains(&gone.to_string()), "{response:#?}");
}

/// An application at a Unix socket that wants to be told the client first, and says so.
fn application_at_a_socket(path: &std::path::Path, opening: &'static [u8], status: &'static str) {
    let listener = tokio::net::UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = vec![0; opening.len()];
                if stream.read_exact(&mut head).await.is_err() || head != opening {
                    return;
                }
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
}

#[tokio::test]
async fn each_upstream_to_which_a_path_goes_is_looked_at_as_it_is_reached() {
    let (fixture, port) = serving(&["shop.test"]).await;
    let directory = tempfile::tempdir().unwrap();
    let socket = |name: &str| format!("unix:{}", directory.path().join(name).display());
    let (one, gone, api) = (socket("one"), socket("gone"), socket("api"));
    application_at_a_socket(&directory.path().join("one"), b"PROXY UNKNOWN\r\n", "204 No Content");
    application_at_a_socket(&directory.path().join("api"), b"PROXY UNKNOWN\r\n", "201 Created");
    let mut create = site(&["shop.test"]);
    create.upstreams = vec![one.clone(), gone.clone()];
    create.proxy_protocol = Some("v1".to_owned());
    create.routes = Some(vec![SiteRoute { prefix: "/api".to_owned(), upstreams: vec![api.clone()] }]);
    fixture.app.add_site(&by(), &create, Apply::Now).await.unwrap();
    let upstreams = |view: &ExplainView| {
        let steps = view.steps.iter().filter(|step| step.step == "upstream");
        steps.map(|step| (step.mark.clone(), step.message.clone())).collect::<Vec<_>>()
    };
    let view = explained(&fixture, format!("shop.test:{port}/apis")).await;
    let down = format!("The application at {gone} takes no connection: nothing is there.");
    let expected = [("good".to_owned(), format!("{one} answers with 204.")), ("warning".to_owned(), down)];
    assert_eq!(upstreams(&view), expected);
    let view = explained(&fixture, format!("shop.test:{port}/api/users?a=b")).await;
    let route = "The path is below /api, so a route of the site takes it to upstreams of its own.";
    let expected = [("good".to_owned(), route.to_owned()), ("good".to_owned(), format!("{api} answers with 201."))];
    assert_eq!(upstreams(&view), expected);

    let answers = fixture.app.ask_upstreams(&by(), "shop-test", "/").await.unwrap();
    let told: Vec<_> =
        answers.iter().map(|last| (last.url.as_str(), last.answer.as_ref().ok().map(|it| it.0))).collect();
    assert_eq!(told, [(one.as_str(), Some(204)), (gone.as_str(), None), (api.as_str(), Some(201))]);
    let stored = fixture.stored().await.sites[0].value.clone();
    assert_eq!(fixture.app.last_answer(&stored).len(), 3);
}

#[tokio::test]
async fn a_name_without_site_or_certificate_is_told_and_no_stranger_is_connected_to() {
    let (fixture, port) = serving(&["shop.test"]).await;
    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    with_site(&fixture, "shop.test", "http://127.0.0.1:1".to_owned()).await;
    let view = explained(&fixture, format!("other.test:{port}")).await;
    assert_eq!((view.site.as_deref(), view.mark.as_str()), (None, "bad"));
    assert!(step(&view, "site", None).message.contains("No site has the name other.test"), "{view:#?}");
    assert!(step(&view, "certificate", None).remedy.is_some());

    // This machine itself, at a port that is none of a binding.
    let port = stranger.local_addr().unwrap().port();
    let view = explained(&fixture, format!("127.0.0.1:{port}")).await;
    let refused = step(&view, "connection", Some("dns"));
    assert_eq!((refused.mark.as_str(), refused.message.contains("is not 80, 443")), ("off", true), "{refused:#?}");
    assert!(step(&view, "binding", None).message.contains(&format!("at port {port}")));
    let accepted = tokio::time::timeout(Duration::from_millis(50), stranger.accept()).await;
    assert!(accepted.is_err(), "nobody connected");
}

#[tokio::test]
async fn the_certificate_that_is_wanted_is_compared_with_what_is_presented() {
    let (fixture, port) = serving(&["shop.test"]).await;
    let application = application("200 OK").await;
    with_site(&fixture, "www.test", format!("http://{application}")).await;
    let view = explained(&fixture, format!("www.test:{port}")).await;
    let wanted = step(&view, "certificate", None);
    assert_eq!(wanted.mark, "bad", "{view:#?}");
    assert!(wanted.message.contains("is presented, and clients refuse it"), "{wanted:#?}");
    fixture
        .app
        .import_certificate(&by(), import(&bundle(&["www.test"], 10), None), Precondition::None, Apply::Now)
        .await
        .unwrap();
    let view = explained(&fixture, format!("www.test:{port}")).await;
    let wanted = step(&view, "certificate", None);
    assert_eq!((wanted.mark.as_str(), wanted.message.contains("expires in 9 days")), ("good", true), "{wanted:#?}");
}
