//! A running Portward: the parts put together, started in order and ended in order.

mod beginning;
mod opening;
mod options;

use std::{fmt, net::SocketAddr, num::NonZeroUsize, path::Path, sync::Arc, time::Duration};

use portward_api::SetupLinkView;
use portward_core::{BindingProtocol, Revision};
use portward_proxy::{Clock, Drained, Proxy, ProxyOptions};
use portward_store::{Store, desired};
use tokio::task::JoinSet;

use crate::{
    admin::loopback::{Measuring, metrics_router},
    agents::{self, Agents, AgentsParts},
    app::{Actor, App, AppError, AppParts},
    events::{Events, Happened},
    first_start::Flags,
    notice::{Notice, Notices},
    process,
    renewals::{Engine, EngineParts, Outside, Probe},
    served::Served,
    start_error::StartError,
    tasks::{
        self, ShutdownTrigger,
        deliver::Deliver,
        events::TellEvents,
        go_back::GoBack,
        keep::Keep,
        notice::{GiveNotice, RenewalBoard},
        open_store::OpenStore,
        publish::{Following, Publish},
        renew::Renew,
        store_health::WatchStoreHealth,
        supervise,
        upstreams::TellUpstreams,
    },
    upgrade::{Doors, Inherited, LEAVE_WITHIN, Upgrade, UpgradeParts},
    web::{self, Entrance},
};

use beginning::{Beginning, Begun, begin};
pub(crate) use beginning::{Opened, master_key, open_store};
use opening::Opening;
pub use options::ServerOptions;

/// Is a running Portward.
///
/// Dropped without [`Server::drain`], it cuts all connections.
pub struct Server {
    app: Arc<App>,
    store: Arc<dyn Store>,
    proxy: Arc<Proxy>,
    served: Arc<Served>,
    events: Arc<Events>,
    admin_address: SocketAddr,
    upgrade: Option<Arc<Upgrade>>,
    shutdown: ShutdownTrigger,
    /// Ends the portal behind the bindings, which the data plane needs while it drains.
    portal_shutdown: ShutdownTrigger,
    /// Aborted when dropped.
    tasks: JoinSet<()>,
}

/// Tells what became of a binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundBinding {
    /// Names the binding.
    pub id: portward_core::BindingId,
    /// What is spoken there.
    pub protocol: BindingProtocol,
    /// Where it listens for real; or why it does not, for an operator.
    pub result: Result<SocketAddr, String>,
}

/// Says that a change is not served yet.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct NotReachedError(crate::served::NotServedError);

/// Says why no program has taken over.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct UpgradeFailedError(AppError);

