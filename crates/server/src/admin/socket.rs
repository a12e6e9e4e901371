//! The Unix socket in the data directory.
//!
//! The operating system says which user asks (`SO_PEERCRED`); only the server's own user and root are answered.

use std::{
    fs::{self, File, Permissions},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::{ffi::OsStrExt, fs::PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, body::Body};
use http::{HeaderName, Request};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinSet,
};
use tower_service::Service;

use super::{ACCEPT_PAUSE, CONNECTIONS, user};
use crate::{
    app::AppError,
    rest::problem_response,
    tasks::Shutdown,
    web::{
        Way,
        connection::{self, Patience},
    },
};

/// Is the bound socket; its file goes away with it.
#[derive(Debug)]
pub(crate) struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Whether another process serves it as well.
    is_shared: AtomicBool,
}

/// Says why the socket is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// Another server answers there.
    #[error("another Portward already runs with this data directory: it answers at {}", .0.display())]
    Live(PathBuf),
    /// The operating system refuses.
    #[error("the admin socket {} cannot be made", .path.display())]
    Bind {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl AdminSocket {
    /// Binds `admin.sock` in the data directory with mode 0600; one that nobody serves any more is replaced.
    pub(crate) fn bind(data_dir: &Path) -> Result<Self, SocketError> {
        let path = data_dir.join(NAME);
        let failed = |source| SocketError::Bind { path: path.clone(), source };
        if is_live(data_dir).map_err(failed)? {
            return Err(SocketError::Live(path));
        }
        // Bound under another name and renamed, the socket is never there with more permissions than it should have.
        let staged = format!(".{NAME}.{}", std::process::id());
        let _ = fs::remove_file(data_dir.join(&staged));
        let listener = within(data_dir, &staged, |path| UnixListener::bind(path)).map_err(failed)?;
        let staged = data_dir.join(staged);
        fs::set_permissions(&staged, Permissions::from_mode(0o600)).map_err(failed)?;
        fs::rename(&staged, &path).map_err(failed)?;
        Ok(Self { listener, path, is_shared: AtomicBool::new(false) })
    }

    /// Takes the socket of the process that ran before; the file is that one's until [`AdminSocket::own_file`].
    pub(crate) fn adopt(data_dir: &Path, listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let path = data_dir.join(NAME);
        Ok(Self { listener: UnixListener::from_std(listener)?, path, is_shared: AtomicBool::new(true) })
    }

    /// Takes the file along at the end: nobody else serves the socket any more.
    pub(crate) fn own_file(&self) {
        self.is_shared.store(false, Ordering::SeqCst);
    }

    /// Leaves the file where it is: another process serves the socket from now on.
    pub(crate) fn keep_file(&self) {
        self.is_shared.store(true, Ordering::SeqCst);
    }

    /// Serves until shutdown.
    pub(crate) async fn serve(self: Arc<Self>, api: Router, shutdown: Shutdown) {
        let own_uid = rustix::process::geteuid().as_raw();
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { break };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = shutdown.pulled() => break,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => {
                    let (api, shutdown) = (api.clone(), shutdown.clone());
                    connections.spawn(async move {
                        serve_peer(stream, own_uid, api, shutdown).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin socket cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        while connections.join_next().await.is_some() {}
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        if !self.is_shared.load(Ordering::SeqCst) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl AsFd for AdminSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

async fn serve_peer(stream: UnixStream, own_uid: u32, api: Router, shutdown: Shutdown) {
    let uid = match stream.peer_cred() {
        Ok(peer) => peer.uid(),
        Err(error) => {
            tracing::warn!(%error, "it is not known who connected to the admin socket");
            return;
        }
    };
    let actor = is_trusted(uid, own_uid).then(|| user::local_actor(uid));
    if actor.is_none() {
        tracing::warn!(peer.uid = uid, "a user who is neither root nor our own was refused at the admin socket");
    }
    let answer = move |mut request: Request<Body>| {
        let (mut api, actor) = (api.clone(), actor.clone());
        async move {
            let Some(actor) = actor else {
                let message = format!(
                    "user {uid} may not control this server: only its own user (uid {own_uid}) and root may; use sudo"
                );
                return problem_response(&AppError::not_permitted(message), None);
            };
            if request.headers().contains_key(FORWARDED_FOR) {
                return problem_response(&AppError::not_permitted(FORWARDED), None);
            }
            request.extensions_mut().insert(actor);
            request.extensions_mut().insert(Way::socket());
            match api.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    };
    connection::serve(stream, Patience::Short, answer, shutdown).await;
}

fn is_trusted(uid: u32, own_uid: u32) -> bool {
    uid == own_uid || uid == 0
}

/// Whether somebody serves the socket that is there.
pub(crate) fn is_live(data_dir: &Path) -> io::Result<bool> {
    match within(data_dir, NAME, |path| std::os::unix::net::UnixStream::connect(path)) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Does something with a path that fits into a socket address, through the open directory if need be.
fn within<T>(data_dir: &Path, name: &str, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = data_dir.join(name);
    if path.as_os_str().as_bytes().len() <= SOCKET_PATH_BYTES {
        return act(&path);
    }
    let directory = File::open(data_dir)?;
    act(&PathBuf::from(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd())))
}

const NAME: &str = "admin.sock";
/// What the data plane says of each client, and nobody who asks here.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// A site may have any socket as its upstream: here everybody who reaches the site would be the operator.
const FORWARDED: &str = "the request came through a proxy, and the admin socket answers who is on this machine. Serve the portal and the API with a site: portward site add NAME --upstream portal";
/// `sun_path` has 108 bytes, the zero at the end included (unix(7)).
const SOCKET_PATH_BYTES: usize = 107;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn only_root_and_our_own_user_are_trusted() {
        for (uid, own, expected) in [(0, 1000, true), (1000, 1000, true), (1001, 1000, false), (1000, 0, false)] {
            assert_eq!(is_trusted(uid, own), expected, "{uid} at {own}");
        }
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let socket = AdminSocket::bind(directory.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(matches!(AdminSocket::bind(directory.path()), Err(SocketError::Live(_))));
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_long_path_gets_its_socket_too() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let _socket = AdminSocket::bind(&deep).unwrap();
        assert!(is_live(&deep).unwrap());
    }
}
