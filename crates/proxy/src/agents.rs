//! Agents that come in through an https binding: their connections are handed over as they are.
//!
//! What they speak is TLS with certificates of its own, and nothing that the data plane knows; so nothing of it is done
//! by a worker. An agent is told by its ClientHello, which goes along with the connection.

use std::net::{SocketAddr, TcpStream};

use portward_core::BindingId;
use rustls::server::ClientHello;
use tokio::sync::{Mutex, mpsc};

/// Is a connection of somebody who says to be an agent.
#[derive(Debug)]
pub struct HandedOver {
    /// The connection; it does not block.
    pub tcp: TcpStream,
    /// What was read of it already: the beginning of a TLS handshake.
    pub unread: Vec<u8>,
    /// The other end.
    pub peer: SocketAddr,
    /// Where it came in.
    pub binding: BindingId,
}

/// Hands connections over to who looks after agents.
#[derive(Debug)]
pub(crate) struct Agents {
    given: mpsc::Sender<HandedOver>,
    /// Whoever accepts holds it; one does.
    taken: Mutex<mpsc::Receiver<HandedOver>>,
}

impl Agents {
    /// Begins with nobody who accepts.
    pub(crate) fn new() -> Self {
        let (given, taken) = mpsc::channel(WAITING);
        Self { given, taken: Mutex::new(taken) }
    }

    /// Hands a connection over; whether it was taken. It is closed if too many wait, and its agent tries again later.
    pub(crate) fn hand_over(&self, connection: HandedOver) -> bool {
        self.given.try_send(connection).is_ok()
    }

    /// Takes the next connection; dropped before it resolves, it leaves the connection to the next call.
    pub(crate) async fn accept(&self) -> Option<HandedOver> {
        self.taken.lock().await.recv().await
    }
}

/// Whether a client is an agent: it offers protocols of agents, and no other one.
pub(crate) fn is_agent(hello: &ClientHello<'_>, protocols: &[&[u8]]) -> bool {
    let Some(mut offered) = hello.alpn() else { return false };
    !protocols.is_empty()
        && offered.next().is_some_and(|first| protocols.contains(&first))
        && offered.all(|other| protocols.contains(&other))
}

/// Connections that wait: in a storm they are taken as fast as handshakes can be done, and the others come again.
const WAITING: usize = 4096;
