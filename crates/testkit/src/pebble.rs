//! Pebble, the test CA of Let's Encrypt, and the DNS and HTTP server that it comes with.
//!
//! Pebble keeps everything in memory: [`Pebble::restart`] is a CA that has forgotten its accounts.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use portward_core::Timestamp;
use serde_json::{Value, json};

use crate::{Authority, Child, Connection, Response, eventually, free_port};

/// Builds a Pebble.
#[derive(Clone, Debug)]
pub struct PebbleOptions {
    http_port: u16,
    tls_port: u16,
    answers_http: bool,
    nonce_reject: u8,
    authz_reuse: u8,
    eab: Option<(String, String)>,
    blocklist: Vec<String>,
    always_valid: bool,
    alternate_roots: u8,
    chain_length: u8,
    validity_period: Duration,
    strict: bool,
    dns_server: Option<SocketAddr>,
}

/// Is a running Pebble with its DNS server; dropping it ends both.
pub struct Pebble {
    directory: tempfile::TempDir,
    authority: Authority,
    options: PebbleOptions,
    listen: u16,
    management: u16,
    dns: u16,
    dns_management: u16,
    pebble: Mutex<Option<Child>>,
    _dns_server: Child,
}

impl PebbleOptions {
    /// Sets where Pebble looks for answers to http-01.
    #[must_use]
    pub fn http_port(mut self, port: u16) -> Self {
        self.http_port = port;
        self
    }

    /// Sets where Pebble looks for answers to tls-alpn-01.
    #[must_use]
    pub fn tls_port(mut self, port: u16) -> Self {
        self.tls_port = port;
        self
    }

    /// Has Pebble's own helper listen at the port for http-01; [`Pebble::add_http`] tells it what to answer.
    #[must_use]
    pub fn answering_http(mut self) -> Self {
        self.answers_http = true;
        self
    }

    /// Has that many of a hundred good nonces refused.
    #[must_use]
    pub fn nonce_reject(mut self, percent: u8) -> Self {
        self.nonce_reject = percent;
        self
    }

    /// Has that many of a hundred authorizations used again by later orders.
    #[must_use]
    pub fn authz_reuse(mut self, percent: u8) -> Self {
        self.authz_reuse = percent;
        self
    }

    /// Makes accounts need an external account binding: its key id, and the MAC key in base64url.
    #[must_use]
    pub fn eab(mut self, key_id: &str, mac_key: &str) -> Self {
        self.eab = Some((key_id.to_owned(), mac_key.to_owned()));
        self
    }

    /// Has no certificates issued for the domain and those below it.
    #[must_use]
    pub fn blocklist(mut self, domain: &str) -> Self {
        self.blocklist.push(domain.to_owned());
        self
    }

    /// Has every answer to a challenge accepted without looking.
    #[must_use]
    pub fn always_valid(mut self) -> Self {
        self.always_valid = true;
        self
    }

    /// Makes that many roots beside the first, each with a chain of its own.
    #[must_use]
    pub fn alternate_roots(mut self, roots: u8) -> Self {
        self.alternate_roots = roots;
        self
    }

    /// Sets how many intermediates are in a chain.
    #[must_use]
    pub fn chain_length(mut self, intermediates: u8) -> Self {
        self.chain_length = intermediates;
        self
    }

    /// Sets how long certificates are valid.
    #[must_use]
    pub fn validity_period(mut self, period: Duration) -> Self {
        self.validity_period = period;
        self
    }

    /// Makes Pebble as strict as it can be.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Has Pebble ask another DNS server than the one that it comes with.
    #[must_use]
    pub fn dns_server(mut self, address: SocketAddr) -> Self {
        self.dns_server = Some(address);
        self
    }

