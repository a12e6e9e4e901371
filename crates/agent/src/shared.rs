//! What the parts of a running agent have in common: the files, what they say now, and the links.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use portward_core::{Thumbprint, Timestamp, Verify};
use portward_link::{Identity, Instance, opening::Hello};
use tokio::sync::{OnceCell, watch};

use crate::{
    Clock, Configuration, DataDirectory, DirectoryError, Draft, HeldIdentity, ListenOptions, TrustedServer,
    install::{Installer, InstallerOptions, OpenError},
    links::Links,
};

/// Is what an agent goes by at the moment.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) configuration: Configuration,
    pub(crate) identity: HeldIdentity,
    pub(crate) next: Option<HeldIdentity>,
}

/// Holds what the parts of a running agent share.
pub(crate) struct Shared {
    pub(crate) directory: DataDirectory,
    pub(crate) clock: Clock,
    pub(crate) instance: Instance,
    pub(crate) started: Timestamp,
    pub(crate) host_name: String,
    pub(crate) listen: ListenOptions,
    pub(crate) links: Links,
    /// What is installed; it is opened when it is first asked for, as that may take a while after a crash.
    installer: OnceCell<Installer>,
    policy: PathBuf,
    state: watch::Sender<Arc<State>>,
    listening: Mutex<Listening>,
}

/// Says where an agent listens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listening {
    pub(crate) address: Option<SocketAddr>,
    pub(crate) problem: Option<String>,
}

impl State {
    /// Takes what the files say; an identity is in them.
    pub(crate) fn of(draft: Draft) -> Option<Self> {
        let Draft { configuration, identity, next } = draft;
        identity.map(|identity| Self { configuration, identity, next })
    }

    /// What is shown to a server: to one that knows the next identity already, that one.
    pub(crate) fn shown_to(&self, server: &TrustedServer) -> &Identity {
        let next = self.next.as_ref().filter(|next| server.knows == Some(next.identity.thumbprint()));
        &next.unwrap_or(&self.identity).identity
    }

    /// What is offered to a server that does not know it yet.
    pub(crate) fn offered_to(&self, server: &TrustedServer) -> Option<&Identity> {
        let next = self.next.as_ref().filter(|next| server.knows != Some(next.identity.thumbprint()));
        next.map(|next| &next.identity)
    }

    /// Whether that is this agent.
    pub(crate) fn is_ours(&self, thumbprint: Thumbprint) -> bool {
        let next = self.next.as_ref().map(|next| next.identity.thumbprint());
        self.identity.identity.thumbprint() == thumbprint || next == Some(thumbprint)
    }
}

impl Shared {
    pub(crate) fn new(
        directory: DataDirectory,
        clock: Clock,
        host_name: String,
        listen: ListenOptions,
        policy: PathBuf,
        state: State,
    ) -> Arc<Self> {
        Arc::new(Self {
            started: clock(),
            directory,
            clock,
            instance: Instance::new(),
            host_name,
            listen,
            links: Links::default(),
            installer: OnceCell::new(),
            policy,
            state: watch::channel(Arc::new(state)).0,
            listening: Mutex::default(),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Installs certificates on this machine.
    pub(crate) async fn installer(&self) -> Result<&Installer, OpenError> {
        let open = || {
            Installer::open(InstallerOptions {
                state: self.directory.path().to_owned(),
                policy: self.policy.clone(),
                clock: Arc::clone(&self.clock),
                patience: Verify::PATIENCE,
                at_step: None,
            })
        };
        self.installer.get_or_try_init(open).await
    }

    /// What counts at the moment.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.borrow())
    }

    /// Tells of every change of it.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<State>> {
        self.state.subscribe()
    }

    /// Changes the files; what they say counts when this returns, and what no longer counts is closed.
    pub(crate) async fn edit<T, E>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Draft) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DirectoryError> + Send + 'static,
    {
        let shared = Arc::clone(self);
        let edited = tokio::task::spawn_blocking(move || {
            shared.directory.edit(|draft| change(draft)).map(|(changed, draft)| {
                shared.take(draft);
                changed
            })
        });
        edited.await.unwrap_or_else(|error| Err(broken(&self.directory, error).into()))
    }

    /// Reads the files again, as a command has changed them.
    pub(crate) async fn reread(self: &Arc<Self>) -> Result<(), DirectoryError> {
        let shared = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || {
            // Locked for as long as it takes, so that what counts does not go back.
            shared.directory.edit(|_| Ok::<_, DirectoryError>(())).map(|((), draft)| shared.take(draft))
        });
        read.await.unwrap_or_else(|error| Err(broken(&self.directory, error)))
    }

    /// Begins the hello of a link with a server.
    pub(crate) fn hello(&self, server: &TrustedServer) -> Hello {
        Hello { trust: server.mark, ..Hello::new(&self.instance) }
    }

    pub(crate) fn listening(&self) -> Listening {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_listening(&self, listening: Listening) {
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner) = listening;
    }

    fn take(&self, draft: Draft) {
        // An identity that was there is never taken away.
        let Some(state) = State::of(draft) else { return };
        let state = Arc::new(state);
        self.state.send_replace(Arc::clone(&state));
        self.links.close_what_does_not_count(&state);
    }
}

fn broken(directory: &DataDirectory, error: tokio::task::JoinError) -> DirectoryError {
    let source = std::io::Error::other(error);
    DirectoryError::File { what: "change the files of", path: directory.path().to_owned(), source }
}
