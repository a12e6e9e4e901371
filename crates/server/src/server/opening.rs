//! Sockets that a server opens, or takes over, before anything else.

use std::{fs::File, io, net::SocketAddr, os::unix::net::UnixListener, path::Path};

use portward_proxy::GivenSocket;

use crate::{
    admin::{
        loopback::{Loopback, LoopbackError},
        socket::{AdminSocket, SocketError},
    },
    app::chain_text,
    start_error::StartError,
    upgrade::{Handover, HandoverError, Inherited},
};

/// Is what is open before the store is.
pub(super) struct Opening {
    /// The process from which this one takes over.
    pub(super) handover: Option<Handover>,
    /// The lock of the store, which that one has lent.
    pub(super) lock: Option<File>,
    /// Sockets of bindings.
    pub(super) given: Vec<GivenSocket>,
    pub(super) loopback: Loopback,
    /// The admin socket of that process.
    pub(super) socket: Option<UnixListener>,
}

impl Opening {
    /// Takes what was inherited: from another process everything, which is there at the latest when it has lent its store.
    pub(super) async fn begin(inherited: Inherited, admin: SocketAddr) -> Result<Self, StartError> {
        let handover = match inherited {
            Inherited::Nothing => return Self::of_sockets(Vec::new(), admin).await,
            Inherited::Sockets(sockets) => {
                let shared = |socket| GivenSocket { binding: None, socket, is_shared: true };
                return Self::of_sockets(sockets.into_iter().map(shared).collect(), admin).await;
            }
            Inherited::Handover(handover) => handover,
        };
        let taken = tokio::task::spawn_blocking(move || handover.take()).await.map_err(io::Error::other);
        let (handover, taken) = taken.map_err(adopt_error)?.map_err(StartError::Handover)?;
        Ok(Self {
            handover: Some(handover),
            lock: Some(taken.lock),
            given: taken.listeners,
            loopback: Loopback::adopt(taken.loopback).map_err(adopt_error)?,
            socket: Some(taken.socket),
        })
    }

    async fn of_sockets(given: Vec<GivenSocket>, admin: SocketAddr) -> Result<Self, StartError> {
        let loopback = Loopback::bind(admin).await.map_err(loopback_error)?;
        Ok(Self { handover: None, lock: None, given, loopback, socket: None })
    }
}

/// The admin socket, taken over or new; none where nothing can be written, if what was kept is served all the same.
pub(super) fn admin_socket(
    taken: Option<UnixListener>,
    data_dir: &Path,
    is_kept: bool,
) -> Result<Option<AdminSocket>, StartError> {
    if let Some(taken) = taken {
        return AdminSocket::adopt(data_dir, taken).map(Some).map_err(adopt_error);
    }
    match AdminSocket::bind(data_dir) {
        Ok(socket) => Ok(Some(socket)),
        Err(error @ SocketError::Bind { .. }) if is_kept => {
            tracing::error!(error = chain_text(&error), "commands on this machine reach the server by URL alone");
            Ok(None)
        }
        Err(SocketError::Live(_)) => Err(StartError::AlreadyRunning { directory: data_dir.to_owned(), source: None }),
        Err(SocketError::Bind { path, source }) => Err(StartError::Admin {
            what: format!("the socket {} cannot be made", path.display()),
            source: Some(source),
        }),
    }
}

fn adopt_error(error: io::Error) -> StartError {
    StartError::Handover(HandoverError::from(error))
}

fn loopback_error(error: LoopbackError) -> StartError {
    match error {
        LoopbackError::NotLoopback(_) => StartError::Configuration(error.to_string()),
        LoopbackError::Bind { source, address } => StartError::Admin {
            what: format!("{address} is taken or not permitted; give another address with --admin ADDR:PORT"),
            source: Some(source),
        },
    }
}
