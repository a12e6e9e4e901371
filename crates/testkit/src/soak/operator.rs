//! Who changes the server while it is under load, and looks whether each change is in effect.

use std::{
    fs,
    net::SocketAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use portward_api::{
    BindingCreate, CertificateFile, CertificateImport, Client, Effect, HeaderSet, SecretBytes, SiteUpdate, UpgradeView,
};
use portward_core::{BindingId, SiteId, Timestamp};

use super::{HOST, application::page, program};
use crate::{Authority, Connection, StartedProgram, eventually, free_port};

/// Is how much of each kind is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// A new version of the certificate that is served.
    pub certificates: u32,
    /// A header of the site.
    pub sites: u32,
    /// A binding is added, or removed while a request is on its way.
    pub bindings: u32,
    /// The program is followed by itself.
    pub upgrades: u32,
}

/// Makes changes.
pub(super) struct Operator<'a> {
    server: &'a StartedProgram,
    /// The one that took over last.
    process: u32,
    client: Client,
    authority: Authority,
    certificate: String,
    site: SiteId,
    /// How many slow requests the application has got.
    slow: Arc<AtomicU64>,
    /// A binding that is there for now.
    extra: Option<(BindingId, SocketAddr)>,
    wanted: Changes,
    made: Changes,
    wrong: Vec<String>,
}

impl<'a> Operator<'a> {
    /// Gives the site its name and its first certificate.
    pub(super) async fn new(server: &'a StartedProgram, slow: &Arc<AtomicU64>, wanted: Changes) -> Self {
        let client = Client::local(server.data_directory());
        let site = client.list_sites().await.unwrap().remove(0).id;
        let site = SiteId::parse(&site).unwrap();
        let authority = Authority::new();
        let import = import(&authority, None).0;
        let taken = client.import_certificate(&import, Effect::Apply).await.unwrap();
        let names = Some(vec![HOST.to_owned()]);
        client.edit_site(&site, &SiteUpdate { names, ..SiteUpdate::default() }).await.unwrap();
        let certificate = taken.result.certificate.id;
        let (slow, extra, made) = (Arc::clone(slow), None, Changes::default());
        let process = server.id();
        Self { server, process, client, authority, certificate, site, slow, extra, wanted, made, wrong: Vec::new() }
    }