    /// Starts Pebble and its DNS server, and waits until both answer.
    pub async fn start(self) -> Pebble {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let issued =
            authority.issue_between(&["localhost", "127.0.0.1"], Timestamp::EPOCH, Timestamp::EPOCH.plus(CENTURY));
        fs::write(directory.path().join("server.pem"), issued.chain_pem).unwrap();
        fs::write(directory.path().join("server.key"), issued.key_pem).unwrap();
        let [listen, management, dns, dns_management] = [(); 4].map(|()| free_port());
        let at = |port: u16| format!("127.0.0.1:{port}");
        let http = if self.answers_http { at(self.http_port) } else { String::new() };
        let dns_server = Child::start(
            Command::new("pebble-challtestsrv")
                .args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-https01", "", "-tlsalpn01", ""])
                .args(["-http01", &http, "-dns01", &at(dns), "-management", &at(dns_management)]),
        );
        let pebble = Pebble {
            directory,
            authority,
            options: self,
            listen,
            management,
            dns,
            dns_management,
            pebble: Mutex::default(),
            _dns_server: dns_server,
        };
        fs::write(pebble.file("config.json"), pebble.configuration().to_string()).unwrap();
        pebble.run().await;
        eventually("pebble-challtestsrv listens", async || Connection::plain(pebble.dns_management_addr()).await.ok())
            .await;
        pebble
    }
}

impl Default for PebbleOptions {
    fn default() -> Self {
        Self {
            http_port: free_port(),
            tls_port: free_port(),
            answers_http: false,
            nonce_reject: 0,
            authz_reuse: 0,
            eab: None,
            blocklist: Vec::new(),
            always_valid: false,
            alternate_roots: 0,
            chain_length: 1,
            validity_period: Duration::from_secs(90 * 24 * 3600),
            strict: false,
            dns_server: None,
        }
    }
}

impl Pebble {
    /// A Pebble that refuses no nonces, looks at every challenge anew and has one root and one intermediate.
    pub fn options() -> PebbleOptions {
        PebbleOptions::default()
    }

    /// URL of the ACME directory.
    pub fn directory_url(&self) -> String {
        format!("https://localhost:{}/dir", self.listen)
    }

    /// Where Pebble listens.
    pub fn address(&self) -> SocketAddr {
        local(self.listen)
    }

    /// The root that vouches for the directory, in PEM. It vouches for none of the certificates that are issued.
    pub fn root_pem(&self) -> String {
        self.authority.root_pem()
    }

    /// The root that vouches for the directory, in DER.
    pub fn root_der(&self) -> Vec<u8> {
        self.authority.root_der()
    }

    /// The root that vouches for issued certificates, in PEM; the first is number 0, others are alternate ones.
    pub async fn issuing_root_pem(&self, number: u8) -> String {
        let mut connection = Connection::tls(self.management_addr(), "localhost").await.unwrap();
        let response = connection.request("GET", "localhost", &format!("/roots/{number}"), "").await.unwrap();
        assert_eq!(response.status, 200, "{response:?}");
        response.text()
    }

    /// Where Pebble looks for answers to http-01.
    pub fn http_port(&self) -> u16 {
        self.options.http_port
    }

    /// Where Pebble looks for answers to tls-alpn-01.
    pub fn tls_port(&self) -> u16 {
        self.options.tls_port
    }

    /// Where Pebble tells what an ACME server does not, over HTTPS.
    pub fn management_addr(&self) -> SocketAddr {
        local(self.management)
    }

    /// The DNS server that Pebble asks. Every name has the address 127.0.0.1 there unless it is told otherwise.
    pub fn dns_addr(&self) -> SocketAddr {
        local(self.dns)
    }

    /// Adds a TXT record.
    pub async fn set_txt(&self, name: &str, value: &str) {
        self.tell("/set-txt", json!({ "host": absolute(name), "value": value })).await;
    }

    /// Removes all TXT records of a name.
    pub async fn clear_txt(&self, name: &str) {
        self.tell("/clear-txt", json!({ "host": absolute(name) })).await;
    }

    /// Sets the IPv4 addresses of a name.
    pub async fn add_a(&self, name: &str, addresses: &[&str]) {
        self.tell("/add-a", json!({ "host": absolute(name), "addresses": addresses })).await;
    }

