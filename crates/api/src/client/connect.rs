//! Connections: a Unix socket, TCP, or TLS over TCP.

use std::{
    fs::File,
    io,
    os::{fd::AsRawFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use portward_core::{Host, Scheme, Thumbprint};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    CONNECT_TIMEOUT, ClientError,
    endpoint::Endpoint,
    owner,
    pin::{self, AnotherCertificate, Pinned},
};

/// Is a connection of any kind.
pub(super) enum Connection {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects, handshake included, within [`CONNECT_TIMEOUT`].
pub(super) async fn connect(endpoint: &Endpoint) -> Result<Connection, ClientError> {
    let connecting = async {
        match endpoint {
            Endpoint::Local { data_dir, socket } => connect_local(data_dir, socket).await,
            Endpoint::Remote { scheme, host, port, pin, .. } => {
                connect_remote(endpoint, *scheme, host, *port, *pin).await
            }
        }
    };
    match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(ClientError::TimedOut { server: endpoint.to_string(), limit: CONNECT_TIMEOUT }),
    }
}

async fn connect_local(data_dir: &Path, socket: &Path) -> Result<Connection, ClientError> {
    let (path, _held) = short_path(data_dir, socket).map_err(|error| refused(data_dir, socket, error))?;
    let stream = UnixStream::connect(path).await.map_err(|error| refused(data_dir, socket, error))?;
    Ok(Connection::Unix(stream))
}

/// Gives a path that fits a socket address, through an open directory if need be.
fn short_path(data_dir: &Path, socket: &Path) -> io::Result<(PathBuf, Option<File>)> {
    if socket.as_os_str().as_bytes().len() <= SOCKET_PATH_LIMIT {
        return Ok((socket.to_owned(), None));
    }
    let directory = File::open(data_dir)?;
    let mut path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    if !path.exists() {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    path.extend(socket.file_name());
    Ok((path, Some(directory)))
}

fn refused(data_dir: &Path, socket: &Path, error: io::Error) -> ClientError {
    let (data_dir, socket) = (data_dir.to_owned(), socket.to_owned());
    match error.kind() {
        io::ErrorKind::NotFound => ClientError::NotRunning { data_dir, socket },
        io::ErrorKind::ConnectionRefused => ClientError::Stale { data_dir, socket },
        io::ErrorKind::PermissionDenied => ClientError::NotPermitted { owner: owner::of(&socket), socket },
        io::ErrorKind::InvalidFilename => ClientError::SocketPath { socket },
        _ => ClientError::Connect { server: socket.display().to_string(), source: error },
    }
}

async fn connect_remote(
    endpoint: &Endpoint,
    scheme: Scheme,
    host: &Host,
    port: u16,
    pin: Option<Thumbprint>,
) -> Result<Connection, ClientError> {
    let unreachable = |source| ClientError::Connect { server: endpoint.to_string(), source };
    let stream = match host {
        Host::Name(name) => TcpStream::connect((name.as_str(), port)).await.map_err(unreachable)?,
        Host::Ip(address) => TcpStream::connect((*address, port)).await.map_err(unreachable)?,
    };
    if scheme == Scheme::Http {
        return Ok(Connection::Tcp(stream));
    }
    let failed = |source| refused_by_tls(endpoint.to_string(), source);
    let name = match host {
        Host::Name(name) => {
            ServerName::try_from(name.as_str().to_owned()).map_err(|error| failed(io::Error::other(error)))?
        }
        Host::Ip(address) => ServerName::from(*address),
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(io::Error::other(error)))?;
    let config = match pin {
        Some(thumbprint) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { thumbprint, provider }))
            .with_no_client_auth(),
        None => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(ClientError::NoAuthorities { server: endpoint.to_string() });
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(failed)?;
    Ok(Connection::Tls(Box::new(stream)))
}

fn refused_by_tls(server: String, source: io::Error) -> ClientError {
    match pin::another(&source) {
        Some(AnotherCertificate { got, expected }) => ClientError::AnotherCertificate { server, expected, got },
        None => ClientError::Tls { server, source },
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// `sun_path` has 108 bytes on Linux and 104 on macOS, the zero at the end included (unix(7)).
const SOCKET_PATH_LIMIT: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
