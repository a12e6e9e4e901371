//! A second CA, by other people: Caddy's `acme_server`.
//!
//! It looks at ports 80 and 443, by the names of the machine that it runs on, so that both run in a network of their own.

use std::{fs, process::Command};

use portward_core::Thumbprint;
use portward_testkit::{Child, Program, StartedProgram, Upstream, eventually, handshake, in_network_of_its_own};
use serde_json::Value;

const HOSTS: &str = "127.0.0.1 localhost shop.test www.shop.test tls.test ca.test\n";

#[test]
fn caddy_issues_by_http_01_and_by_tls_alpn_01_and_what_it_issued_is_served() {
    const TEST: &str = "acme_caddy::caddy_issues_by_http_01_and_by_tls_alpn_01_and_what_it_issued_is_served";
    if in_network_of_its_own(TEST, &[("/etc/hosts", HOSTS)]) {
        tokio::runtime::Runtime::new().unwrap().block_on(issue_by_each_challenge());
    }
}

async fn issue_by_each_challenge() {
    let caddy = Caddy::start().await;
    let upstream = Upstream::start("shop").await;
    let server = Program::new_on(80, 443).with(&["--upstream", &upstream.url()]).start();
    fs::write(server.files().join("ca.pem"), &caddy.root_pem).unwrap();
    let issuer = ["acme", "issuer", "add", "https://ca.test:9443/acme/local/directory", "--id", "caddy"];
    server.portward(&[issuer.as_slice(), &["--directory-ca", "ca.pem", "--accept-terms"]].concat());
    for (names, challenge) in [(["shop.test", "www.shop.test"].as_slice(), "http-01"), (&["tls.test"], "tls-alpn-01")] {
        let words = ["certificate", "request", "--wait", "-o", "json", "--challenge", challenge];
        let issued: Value = serde_json::from_str(&server.portward(&[&words, names].concat())).unwrap();
        let id = issued["certificate"]["id"].as_str().unwrap();
        is_trusted(&server, names, &issued["certificate"]).await;
        server.portward(&["certificate", "renew", id, "--force", "--wait"]);
        let renewed = server.portward(&["certificate", "show", id, "-o", "json"]);
        let renewed: Value = serde_json::from_str(&renewed).unwrap();
        assert_ne!(renewed["thumbprint"], issued["certificate"]["thumbprint"]);
        is_trusted(&server, names, &renewed).await;
        let attempts = server.portward(&["acme", "attempts", id]);
        assert!(attempts.contains(&format!("is shown by {challenge}")), "{attempts}");
    }
}

/// Fails unless a client that trusts the CA alone gets the application's answer, and the certificate.
async fn is_trusted(server: &StartedProgram, names: &[&str], certificate: &Value) {
    for name in names {
        let curl = ["--silent", "--show-error", "--fail", "--include", "--noproxy", "*", "--cacert", "ca.pem"];
        let mut command = Command::new("curl");
        let answer =
            portward_testkit::run(command.args(curl).arg(format!("https://{name}/")).current_dir(server.files()));
        assert!(answer.to_ascii_lowercase().contains("upstream: shop"), "{answer}");
        let shown = Thumbprint::of(&handshake(server.https, name).await).to_string();
        assert_eq!(certificate["thumbprint"], shown);
    }
}

/// Is a running Caddy that issues for whoever asks and shows that they have the name.
struct Caddy {
    root_pem: String,
    _child: Child,
    _directory: tempfile::TempDir,
}

impl Caddy {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = "{\n admin off\n auto_https disable_redirects\n http_port 9080\n https_port 9443\n \
            skip_install_trust\n}\nhttps://ca.test:9443 {\n tls internal\n acme_server\n}\n";
        fs::write(directory.path().join("Caddyfile"), config).unwrap();
        let child = Child::start(
            Command::new("caddy")
                .args(["run", "--config", "Caddyfile", "--adapter", "caddyfile"])
                .current_dir(directory.path())
                .env("HOME", directory.path())
                .env("XDG_DATA_HOME", directory.path())
                .env("XDG_CONFIG_HOME", directory.path()),
        );
        let root = directory.path().join("caddy/pki/authorities/local/root.crt");
        let root_pem = eventually("Caddy has made its root", async || fs::read_to_string(&root).ok()).await;
        eventually("Caddy answers for its name", async || {
            let mut command = Command::new("curl");
            command.args(["--silent", "--fail", "--cacert"]).arg(&root);
            command.arg("https://ca.test:9443/acme/local/directory").output().unwrap().status.success().then_some(())
        })
        .await;
        Self { root_pem, _child: child, _directory: directory }
    }
}
