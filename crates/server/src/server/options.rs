//! How a server is started.

use std::{ffi::OsString, fmt, net::SocketAddr, num::NonZeroUsize, path::PathBuf, sync::Arc};

use portward_certs::acme::HttpTimeouts;
use portward_core::{Timestamp, Upstream};
use portward_proxy::{AccessLog, limits::Limits};

/// Says how a [`Server`](super::Server) is started.
#[derive(Clone)]
pub struct ServerOptions {
    /// The directory for everything that is kept; made with mode 0700 if it is missing.
    pub data_dir: PathBuf,
    /// Bindings of the first start; none for the usual ones: `[::]:8080`, and `[::]:80` as well where the machine permits.
    pub http: Option<Vec<SocketAddr>>,
    /// Bindings of the first start; none for the usual ones: `[::]:8443`, and `[::]:443` as well where the machine permits.
    pub https: Option<Vec<SocketAddr>>,
    /// The admin listener: a loopback address.
    pub admin: SocketAddr,
    /// The application behind the site of the first start, which is for all hosts; none for the portal.
    pub upstream: Option<Upstream>,
    /// Threads that serve connections.
    pub workers: NonZeroUsize,
    /// Time-outs and limits of the data plane; of connections there are fewer where the system allows too few open files.
    pub limits: Limits,
    /// Tells the time.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// What the machine is called; the certificate of the first start has it.
    pub host_name: String,
    /// How long CAs may take to answer; [`HttpTimeouts::default`] suits public ones.
    pub acme_timeouts: HttpTimeouts,
    /// Where each request is written down; none for nowhere.
    pub access_log: Option<AccessLog>,
    /// The arguments of the program, by which it is started anew for an upgrade; none where there is no such program.
    pub arguments: Option<Vec<OsString>>,
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}
