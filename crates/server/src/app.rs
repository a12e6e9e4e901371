//! The use cases: who may, parse, decide, ask for one change, and wait until it is served.
//!
//! **Invariant:** nothing changes what is served but a commit to the store, and each has its audit record in it.

pub(crate) mod access;
pub(crate) mod actor;
mod agents;
pub(crate) mod apply;
mod attempts;
pub(crate) mod audit;
mod backup;
pub(crate) mod bindings;
pub(crate) mod certificates;
mod check;
pub(crate) mod confirmations;
mod deliveries;
mod dns_providers;
mod draft;
pub(crate) mod error;
mod explain;
mod foreign;
pub(crate) mod horizon;
pub(crate) mod https_settings;
mod id;
mod identity;
mod impacts;
mod issuers;
pub(crate) mod letsencrypt;
mod notifications;
mod oidc;
mod portal_site;
mod presets;
mod recover;
pub(crate) mod renewals;
mod safely;
mod settings;
mod simulate;
pub(crate) mod sites;
mod status;
mod tokens;
mod traffic;
mod trial;
mod undo;
mod upgrade;
pub(crate) mod users;
pub(crate) mod ways_in;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, PoisonError},
    time::Duration,
};

use http::StatusCode;
use portward_core::{ConfirmWithin, Revision, SiteId, Timestamp};
use portward_proxy::{Clock, Proxy};
use portward_store::{
    Store,
    change::{Change, Committed, commit_keeping},
    desired::Desired,
    sealing::{MasterKey, Sealer},
};
use tokio::sync::{Mutex, MutexGuard, Semaphore};

pub(crate) use actor::{Actor, Allowed, Right, Who, right};
pub(crate) use backup::MAX_BACKUP_BYTES;
pub(crate) use draft::Draft;
pub(crate) use error::{AppError, chain_text};
pub(crate) use id::{new_key_id, random_bytes, random_hex, random_secret, slug};
pub(crate) use undo::said_of_left;

use confirmations::Waiting;
use sites::presented::LastAnswer;
use undo::Undos;

use crate::{
    agents::Agents,
    events::Events,
    notice::Notices,
    portal::{Checks, Toasts, Uploads},
    renewals::Engine,
    served::{Served, ServedState},
    tasks::publish::Following,
    upgrade::{Stage, Upgrade},
};

/// Is the application: what every face of it (REST, later the portal) calls.
pub(crate) struct App {
    parts: AppParts,
    /// Held from looking at the desired state to changing it, so that two decisions never contradict each other.
    deciding: Mutex<()>,
    /// What the portal says once.
    toasts: Toasts,
    /// What the newest checks of agents found.
    checks: Checks,
    /// Files that somebody gave to look at, and may import.
    uploads: Uploads,
    /// Lets one simulation run at a time.
    simulating: Arc<Semaphore>,
    /// What is remembered of people who sign in.
    access: access::Access,
    /// What the last changes replaced.
    undos: Undos,
    /// Changes that wait to be confirmed, as they were last read.
    waiting: Waiting,
    /// What upstreams answered when somebody asked them last.
    last_answers: std::sync::Mutex<BTreeMap<SiteId, Vec<LastAnswer>>>,
}

/// Is what the application works with.
#[derive(Clone)]
pub(crate) struct AppParts {
    /// What is wanted.
    pub(crate) store: Arc<dyn Store>,
    /// The same, as it is read and followed.
    pub(crate) desired: Arc<Following>,
    /// Opens and seals private keys.
    pub(crate) master: MasterKey,
    /// Asked whether an address can be bound; everything else reaches it through the store.
    pub(crate) proxy: Arc<Proxy>,
    /// What is served.
    pub(crate) served: Arc<Served>,
    /// The time.
    pub(crate) clock: Clock,
    /// Gets certificates and keeps them.
    pub(crate) engine: Arc<Engine>,
    /// What happens.
    pub(crate) events: Arc<Events>,
    /// What operators are told unasked, and how that goes.
    pub(crate) notices: Arc<Notices>,
    /// Where files are put that pass through.
    pub(crate) data_dir: PathBuf,
    /// What the machine is called.
    pub(crate) host_name: String,
    /// Who is trusted, who is linked, how they are.
    pub(crate) agents: Arc<Agents>,
    /// Where the loopback listener is.
    pub(crate) admin: SocketAddr,
    /// Has another program take over; none where there is no program that could be started anew.
    pub(crate) upgrade: Option<Arc<Upgrade>>,
}

