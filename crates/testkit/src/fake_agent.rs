//! Agents without a machine: they link, say of themselves what a test wants, and keep what is delivered in memory.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portward_core::{Thumbprint, Timestamp};
use portward_link::{
    Handler, Identity, Instance, LinkError, Progress, Session,
    message::{
        Call, DeliverReply, Disk, Fault, HealthReport, IdentityAcceptedReply, IdentityReport, InstalledReport,
        PolicyReport, Reply, ServedReport, TrustReply, TrustReport, WithdrawReply,
    },
    opening::{Hello, TrustMark},
};
use tokio::{net::TcpStream, task::JoinHandle};

/// Is an agent that polls; its link ends with what [`FakeAgent::link`] gives.
#[derive(Clone, Debug)]
pub struct FakeAgent {
    identity: Identity,
    host_name: String,
    instance: Instance,
    inside: Arc<Mutex<Inside>>,
}

/// Is a link of a [`FakeAgent`]; it ends when this is dropped.
#[derive(Debug)]
pub struct FakeLink(JoinHandle<()>);

#[derive(Debug, Default)]
struct Inside {
    installed: BTreeMap<String, InstalledReport>,
    trust: Option<(TrustMark, Vec<String>)>,
    /// By what it knew the server when it was linked last.
    session: String,
    fault: Option<Fault>,
    is_holding: bool,
}

impl FakeAgent {
    /// Makes one with an identity of its own, which says that name.
    pub fn new(name: &str, now: Timestamp) -> Self {
        Self {
            identity: Identity::new(name, now).unwrap(),
            host_name: name.to_owned(),
            instance: Instance::new(),
            inside: Arc::default(),
        }
    }

    /// By what it is trusted.
    pub fn thumbprint(&self) -> Thumbprint {
        self.identity.thumbprint()
    }

    /// Has every installation from now on fail like that.
    pub fn fail_with(&self, fault: Fault) {
        self.lock().fault = Some(fault);
    }

    /// Has every installation from now on take longer than anybody waits.
    pub fn hold(&self) {
        self.lock().is_holding = true;
    }

    /// Dials a server and serves the link; an error if it is refused.
    pub async fn link(&self, address: SocketAddr, pin: Thumbprint) -> Result<FakeLink, LinkError> {
        let tcp = TcpStream::connect(address).await.unwrap();
        let mut hello = Hello::new(&self.instance);
        if let Some((mark, _)) = &self.lock().trust {
            hello.trust = *mark;
        }
        let session = Session::dial(tcp, &self.identity, &[pin], hello, None).await?;
        self.lock().session = pin.to_string();
        let agent = Arc::new(self.clone());
        let serving = async move {
            portward_link::serve(session, agent, std::future::pending()).await;
        };
        Ok(FakeLink(tokio::spawn(serving)))
    }

    fn report(&self) -> HealthReport {
        let inside = self.lock();
        let (mark, pins) = inside.trust.clone().unwrap_or_default();
        let now = now();
        HealthReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            platform: "linux-x86_64".to_owned(),
            host_name: self.host_name.clone(),
            now: now.unix(),
            started: now.unix() - 3600,
            boot_id: String::new(),
            instance: self.instance.clone(),
            user_id: 0,
            identity: IdentityReport {
                thumbprint: self.thumbprint().to_string(),
                sha1: self.identity.sha1().to_string(),
                not_before: now.unix() - 3600,
                not_after: now.unix() + 10 * 365 * 86_400,
                since: now.unix() - 3600,
            },
            trusts: vec![TrustReport { pins, mark, since: now.unix() - 3600, addresses: Vec::new() }],
            disks: vec![Disk { path: "/".to_owned(), free: 31_000_000_000, total: 64_000_000_000 }],
            policy: PolicyReport {
                path: "/etc/portward-agent/policy.toml".to_owned(),
                sha256: "00".repeat(32),
                problem: None,
                directories: vec!["/etc/nginx/tls".to_owned(), "/etc/haproxy/tls".to_owned()],
                profiles: vec!["nginx".to_owned(), "haproxy".to_owned()],
            },
            installed: inside.installed.values().cloned().collect(),
            warnings: Vec::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for FakeAgent {
    async fn handle(&self, call: Call, progress: Progress) -> Result<Reply, Fault> {
        match call {
            Call::Health(_) => Ok(Reply::Health(self.report())),
            Call::Trust(trust) => {
                let mut inside = self.lock();
                inside.trust = Some((trust.mark, trust.pins));
                let session_pin = inside.session.clone();
                Ok(Reply::Trust(TrustReply { mark: trust.mark, session_pin }))
            }
            Call::Deliver(deliver) => {
                let (is_holding, fault) = {
                    let inside = self.lock();
                    (inside.is_holding, inside.fault.clone())
                };
                progress.tell("reload", "nginx is told");
                if is_holding {
                    std::future::pending::<()>().await;
                }
                if let Some(fault) = fault {
                    return Err(fault);
                }
                let leaf = deliver.chain.first().and_then(|leaf| base64::Engine::decode(&BASE64, leaf).ok());
                let thumbprint = Thumbprint::of(&leaf.unwrap_or_default()).to_string();
                let served = deliver.install.verify.as_ref().map(|_| ServedReport::Thumbprint(thumbprint.clone()));
                let installed = InstalledReport {
                    delivery: deliver.delivery.clone(),
                    generation: deliver.generation,
                    thumbprint: thumbprint.clone(),
                    stored: Some(thumbprint.clone()),
                    problem: None,
                    served,
                };
                let verified = installed.served.is_some().then_some(true);
                self.lock().installed.insert(deliver.delivery, installed);
                let generation = deliver.generation;
                Ok(Reply::Deliver(DeliverReply { generation, thumbprint, verified, unchanged: false }))
            }
            Call::Withdraw(withdraw) => {
                self.lock().installed.remove(&withdraw.delivery);
                Ok(Reply::Withdraw(WithdrawReply { was_there: true }))
            }
            Call::IdentityAccepted(_) => Ok(Reply::IdentityAccepted(IdentityAcceptedReply {})),
            Call::MakeRequest(_) => Err(Fault::new("not-here", "it makes no keys")),
            Call::Rotate(_) => Err(Fault::new("not-here", "it has no other identity")),
        }
    }
}

impl Drop for FakeLink {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn now() -> Timestamp {
    let text = crate::run(std::process::Command::new("date").args(["-u", "+%s"]));
    Timestamp::from_unix(text.trim().parse().unwrap()).unwrap()
}

const BASE64: base64::engine::GeneralPurpose = base64::prelude::BASE64_STANDARD;