    /// Makes a name an alias.
    pub async fn set_cname(&self, name: &str, target: &str) {
        self.tell("/set-cname", json!({ "host": absolute(name), "target": absolute(target) })).await;
    }

    /// Makes the DNS server fail for a name.
    pub async fn set_servfail(&self, name: &str) {
        self.tell("/set-servfail", json!({ "host": absolute(name) })).await;
    }

    /// Tells the helper of [`PebbleOptions::answering_http`] what to answer for a token.
    pub async fn add_http(&self, token: &str, content: &str) {
        self.tell("/add-http01", json!({ "token": token, "content": content })).await;
    }

    /// Ends Pebble and starts it anew at the same ports: accounts, orders and roots are others then.
    pub async fn restart(&self) {
        // Ended before the ports are taken again.
        drop(self.pebble.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.run().await;
    }

    /// How many orders were made since the last start.
    pub fn orders(&self) -> usize {
        self.log().lines().filter(|line| line.contains("Added order")).count()
    }

    /// What Pebble has logged since its last start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("pebble.log")).unwrap_or_default()
    }

    async fn run(&self) {
        let options = &self.options;
        // The shell gives way to Pebble, so that there is one process and its log is a file.
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec pebble -config config.json -dnsserver \"$0\" \"$@\" >pebble.log 2>&1"])
            .arg(options.dns_server.unwrap_or_else(|| self.dns_addr()).to_string())
            .current_dir(self.directory.path())
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", options.nonce_reject.to_string())
            .env("PEBBLE_AUTHZREUSE", options.authz_reuse.to_string())
            .env("PEBBLE_ALTERNATE_ROOTS", options.alternate_roots.to_string())
            .env("PEBBLE_CHAIN_LENGTH", options.chain_length.to_string());
        if options.always_valid {
            command.env("PEBBLE_VA_ALWAYS_VALID", "1");
        }
        if options.strict {
            command.arg("-strict");
        }
        let _ = fs::remove_file(self.file("pebble.log"));
        *self.pebble.lock().unwrap_or_else(PoisonError::into_inner) = Some(Child::start(&mut command));
        eventually("Pebble listens", async || {
            let log = self.log();
            assert!(!log.contains("not found") && !log.contains("in use"), "Pebble does not start: {log}");
            Connection::tls(local(self.listen), "localhost").await.ok()
        })
        .await;
    }

    fn configuration(&self) -> Value {
        let options = &self.options;
        let mut pebble = json!({
            "listenAddress": local(self.listen).to_string(),
            "managementListenAddress": local(self.management).to_string(),
            "certificate": "server.pem",
            "privateKey": "server.key",
            "httpPort": options.http_port,
            "tlsPort": options.tls_port,
            "domainBlocklist": options.blocklist,
            "certificateValidityPeriod": options.validity_period.as_secs(),
        });
        if let Some((key_id, mac_key)) = &options.eab {
            pebble["externalAccountBindingRequired"] = true.into();
            pebble["externalAccountMACKeys"] = json!({ key_id: mac_key });
        }
        json!({ "pebble": pebble })
    }

    async fn tell(&self, path: &str, body: Value) {
        let body = body.to_string();
        let mut connection = Connection::plain(self.dns_management_addr()).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
        connection.send(format!("{head}{body}").as_bytes()).await.unwrap();
        let response: Response = connection.response().await.unwrap();
        assert_eq!(response.status, 200, "{path} {body}: {response:?}");
    }

    /// Where the DNS server is told what to answer, over HTTP with JSON.
    pub fn dns_management_addr(&self) -> SocketAddr {
        local(self.dns_management)
    }

    fn file(&self, name: &str) -> PathBuf {
        Path::new(self.directory.path()).join(name)
    }
}

fn local(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// The form of names in DNS messages, which is what the server compares.
fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

/// A century after 1970: no test runs later, and none must read the clock for the CA's own server.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
