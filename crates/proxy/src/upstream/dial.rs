//! Making one connection to an upstream.

use std::{io, net::SocketAddr, time::Duration};

use portward_core::{DialAddress, Host, Scheme, Upstream, UpstreamAddress, UpstreamTrust};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpStream, UnixStream, lookup_host},
    time::{Instant, timeout_at},
};

use crate::{
    answer::Fault,
    served::Served,
    stream::Stream,
    tls::{Offer, Protocol, TlsClient, UpstreamTlsError},
};

use super::{announced::Announced, h2::BeginError};

/// Says why there is no connection to an upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// Its name was not found.
    #[error("the name {name} was not found; check the upstream's name and this machine's DNS")]
    Dns {
        /// What was looked up.
        name: String,
        /// What the resolver says; none if it found the name without an address.
        #[source]
        source: Option<io::Error>,
    },
    /// Nobody listens there.
    #[error("nobody listens at {address}; check that the application runs and listens there")]
    Refused {
        /// The last address that was tried.
        address: SocketAddr,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// It cannot be reached.
    #[error("{address} cannot be reached")]
    Unreachable {
        /// The last address that was tried.
        address: SocketAddr,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// There is no such socket, or nobody listens at it.
    #[error("nobody listens at {socket}; check that the application runs and makes its socket there")]
    SocketRefused {
        /// The socket.
        socket: portward_core::UpstreamSocket,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// It cannot be opened.
    #[error("{socket} cannot be opened; check that Portward's user may write to it, and enter its directory")]
    SocketUnreachable {
        /// The socket.
        socket: portward_core::UpstreamSocket,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// It took too long.
    #[error("{upstream} took no connection within {} s", .limit.as_secs_f32())]
    TimedOut {
        /// The upstream.
        upstream: String,
        /// The time-out.
        limit: Duration,
    },
    /// Nobody takes connections to the portal.
    #[error("the portal took no connection within {} s", .limit.as_secs_f32())]
    PortalBusy {
        /// The time-out.
        limit: Duration,
    },
    /// The operating system gives no connection to the portal.
    #[error("no connection to the portal can be made")]
    Portal(#[source] io::Error),
    /// TLS could not be agreed on, or the certificate is not accepted.
    #[error(transparent)]
    Tls(UpstreamTlsError),
    /// HTTP/2 could not be begun.
    #[error("{upstream} does not speak HTTP/2")]
    Http2 {
        /// The upstream.
        upstream: String,
        /// What was seen of it.
        #[source]
        source: BeginError,
    },
}

impl DialError {
    /// What the client is told.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Dns { .. } => Fault::UpstreamDns,
            Self::Refused { .. } | Self::SocketRefused { .. } => Fault::UpstreamRefused,
            Self::Unreachable { .. }
            | Self::SocketUnreachable { .. }
            | Self::TimedOut { .. }
            | Self::PortalBusy { .. }
            | Self::Portal(_) => Fault::UpstreamUnreachable,
            Self::Tls(_) => Fault::UpstreamTls,
            Self::Http2 { .. } => Fault::UpstreamBadResponse,
        }
    }
}

/// Connects, within [`Limits::upstream_connect`](crate::limits::Limits::upstream_connect), and tells what is spoken
/// on the connection.
pub(super) async fn dial(
    upstream: &Upstream,
    trust: &UpstreamTrust,
    offer: Offer,
    announced: &Announced,
    served: &Served,
) -> Result<(Stream, Protocol), DialError> {
    let limit = served.limits.upstream_connect;
    match upstream {
        Upstream::Address(address) => dial_address(address, trust, offer, announced, &served.tls_client, limit).await,
        Upstream::Socket(socket) => Ok((dial_socket(socket, announced, limit).await?, in_the_clear(offer))),
        Upstream::Portal => match served.portal.connect(limit).await {
            Ok(Some(pair)) => Ok((Stream::within(pair), Protocol::Http1)),
            Ok(None) => Err(DialError::PortalBusy { limit }),
            Err(error) => Err(DialError::Portal(error)),
        },
    }
}

/// Connects, looking a name up first; all of it, TLS included, is done within `limit`.
async fn dial_address(
    upstream: &UpstreamAddress,
    trust: &UpstreamTrust,
    offer: Offer,
    announced: &Announced,
    tls: &TlsClient,
    limit: Duration,
) -> Result<(Stream, Protocol), DialError> {
    let end = Instant::now() + limit;
    let late = || DialError::TimedOut { upstream: upstream.to_string(), limit };
    let mut tcp = reach(&upstream.host, upstream.port, end, late).await?;
    if let Some(header) = announced.header() {
        let address = tcp.peer_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], upstream.port)));
        let said = timeout_at(end, tcp.write_all(&header)).await.map_err(|_| late())?;
        said.map_err(|source| DialError::Unreachable { address, source })?;
    }
    match upstream.scheme {
        Scheme::Http => Ok((Stream::plain(tcp), in_the_clear(offer))),
        Scheme::Https => {
            let secured = timeout_at(end, tls.connect(tcp, upstream, trust, offer)).await;
            secured.map_err(|_| late())?.map_err(DialError::Tls)
        }
    }
}

