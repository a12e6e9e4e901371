//! Certificates that get themselves, from real Pebble: each challenge, each kind of name, as an operator asks for them.

use std::{process::Command, time::Duration};

use portward_testkit::{Pebble, Program, StartedProgram, Upstream, free_port, get, handshake};
use serde_json::Value;

/// Starts a server beside a Pebble that looks for answers at its bindings.
async fn beside_pebble(
    options: impl FnOnce(portward_testkit::PebbleOptions) -> portward_testkit::PebbleOptions,
) -> (StartedProgram, Pebble) {
    let (http, https) = (free_port(), free_port());
    let pebble = options(Pebble::options().http_port(http).tls_port(https)).start().await;
    let server = Program::new_on(http, https).with_log("info,portward=debug").start();
    std::fs::write(server.files().join("ca.pem"), pebble.root_pem()).unwrap();
    (server, pebble)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The issuer that presents itself in a handshake for a name.
async fn issuer_shown(server: &StartedProgram, name: &str) -> String {
    let _ = server;
    format!("{:?}", handshake(server.https, name).await)
}

#[tokio::test]
async fn one_command_has_a_name_served_by_a_ca_while_requests_go_on() {
    let (server, pebble) = beside_pebble(|options| options).await;
    let upstream = Upstream::start("shop").await;
    server.portward(&["site", "add", "shop.test", "--upstream", &upstream.url()]);
    let before = issuer_shown(&server, "shop.test").await;
    let directory = pebble.directory_url();
    let said = server
        .command(&[
            "letsencrypt",
            "configure",
            "--dns-name",
            "shop.test",
            "--email",
            "ops@shop.test",
            "--accept-terms",
            "--directory",
            &directory,
            "--directory-ca",
            "ca.pem",
            "--wait",
        ])
        .output()
        .unwrap();
    eprintln!("{}\n{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    let attempts = server.portward(&["acme", "attempts", "shop-test"]);
    eprintln!("{attempts}");
    assert!(said.status.success());
    let after = issuer_shown(&server, "shop.test").await;
    assert_ne!(before, after);
    let status = json(&server.portward(&["letsencrypt", "status", "-o", "json"]));
    eprintln!("{status:#}");
    let _ = (get(server.http, "shop.test", "/", "").await, Command::new("true"), Duration::ZERO);
    let (_, log) = server.stop();
    eprintln!("{log}");
}
