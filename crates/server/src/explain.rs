//! Looking at a server as a client does: connection, handshake, one request. Nothing is believed, and nothing changed.
//!
//! Every look ends within a few seconds, and what did not come in time is told like anything else that went wrong.

mod handshake;
mod request;
mod trust;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use http::Method;
use portward_core::{
    Host, UpstreamSocket,
    explain::{Answered, Look, TlsFacts},
};
use tokio::{
    net::{TcpStream, UnixStream},
    time::{Instant, timeout},
};

pub(crate) use trust::Trust;

/// Is what a server is asked.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// Which host it is asked for.
    pub(crate) host: Host,
    /// `host` or `host:port`, as in the `Host` header.
    pub(crate) authority: String,
    /// By which method: a safe one (RFC 9110 section 9.2.1). By `HEAD` nothing of what is behind it comes here.
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    /// Who is believed; none in the clear.
    pub(crate) trust: Option<Arc<Trust>>,
    /// What each connection begins with: nothing, or a header of the PROXY protocol.
    pub(crate) opening: &'static [u8],
}

/// Says where a server is that is looked at.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// At an address.
    Address(SocketAddr),
    /// At a Unix socket of this machine; in the clear.
    Socket(UpstreamSocket),
}

/// Looks at a server: connects, and if that goes, shakes hands and asks.
pub(crate) async fn look(at: SocketAddr, ask: &Ask) -> Look {
    let place = Place::Address(at);
    let mut look = Look { at, connected: connect(&place).await, tls: None, answer: None };
    if look.connected.is_err() {
        return look;
    }
    if let Some(trust) = &ask.trust {
        let shaken = handshake(at, ask, trust).await;
        let goes = shaken.is_ok();
        look.tls = Some(shaken);
        if !goes {
            return look;
        }
    }
    look.answer = Some(answer(&place, ask).await);
    look
}

/// Whether a place takes connections, and how soon.
pub(crate) async fn connect(at: &Place) -> Result<Duration, String> {
    let begun = Instant::now();
    in_time(async {
        match at {
            Place::Address(at) => TcpStream::connect(at).await.map(drop),
            Place::Socket(socket) => UnixStream::connect(socket.as_str()).await.map(drop),
        }
        .map_err(|error| silence(&error))
    })
    .await?;
    Ok(begun.elapsed())
}

/// What a handshake with an address shows.
pub(crate) async fn handshake(at: SocketAddr, ask: &Ask, trust: &Arc<Trust>) -> Result<TlsFacts, String> {
    in_time(handshake::shake(at, ask, trust)).await
}

/// What a place answers to one request.
pub(crate) async fn answer(at: &Place, ask: &Ask) -> Result<Answered, String> {
    let begun = Instant::now();
    let answered = in_time(request::send(at, ask)).await?;
    Ok(Answered { took: begun.elapsed(), ..answered })
}

async fn in_time<T>(looking: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = || Err(format!("nothing came within {} seconds", LIMIT.as_secs()));
    timeout(LIMIT, looking).await.unwrap_or_else(|_| late())
}

fn silence(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        std::io::ErrorKind::TimedOut => "it does not answer".to_owned(),
        std::io::ErrorKind::NotFound => "nothing is there".to_owned(),
        std::io::ErrorKind::PermissionDenied => "Portward's user may not open it".to_owned(),
        _ => error.to_string(),
    }
}

/// A person waits for it.
pub(crate) const LIMIT: Duration = Duration::from_secs(3);
