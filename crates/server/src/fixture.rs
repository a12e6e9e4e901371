//! For tests: an application over a store in memory, with a data plane of one worker and a clock that is set.

use std::{
    net::TcpListener,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU16, Ordering},
    },
};

use axum::Router;
use portward_api::{
    AuditQuery, BindingCreate, CertificateFile, CertificateImport, ChannelCreate, SecretBytes, SecretText, SetupInput,
    SiteCreate,
};
use portward_certs::{Bundle, export_pem, self_signed, self_signed_validity};
use portward_core::{ConfirmWithin, HostPattern, Permission, Timestamp};
use portward_proxy::{Clock, Proxy, ProxyOptions, limits::Limits};
use portward_store::{
    Store,
    cluster::Cluster,
    desired,
    desired::Desired,
    memory::MemoryStore,
    sealing::{MasterKey, Sealer},
};
use tokio::task::JoinSet;

use crate::{
    agents::{self, Agents, AgentsParts},
    app::{Actor, Allowed, App, AppParts, Apply, Right, Within, access::sign_in::Origin},
    events::Events,
    notice::{Notice, Notices},
    renewals::{Engine, EngineParts, Outside, Probe},
    served::Served,
    tasks::{
        self, ShutdownTrigger,
        deliver::Deliver,
        events::TellEvents,
        go_back::GoBack,
        notice::{GiveNotice, RenewalBoard},
        publish::{Following, Publish},
        supervise,
    },
    web::{self, Entrance},
};

