//! The side of the process that takes over.

use std::{
    fmt,
    fs::File,
    io,
    net::TcpListener,
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    time::Duration,
};

use portward_core::BindingId;
use portward_proxy::GivenSocket;
use portward_store::sqlite::SqliteStore;

use super::wire::{self, Given, Hello, Ready};

/// Is what a server need not open itself.
#[derive(Debug, Default)]
pub enum Inherited {
    /// Nothing.
    #[default]
    Nothing,
    /// Sockets that listen, as systemd gives them: each is taken by the binding with its address.
    Sockets(Vec<TcpListener>),
    /// All that another process has, which runs and is to end.
    Handover(Handover),
}

/// Is the connection with the process from which this one takes over.
pub struct Handover(UnixStream);

/// Says why nothing can be taken over.
#[derive(Debug, thiserror::Error)]
#[error("nothing can be taken over from the process that runs")]
pub struct HandoverError(#[source] io::Error);

/// Is what was taken over.
pub(crate) struct Taken {
    /// The lock of the store, which is held.
    pub(crate) lock: File,
    pub(crate) loopback: TcpListener,
    pub(crate) socket: UnixListener,
    pub(crate) listeners: Vec<GivenSocket>,
}

impl Handover {
    /// The connection, if this process was started to take over; to be asked once, before standard input is used.
    pub fn of_this_process() -> Result<Option<Self>, HandoverError> {
        if std::env::var_os(wire::VARIABLE).is_none_or(|value| value != wire::ON_STDIN) {
            return Ok(None);
        }
        let stream = io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from);
        let stream = stream.and_then(|stream| {
            // Nobody else is to find the other process there.
            rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        });
        stream.map(|stream| Some(Self(stream))).map_err(HandoverError)
    }

    /// Takes everything over; it blocks.
    pub(crate) fn take(mut self) -> Result<(Self, Taken), HandoverError> {
        let mut take = || -> io::Result<Taken> {
            wire::send(&mut self.0, &Hello { store_form: SqliteStore::FORM })?;
            let given: Given = wire::receive(&mut self.0)?;
            let mut sockets = wire::receive_sockets(&self.0, 3 + given.listeners.len())?.into_iter();
            let mut next = || sockets.next().ok_or(io::ErrorKind::UnexpectedEof);
            let (lock, loopback, socket) = (next()?.into(), next()?.into(), next()?.into());
            let listeners = given.listeners.into_iter().map(|listener| {
                let binding = listener.binding.and_then(|id| BindingId::parse(&id).ok());
                Ok(GivenSocket { binding, socket: next()?.into(), is_shared: listener.is_shared })
            });
            Ok(Taken { lock, loopback, socket, listeners: listeners.collect::<io::Result<_>>()? })
        };
        let taken = take().map_err(HandoverError)?;
        Ok((self, taken))
    }

    /// Tells the other process that everything is served here.
    pub(crate) fn ready(mut self) -> Result<(), HandoverError> {
        wire::send(&mut self.0, &Ready {}).map_err(HandoverError)
    }
}

impl From<io::Error> for HandoverError {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handover")
    }
}

/// The other process lends its store first, and waits for a change that is under way.
const PATIENCE: Duration = Duration::from_secs(30);
