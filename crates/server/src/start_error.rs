//! Why a server does not start.

use std::{io, path::PathBuf};

use portward_proxy::BindError;
use portward_store::{
    StoreError,
    cluster::OpenClusterError,
    sealing::MasterKeyError,
    sqlite::{LockError, OpenSqliteError},
};

/// Says why a server does not start. Each message says what to do; what lies below is in its sources.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The options contradict the store, or make no sense.
    #[error("{0}")]
    Configuration(String),
    /// Another server has the data directory.
    #[error("another Portward uses the data directory {}; stop that one first, or give another --data-dir", .directory.display())]
    AlreadyRunning {
        /// The data directory.
        directory: PathBuf,
        /// How it was noticed.
        #[source]
        source: Option<LockError>,
    },
    /// The store cannot be opened.
    #[error("the store in {} cannot be opened", .directory.display())]
    OpenStore {
        /// The data directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: OpenSqliteError,
    },
    /// There is no master key that could be used.
    #[error("the private keys in the store cannot be opened")]
    MasterKey(#[source] MasterKeyError),
    /// The store is not one that we can use.
    #[error("the store cannot be used")]
    OpenCluster(#[source] OpenClusterError),
    /// The store fails.
    #[error("the store fails")]
    Store(#[source] StoreError),
    /// A binding of the first start cannot be had.
    #[error(
        "the binding {url} of the first start cannot be had, and nothing was saved; give another one with {flag} ADDR:PORT"
    )]
    Bind {
        /// What was asked for, or is usual.
        url: String,
        /// The flag that changes it.
        flag: &'static str,
        /// Why.
        #[source]
        source: BindError,
    },
    /// Two bindings of the first start exclude each other.
    #[error(
        "the bindings {one} and {other} of the first start exclude each other: what comes to one would come to the other as well. Nothing was saved; leave one of them out, or give it another port with {flags}"
    )]
    Overlap {
        /// What was asked for, or is usual.
        one: String,
        /// The same of the other.
        other: String,
        /// What changes them, as `--http ADDR:PORT`.
        flags: String,
    },
    /// The first content of the store could not be made.
    #[error("the first start failed: {what}")]
    FirstStart {
        /// What could not be done.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A way in for operators cannot be had.
    #[error("the admin listener cannot be had: {what}")]
    Admin {
        /// Which, and what to do.
        what: String,
        /// What the operating system says.
        #[source]
        source: Option<io::Error>,
    },
    /// Nothing was taken over from the process that runs.
    #[error("this process was started to take over from another one, and cannot")]
    Handover(#[source] crate::HandoverError),
    /// The data plane cannot be spawned.
    #[error("the workers cannot be started")]
    Workers(#[source] portward_proxy::SpawnError),
    /// The first snapshot was not published in time.
    #[error("nothing is served yet; the log says why")]
    NotPublished(#[source] crate::NotReachedError),
}

impl StartError {
    /// Whether the options are to be changed, and starting again would end the same (exit code 64).
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::Configuration(_))
    }
}