/// Is an application that serves.
pub(crate) struct Fixture {
    pub(crate) app: Arc<App>,
    pub(crate) store: MemoryStore,
    pub(crate) served: Arc<Served>,
    pub(crate) events: Arc<Events>,
    pub(crate) probe: Probe,
    pub(crate) directory: tempfile::TempDir,
    /// What an operator was told of.
    pub(crate) notices: Arc<Mutex<Vec<Notice>>>,
    pub(crate) board: Arc<RenewalBoard>,
    /// What has notices wait for channels.
    pub(crate) outbox: Arc<Notices>,
    set: Arc<AtomicI64>,
    master: MasterKey,
    _shutdown: ShutdownTrigger,
    _tasks: JoinSet<()>,
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        let set = Arc::new(AtomicI64::new(now().unix()));
        let store = MemoryStore::new();
        Self::over(store.clone(), Arc::new(store), MasterKey::generate(), set).await
    }

    /// Starts one of several nodes over that store, with that key and the time at which every test begins; what becomes
    /// of agents goes through `of_agents`, which leads to the same store.
    pub(crate) async fn node(store: &MemoryStore, of_agents: Arc<dyn Store>, master: &MasterKey) -> Self {
        let set = Arc::new(AtomicI64::new(now().unix()));
        Self::over(store.clone(), of_agents, master.clone(), set).await
    }

    /// Ends it, and starts another one over the same store, at the same time.
    pub(crate) async fn restart(self) -> Self {
        let Self { store, master, set, .. } = self;
        Self::over(store.clone(), Arc::new(store), master, set).await
    }

    async fn over(store: MemoryStore, of_agents: Arc<dyn Store>, master: MasterKey, set: Arc<AtomicI64>) -> Self {
        Cluster::open(&store, master.clone()).await.unwrap();
        let told = Arc::clone(&set);
        let clock = Clock::new(move || Timestamp::from_unix(told.load(Ordering::SeqCst)).unwrap());
        let options = ProxyOptions {
            workers: NonZeroUsize::MIN,
            limits: Limits::default(),
            clock: clock.clone(),
            access_log: None,
            given: Vec::new(),
        };
        let proxy = Arc::new(Proxy::spawn(options).unwrap());
        let (trigger, shutdown) = tasks::shutdown();
        let served = Arc::new(Served::new());
        let events = Arc::new(Events::new(clock.now()));
        let directory = tempfile::tempdir().unwrap();
        let probe = Probe {
            store: Arc::new(store.clone()),
            served: Arc::clone(&served),
            proxy: Arc::clone(&proxy),
            clock: clock.clone(),
        };
        let outbox = Notices::new("portward.test", Arc::new(store.clone()), Arc::clone(&served), clock.clone());
        let outbox = Arc::new(outbox);
        let agents = Arc::new(Agents::new(AgentsParts {
            store: of_agents,
            master: master.clone(),
            proxy: Arc::clone(&proxy),
            served: Arc::clone(&served),
            notices: Arc::clone(&outbox),
            clock: clock.clone(),
            host_name: "front.test".to_owned(),
        }));
        let engine = Arc::new(Engine::new(EngineParts {
            store: Arc::new(store.clone()),
            master: master.clone(),
            surroundings: Arc::new(Outside::new(probe.clone(), Arc::clone(&agents))),
            side_by_side: NonZeroUsize::MIN,
        }));
        let desired = Arc::new(Following::new(None));
        let parts = AppParts {
            desired: Arc::clone(&desired),
            agents: Arc::clone(&agents),
            store: Arc::new(store.clone()),
            master: master.clone(),
            proxy: Arc::clone(&proxy),
            served: Arc::clone(&served),
            clock: clock.clone(),
            events: Arc::clone(&events),
            data_dir: directory.path().to_owned(),
            notices: Arc::clone(&outbox),
            engine: Arc::clone(&engine),
            host_name: "front.test".to_owned(),
            admin: "127.0.0.1:8442".parse().unwrap(),
            upgrade: None,
        };
        let (notices, board) = (Arc::new(Mutex::new(Vec::new())), Arc::new(RenewalBoard::default()));
        let heard = Arc::clone(&notices);
        let notice = GiveNotice {
            store: Arc::new(store.clone()),
            served: Arc::clone(&served),
            board: Arc::clone(&board),
            clock: clock.clone(),
            notices: Arc::clone(&outbox),
            tell: Arc::new(move |notice: &Notice| heard.lock().unwrap().push(notice.clone())),
            shutdown: shutdown.clone(),
        };
        let tell = TellEvents {
            store: Arc::new(store.clone()),
            served: Arc::clone(&served),
            events: Arc::clone(&events),
            after: store.revision().await.unwrap(),
            shutdown: shutdown.clone(),
        };
        let deliver = Deliver {
            store: Arc::new(store.clone()),
            served: Arc::clone(&served),
            master: master.clone(),
            notices: Arc::clone(&outbox),
            clock: clock.clone(),
            shutdown: shutdown.clone(),
        };
        let publish = Publish {
            store: Arc::new(store.clone()),
            desired: Arc::clone(&desired),
            kept: None,
            master: master.clone(),
            proxy: Arc::clone(&proxy),
            served: Arc::clone(&served),
            clock,
            shutdown: shutdown.clone(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(supervise("publish", move || publish.clone().run()));
        tasks.spawn(supervise("events", move || tell.clone().run()));
        tasks.spawn(supervise("notice", move || notice.clone().run()));
        tasks.spawn(supervise("deliver", move || deliver.clone().run()));
        let app = Arc::new(App::new(parts));
        tasks.spawn(supervise("agents", {
            let (agents, shutdown) = (Arc::clone(&agents), shutdown.clone());
            move || agents::run::run(Arc::clone(&agents), shutdown.clone())
        }));
        tasks.spawn(supervise("agents-accept", {
            let shutdown = shutdown.clone();
            move || agents::accept::run(Arc::clone(&agents), shutdown.clone())
        }));
        let go_back = GoBack { app: Arc::clone(&app), shutdown: shutdown.clone() };
        tasks.spawn(supervise("go-back", move || go_back.clone().run()));
        let entrance = Arc::new(Entrance::new(Arc::clone(&app), web::router(Arc::clone(&app)), "front"));
        tasks.spawn(supervise("portal", move || {
            web::binding::serve(Arc::clone(&proxy), Arc::clone(&entrance), shutdown.clone())
        }));
        Self {
            app,
            store,
            served,
            events,
            probe,
            directory,
            notices,
            board,
            outbox,
            set,
            master,
            _shutdown: trigger,
            _tasks: tasks,
        }
    }

    /// Sets the time that everything is told.
    pub(crate) fn set_now(&self, now: Timestamp) {
        self.set.store(now.unix(), Ordering::SeqCst);
    }

    /// What seals what tests store themselves.
    pub(crate) async fn sealer(&self) -> Sealer {
        Cluster::open(&self.store, self.master.clone()).await.unwrap().sealer
    }

    /// The API, asked by somebody who may everything.
    pub(crate) fn api(&self) -> Router {
        web::router(Arc::clone(&self.app))
    }

    /// Makes an owner, as the first start of a real server demands one.
    pub(crate) async fn own(&self) {
        let input = SetupInput {
            token: None,
            name: "olga".to_owned(),
            password: SecretText::new("a lime tree by the door".to_owned()),
            email: None,
        };
        self.app.create_owner(Some(&Actor::local(0, None)), &input, &Origin::default()).await.unwrap();
    }

    /// Adds a channel at whose other side nobody is, so that all that is told waits.
    pub(crate) async fn add_silent_channel(&self) {
        let setting = |name: &str, value: &str| (name.to_owned(), SecretText::new(value.to_owned()));
        let create = ChannelCreate {
            id: None,
            kind: "slack".to_owned(),
            settings: [setting("url", "http://127.0.0.1:1/"), setting("plain_http", "private")].into(),
            events: None,
            enabled: None,
        };
        self.app.add_channel(&by(), &create, Apply::Now).await.unwrap();
    }

    /// What is stored.
    pub(crate) async fn stored(&self) -> Desired {
        desired::read(&self.store).await.unwrap()
    }

    /// Whether there is a record of that.
    pub(crate) async fn is_audited(&self, what: &str) -> bool {
        let records = self.app.list_audit(&by(), &AuditQuery::default()).await.unwrap().items;
        records.iter().any(|record| record.what == what)
    }

    /// How often who changed what.
    pub(crate) async fn audited(&self) -> u64 {
        let prefix = portward_store::Prefix::parse("audit/").unwrap();
        self.store.counts(&prefix, portward_core::Revision(0)).await.unwrap().all
    }
}

/// The time at which every test begins.
pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-11-20T12:00:00Z").unwrap()
}

