//! A whole Portward in the process of the test.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use portward_api::{
    BindingCreate, CertificateFile, CertificateImport, CertificateTaken, Client, Effect, SecretBytes, SecretText,
    SetupInput, SiteCreate, SiteUpdate, SiteView, TokenCreate,
};
use portward_core::{CertificateId, SiteId, Timestamp, Upstream as UpstreamAddress};
use portward_server::{HttpTimeouts, Server, ServerOptions};

use crate::{Issued, Upstream};

/// Is a server on loopback, with a data directory and a clock of its own.
pub struct TestServer {
    /// Where it accepts plain HTTP.
    pub http: SocketAddr,
    /// Where it accepts HTTPS.
    pub https: SocketAddr,
    /// The loopback admin listener.
    pub admin: SocketAddr,
    /// Asks it, as the command line does.
    pub client: Client,
    clock: Arc<TestClock>,
    server: Option<Server>,
    directory: tempfile::TempDir,
}

/// Tells the time that a test sets.
struct TestClock {
    /// Seconds since 1970, at the begin if it goes on.
    set: AtomicI64,
    /// Since when it goes on by itself; none if it stands still.
    since: Option<Instant>,
}

impl TestServer {
    /// Starts a server with one http and one https binding, and no site but the portal's, which is for all hosts.
    pub async fn start() -> Self {
        Self::start_with(None, TestClock::standing()).await
    }

    /// Starts a server with one http and one https binding and no site but the portal's, whose clock goes on by itself, as
    /// whoever waits for a CA needs it.
    pub async fn start_ticking() -> Self {
        Self::start_with(None, TestClock::ticking()).await
    }

    /// Starts a server that forwards every host to an application.
    pub async fn start_before(upstream: &Upstream) -> Self {
        Self::start_with(Some(UpstreamAddress::parse(&upstream.url()).unwrap()), TestClock::standing()).await
    }

    async fn start_with(upstream: Option<UpstreamAddress>, clock: TestClock) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join(DATA);
        let clock = Arc::new(clock);
        let told = Arc::clone(&clock);
        let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let server = Server::start(ServerOptions {
            limits: portward_proxy::Limits::default(),
            data_dir: data_dir.clone(),
            http: Some(vec![anywhere]),
            https: Some(vec![anywhere]),
            admin: anywhere,
            upstream,
            workers: std::num::NonZeroUsize::new(2).unwrap(),
            clock: Arc::new(move || told.now()),
            host_name: "front.test".to_owned(),
            acme_timeouts: HttpTimeouts { connect: CA_PATIENCE, request: CA_PATIENCE },
            access_log: None,
            arguments: None,
        })
        .await
        .unwrap();
        let client = Client::local(&data_dir);
        let status = client.status().await.unwrap();
        let bound = |scheme: &str| -> SocketAddr {
            let binding = status.bindings.iter().find(|binding| binding.url.starts_with(scheme)).unwrap();
            address_of(binding.address.as_deref().unwrap())
        };
        Self {
            http: bound("http://"),
            https: bound("https://"),
            admin: server.admin_address(),
            client,
            clock,
            server: Some(server),
            directory,
        }
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join(DATA)
    }

    /// The time at which every test server begins.
    pub fn begin() -> Timestamp {
        Timestamp::parse("2026-11-20T12:00:00Z").unwrap()
    }

    /// The time that the server is told.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sets the time that the server is told.
    pub fn set_now(&self, now: Timestamp) {
        self.clock.set_now(now);
    }

    /// The server's clock, for others who go by it.
    pub fn clock(&self) -> impl Fn() -> Timestamp + Send + Sync + 'static {
        let clock = Arc::clone(&self.clock);
        move || clock.now()
    }

    /// Makes somebody its owner, so that it answers over the network.
    pub async fn own(&self) {
        let password = SecretText::new("a lime tree by the door".to_owned());
        let owner = SetupInput { token: None, name: "olga".to_owned(), password, email: None };
        self.client.create_owner(&owner).await.unwrap();
    }

    /// Makes a token with these permissions.
    pub async fn token(&self, permissions: &[&str]) -> String {
        let create = TokenCreate {
            name: "test".to_owned(),
            permissions: permissions.iter().map(|permission| (*permission).to_owned()).collect(),
            expires: None,
        };
        self.client.create_token(&create).await.unwrap().secret.unwrap().expose().to_owned()
    }

    /// Adds a site with the server's defaults.
    pub async fn add_site(&self, names: &[&str], upstream: &Upstream) -> SiteId {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let create = SiteCreate { names, upstreams: vec![upstream.url()], ..SiteCreate::default() };
        SiteId::parse(&self.client.add_site(&create).await.unwrap().id).unwrap()
    }

    /// Changes a site.
    pub async fn edit_site(&self, id: &SiteId, update: SiteUpdate) -> SiteView {
        self.client.edit_site(id, &update).await.unwrap().result
    }

    /// Imports a certificate as a new one.
    pub async fn import(&self, issued: &Issued) -> CertificateId {
        CertificateId::parse(&self.import_over(None, issued).await.certificate.id).unwrap()
    }

    /// Imports a certificate as a new version of that one, or as a new one.
    pub async fn import_over(&self, replace: Option<&CertificateId>, issued: &Issued) -> CertificateTaken {
        let file = |name: &str, text: &str| CertificateFile {
            name: name.to_owned(),
            data: SecretBytes::new(text.as_bytes().to_vec()),
        };
        let import = CertificateImport {
            files: vec![file("chain.pem", &issued.chain_pem), file("key.pem", &issued.key_pem)],
            password: None,
            name: None,
            replace: replace.map(ToString::to_string),
            allow_expired: false,
        };
        self.client.import_certificate(&import, Effect::Apply).await.unwrap().result
    }

    /// Adds a binding on a port that the system chooses, and gives its id and address.
    pub async fn add_binding(&self, scheme: &str) -> (portward_core::BindingId, SocketAddr) {
        let create = BindingCreate { url: format!("{scheme}://127.0.0.1:0"), ..BindingCreate::default() };
        let id = self.client.add_binding(&create).await.unwrap().result.id;
        let status = self.client.status().await.unwrap();
        let binding = status.bindings.iter().find(|binding| binding.id == id).unwrap();
        (portward_core::BindingId::parse(&id).unwrap(), address_of(binding.address.as_deref().unwrap()))
    }

    /// Drains and ends the server.
    pub async fn stop(mut self) {
        if let Some(server) = self.server.take() {
            server.drain().await;
        }
    }
}

impl TestClock {
    fn standing() -> Self {
        Self { set: AtomicI64::new(TestServer::begin().unix()), since: None }
    }

    fn ticking() -> Self {
        Self { since: Some(Instant::now()), ..Self::standing() }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.set.load(Ordering::SeqCst)).unwrap().plus(self.gone())
    }

    fn set_now(&self, now: Timestamp) {
        self.set.store(now.minus(self.gone()).unix(), Ordering::SeqCst);
    }

    fn gone(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| Duration::from_secs(since.elapsed().as_secs()))
    }
}

fn address_of(shown: &str) -> SocketAddr {
    shown.rsplit("//").next().unwrap().parse().unwrap()
}

const DATA: &str = "data";
/// Test CAs are on this machine; one that hangs is waited for in vain.
const CA_PATIENCE: Duration = Duration::from_secs(3);