/// Is a thing as it is now, with the revision that a later change can demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revised<T> {
    /// What is shown.
    pub(crate) view: T,
    /// The revision that wrote it; none if it was not written, as in a dry run.
    pub(crate) revision: Option<Revision>,
}

/// Says whether a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Apply {
    /// It is.
    Now,
    /// Everything is checked, and nothing is changed.
    DryRun,
    /// It is, and goes back by itself unless it is confirmed.
    Within(Within),
    /// It is, and goes back by itself unless it is confirmed, if it changes what the portal presents.
    Carefully,
}

/// Says how a change waits to be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Within {
    /// How long.
    pub(crate) confirm: ConfirmWithin,
    /// Whether it is made although it breaks something.
    pub(crate) is_forced: bool,
}

/// Is what a change demands to find, as in `If-Match` (RFC 9110 section 13.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// Whatever is there.
    None,
    /// What that revision wrote.
    Revision(Revision),
}

impl App {
    pub(crate) fn new(parts: AppParts) -> Self {
        Self {
            parts,
            deciding: Mutex::new(()),
            toasts: Toasts::default(),
            checks: Checks::default(),
            uploads: Uploads::default(),
            simulating: Arc::new(Semaphore::new(1)),
            access: access::Access::default(),
            undos: Undos::default(),
            waiting: Waiting::default(),
            last_answers: std::sync::Mutex::default(),
        }
    }

    /// What is served now.
    pub(crate) fn served(&self) -> Arc<ServedState> {
        self.parts.served.now()
    }

    /// What happens.
    pub(crate) fn events(&self) -> &Arc<Events> {
        &self.parts.events
    }

    /// What the newest checks of agents found, for the portal.
    pub(crate) fn checks(&self) -> &Checks {
        &self.checks
    }

    /// What the portal says once.
    pub(crate) fn toasts(&self) -> &Toasts {
        &self.toasts
    }

    /// Files that somebody gave to look at, and may import.
    pub(crate) fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// What upstreams answered when somebody asked them last.
    fn last_answers(&self) -> std::sync::MutexGuard<'_, BTreeMap<SiteId, Vec<LastAnswer>>> {
        self.last_answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// What seals and opens the secrets of a desired state.
    fn sealer(&self, desired: &Desired) -> Result<Sealer, AppError> {
        let cluster = desired.cluster.as_ref().ok_or_else(|| {
            AppError::internal("the store does not say whose it is; go back to a backup", "no cluster record")
        })?;
        Ok(Sealer::new(cluster.id.clone(), self.parts.master.clone()))
    }

    /// What seals and opens the secrets of the store, and tells its own records: as what is served says whose it is.
    fn sealer_now(&self) -> Result<Sealer, AppError> {
        self.sealer(&self.served().desired)
    }

