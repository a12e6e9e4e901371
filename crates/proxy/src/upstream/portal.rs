//! The portal as an upstream: a connection to it is a pair of sockets that nobody outside the process can reach.
//!
//! HTTP/1.1 is spoken on it as with every upstream, and what the forwarding headers say there is ours alone.

use std::{io, os::unix::net::UnixStream as OpenStream, time::Duration};

use tokio::{
    net::UnixStream,
    sync::{Mutex, mpsc},
    time::timeout,
};

/// Hands connections over to who serves the portal.
#[derive(Debug)]
pub(crate) struct Portal {
    given: mpsc::Sender<OpenStream>,
    /// Whoever accepts holds it; one does.
    taken: Mutex<mpsc::Receiver<OpenStream>>,
}

impl Portal {
    /// Begins with nobody who accepts.
    pub(crate) fn new() -> Self {
        let (given, taken) = mpsc::channel(WAITING);
        Self { given, taken: Mutex::new(taken) }
    }

    /// Makes a connection, and waits so long until it can be handed over; none if nobody takes it.
    pub(super) async fn connect(&self, limit: Duration) -> io::Result<Option<UnixStream>> {
        let (ours, theirs) = OpenStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        let handed = timeout(limit, self.given.send(theirs)).await;
        match handed {
            Ok(Ok(())) => UnixStream::from_std(ours).map(Some),
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    /// Takes the next connection; it does not block.
    ///
    /// None can be missed: dropped before it resolves, it leaves the connection to the next call.
    pub(crate) async fn accept(&self) -> Option<OpenStream> {
        self.taken.lock().await.recv().await
    }
}

/// Connections that wait to be accepted: as many as a listening socket has by default (`somaxconn` before Linux 5.4).
const WAITING: usize = 128;
