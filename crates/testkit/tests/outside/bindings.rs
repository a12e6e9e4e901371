//! Bindings that cannot be: each tells why and what to do, and nothing is saved.

use std::{net::TcpListener, process::Command};

use portward_testkit::{Program, StartedProgram, get, handshake, run};

#[tokio::test]
async fn a_binding_that_cannot_be_is_refused_with_reason_and_remedy_and_changes_nothing() {
    let server = Program::new().start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let before = (server.portward(&["binding", "list", "-o", "json"]), handshake(server.https, "localhost").await);
    for (url, told) in [
        (format!("http://{taken}"), vec!["taken", "Choose another port", "Nothing was saved"]),
        (format!("https://0.0.0.0:{}", taken.port()), vec!["taken", "Nothing was saved"]),
        (format!("http://{}", server.http), vec!["binding", "Nothing was saved"]),
        (
            "http://192.0.2.1:8080".to_owned(),
            vec!["192.0.2.1", "not an address of this machine", "127.0.0.1", "Nothing was saved"],
        ),
        ("ftp://127.0.0.1:21".to_owned(), vec!["http://", "https://"]),
        ("http://localhost:8080".to_owned(), vec!["127.0.0.1"]),
    ] {
        let (code, said) = server.portward_fails(&["binding", "add", &url]);
        assert!(code == 1 || (code == 2 && !told.contains(&"Nothing was saved")) || code == 5, "{url}: {code} {said}");
        for part in told {
            assert!(said.contains(part), "{url} does not tell {part:?}: {said}");
        }
    }
    let after = (server.portward(&["binding", "list", "-o", "json"]), handshake(server.https, "localhost").await);
    assert_eq!(before, after);
}

/// A port below 1024 is tried by a server that runs as nobody and has no capability.
#[tokio::test]
async fn a_port_that_needs_a_privilege_is_refused_with_the_ways_to_get_it() {
    let server = Program::new().as_nobody().start();
    let (code, said) = server.portward_fails(&["binding", "add", "http://127.0.0.1:81"]);
    assert_eq!(code, 1, "{said}");
    for part in ["81", "CAP_NET_BIND_SERVICE", "Nothing was saved"] {
        assert!(said.contains(part), "{part:?} is not told: {said}");
    }
    assert!(get(server.http, "localhost", "/", "").await.status >= 400);
}

#[tokio::test]
async fn bindings_are_added_and_removed_while_it_serves() {
    let server = Program::new().start();
    let added = add(&server, "https://127.0.0.1:0");

    assert_eq!(added["bound"], true, "{added}");
    server.portward(&["binding", "remove", added["id"].as_str().unwrap()]);
    let list = server.portward(&["binding", "list", "-o", "json"]);
    assert!(!list.contains(added["id"].as_str().unwrap()), "{list}");
    let (code, _) = server.portward_fails(&["binding", "remove", "no-such-binding"]);
    assert_eq!(code, 3);
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let server = Program::new().start();
    let output = server.command(&["serve", "--http", "127.0.0.1:0"]).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&server.id().to_string()), "the process that runs is not named: {said}");
    run(Command::new("kill").args(["-0", &server.id().to_string()]));
}

fn add(server: &StartedProgram, url: &str) -> serde_json::Value {
    serde_json::from_str(&server.portward(&["binding", "add", url, "-o", "json"])).unwrap()
}
