//! Ports 80 and 443, where CAs look: bindings that are made for a challenge, or for good, and a port that is taken.

use std::time::Duration;

use portward_core::Thumbprint;
use portward_testkit::{
    Connection, Pebble, Program, StartedProgram, Upstream, free_port, get, handshake, in_network_of_its_own, run,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::bench::{json, text};

#[test]
fn where_port_80_is_not_bound_it_is_for_the_time_of_the_challenge() {
    let test = "acme::ports::where_port_80_is_not_bound_it_is_for_the_time_of_the_challenge";
    inside(test, async |server, pebble| {
        assert!(Connection::plain(([127, 0, 0, 1], 80).into()).await.is_err());
        configure(&server, &pebble, &["--https-port", &server.https.port().to_string()]);
        let attempts = server.portward(&["acme", "attempts", "shop-test"]);
        assert!(attempts.contains("control of shop.test is shown by http-01"), "{attempts}");
        let shown = Thumbprint::of(&handshake(server.https, "shop.test").await).to_string();
        assert_eq!(shown, text(&status(&server)["thumbprint"]));
        // It is closed again, and nobody was bothered with it.
        assert!(Connection::plain(([127, 0, 0, 1], 80).into()).await.is_err());
        assert_eq!(json(&server.portward(&["status", "-o", "json"]))["problems"], serde_json::json!([]));
        assert_eq!(json(&server.portward(&["binding", "list", "-o", "json"])).as_array().unwrap().len(), 2);
    });
}

#[test]
fn where_there_is_no_https_binding_one_on_443_of_all_addresses_is_added() {
    let test = "acme::ports::where_there_is_no_https_binding_one_on_443_of_all_addresses_is_added";
    inside(test, async |server, pebble| {
        let https = format!("https-{}", server.https.port());
        server.portward(&["binding", "remove", &https]);
        configure(&server, &pebble, &[]);
        let address = ([127, 0, 0, 1], 443).into();
        let shown = Thumbprint::of(&handshake(address, "shop.test").await).to_string();
        assert_eq!(shown, text(&status(&server)["thumbprint"]));
        let bindings = server.portward(&["binding", "list"]);
        assert!(bindings.contains("https-443") && !bindings.contains("127.0.0.1:443"), "{bindings}");
        let mut connection = Connection::tls(address, "shop.test").await.unwrap();
        let answer = connection.request("GET", "shop.test", "/", "").await.unwrap();
        assert_eq!((answer.status, answer.header("upstream")), (200, Some("shop")), "{answer:?}");
        // The CA may look there now.
        server.portward(&["certificate", "request", "www.shop.test", "--wait"]);
        let attempts = server.portward(&["acme", "attempts", "www-shop-test"]);
        assert!(attempts.contains("control of www.shop.test is shown by tls-alpn-01"), "{attempts}");
    });
}

#[test]
fn a_server_of_somebody_else_at_port_80_is_told_of() {
    let test = "acme::ports::a_server_of_somebody_else_at_port_80_is_told_of";
    inside(test, async |server, pebble| {
        let other = TcpListener::bind("127.0.0.1:80").await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = other.accept().await {
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                    // So that the CA's answer comes a while after what was seen before it was asked.
                    tokio::time::sleep(Duration::from_millis(1500)).await;
                    let answer = b"HTTP/1.1 404 Not Found\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n";
                    let _ = stream.write_all(answer).await;
                });
            }
        });
        assert_eq!(get(([127, 0, 0, 1], 80).into(), "shop.test", "/", "").await.status, 404);
        let (code, said) = server.portward_fails(&words(&pebble.directory_url(), &[]));
        assert_eq!(code, 1, "{said}");
        let attempts = json(&server.portward(&["acme", "attempts", "shop-test", "-o", "json"]));
        let cause = text(&attempts[0]["outcome"]["cause"]);
        assert!(cause.contains("port 80") && cause.contains("404"), "{cause}");
        assert!(said.contains("Remedy") && said.contains(&cause[..40]), "{said}");
    });
}

/// Runs a test beside a Pebble that looks at ports 80 and 443, with a server at others.
fn inside(test: &str, run: impl AsyncFnOnce(StartedProgram, Pebble)) {
    let files = [("/etc/hosts", "127.0.0.1 localhost shop.test\n"), ("/etc/resolv.conf", "nameserver 127.0.0.1\n")];
    if !in_network_of_its_own(test, &files) {
        return;
    }
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let pebble = Pebble::options().http_port(80).tls_port(443).start().await;
        let upstream = Upstream::start("shop").await;
        let server = Program::new_on(free_port(), free_port()).with(&["--upstream", &upstream.url()]).start();
        std::fs::write(server.files().join("ca.pem"), pebble.root_pem()).unwrap();
        run(server, pebble).await;
    });
}

fn words<'a>(directory: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = ["letsencrypt", "configure", "--dns-name", "shop.test", "--accept-terms", "--wait"];
    [&words, ["--directory", directory, "--directory-ca", "ca.pem"].as_slice(), more].concat()
}

fn configure(server: &StartedProgram, pebble: &Pebble, more: &[&str]) {
    run(&mut server.command(&words(&pebble.directory_url(), more)));
}

fn status(server: &StartedProgram) -> serde_json::Value {
    json(&server.portward(&["letsencrypt", "status", "-o", "json"]))
}
