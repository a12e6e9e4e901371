//! A whole Portward in the process of the test.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use portward_api::{
    BindingCreate, CertificateFile, CertificateImport, CertificateTaken, Client, Effect, SecretBytes, SiteCreate,
    SiteUpdate, SiteView,
};
use portward_core::{CertificateId, SiteId, Timestamp, Upstream as UpstreamAddress};
use portward_server::{Server, ServerOptions};

use crate::{Issued, Upstream};

/// Is a server on loopback, with a data directory and a clock of its own.
pub struct TestServer {
    /// Where it accepts plain HTTP.
    pub http: SocketAddr,
    /// Where it accepts HTTPS.
    pub https: SocketAddr,
    /// Asks it, as the command line does.
    pub client: Client,
    clock: Arc<AtomicI64>,
    server: Option<Server>,
    _directory: tempfile::TempDir,
}

impl TestServer {
    /// Starts a server with one http and one https binding and no site.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Starts a server that forwards every host to an application.
    pub async fn start_before(upstream: &Upstream) -> Self {
        Self::start_with(Some(UpstreamAddress::parse(&upstream.url()).unwrap())).await
    }

    async fn start_with(upstream: Option<UpstreamAddress>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join("data");
        let clock = Arc::new(AtomicI64::new(Self::begin().unix()));
        let told = Arc::clone(&clock);
        let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let server = Server::start(ServerOptions {
            data_dir: data_dir.clone(),
            http: Some(vec![anywhere]),
            https: Some(vec![anywhere]),
            admin: anywhere,
            upstream,
            workers: std::num::NonZeroUsize::new(2).unwrap(),
            clock: Arc::new(move || Timestamp::from_unix(told.load(Ordering::SeqCst)).unwrap()),
            host_name: "front.test".to_owned(),
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
            client,
            clock,
            server: Some(server),
            _directory: directory,
        }
    }

    /// The time at which every test server begins.
    pub fn begin() -> Timestamp {
        Timestamp::parse("2026-11-20T12:00:00Z").unwrap()
    }

    /// The time that the server is told.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.clock.load(Ordering::SeqCst)).unwrap()
    }

    /// Sets the time that the server is told.
    pub fn set_now(&self, now: Timestamp) {
        self.clock.store(now.unix(), Ordering::SeqCst);
    }

    /// Adds a site with the server's defaults.
    pub async fn add_site(&self, names: &[&str], upstream: &Upstream) -> SiteId {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let create = SiteCreate { names, upstreams: vec![upstream.url()], ..SiteCreate::default() };
        SiteId::parse(&self.client.add_site(&create).await.unwrap().id).unwrap()
    }

    /// Changes a site.
    pub async fn edit_site(&self, id: &SiteId, update: SiteUpdate) -> SiteView {
        self.client.edit_site(id, &update).await.unwrap()
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
        self.client.import_certificate(&import, Effect::Apply).await.unwrap()
    }

    /// Adds a binding on a port that the system chooses, and gives its id and address.
    pub async fn add_binding(&self, scheme: &str) -> (portward_core::BindingId, SocketAddr) {
        let create = BindingCreate { url: format!("{scheme}://127.0.0.1:0"), default_certificate: None };
        let id = self.client.add_binding(&create).await.unwrap().id;
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

fn address_of(shown: &str) -> SocketAddr {
    shown.rsplit("//").next().unwrap().parse().unwrap()
}
