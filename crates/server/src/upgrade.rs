//! Another program takes over from the one that runs, and no connection is lost.
//!
//! The old process starts the new one with its own arguments and a connection between the two ([`wire`]). From the moment at
//! which it gives away the sockets and the lock of the store, it serves what it last published and changes nothing; if the
//! new one is not ready in time, it goes on as before.

mod handover;
mod wire;

use std::{
    ffi::OsString,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::PermissionsExt, net::UnixStream, process::ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, PoisonError},
    time::Duration,
};

use portward_proxy::{GivenSocket, Proxy};
use portward_store::sqlite::SqliteStore;
use tokio::{
    process::{Child, Command},
    sync::{Mutex, watch},
    time::timeout,
};

pub use handover::{Handover, HandoverError, Inherited};
use wire::{Given, GivenListener, Hello, Ready};

use crate::{
    admin::{loopback::Loopback, socket::AdminSocket},
    server::Opened,
};

/// Hands everything over to another process.
#[derive(Debug)]
pub(crate) struct Upgrade {
    parts: UpgradeParts,
    /// None once another process has them alone.
    doors: std::sync::Mutex<Option<Doors>>,
    /// One at a time.
    turn: Mutex<()>,
    stage: watch::Sender<Stage>,
}

/// Is what is handed over, and by whose words the new process is started.
pub(crate) struct UpgradeParts {
    /// The arguments of this process, without its name.
    pub(crate) arguments: Vec<OsString>,
    pub(crate) store: Opened,
    pub(crate) proxy: Arc<Proxy>,
}

/// Is where operators come in.
#[derive(Clone, Debug)]
pub(crate) struct Doors {
    pub(crate) loopback: Arc<Loopback>,
    pub(crate) socket: Arc<AdminSocket>,
}

/// Says how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nobody takes over.
    Own,
    /// Somebody is about to; nothing may be changed here.
    UnderWay,
    /// This process has taken over.
    HandedOver(u32),
}

/// Is the process that has taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Successor {
    /// What it says to be the version of.
    pub(crate) version: String,
    /// Its process id.
    pub(crate) process: u32,
}

/// Says why nobody took over; the process that runs goes on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpgradeError {
    /// Another upgrade is under way, or done.
    #[error("an upgrade is under way already")]
    UnderWay,
    /// What was kept of the store is served, and it is not open itself.
    #[error("the store is not open, so that it cannot be handed over: portward store doctor")]
    NoStore,
    /// The container would end with the old process.
    #[error(
        "this server is process 1 of its container, which ends when it does; start a container with the new version instead"
    )]
    First,
    /// The file cannot be such a program.
    #[error(
        "{} cannot take over, and the version that runs goes on: {why}; name a portward program that the server can run",
        .binary.display()
    )]
    Binary {
        /// The file.
        binary: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It was started and is not ready.
    #[error(
        "{} did not take over, and the version that runs goes on: {why}; what it wrote is in the log of the server",
        .binary.display()
    )]
    NotReady {
        /// The file.
        binary: PathBuf,
        /// How far it came.
        why: String,
    },
}

impl Upgrade {
    /// Hands nothing over yet.
    pub(crate) fn new(parts: UpgradeParts, doors: Doors) -> Self {
        let doors = std::sync::Mutex::new(Some(doors));
        Self { parts, doors, turn: Mutex::new(()), stage: watch::Sender::new(Stage::Own) }
    }

    /// Leaves to the process that has taken over what only one may have: if that one ends, another can begin, though
    /// connections finish here yet.
    pub(crate) fn let_go(&self) {
        drop(self.doors.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(store) = self.parts.store.get() {
            store.let_go();
        }
    }

    fn doors(&self) -> Result<Doors, UpgradeError> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(UpgradeError::UnderWay)
    }

    /// How far it is.
    pub(crate) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Resolves when another process has taken over, with its id.
    pub(crate) async fn handed_over(&self) -> u32 {
        let mut stage = self.stage.subscribe();
        loop {
            if let Stage::HandedOver(process) = *stage.borrow_and_update() {
                return process;
            }
            // The sender lives as long as this.
            let _ = stage.changed().await;
        }
    }

    /// Whether a program could take over, by what it says of itself: its version.
    pub(crate) async fn look(&self, binary: &Path) -> Result<String, UpgradeError> {
        if std::process::id() == 1 {
            return Err(UpgradeError::First);
        }
        look(binary).await.map_err(|why| UpgradeError::Binary { binary: binary.to_owned(), why })
    }

    /// Starts a program that was looked at, and resolves when it has taken over.
    ///
    /// Whoever calls it sees to it that no change is under way.
    pub(crate) async fn to(&self, binary: &Path, version: String) -> Result<Successor, UpgradeError> {
        let Ok(_turn) = self.turn.try_lock() else { return Err(UpgradeError::UnderWay) };
        if self.stage() != Stage::Own {
            return Err(UpgradeError::UnderWay);
        }
        let store = self.parts.store.get().ok_or(UpgradeError::NoStore)?;
        let doors = self.doors()?;
        let not_ready = |why| UpgradeError::NotReady { binary: binary.to_owned(), why };
        let (mut child, stream) = self.spawn(binary).map_err(|error| not_ready(error.to_string()))?;
        let process = child.id().unwrap_or_default();
        tracing::info!(upgrade.binary = %binary.display(), upgrade.version = version, process, "another process is to take over");
        let taken = self.hand_over(store, &doors, stream).await;
        match taken {
            Ok(()) => {
                doors.socket.keep_file();
                self.stage.send_replace(Stage::HandedOver(process));
                tracing::info!(upgrade.version = version, process, "another process has taken over");
                Ok(Successor { version, process })
            }
            Err(why) => {
                let why = end(&mut child, why).await;
                store.take_back().await;
                self.stage.send_replace(Stage::Own);
                tracing::error!(upgrade.binary = %binary.display(), why, "nobody has taken over; this process goes on");
                Err(not_ready(why))
            }
        }
    }