/// Somebody who may everything.
pub(crate) fn by<R: Right>() -> Allowed<R> {
    Actor::with(Permission::ALL).may().unwrap()
}

/// A certificate for names, signed by its own key, with that many days from now.
pub(crate) fn bundle(names: &[&str], days: u32) -> Bundle {
    bundle_at(names, days, now())
}

/// A certificate that was made at another time.
pub(crate) fn bundle_at(names: &[&str], days: u32, made: Timestamp) -> Bundle {
    let names: Vec<HostPattern> = names.iter().map(|name| HostPattern::parse(name).unwrap()).collect();
    self_signed(&names, self_signed_validity(made, days)).unwrap()
}

/// The input that imports a certificate.
pub(crate) fn import(bundle: &Bundle, replace: Option<&str>) -> CertificateImport {
    let pem = export_pem(&bundle.chain, &bundle.key);
    CertificateImport {
        files: vec![CertificateFile { name: "all.pem".to_owned(), data: SecretBytes::new(pem.as_bytes().to_vec()) }],
        password: None,
        name: None,
        replace: replace.map(str::to_owned),
        allow_expired: false,
    }
}

/// The input that imports a certificate of an authority, with its key and its issuer, valid for 90 days or more.
pub(crate) fn issued(names: &[&str]) -> CertificateImport {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.distinguished_name.push(rcgen::DnType::CommonName, "An authority");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let signing = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut leaf =
        rcgen::CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    leaf.not_before = rcgen::date_time_ymd(2026, 11, 1);
    leaf.not_after = rcgen::date_time_ymd(2027, 3, 1);
    let leaf = leaf.signed_by(&key, &signing).unwrap();
    let pem = format!("{}{}{}", leaf.pem(), root.pem(), key.serialize_pem());
    CertificateImport {
        files: vec![CertificateFile { name: "all.pem".to_owned(), data: SecretBytes::new(pem.into_bytes()) }],
        password: None,
        name: None,
        replace: None,
        allow_expired: false,
    }
}

pub(crate) fn site(names: &[&str]) -> SiteCreate {
    SiteCreate {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        upstreams: vec!["http://127.0.0.1:3000".to_owned()],
        ..SiteCreate::default()
    }
}

pub(crate) fn binding(url: &str) -> BindingCreate {
    BindingCreate { url: url.to_owned(), ..BindingCreate::default() }
}

/// A site that leads to the portal.
pub(crate) fn portal(names: &[&str]) -> SiteCreate {
    SiteCreate { upstreams: vec!["portal".to_owned()], ..site(names) }
}

/// What changes with a minute to confirm it.
pub(crate) fn within_a_minute() -> Apply {
    Apply::Within(Within { confirm: ConfirmWithin::USUAL, is_forced: false })
}

/// A port at which nobody listens, and which no test is given twice.
///
/// It is none of those that the system gives away, so that no connection and no listener of another test takes it.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() * 61 % u32::from(PORTS)).unwrap();
    (0..PORTS)
        .map(|_| FIRST_PORT + (begin + NEXT.fetch_add(1, Ordering::Relaxed) % PORTS) % PORTS)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

/// Linux gives away those from 32768 on.
const FIRST_PORT: u16 = 12_000;
const PORTS: u16 = 20_000;