/// What is spoken where nothing is agreed on.
fn in_the_clear(offer: Offer) -> Protocol {
    if offer == Offer::Http2 { Protocol::Http2 } else { Protocol::Http1 }
}

/// Connects to where connections are passed through, within `limit`.
pub(crate) async fn dial_target(target: &DialAddress, limit: Duration) -> Result<TcpStream, DialError> {
    let late = || DialError::TimedOut { upstream: target.to_string(), limit };
    reach(&target.host, target.port, Instant::now() + limit, late).await
}

/// Connects over TCP, looking a name up first.
async fn reach(host: &Host, port: u16, end: Instant, late: impl Fn() -> DialError) -> Result<TcpStream, DialError> {
    let tcp = match host {
        Host::Ip(ip) => connect(&[SocketAddr::new(*ip, port)], end).await,
        Host::Name(name) => {
            let dns = |source| DialError::Dns { name: name.as_str().to_owned(), source };
            let found = timeout_at(end, lookup_host((name.as_str(), port))).await.map_err(|_| late())?;
            let addresses: Vec<SocketAddr> = found.map_err(|error| dns(Some(error)))?.collect();
            if addresses.is_empty() {
                return Err(dns(None));
            }
            connect(&addresses, end).await
        }
    };
    tcp.map_err(|failed| match failed {
        None => late(),
        Some((address, source)) if source.kind() == io::ErrorKind::ConnectionRefused => {
            DialError::Refused { address, source }
        }
        Some((address, source)) => DialError::Unreachable { address, source },
    })
}

/// Connects to a Unix socket.
async fn dial_socket(
    socket: &portward_core::UpstreamSocket,
    announced: &Announced,
    limit: Duration,
) -> Result<Stream, DialError> {
    let socket = socket.clone();
    let connecting = async {
        let mut stream = UnixStream::connect(socket.as_str()).await?;
        if let Some(header) = announced.header() {
            stream.write_all(&header).await?;
        }
        io::Result::Ok(stream)
    };
    match timeout_at(Instant::now() + limit, connecting).await {
        Ok(Ok(stream)) => Ok(Stream::within(stream)),
        Ok(Err(source)) if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            Err(DialError::SocketRefused { socket, source })
        }
        Ok(Err(source)) => Err(DialError::SocketUnreachable { socket, source }),
        Err(_) => Err(DialError::TimedOut { upstream: socket.to_string(), limit }),
    }
}

/// Tries each address, with an equal share of the time that is left; none if it ran out.
async fn connect(addresses: &[SocketAddr], end: Instant) -> Result<TcpStream, Option<(SocketAddr, io::Error)>> {
    let mut last = None;
    for (at, address) in addresses.iter().enumerate() {
        let left = (addresses.len() - at) as u32;
        let share = end.saturating_duration_since(Instant::now()) / left;
        match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                // A head and a small body are one write already; waiting for more would only delay them.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Ok(Err(error)) => last = Some((*address, error)),
            Err(_) => {}
        }
    }
    Err(last)
}
