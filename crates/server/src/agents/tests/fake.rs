//! An agent without files: it polls, remembers whom to trust, and says that it installed what it is given.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use portward_core::{BindingId, DialAddress, Thumbprint, Timestamp};
use portward_link::{
    EnrolAnswer, Guest, Handler, Identity, Instance, JoinString, LinkError, Progress, Session, Wire, dial, enrol,
    message::{
        Call, Deliver, DeliverReply, Fault, HealthReport, IdentityAcceptedReply, IdentityReport, InstalledReport,
        PolicyReport, Reply, RotateReply, ServedReport, TrustReply, WithdrawReply,
    },
    opening::{Hello, TrustMark},
    serve,
    tls::{Dialled, Purpose},
};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

use crate::{
    app::Apply,
    fixture::{Fixture, binding, by, now},
};

/// Is an agent.
pub(super) struct Fake {
    pub(super) identity: Mutex<Identity>,
    pub(super) next: Mutex<Option<Identity>>,
    /// What its clock says, and since when it has its identity.
    pub(super) clock: Mutex<(Timestamp, Timestamp)>,
    /// How often it was asked for a new one.
    pub(super) rotations: AtomicUsize,
    pub(super) instance: Instance,
    pub(super) trust: Mutex<(TrustMark, Vec<Thumbprint>)>,
    /// Where it was told to dial.
    pub(super) addresses: Mutex<Vec<String>>,
    /// What it was asked to install, the newest last.
    pub(super) installed: Mutex<Vec<Deliver>>,
    /// What it says instead of installing, or of making a new identity.
    pub(super) refuses: Mutex<Option<Fault>>,
    /// What it says that is in its files, in place of what was installed.
    pub(super) stored: Mutex<Option<String>>,
    pub(super) withdrawn: Mutex<Vec<String>>,
    /// The last generation of each delivery that was withdrawn.
    pub(super) last: Mutex<BTreeMap<String, u64>>,
    /// Whether it installs and never answers, as one does whose link is lost meanwhile.
    pub(super) is_silent: AtomicBool,
    /// The versions of the protocol that it says to speak.
    pub(super) protocols: Mutex<(u16, u16)>,
    /// Changes what it says of itself.
    pub(super) forges: Mutex<Option<Forge>>,
    /// Told when something is to be looked at by a new link.
    pub(super) again: Notify,
}

pub(super) type Forge = Box<dyn Fn(&mut HealthReport) + Send>;

/// Calls of one link.
struct OfLink {
    fake: Arc<Fake>,
    session: Thumbprint,
}

impl Fake {
    pub(super) fn new(name: &str) -> Arc<Self> {
        Arc::new(Self {
            identity: Mutex::new(Identity::new(name, now()).unwrap()),
            next: Mutex::default(),
            clock: Mutex::new((now(), now())),
            rotations: AtomicUsize::new(0),
            instance: Instance::new(),
            trust: Mutex::default(),
            addresses: Mutex::default(),
            installed: Mutex::default(),
            refuses: Mutex::default(),
            stored: Mutex::default(),
            withdrawn: Mutex::default(),
            last: Mutex::default(),
            is_silent: AtomicBool::new(false),
            protocols: Mutex::new(portward_link::opening::PROTOCOLS),
            forges: Mutex::default(),
            again: Notify::new(),
        })
    }

    pub(super) fn thumbprint(&self) -> Thumbprint {
        self.identity.lock().unwrap().thumbprint()
    }

    pub(super) fn pins(&self) -> Vec<Thumbprint> {
        self.trust.lock().unwrap().1.clone()
    }

    /// Joins, and trusts whom it is told.
    pub(super) async fn join(&self, string: &str) -> Result<String, String> {
        self.join_at(&JoinString::parse(string).unwrap().addresses[0], string).await
    }

    /// The same at one node of several.
    pub(super) async fn join_at(&self, address: &DialAddress, string: &str) -> Result<String, String> {
        let string = JoinString::parse(string).unwrap();
        let tcp = dial(address, None).await.unwrap();
        let identity = self.identity.lock().unwrap().clone();
        let token = string.token.clone();
        match enrol(tcp, &identity, &string.pins, &string.secret, None, token).await.unwrap() {
            EnrolAnswer::Enrolled(enrolled) => {
                let pins = enrolled.pins.iter().map(|pin| Thumbprint::parse(pin).unwrap()).collect();
                *self.trust.lock().unwrap() = (enrolled.trust, pins);
                Ok(enrolled.name)
            }
            EnrolAnswer::Refused(refusal) => Err(refusal.message),
        }
    }

