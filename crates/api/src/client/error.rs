//! Why a request was not done.

use std::{error::Error, io, path::PathBuf, time::Duration};

use portward_core::Thumbprint;

use crate::Problem;

/// Says why a [`Client`](super::Client) has no answer; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no socket in the data directory.
    #[error(
        "Portward does not run with the data directory {data_dir} (there is no socket {socket}). Start it: portward serve --data-dir {data_dir}. Or name another: --data-dir or PORTWARD_DATA_DIR",
        data_dir = .data_dir.display(), socket = .socket.display()
    )]
    NotRunning {
        /// The directory.
        data_dir: PathBuf,
        /// The socket that was looked for.
        socket: PathBuf,
    },
    /// There is a socket, and nobody listens at it: the server ended without tidying up.
    #[error(
        "Portward does not run with the data directory {data_dir} any more (nobody answers at {socket}). Start it: portward serve --data-dir {data_dir}",
        data_dir = .data_dir.display(), socket = .socket.display()
    )]
    Stale {
        /// The directory.
        data_dir: PathBuf,
        /// The socket.
        socket: PathBuf,
    },
    /// The operating system does not let this user at the socket.
    #[error(
        "you may not use {socket}, which belongs to {owner}. Run the command as {}",
        permitted(.owner), socket = .socket.display()
    )]
    NotPermitted {
        /// The socket.
        socket: PathBuf,
        /// Name or number of the user whose it is.
        owner: String,
    },
    /// The path of the socket is longer than the operating system allows.
    #[error(
        "the path of the socket {socket} is too long for this system; use a data directory with a shorter path, or a symbolic link to it",
        socket = .socket.display()
    )]
    SocketPath {
        /// The socket.
        socket: PathBuf,
    },
    /// No connection came about.
    #[error("{server} cannot be reached")]
    Connect {
        /// Socket or URL.
        server: String,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error(
        "the TLS handshake with {server} failed. If its certificate is from an authority of your own, name the file with that authority in SSL_CERT_FILE; if it is signed by its own key, name its SHA-256 in PORTWARD_THUMBPRINT (portward-agent: --server-thumbprint), as portward certificate show ID prints it on that machine"
    )]
    Tls {
        /// URL.
        server: String,
        /// What was wrong.
        #[source]
        source: io::Error,
    },
    /// The server presents another certificate than the one that was named by its thumbprint.
    #[error(
        "{server} presents the certificate {got}, and {expected} is the one that was named. If its certificate was replaced, name the new one in PORTWARD_THUMBPRINT (portward-agent: --server-thumbprint); else somebody else answers there"
    )]
    AnotherCertificate {
        /// URL.
        server: String,
        /// What was named.
        expected: Thumbprint,
        /// What came.
        got: Thumbprint,
    },
    /// This machine has no trusted authorities.
    #[error(
        "this machine trusts no authority, so {server} cannot be checked; install ca-certificates or set SSL_CERT_FILE"
    )]
    NoAuthorities {
        /// URL.
        server: String,
    },
    /// It took too long.
    #[error("{server} did not answer within {} seconds. What it did until then is in its log", .limit.as_secs())]
    TimedOut {
        /// Socket or URL.
        server: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The connection ended in the middle of an answer.
    #[error(
        "the connection to {server} broke before the answer was complete. Whether the change was made is shown by: portward status"
    )]
    Broken {
        /// Socket or URL.
        server: String,
        /// What happened.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server said no.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// The answer is neither what was asked for nor a problem document.
    #[error(
        "{server} answered with status {status} in a way that this program does not know; is it Portward, and of the same version?"
    )]
    Unknown {
        /// Socket or URL.
        server: String,
        /// The HTTP status.
        status: u16,
        /// Where the answer differs, if it is JSON.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// The request could not be written as JSON.
    #[error("the request could not be written")]
    Write(#[source] serde_json::Error),
    /// A piece of the answer could not be put where it belongs.
    #[error("what {server} sent could not be kept")]
    Keep {
        /// Socket or URL.
        server: String,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
}

/// Who may use the socket of that user.
fn permitted(owner: &str) -> String {
    if owner == "root" { owner.to_owned() } else { format!("{owner} or as root") }
}