    /// Waits for the right to decide.
    async fn decide(&self) -> MutexGuard<'_, ()> {
        self.deciding.lock().await
    }

    /// The desired state as it is now.
    async fn desired(&self) -> Result<Arc<Desired>, AppError> {
        Ok(self.parts.desired.newest(&*self.parts.store).await?)
    }

    /// Begins a change, with who asks for it and what it is, for its audit record.
    fn change<R: Right>(&self, by: &Allowed<R>, what: impl Into<String>) -> Draft {
        let what = what.into();
        Draft::new(self.change_of(by.actor(), what.clone()), by.actor().to_string(), what, R::PERMISSION)
    }

    /// The same for what everybody may who can be asked, as with their own account, or whose right was asked for otherwise.
    fn change_of(&self, actor: &Actor, what: impl Into<String>) -> Change {
        Change::new(actor.to_string(), what, self.now()).by(actor.kind(), actor.address())
    }

    /// Makes a change and gives its revision.
    async fn commit(&self, draft: impl Into<Draft>) -> Result<Revision, AppError> {
        Ok(self.commit_keeping(draft.into()).await?.revision)
    }

    /// Makes a change of whom Portward trusts, of which channels tell.
    async fn commit_trust(&self, mut draft: Draft) -> Result<Revision, AppError> {
        let notice = self.parts.notices.trust_changes(&mut draft);
        let revision = self.commit(draft).await?;
        notice.log();
        Ok(revision)
    }

    /// Makes a change, and keeps what it replaced, to undo it.
    async fn commit_keeping(&self, draft: Draft) -> Result<Committed, AppError> {
        self.refuse_at_the_end()?;
        self.refuse_what_waits(draft.change()).await?;
        let (change, undo) = draft.into_parts(self.now());
        let committed = commit_keeping(&*self.parts.store, change).await?;
        if let Some(undo) = undo {
            self.undos.keep(undo, &committed);
        }
        Ok(committed)
    }

    /// Refuses changes that could not be served any more.
    fn refuse_at_the_end(&self) -> Result<(), AppError> {
        if self.parts.proxy.is_draining() {
            let message = "the server is ending and takes no changes any more; nothing was changed. Ask again when it has started anew";
            return Err(AppError::new(StatusCode::SERVICE_UNAVAILABLE, "ending", message));
        }
        if self.parts.upgrade.as_ref().is_some_and(|upgrade| upgrade.stage() != Stage::Own) {
            let message = "another version is taking over, and nothing was changed; ask again in a moment";
            let error = AppError::new(StatusCode::SERVICE_UNAVAILABLE, "upgrading", message);
            return Err(error.with_retry_after(UPGRADE_TAKES));
        }
        Ok(())
    }

    /// Waits until a change is served.
    async fn in_effect(&self, revision: Revision) -> Result<Arc<ServedState>, AppError> {
        self.parts.served.reached(revision, SERVED_WITHIN).await.map_err(|error| {
            AppError::not_served(format!(
                "the change is stored as revision {revision}, but it is not served yet; portward status and the log say why"
            ))
            .caused_by(error)
        })
    }
}

impl Apply {
    /// How long the change waits to be confirmed; none if it does not.
    pub(crate) fn confirm_within(self) -> Option<ConfirmWithin> {
        match self {
            Self::Within(within) => Some(within.confirm),
            Self::Now | Self::DryRun | Self::Carefully => None,
        }
    }

    /// What it comes to, where that is found out.
    fn of_portal(self, is_of_portal: bool) -> Self {
        match self {
            Self::Carefully if is_of_portal => Self::Within(Within { confirm: ConfirmWithin::USUAL, is_forced: false }),
            Self::Carefully => Self::Now,
            apply => apply,
        }
    }

    /// Whether it is made although it breaks something.
    pub(crate) fn is_forced(self) -> bool {
        matches!(self, Self::Within(within) if within.is_forced)
    }
}

impl Precondition {
    /// Refuses what was changed meanwhile.
    fn check(self, noun: &str, id: &str, now: Revision) -> Result<(), AppError> {
        match self {
            Self::Revision(wanted) if wanted != now => Err(AppError::changed(noun, id, now)),
            _ => Ok(()),
        }
    }
}

/// A start takes about as long.
const UPGRADE_TAKES: std::time::Duration = std::time::Duration::from_secs(5);

/// Publishing takes milliseconds; when it takes that long, something is wrong.
const SERVED_WITHIN: Duration = Duration::from_secs(5);
