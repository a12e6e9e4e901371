//! An agent that runs.

use std::{io, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use portward_core::Thumbprint;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    Clock, DataDirectory, DirectoryError, StatusView, control,
    directory::RunLock,
    listening, polling,
    shared::{Shared, State},
};

/// Is what an agent begins with.
pub struct AgentOptions {
    /// Where it keeps what counts.
    pub data_dir: PathBuf,
    /// Tells the time.
    pub clock: Clock,
    /// What the machine calls itself.
    pub host_name: String,
    /// Where it listens, if not where its directory says.
    pub listen: ListenOptions,
    /// What it may do on this machine: see [`policy`](crate::policy).
    pub policy: PathBuf,
}

/// Says where an agent listens as long as it runs, whatever its directory says.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListenOptions {
    /// Whether it listens at all.
    pub on: Option<bool>,
    /// Where.
    pub address: Option<IpAddr>,
    /// On which port; 0 takes one that is free.
    pub port: Option<u16>,
}

/// Says why an agent does not begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// Its directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// It cannot listen.
    #[error("{0}")]
    Listen(String),
    /// Commands could not reach it.
    #[error("commands cannot reach the agent by {}", .path.display())]
    Control {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Keeps the links of one data directory, until it is stopped or dropped.
pub struct Agent {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    _lock: RunLock,
}

impl Agent {
    /// Takes a data directory, and begins to listen and to dial.
    pub async fn begin(options: AgentOptions) -> Result<Self, BeginError> {
        let AgentOptions { data_dir, clock, host_name, listen, policy } = options;
        let name = host_name.clone();
        let now = clock();
        let opened = tokio::task::spawn_blocking(move || {
            let directory = DataDirectory::open(&data_dir)?;
            let lock = directory.lock_for_run()?;
            let (made, draft) = directory.edit(|draft| draft.identity_or_new(&name, now))?;
            Ok((directory, lock, made, draft))
        });
        let (directory, lock, made, draft) = opened.await.unwrap_or_else(|error| {
            let source = io::Error::other(error);
            Err(DirectoryError::Directory { path: PathBuf::new(), source })
        })?;
        let Some(state) = State::of(draft) else {
            return Err(BeginError::Listen("there is no identity".to_owned()));
        };
        if made {
            let thumbprint = state.identity.identity.thumbprint();
            tracing::info!(
                "A new certificate has been generated and installed as none were yet available. Thumbprint: {thumbprint}"
            );
        }
        let shared = Shared::new(directory, clock, host_name, listen, policy, state);
        let bound = listening::bind(&shared).await;
        let bound = bound.map_err(|error| BeginError::Listen(listening::cannot_listen(&shared, &error)))?;
        let control = control::listen(&shared.directory);
        let control = control.map_err(|source| BeginError::Control { path: shared.directory.socket(), source })?;
        // Written before anybody is told that it is ready, so that whoever asks at once finds it alive.
        beat(&shared).await;
        tell(&shared);
        let mut tasks = JoinSet::new();
        tasks.spawn(polling::run(Arc::clone(&shared)));
        tasks.spawn(listening::run(Arc::clone(&shared), bound));
        tasks.spawn(control::run(Arc::clone(&shared), control));
        tasks.spawn(heart(Arc::clone(&shared)));
        tasks.spawn(offer(Arc::clone(&shared)));
        tasks.spawn(heal(Arc::clone(&shared)));
        Ok(Self { shared, tasks, _lock: lock })
    }

    /// Who it is.
    pub fn thumbprint(&self) -> Thumbprint {
        self.shared.state().identity.identity.thumbprint()
    }

    /// How it is.
    pub fn status(&self) -> StatusView {
        StatusView::of_running(&self.shared)
    }

    /// How many links it has, with all its servers.
    pub fn links(&self) -> usize {
        self.shared.links.count()
    }

    /// Ends its links, and lets go of its directory.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.shared.links.close();
        let _ = std::fs::remove_file(self.shared.directory.socket());
    }
}

/// Brings to an end what an earlier run left half installed, and keeps nobody waiting meanwhile.
async fn heal(shared: Arc<Shared>) {
    if let Err(error) = shared.installer().await {
        tracing::error!(error = &error as &dyn std::error::Error, "nothing can be installed here");
    }
}

/// Says whom it trusts, where it listens and where it dials.
fn tell(shared: &Shared) {
    let state = shared.state();
    let trusted = &state.configuration.trusted;
    if trusted.is_empty() {
        tracing::info!("The agent is not configured to trust any Portward servers.");
    }
    for pin in trusted.iter().flat_map(|server| &server.pins) {
        tracing::info!("Agent will trust Portward servers with the thumbprint: {pin}");
    }
    match shared.listening().address {
        Some(address) => tracing::info!("Agent listening on: {address}"),
        None => tracing::info!("Agent will not listen on any TCP ports"),
    }
    for server in trusted.iter().filter(|server| !server.addresses.is_empty()) {
        let addresses: Vec<String> = server.addresses.iter().map(ToString::to_string).collect();
        let expected = server.expected().map(|pin| pin.to_string()).unwrap_or_default();
        tracing::info!("Agent will poll Portward server at {} expecting thumbprint {expected}", addresses.join(", "));
    }
}

/// Shows that it is alive.
async fn heart(shared: Arc<Shared>) {
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        beat(&shared).await;
    }
}

async fn beat(shared: &Arc<Shared>) {
    let beating = Arc::clone(shared);
    let beaten = tokio::task::spawn_blocking(move || beating.directory.beat(beating.now())).await;
    if let Ok(Err(error)) = beaten {
        tracing::warn!(error = &error as &dyn std::error::Error, "the heartbeat is not written");
    }
}

/// Has servers that dial this agent come back when there is an identity to offer. One that has asked for it comes by
/// itself, and is not to be without a link meanwhile.
async fn offer(shared: Arc<Shared>) {
    let mut states = shared.watch();
    loop {
        let next = states.borrow_and_update().next.as_ref().map(|next| next.identity.thumbprint());
        if let Some(next) = next {
            sleep(COMES_BY_ITSELF).await;
            let is_offered = |held: &crate::HeldIdentity| held.identity.thumbprint() == next;
            if shared.state().next.as_ref().is_some_and(is_offered) {
                shared.links.end_dialled_here_without(next);
            }
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}

/// A server looks twice a second whom it is to dial.
const COMES_BY_ITSELF: Duration = Duration::from_secs(3);
/// How often it is written down that the agent is alive.
const BEAT: Duration = Duration::from_secs(10);