    /// The newest generation that it has or had of a delivery.
    fn generation_of(&self, delivery: &str) -> Option<u64> {
        let installed = self.installed.lock().unwrap();
        let here = installed.iter().filter(|one| one.delivery == delivery).map(|one| one.generation);
        here.chain(self.last.lock().unwrap().get(delivery).copied()).max()
    }

    /// Opens a link as the pins in their order allow.
    pub(super) async fn dial(&self, at: SocketAddr) -> Result<Session, LinkError> {
        let address = DialAddress::parse(&at.to_string(), None).unwrap();
        let (mark, pins) = self.trust.lock().unwrap().clone();
        let identity = self.identity.lock().unwrap().clone();
        let next = self.next.lock().unwrap().clone();
        let mut last = None;
        for pin in &pins {
            let protocols = *self.protocols.lock().unwrap();
            let hello = Hello { trust: mark, protocols, ..Hello::new(&self.instance) };
            let tcp = dial(&address, None).await?;
            match Session::dial(tcp, &identity, &[*pin], hello, next.as_ref()).await {
                Ok(session) => return Ok(session),
                Err(error @ LinkError::Mismatch(_)) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap())
    }

    /// Opens a link and serves it until it ends.
    pub(super) async fn link(self: &Arc<Self>, at: SocketAddr) -> Result<JoinHandle<String>, LinkError> {
        let session = self.dial(at).await?;
        let handler = Arc::new(OfLink { fake: Arc::clone(self), session: session.peer.shown.thumbprint });
        let fake = Arc::clone(self);
        Ok(tokio::spawn(async move { serve(session, handler, async move { fake.again.notified().await }).await }))
    }

    /// Listens, and serves the links of whoever dials, one after the other.
    pub(super) async fn listen(self: &Arc<Self>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let fake = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let identity = fake.identity.lock().unwrap().clone();
                let dialled = Dialled::new(&identity, &[], &[Purpose::Link]).unwrap();
                let Ok(guest) = Guest::welcome(Wire::new(tcp), &dialled).await else { continue };
                let protocols = *fake.protocols.lock().unwrap();
                let hello = Hello { protocols, ..Hello::new(&fake.instance) };
                let Ok(session) = guest.open(hello, None).await else { continue };
                let handler = Arc::new(OfLink { fake: Arc::clone(&fake), session: session.peer.shown.thumbprint });
                serve(session, handler, fake.again.notified()).await;
            }
        });
        at
    }

    /// Is linked for as long as the handle lives, with a new link whenever what it trusts or shows has changed.
    pub(super) fn stay(self: &Arc<Self>, at: SocketAddr) -> JoinHandle<()> {
        let fake = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                if let Ok(link) = fake.link(at).await {
                    let _ = link.await;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    }
}