/// Says that no setup link could be made.
#[derive(Debug, thiserror::Error)]
#[error("no setup link could be made")]
pub struct SetupLinkError(#[source] AppError);

impl Server {
    /// Starts a server; it serves when this returns.
    ///
    /// A binding that cannot be bound is no error, except at the first start: see [`Server::bound`].
    /// It must be called on a tokio runtime with time and I/O, which becomes the control plane;
    /// the data plane has threads of its own.
    pub async fn start(options: ServerOptions) -> Result<Self, StartError> {
        Self::start_with(options, Inherited::Nothing).await
    }

    /// Starts a server likewise, with what it need not open itself.
    pub async fn start_with(options: ServerOptions, inherited: Inherited) -> Result<Self, StartError> {
        process::keep_memory_private();
        let files = process::raise_open_files();
        let ServerOptions {
            data_dir,
            http,
            https,
            admin,
            upstream,
            workers,
            mut limits,
            clock,
            host_name,
            acme_timeouts,
            access_log,
            arguments,
        } = options;
        limits.hold_to_files(files);
        // Looked at first, as it depends on nothing and would be in vain to start for.
        let Opening { handover, lock, given, loopback, socket } = Opening::begin(inherited, admin).await?;
        // Who takes over goes on with what was changed since the flags were agreed with.
        let flags = if handover.is_some() { Flags::default() } else { Flags { http, https, upstream } };
        let now = Arc::clone(&clock);
        let mut beginning = begin(&data_dir, &now, lock).await?;
        let clock = Clock::new(move || clock());
        let proxy = ProxyOptions { workers, limits, clock: clock.clone(), access_log, given };
        let proxy = Proxy::spawn(proxy).map_err(StartError::Workers)?;
        beginning.settle(&flags, &proxy, &host_name, clock.now()).await?;
        let socket = opening::admin_socket(socket, &data_dir, beginning.is_kept())?.map(Arc::new);

        let Beginning { store, opened, master, cluster, revision, begun, .. } = beginning;
        let (follower, kept, late) = match begun {
            Begun::Store(follower) => (Some(*follower), None, None),
            Begun::Kept(desired, late, follower) => (follower.map(|follower| *follower), Some(desired), Some(late)),
        };
        let (proxy, loopback) = (Arc::new(proxy), Arc::new(loopback));
        let own_socket = socket.clone();
        let upgrade = arguments.zip(socket.clone()).map(|(arguments, socket)| {
            let (proxy, loopback) = (Arc::clone(&proxy), Arc::clone(&loopback));
            let parts = UpgradeParts { arguments, store: opened.clone(), proxy };
            Arc::new(Upgrade::new(parts, Doors { loopback, socket }))
        });
        let (trigger, shutdown) = tasks::shutdown();
        let (portal_trigger, portal_shutdown) = tasks::shutdown();
        let served = Arc::new(Served::new());
        let events = Arc::new(Events::new(clock.now()));
        let tell = TellEvents {
            store: Arc::clone(&store),
            served: Arc::clone(&served),
            events: Arc::clone(&events),
            after: revision,
            shutdown: shutdown.clone(),
        };
        let desired = match follower {
            Some(follower) if late.is_some() => Following::of_kept(follower),
            follower => Following::new(follower),
        };
        let desired = Arc::new(desired);
        let publish = Publish {
            store: Arc::clone(&store),
            desired: Arc::clone(&desired),
            kept,
            master: master.clone(),
            proxy: Arc::clone(&proxy),
            served: Arc::clone(&served),
            clock: clock.clone(),
            shutdown: shutdown.clone(),
        };
        let notices = Arc::new(Notices::new(host_name.clone(), Arc::clone(&store), Arc::clone(&served), clock.clone()));
        let agents = Arc::new(Agents::new(AgentsParts {
            store: Arc::clone(&store),
            master: master.clone(),
            proxy: Arc::clone(&proxy),
            served: Arc::clone(&served),
            notices: Arc::clone(&notices),
            clock: clock.clone(),
            host_name: host_name.clone(),
        }));
        let probe = Probe {
            store: Arc::clone(&store),
            served: Arc::clone(&served),
            proxy: Arc::clone(&proxy),
            clock: clock.clone(),
        };
        let engine = Arc::new(Engine::new(EngineParts {
            store: Arc::clone(&store),
            master: master.clone(),
            surroundings: Arc::new(Outside::new(probe, Arc::clone(&agents)).with_timeouts(acme_timeouts)),
            side_by_side: RENEWALS_SIDE_BY_SIDE,
        }));
        let deliver = Deliver {
            store: Arc::clone(&store),
            served: Arc::clone(&served),
            master: master.clone(),
            notices: Arc::clone(&notices),
            clock: clock.clone(),
            shutdown: shutdown.clone(),
        };
        let board = Arc::new(RenewalBoard::default());
        let notice = GiveNotice {
            store: Arc::clone(&store),
            served: Arc::clone(&served),
            board: Arc::clone(&board),
            clock: clock.clone(),
            tell: {
                let events = Arc::clone(&events);
                Arc::new(move |notice: &Notice| {
                    notice.log();
                    events.tell(Happened::Notice(notice.event()));
                })
            },
            notices: Arc::clone(&notices),
            shutdown: shutdown.clone(),
        };
        let renew = Renew { engine: Arc::clone(&engine), store: Arc::clone(&store), shutdown: shutdown.clone() };
        let opening = late.map(|late| OpenStore {
            late,
            opened: Arc::clone(&opened),
            data_dir: data_dir.clone(),
            clock: now,
            master: master.clone(),
            cluster,
            served: Arc::clone(&served),
            shutdown: shutdown.clone(),
        });
        let keep = Keep {
            store: Arc::clone(&store),
            master: master.clone(),
            served: Arc::clone(&served),
            data_dir: data_dir.clone(),
            shutdown: shutdown.clone(),
        };
        let health =
            WatchStoreHealth { store: Arc::clone(&store), served: Arc::clone(&served), shutdown: shutdown.clone() };
        let app = Arc::new(App::new(AppParts {
            store: Arc::clone(&store),
            desired: Arc::clone(&desired),
            master,
            proxy: Arc::clone(&proxy),
            served: Arc::clone(&served),
            clock: clock.clone(),
            events: Arc::clone(&events),
            data_dir,
            notices: Arc::clone(&notices),
            engine: Arc::clone(&engine),
            host_name: host_name.clone(),
            agents: Arc::clone(&agents),
            admin: loopback.address(),
            upgrade: upgrade.clone(),
        }));
        let go_back = GoBack { app: Arc::clone(&app), shutdown: shutdown.clone() };
        let router = web::router(Arc::clone(&app));
        let admin_address = loopback.address();
        let measuring = Measuring {
            served: Arc::clone(&served),
            proxy: Arc::clone(&proxy),
            board,
            engine: Arc::clone(&engine),
            notices: Arc::clone(&notices),
            app: Arc::clone(&app),
        };
        let metered = router.clone().merge(metrics_router(measuring));
        let from_here = Arc::new(Entrance::new(Arc::clone(&app), metered, &host_name));
        let from_bindings = Arc::new(Entrance::new(Arc::clone(&app), router.clone(), &host_name));
        let upstreams =
            TellUpstreams { app: Arc::clone(&app), served: Arc::clone(&served), shutdown: shutdown.clone() };
        let mut tasks = JoinSet::new();
        tasks.spawn(supervise("publish", move || publish.clone().run()));
        if let Some(opening) = opening {
            tasks.spawn(supervise("open-store", move || opening.clone().run()));
        }
        tasks.spawn(supervise("keep", move || keep.clone().run()));
        tasks.spawn(supervise("store-health", move || health.clone().run()));
        tasks.spawn(supervise("events", move || tell.clone().run()));
        tasks.spawn(supervise("notice", move || notice.clone().run()));
        tasks.spawn(supervise("deliver", move || deliver.clone().run()));
        tasks.spawn(supervise("renew", move || renew.clone().run()));
        tasks.spawn(supervise("agents", {
            let (agents, shutdown) = (Arc::clone(&agents), shutdown.clone());
            move || agents::run::run(Arc::clone(&agents), shutdown.clone())
        }));
        tasks.spawn(supervise("agents-accept", {
            let shutdown = shutdown.clone();
            move || agents::accept::run(Arc::clone(&agents), shutdown.clone())
        }));
        tasks.spawn(supervise("upstreams", move || upstreams.clone().run()));
        tasks.spawn(supervise("go-back", move || go_back.clone().run()));
        if let Some(socket) = socket {
            let shutdown = shutdown.clone();
            let serve = move || Arc::clone(&socket).serve(router.clone(), shutdown.clone());
            tasks.spawn(supervise("admin-socket", serve));
        }
        tasks.spawn(supervise("portal", {
            let (proxy, shutdown) = (Arc::clone(&proxy), portal_shutdown);
            move || web::binding::serve(Arc::clone(&proxy), Arc::clone(&from_bindings), shutdown.clone())
        }));
        tasks.spawn(supervise("admin-listener", move || {
            Arc::clone(&loopback).serve(Arc::clone(&from_here), shutdown.clone())
        }));
        let server = Self {
            app,
            store,
            proxy,
            served,
            events,
            admin_address,
            upgrade,
            shutdown: trigger,
            portal_shutdown: portal_trigger,
            tasks,
        };
        server.reached(revision).await.map_err(StartError::NotPublished)?;
        if let Some(handover) = handover {
            handover.ready().map_err(StartError::Handover)?;
            if let Some(socket) = own_socket {
                socket.own_file();
            }
        }
        Ok(server)
    }

    /// What became of each binding, in the order of their ids.
    pub fn bound(&self) -> Vec<BoundBinding> {
        let now = self.served.now();
        let report = |stored: &desired::Stored<portward_core::Binding>| {
            let binding = &stored.value;
            let report = now.binding(&binding.id);
            let result = match report.map(|report| &report.result) {
                Some(Ok(address)) => Ok(*address),
                Some(Err(error)) => Err(error.to_string()),
                None => Err("it is not served yet".to_owned()),
            };
            BoundBinding { id: binding.id.clone(), protocol: binding.protocol, result }
        };
        now.desired.bindings.iter().map(report).collect()
    }

    /// Where the admin listener is, with its real port.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Makes the link by which the first owner comes; none if there is an owner.
    ///
    /// It is a secret, which this alone tells: the store has a hash of it.
    pub async fn setup_link(&self) -> Result<Option<SetupLinkView>, SetupLinkError> {
        match self.app.make_setup_link(&Actor::portward("start")).await {
            Ok(link) => Ok(Some(link)),
            Err(error) if error.code() == "owner-exists" => Ok(None),
            Err(error) => Err(SetupLinkError(error)),
        }
    }

    /// What keeps the server from being ready, as `/readyz` says it; empty when it is.
    pub fn unready(&self) -> Vec<String> {
        self.served.now().unready()
    }

    /// Waits until a revision or a later one is served, for half a minute at most.
    pub async fn reached(&self, revision: Revision) -> Result<(), NotReachedError> {
        self.served.reached(revision, REACHED_WITHIN).await.map(drop).map_err(NotReachedError)
    }

    /// Has a program take over from this process, as `portward upgrade` does; [`Server::handed_over`] tells of it.
    pub async fn upgrade(&self, binary: &Path) -> Result<(), UpgradeFailedError> {
        self.app.upgrade_by_signal(binary).await.map_err(UpgradeFailedError)
    }

    /// Resolves when another process has taken over, with its id: then this one is to [leave](Server::leave).
    pub async fn handed_over(&self) -> u32 {
        match &self.upgrade {
            Some(upgrade) => upgrade.handed_over().await,
            None => std::future::pending().await,
        }
    }

    /// Ends the server after another process has taken over: nobody new comes here, and what is open finishes within a day.
    pub async fn leave(self) -> Drained {
        let Self { app, store, proxy, served, events, upgrade, shutdown, portal_shutdown, mut tasks, .. } = self;
        events.end();
        // What works in the background works there now, and what only one may have is there alone.
        shutdown.pull();
        if let Some(upgrade) = &upgrade {
            upgrade.let_go();
        }
        let drained = proxy.hand_over(LEAVE_WITHIN).await;
        portal_shutdown.pull();
        while tasks.join_next().await.is_some() {}
        drop((app, upgrade, served, proxy, store));
        drained
    }

    /// Ends the server: no new connections, running requests finish, then the ways in for operators and the store close.
    pub async fn drain(self) -> Drained {
        let Self { app, store, proxy, served, events, shutdown, portal_shutdown, mut tasks, .. } = self;
        // Who listens to events would be waited for like somebody who downloads.
        events.end();
        // Operators can look on meanwhile; changes are refused, and nothing binds again what is being closed.
        let drained = proxy.drain(DRAIN_WITHIN).await;
        shutdown.pull();
        portal_shutdown.pull();
        while tasks.join_next().await.is_some() {}
        drop((app, served, proxy, store));
        drained
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("admin_address", &self.admin_address).finish_non_exhaustive()
    }
}

/// A hundred thousand certificates are opened in less.
const REACHED_WITHIN: Duration = Duration::from_secs(30);
/// systemd kills after 90 s (TimeoutStopSec=); long downloads are cut before that.
const DRAIN_WITHIN: Duration = Duration::from_secs(30);

/// Each waits for its CA most of the time; more would only look like a flood to it.
const RENEWALS_SIDE_BY_SIDE: NonZeroUsize = NonZeroUsize::new(16).unwrap();

#[cfg(test)]
mod tests;
