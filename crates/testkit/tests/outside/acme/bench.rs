//! The program beside Pebble, and an operator's commands.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use portward_core::Thumbprint;
use portward_testkit::{
    Pebble, PebbleOptions, Program, StartedProgram, Upstream, eventually, free_port, handshake, run,
};
use serde_json::Value;

/// Is a server with an application for every host, beside a Pebble that looks for answers at its bindings.
pub(crate) struct Bench {
    pub(crate) server: StartedProgram,
    pub(crate) pebble: Pebble,
    upstream: Upstream,
}

impl Bench {
    /// Starts both; the server knows the Pebble as the issuer `pebble`.
    pub(crate) async fn start(options: impl FnOnce(PebbleOptions) -> PebbleOptions) -> Self {
        let bench = Self::without_issuer(options).await;
        bench.add_issuer("pebble", &[]);
        bench
    }

    /// Starts both; the server has not heard of the Pebble.
    pub(crate) async fn without_issuer(options: impl FnOnce(PebbleOptions) -> PebbleOptions) -> Self {
        let (http, https) = (free_port(), free_port());
        let pebble = options(Pebble::options().http_port(http).tls_port(https)).start().await;
        let upstream = Upstream::start("shop").await;
        let server = Program::new_on(http, https).with(&["--upstream", &upstream.url()]).start();
        fs::write(server.files().join("ca.pem"), pebble.root_pem()).unwrap();
        Self { server, pebble, upstream }
    }

    /// Adds the Pebble as an issuer.
    pub(crate) fn add_issuer(&self, id: &str, more: &[&str]) {
        let (http, tls) = (self.pebble.http_port().to_string(), self.pebble.tls_port().to_string());
        let directory = self.pebble.directory_url();
        let arguments = ["acme", "issuer", "add", &directory, "--id", id, "--directory-ca", "ca.pem", "--accept-terms"];
        let ports = ["--http-port", &http, "--tls-port", &tls];
        self.server.portward(&[arguments.as_slice(), &ports, more].concat());
    }

    /// Asks for a certificate and waits until it is served; gives its id.
    pub(crate) fn issue(&self, names: &[&str], more: &[&str]) -> String {
        let printed =
            self.server.portward(&[&["certificate", "request", "--wait", "-o", "json"], names, more].concat());
        text(&json(&printed)["certificate"]["id"])
    }

    /// Asks for a certificate that there will not be; gives its newest attempt's outcome, and what the command said.
    pub(crate) fn is_not_issued(&self, name: &str, more: &[&str]) -> (Value, String) {
        let (code, said) = self
            .server
            .portward_fails(&[&["certificate", "request", "--wait", "--name", "refused", name], more].concat());
        assert_eq!(code, 1, "{said}");
        (self.attempt("refused")["outcome"].clone(), said)
    }

    /// Renews a certificate and waits until the new version is served.
    pub(crate) fn renew(&self, id: &str) {
        let before = self.certificate(id);
        self.server.portward(&["certificate", "renew", id, "--force", "--wait"]);
        let after = self.certificate(id);
        assert_ne!(after["thumbprint"], before["thumbprint"]);
        assert_eq!(after["source"], "acme");
    }

    /// A certificate as it is served.
    pub(crate) fn certificate(&self, id: &str) -> Value {
        json(&self.server.portward(&["certificate", "show", id, "-o", "json"]))
    }

    /// The newest attempt for a certificate; the engine may begin it a moment after it was asked for.
    pub(crate) fn attempt(&self, id: &str) -> Value {
        let newest = || {
            let attempts = json(&self.server.portward(&["acme", "attempts", id, "-o", "json"]));
            attempts.as_array().unwrap().first().cloned()
        };
        (0..LOOKS).find_map(|_| newest()).unwrap_or_else(|| panic!("no attempt for {id}"))
    }

    /// What happened in the newest attempt for a certificate, in lines.
    pub(crate) fn timeline(&self, id: &str) -> String {
        let attempt = self.attempt(id);
        let events = attempt["timeline"].as_array().unwrap();
        events.iter().map(|event| text(&event["what"]) + "\n").collect()
    }

    /// How a certificate is renewed.
    pub(crate) fn renewal(&self, id: &str) -> Value {
        json(&self.server.portward(&["acme", "renewals", id, "-o", "json"]))
    }

    /// Waits until the newest attempt for a certificate has ended with it being served.
    pub(crate) async fn is_served_in_the_end(&self, id: &str) {
        eventually("the certificate is served", async || {
            let attempt = self.attempt(id);
            let outcome = &attempt["outcome"];
            assert_ne!(outcome["result"], "failed", "{attempt:#}");
            (outcome["result"] == "served").then_some(())
        })
        .await;
    }

    /// Fails unless a client that trusts the CA's first root alone gets the application's answer for a name, and the
    /// certificate that the server says it presents.
    pub(crate) async fn is_trusted(&self, id: &str, name: &str) {
        self.is_trusted_by(0, name).await.unwrap_or_else(|said| panic!("{said}\n{}", self.timeline(id)));
        let shown = Thumbprint::of(&handshake(self.server.https, name).await);
        assert_eq!(shown.to_string(), text(&self.certificate(id)["thumbprint"]));
    }

    /// Whether a client that trusts one of the CA's roots alone gets the application's answer for a name.
    pub(crate) async fn is_trusted_by(&self, root: u8, name: &str) -> Result<(), String> {
        let file = self.file(&format!("root-{root}.pem"), &self.pebble.issuing_root_pem(root).await);
        let address = self.server.https;
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--include", "--noproxy", "*", "--max-time", "20", "--cacert"])
            .arg(file)
            .args(["--connect-to", &format!("::{address}"), &format!("https://{name}/")])
            .output()
            .unwrap();
        if !output.status.success() {
            return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let answer = String::from_utf8_lossy(&output.stdout).to_ascii_lowercase();
        assert!(answer.contains("upstream: shop"), "{answer}");
        Ok(())
    }

    /// Writes a file beside the data directory.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.server.files().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes a program beside the data directory.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Ends the server and starts it anew.
    pub(crate) fn start_again(self) -> Self {
        run(Command::new("kill").arg(self.server.id().to_string()));
        while !self.server.has_ended() {
            std::thread::yield_now();
        }
        let Self { server, pebble, upstream } = self;
        Self { server: server.start_again(), pebble, upstream }
    }
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// How often an attempt is looked for; each look runs the program.
const LOOKS: u32 = 100;
