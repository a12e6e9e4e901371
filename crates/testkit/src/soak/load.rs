//! The clients, each in a loop of its own.

mod http1;
mod http2;
mod websocket;

use std::{net::SocketAddr, time::Duration};

use tokio::{sync::watch, task::JoinSet};

use super::tally::{Kind, Tally};

/// Is the load while it goes on.
pub(super) struct Clients {
    going: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Says whether a client goes on.
#[derive(Clone)]
struct Going(watch::Receiver<bool>);

/// Is how one request ended that was not answered as it should be.
enum Missed {
    /// The connection had been used before, and closed before it had begun to answer.
    Again,
    /// Anything else.
    Failed(String),
}

/// Begins with all kinds of clients.
pub(super) fn begin(https: SocketAddr, http: SocketAddr, tally: &Tally) -> Clients {
    let (going, is_going) = watch::channel(true);
    let going_on = Going(is_going);
    let mut tasks = JoinSet::new();
    let kind = tally.kind("kept connections");
    for client in 0..8 {
        tasks.spawn(http1::kept(https, client, kind.clone(), going_on.clone()));
    }
    let kind = tally.kind("new connections");
    for client in 0..4 {
        tasks.spawn(http1::fresh(https, client, kind.clone(), going_on.clone()));
    }
    let kind = tally.kind("new connections in the clear");
    for client in 0..2 {
        tasks.spawn(http1::plain(http, client, kind.clone(), going_on.clone()));
    }
    let kind = tally.kind("uploads");
    for client in 0..2 {
        tasks.spawn(http1::upload(https, client, kind.clone(), going_on.clone()));
    }
    let kind = tally.kind("HTTP/2 streams");
    for _ in 0..2 {
        tasks.spawn(http2::streams(https, kind.clone(), going_on.clone()));
    }
    let kind = tally.kind("WebSocket messages");
    for client in 0..4 {
        tasks.spawn(websocket::messages(https, client, kind.clone(), going_on.clone()));
    }
    Clients { going, tasks }
}

impl Clients {
    /// Has each client finish what it has begun.
    pub(super) async fn end(mut self) {
        let _ = self.going.send(false);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Going {
    fn on(&self) -> bool {
        *self.0.borrow()
    }
}

impl Missed {
    /// Counts it.
    fn count(self, kind: &Kind) {
        match self {
            Self::Again => kind.again(),
            Self::Failed(why) => kind.failed(why),
        }
    }
}

/// Waits for an answer, but not for ever: what takes longer has stalled.
async fn in_time<T>(what: &str, answer: impl Future<Output = Result<T, Missed>>) -> Result<T, Missed> {
    match tokio::time::timeout(STALLED, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Missed::Failed(format!("{what} stalled: no answer within {STALLED:?}"))),
    }
}

/// Far more than anything takes here, on a machine that is busy.
const STALLED: Duration = Duration::from_secs(20);

/// Between two requests of one client, so that the machine is busy and not more.
const PAUSE: Duration = Duration::from_millis(4);
