//! Where a server is.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
};

use portward_core::{Authority, Host, HostError, Scheme, Thumbprint};

use crate::SecretText;

/// Is where a server is reached.
#[derive(Debug)]
pub(super) enum Endpoint {
    /// On this machine.
    Local {
        /// The directory that the server runs with.
        data_dir: PathBuf,
        /// Its socket there.
        socket: PathBuf,
    },
    /// Anywhere.
    Remote {
        /// Plain or TLS.
        scheme: Scheme,
        /// Who is asked.
        host: Host,
        /// Its port.
        port: u16,
        /// Says who asks.
        token: SecretText,
        /// The certificate that it has to have; none for one of an authority that this machine trusts.
        pin: Option<Thumbprint>,
    },
}

/// Says why a text is no URL of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteUrlError {
    /// It does not begin with a scheme of ours.
    #[error("\"{0}\" does not begin with https://; a server is https://HOST:PORT")]
    Scheme(String),
    /// It has a path, a query or a fragment.
    #[error("\"{0}\" has something after the port; a server is https://HOST:PORT")]
    Path(String),
    /// Its host or port cannot be read.
    #[error("the address of the server cannot be read")]
    Address(#[source] HostError),
    /// The token would be sent in the clear.
    #[error("\"{0}\" is not https, so others could read the token on its way; give an https:// URL")]
    Clear(String),
    /// The token has a character that no header can carry.
    #[error("the token has a character that no token has; copy it again")]
    Token,
}

impl Endpoint {
    pub(super) fn local(data_dir: &Path) -> Self {
        Self::Local { data_dir: data_dir.to_owned(), socket: data_dir.join(SOCKET) }
    }

    pub(super) fn remote(url: &str, token: SecretText, pin: Option<Thumbprint>) -> Result<Self, RemoteUrlError> {
        let unknown = || RemoteUrlError::Scheme(url.to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(unknown)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(unknown()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return Err(RemoteUrlError::Path(url.to_owned()));
        }
        let Authority { host, port } = Authority::parse(rest).map_err(RemoteUrlError::Address)?;
        if scheme == Scheme::Http && !is_this_machine(&host) {
            return Err(RemoteUrlError::Clear(url.to_owned()));
        }
        if token.expose().is_empty() || !token.expose().bytes().all(|b| b.is_ascii_graphic()) {
            return Err(RemoteUrlError::Token);
        }
        Ok(Self::Remote { scheme, host, port: port.unwrap_or_else(|| scheme.default_port()), token, pin })
    }

    /// What the `Host` header says.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Local { .. } => "localhost".to_owned(),
            Self::Remote { host, port, .. } => format!("{host}:{port}"),
        }
    }
}

/// For messages: the socket's path or the URL.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { socket, .. } => socket.display().fmt(f),
            Self::Remote { scheme, host, port, .. } => write!(f, "{scheme}://{host}:{port}"),
        }
    }
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Ip(IpAddr::V4(address)) => address.is_loopback(),
        Host::Ip(IpAddr::V6(address)) => address.is_loopback(),
        Host::Name(name) => name.as_str() == "localhost",
    }
}

/// Name of the admin socket in a data directory.
const SOCKET: &str = "admin.sock";