impl Handler for OfLink {
    async fn handle(&self, call: Call, progress: Progress) -> Result<Reply, Fault> {
        let fake = &self.fake;
        match call {
            Call::Health(_) => Ok(Reply::Health(self.report())),
            Call::Trust(trust) => {
                let pins: Vec<Thumbprint> = trust.pins.iter().map(|pin| Thumbprint::parse(pin).unwrap()).collect();
                let mut known = fake.trust.lock().unwrap();
                if trust.mark <= known.0 || !pins.contains(&self.session) {
                    return Err(Fault::new("old-trust", "it is not newer, or cuts the branch"));
                }
                let is_moved = pins[0] != self.session;
                *known = (trust.mark, pins);
                if !trust.addresses.is_empty() {
                    *fake.addresses.lock().unwrap() = trust.addresses;
                }
                if is_moved {
                    fake.again.notify_one();
                }
                Ok(Reply::Trust(TrustReply { mark: trust.mark, session_pin: self.session.to_string() }))
            }
            Call::Rotate(_) => {
                fake.rotations.fetch_add(1, Ordering::SeqCst);
                if let Some(fault) = fake.refuses.lock().unwrap().clone() {
                    return Err(fault);
                }
                // Who is asked again, as no answer came, offers the same.
                let mut next = fake.next.lock().unwrap();
                let thumbprint =
                    next.get_or_insert_with(|| Identity::new("next", now()).unwrap()).thumbprint().to_string();
                fake.again.notify_one();
                Ok(Reply::Rotate(RotateReply { thumbprint }))
            }
            Call::IdentityAccepted(accepted) => {
                // It is said again if the link ended before the answer.
                if let Some(next) = fake.next.lock().unwrap().take() {
                    *fake.identity.lock().unwrap() = next;
                    let mut clock = fake.clock.lock().unwrap();
                    clock.1 = clock.0;
                    fake.again.notify_one();
                }
                assert_eq!(fake.thumbprint().to_string(), accepted.thumbprint);
                Ok(Reply::IdentityAccepted(IdentityAcceptedReply {}))
            }
            Call::MakeRequest(_) => Err(Fault::new("not-here", "it makes no keys")),
            Call::Deliver(deliver) => {
                progress.tell("stage", "the files are written");
                if let Some(fault) = fake.refuses.lock().unwrap().clone() {
                    return Err(fault);
                }
                let (generation, thumbprint) = (deliver.generation, leaf(&deliver));
                if let Some(last) = fake.generation_of(&deliver.delivery).filter(|last| generation <= *last) {
                    let what = format!("{last} is here or was, and {generation} is not newer");
                    return Err(Fault::new("old-generation", what).at("check").after(last));
                }
                fake.installed.lock().unwrap().push(deliver);
                *fake.stored.lock().unwrap() = None;
                if fake.is_silent.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
                Ok(Reply::Deliver(DeliverReply { generation, thumbprint, verified: Some(true), unchanged: false }))
            }
            Call::Withdraw(withdraw) => {
                if let Some(last) = fake.generation_of(&withdraw.delivery) {
                    fake.last.lock().unwrap().insert(withdraw.delivery.clone(), last);
                }
                fake.withdrawn.lock().unwrap().push(withdraw.delivery.clone());
                fake.installed.lock().unwrap().retain(|deliver| deliver.delivery != withdraw.delivery);
                Ok(Reply::Withdraw(WithdrawReply { was_there: true }))
            }
        }
    }
}

impl OfLink {
    fn report(&self) -> HealthReport {
        let fake = &self.fake;
        let (now, since) = *fake.clock.lock().unwrap();
        let now = now.unix();
        let mut installed: Vec<InstalledReport> = Vec::new();
        for deliver in fake.installed.lock().unwrap().iter() {
            let thumbprint = leaf(deliver);
            let stored = fake.stored.lock().unwrap().clone().unwrap_or_else(|| thumbprint.clone());
            installed.retain(|other| other.delivery != deliver.delivery);
            installed.push(InstalledReport {
                delivery: deliver.delivery.clone(),
                generation: deliver.generation,
                served: Some(ServedReport::Thumbprint(thumbprint.clone())),
                stored: Some(stored),
                thumbprint,
                problem: None,
            });
        }
        let mut report = HealthReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            platform: "linux-x86_64".to_owned(),
            host_name: "web-03".to_owned(),
            now,
            started: now,
            boot_id: String::new(),
            instance: fake.instance.clone(),
            user_id: 0,
            identity: IdentityReport {
                thumbprint: fake.thumbprint().to_string(),
                sha1: fake.identity.lock().unwrap().sha1().to_string(),
                not_before: now,
                not_after: now,
                since: since.unix(),
            },
            trusts: Vec::new(),
            disks: Vec::new(),
            policy: PolicyReport::default(),
            installed,
            warnings: Vec::new(),
        };
        if let Some(forge) = &*fake.forges.lock().unwrap() {
            forge(&mut report);
        }
        report
    }
}

/// The thumbprint of the leaf that is delivered.
pub(super) fn leaf(deliver: &Deliver) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    Thumbprint::of(&BASE64_STANDARD.decode(&deliver.chain[0]).unwrap()).to_string()
}

/// A server with an https binding, and where that is.
pub(super) async fn server() -> (Fixture, SocketAddr) {
    let fixture = Fixture::start().await;
    let at = bound(&fixture).await;
    (fixture, at)
}

/// Adds an https binding, at whatever port each node over its store finds, and tells where this node has it.
pub(super) async fn bound(fixture: &Fixture) -> SocketAddr {
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    let id = fixture.stored().await.bindings[0].value.id.clone();
    address(fixture, &id).await
}

/// Where a node has that binding.
pub(super) async fn address(fixture: &Fixture, id: &BindingId) -> SocketAddr {
    let state = fixture.served.until(|state| state.binding(id).is_some_and(|report| report.result.is_ok())).await;
    *state.binding(id).unwrap().result.as_ref().unwrap()
}

/// Waits until it is so.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: not within 10 s");
}
