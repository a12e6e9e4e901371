#![allow(clippy::unwrap_used, reason = "tests")]

mod kept;

use std::io::{Read, Write};

use portward_api::Client;
use portward_certs::acme::HttpTimeouts;
use portward_core::{Timestamp, Upstream};

use super::*;
use crate::fixture::now;

fn options(data_dir: &Path) -> ServerOptions {
    let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
    ServerOptions {
        limits: portward_proxy::Limits::default(),
        data_dir: data_dir.to_owned(),
        http: Some(vec![anywhere]),
        https: Some(vec![anywhere]),
        admin: anywhere,
        upstream: Some(Upstream::parse("http://127.0.0.1:3000").unwrap()),
        workers: NonZeroUsize::MIN,
        clock: Arc::new(now),
        host_name: "front.test".to_owned(),
        acme_timeouts: HttpTimeouts::default(),
        access_log: None,
        arguments: None,
    }
}

/// What the admin listener answers to a request for a host.
async fn asked(address: SocketAddr, method: &str, path: &str, host: &str) -> String {
    let text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let asking = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    asking.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_starts_serves_and_starts_again_with_what_it_had() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let server = Server::start(options(&data_dir)).await.unwrap();
    assert_eq!(server.bound().len(), 2);
    assert!(server.bound().iter().all(|binding| binding.result.is_ok()), "{:?}", server.bound());
    assert_eq!(server.unready(), Vec::<String>::new());

    let client = Client::local(&data_dir);
    let status = client.status().await.unwrap();
    assert!(status.ok, "{status:?}");
    assert_eq!((status.bindings.len(), status.sites), (2, 1));
    let certificates = client.list_certificates().await.unwrap();
    assert_eq!(certificates[0].names, ["localhost", "front.test", "127.0.0.1", "::1"]);

    let error = Server::start(options(&data_dir)).await.unwrap_err();
    assert!(matches!(error, StartError::AlreadyRunning { .. }), "{error:?}");

    server.drain().await;
    assert!(!data_dir.join("admin.sock").exists());
    let server = Server::start(options(&data_dir)).await.unwrap();
    assert_eq!(client.list_certificates().await.unwrap(), certificates);
    server.drain().await;

    std::fs::remove_file(data_dir.join(crate::master_key::NAME)).unwrap();
    let error = Server::start(options(&data_dir)).await.unwrap_err();
    assert!(matches!(error, StartError::MasterKey(_)), "{error:?}");
    assert!(!data_dir.join(crate::master_key::NAME).exists(), "a new key would hide that the right one is missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_listener_answers_to_names_of_this_machine_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let server = Server::start(options(&data_dir)).await.unwrap();
    let admin = server.admin_address();
    for (method, path, host, status) in [
        ("GET", "/healthz", "localhost", "200 OK"),
        ("GET", "/readyz", "127.0.0.1:8442", "200 OK"),
        ("GET", "/", "localhost", "403 Forbidden"),
        ("GET", "/metrics", "localhost", "403 Forbidden"),
        ("GET", "/metrics", "evil.example", "421 Misdirected Request"),
        ("GET", "/", "evil.example", "421 Misdirected Request"),
        ("POST", "/healthz", "localhost", "405 Method Not Allowed"),
        ("GET", "/api/v1/status", "localhost", "403 Forbidden"),
        ("GET", "/setup", "localhost\r\nHost: localhost", "400 Bad Request"),
    ] {
        let answer = asked(admin, method, path, host).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{method} {path} {host}: {answer}");
    }
    let page = asked(admin, "GET", "/", "localhost\r\nAccept: text/html").await;
    assert!(page.starts_with("HTTP/1.1 303 See Other\r\n") && page.contains("\r\nlocation: /setup\r\n"), "{page}");
    assert!(page.contains("\r\ncontent-security-policy: default-src 'none'; frame-ancestors 'none'\r\n"), "{page}");

    // A binding whose port somebody took while the server was away.
    server.drain().await;
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let again = ServerOptions { http: Some(vec![taken]), ..options(&directory.path().join("other")) };
    drop(holder);
    let server = Server::start(again.clone()).await.unwrap();
    server.drain().await;
    let _holder = std::net::TcpListener::bind(taken).unwrap();
    let server = Server::start(again).await.unwrap();
    let readiness = asked(server.admin_address(), "GET", "/readyz", "localhost").await;
    assert!(readiness.starts_with("HTTP/1.1 503 "), "{readiness}");
    assert!(readiness.contains(&format!("Port {} of 127.0.0.1 is taken", taken.port())), "{readiness}");
    server.drain().await;
}

#[tokio::test]
async fn an_admin_address_that_others_reach_is_a_wrong_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = ServerOptions { admin: "0.0.0.0:0".parse().unwrap(), ..options(directory.path()) };
    let error = Server::start(wrong).await.unwrap_err();
    assert!(error.is_configuration(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_drains_operators_look_on_and_a_request_that_runs_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let application = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Upstream::parse(&format!("http://{}", application.local_addr().unwrap())).unwrap();
    let options = ServerOptions { upstream: Some(upstream), ..options(directory.path()) };
    let server = Server::start(options).await.unwrap();
    let http =
        server.bound().into_iter().find(|binding| binding.protocol == BindingProtocol::Http).unwrap().result.unwrap();
    let (admin, client) = (server.admin_address(), Client::local(directory.path()));
    let asking = tokio::spawn(asked(http, "GET", "/slow", "shop.test"));
    let (mut running, _) = application.accept().await.unwrap();

    let draining = tokio::spawn(server.drain());
    while tokio::net::TcpStream::connect(http).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.status().await.unwrap().bindings.len(), 2);
    let readiness = asked(admin, "GET", "/readyz", "localhost").await;
    assert!(readiness.starts_with("HTTP/1.1 503 ") && readiness.contains("the server is ending"), "{readiness}");
    let id = portward_core::BindingId::parse("http-0").unwrap();
    let refused = client.remove_binding(&id).await.unwrap_err();
    assert!(refused.to_string().contains("takes no changes any more; nothing was changed"), "{refused}");
    assert!(!draining.is_finished());

    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";
    tokio::io::AsyncWriteExt::write_all(&mut running, answer).await.unwrap();
    let answer = asking.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("done"), "{answer}");
    assert_eq!(draining.await.unwrap().cut, 0);
    assert!(!directory.path().join("admin.sock").exists());
}