    fn spawn(&self, binary: &Path) -> io::Result<(Child, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(binary)
            .args(&self.parts.arguments)
            .env(wire::VARIABLE, wire::ON_STDIN)
            // It is for this process alone; the new one is watched over as well.
            .env_remove("WATCHDOG_PID")
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()?;
        Ok((child, ours))
    }

    async fn hand_over(&self, store: &SqliteStore, doors: &Doors, stream: UnixStream) -> Result<(), String> {
        let (stream, hello): (_, Hello) = heard(stream, HELLO_WITHIN).await?;
        if hello.store_form < SqliteStore::FORM {
            let (theirs, ours) = (hello.store_form, SqliteStore::FORM);
            return Err(format!("it knows the form {theirs} of the store at most, and the store has form {ours}"));
        }
        self.stage.send_replace(Stage::UnderWay);
        store.lend().await.map_err(|error| error.to_string())?;
        let (given, sockets) =
            self.given(store, doors).await.map_err(|error| format!("the sockets cannot be handed over: {error}"))?;
        let stream = blocking(move || {
            let mut stream = stream;
            wire::send(&mut stream, &given)?;
            wire::send_sockets(&stream, &sockets)?;
            Ok(stream)
        })
        .await?;
        heard::<Ready>(stream, READY_WITHIN).await.map(drop)
    }

    /// All sockets, in the order in which the other side takes them.
    async fn given(&self, store: &SqliteStore, doors: &Doors) -> io::Result<(Given, Vec<OwnedFd>)> {
        let own = |socket: &dyn AsFd| socket.as_fd().try_clone_to_owned();
        let mut sockets = vec![store.lock_file()?.into(), own(&doors.loopback.as_fd())?, own(&doors.socket.as_fd())?];
        let mut listeners = Vec::new();
        for GivenSocket { binding, socket, is_shared } in self.parts.proxy.sockets().await? {
            listeners.push(GivenListener { binding: binding.map(|id| id.to_string()), is_shared });
            sockets.push(socket.into());
        }
        Ok((Given { listeners }, sockets))
    }
}

/// Looks at a file, and asks it for its version.
async fn look(binary: &Path) -> Result<String, String> {
    if !binary.is_absolute() {
        return Err("its path does not begin with /".to_owned());
    }
    let metadata = std::fs::metadata(binary).map_err(|error| error.to_string())?;
    let mode = metadata.permissions().mode();
    if !metadata.is_file() || mode & 0o111 == 0 {
        return Err("it is no program".to_owned());
    }
    if mode & 0o6000 != 0 {
        return Err("it would run as another user or group (chmod ug-s)".to_owned());
    }
    let asked = Command::new(binary).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output();
    let said = timeout(LOOK_WITHIN, asked).await.map_err(|_| "it does not answer to --version".to_owned())?;
    let said = said.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&said.stdout);
    match text.trim().strip_prefix("portward ") {
        Some(version) if said.status.success() && !version.is_empty() => Ok(version.to_owned()),
        _ => Err(format!("its --version is not that of Portward ({})", status(said.status))),
    }
}

/// Waits for a message of the new process, in which it may take so long.
async fn heard<T: serde::de::DeserializeOwned + Send + 'static>(
    stream: UnixStream,
    within: Duration,
) -> Result<(UnixStream, T), String> {
    blocking(move || {
        let mut stream = stream;
        stream.set_read_timeout(Some(within))?;
        let message = wire::receive(&mut stream)?;
        Ok((stream, message))
    })
    .await
}

async fn blocking<T: Send + 'static>(act: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(act).await.map_err(|error| error.to_string())?;
    done.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "it was not ready in time".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "it ended before it was ready".to_owned()
        }
        _ => error.to_string(),
    })
}

/// Ends a process that has not taken over, so that nobody but this one has the store; says how it ended by itself.
async fn end(child: &mut Child, why: String) -> String {
    // One that has closed its end is about to be gone.
    if let Ok(Ok(ended)) = timeout(ENDING_WITHIN, child.wait()).await {
        return format!("{why} ({})", status(ended));
    }
    let _ = child.start_kill();
    let _ = child.wait().await;
    why
}

fn status(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "it ended".to_owned(),
    }
}

impl std::fmt::Debug for UpgradeParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Arguments may have what is nobody's business.
        f.debug_struct("UpgradeParts").finish_non_exhaustive()
    }
}

/// Connections may take so long to finish in the old process: a WebSocket that is open all day is not cut by an upgrade.
pub(crate) const LEAVE_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// A program that says its version needs milliseconds.
const LOOK_WITHIN: Duration = Duration::from_secs(10);
/// It says hello before it opens anything.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// A start with a hundred thousand certificates takes seconds; half a minute is what a start waits for its first snapshot.
const READY_WITHIN: Duration = Duration::from_secs(45);
/// For a process that has failed to say why and be gone.
const ENDING_WITHIN: Duration = Duration::from_secs(1);