    /// Makes the next change of each kind that is behind when so much of the time is over.
    pub(super) async fn keep_up(&mut self, share: f64) {
        let is_due = |made: u32, wanted: u32| made < wanted && f64::from(made) <= share * f64::from(wanted);
        if is_due(self.made.certificates, self.wanted.certificates) {
            self.replace_certificate().await;
            self.made.certificates += 1;
        }
        if is_due(self.made.sites, self.wanted.sites) {
            self.edit_site().await;
            self.made.sites += 1;
        }
        if is_due(self.made.bindings, self.wanted.bindings) {
            match self.extra.take() {
                None => self.add_binding().await,
                Some((id, address)) => self.remove_binding(&id, address).await,
            }
            self.made.bindings += 1;
        }
        // All in the first half, so that the second is one process, whose memory can be compared.
        if f64::from(self.made.upgrades) < 2.0 * share * f64::from(self.wanted.upgrades)
            && self.made.upgrades < self.wanted.upgrades
        {
            self.upgrade().await;
            self.made.upgrades += 1;
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.made == self.wanted
    }

    /// The process that serves now.
    pub(super) fn process(&self) -> u32 {
        self.process
    }

    /// What was changed, and what was wrong then; ends processes that upgrades have left.
    pub(super) fn end(self) -> (Changes, Vec<String>) {
        for process in self.processes().into_iter().filter(|process| *process != self.server.id()) {
            // It may have ended meanwhile.
            let _ = Command::new("kill").arg("-9").arg(process.to_string()).status();
        }
        (self.made, self.wrong)
    }

    async fn replace_certificate(&mut self) {
        let (import, leaf) = import(&self.authority, Some(&self.certificate));
        if let Err(error) = self.client.import_certificate(&import, Effect::Apply).await {
            return self.wrong.push(format!("a certificate was not replaced: {error}"));
        }
        match Connection::tls(self.server.https, HOST).await {
            Ok(connection) if connection.leaf.as_ref() == Some(&leaf) => {}
            Ok(_) => self.wrong.push("a certificate was replaced, and the former one presented".to_owned()),
            Err(error) => self.wrong.push(format!("no connection after a certificate was replaced: {error}")),
        }
    }

    async fn edit_site(&mut self) {
        let value = self.made.sites.to_string();
        let set_headers = Some(vec![HeaderSet { name: "X-Soak".to_owned(), value: value.clone() }]);
        let update = SiteUpdate { set_headers, ..SiteUpdate::default() };
        if let Err(error) = self.client.edit_site(&self.site, &update).await {
            return self.wrong.push(format!("the site was not changed: {error}"));
        }
        match get(self.server.https, "/edited").await {
            Ok(answer) if answer.header("x-soak") == Some(&value) => {}
            Ok(answer) => {
                self.wrong.push(format!("the site was changed to {value}, and this answered: {}", answer.head))
            }
            Err(error) => self.wrong.push(format!("no answer after the site was changed: {error}")),
        }
    }

    async fn add_binding(&mut self) {
        let url = format!("https://127.0.0.1:{}", free_port());
        let create = BindingCreate { url, ..BindingCreate::default() };
        match self.client.add_binding(&create).await {
            Ok(added) => {
                let address = added.result.url.trim_start_matches("https://").parse().unwrap();
                self.extra = Some((BindingId::parse(&added.result.id).unwrap(), address));
                match get(address, "/extra").await {
                    Ok(answer) if answer.text() == page("/extra") => {}
                    Ok(answer) => self.wrong.push(format!("a new binding answered {}", answer.head)),
                    Err(error) => self.wrong.push(format!("a new binding did not answer: {error}")),
                }
            }
            Err(error) => self.wrong.push(format!("a binding was not added: {error}")),
        }
    }

    async fn remove_binding(&mut self, id: &BindingId, address: SocketAddr) {
        let before = self.slow.load(Relaxed);
        let under_way = tokio::spawn(async move { get(address, "/slow/500").await });
        eventually("the request is under way", async || (self.slow.load(Relaxed) > before).then_some(())).await;
        if let Err(error) = self.client.remove_binding(id).await {
            self.wrong.push(format!("a binding was not removed: {error}"));
        }
        match under_way.await.unwrap() {
            Ok(answer) if answer.text() == page("/slow/500") => {}
            Ok(answer) => self.wrong.push(format!("a request to a binding that went got {}", answer.head)),
            Err(error) => self.wrong.push(format!("a request to a binding that went was lost: {error}")),
        }
    }

    async fn upgrade(&mut self) {
        let mut command = self.server.command(&["upgrade", "--binary", &program(), "-o", "json"]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        if !output.status.success() {
            return self.wrong.push(format!("no upgrade: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let view: UpgradeView = serde_json::from_slice(&output.stdout).unwrap();
        if view.old_process != self.process || view.process == self.process || !self.processes().contains(&view.process)
        {
            self.wrong.push(format!("process {} served before an upgrade, which says: {view:?}", self.process));
        }
        self.process = view.process;
    }

    /// All processes that serve this data directory, by their command lines.
    fn processes(&self) -> Vec<u32> {
        let data = self.server.data_directory().display().to_string();
        let is_ours = |process: &u32| {
            let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            let words: Vec<_> = line.split(|byte| *byte == 0).collect();
            words.contains(&b"serve".as_slice()) && words.contains(&data.as_bytes())
        };
        let all = fs::read_dir("/proc").unwrap().flatten();
        all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_ours).collect()
    }
}

/// Gets a path on a connection of its own.
async fn get(address: SocketAddr, path: &str) -> std::io::Result<crate::Response> {
    Connection::tls(address, HOST).await?.request("GET", HOST, path, "").await
}

/// A new certificate for the site, and its leaf.
fn import(authority: &Authority, replace: Option<&str>) -> (CertificateImport, Vec<u8>) {
    let issued = authority.issue(&[HOST], now());
    let pem = format!("{}{}", issued.key_pem, issued.chain_pem);
    let file = CertificateFile { name: "soak.pem".to_owned(), data: SecretBytes::new(pem.into_bytes()) };
    let replace = replace.map(str::to_owned);
    (CertificateImport { files: vec![file], password: None, name: None, replace, allow_expired: false }, issued.leaf)
}

#[allow(clippy::disallowed_methods, reason = "a tool of this repository; time is an argument everywhere else")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_unix(since.as_secs().try_into().unwrap()).unwrap()
}
