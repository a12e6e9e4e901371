//! What the process was started with: sockets of systemd, or all that another Portward has.

use listenfd::ListenFd;
use portward_server::{Handover, Inherited};

use crate::failure::Failure;

/// Takes it; to be called once, before there are threads and before standard input is used.
pub(super) fn take() -> Result<Inherited, Failure> {
    if let Some(handover) = Handover::of_this_process().map_err(Failure::failed)? {
        return Ok(Inherited::Handover(handover));
    }
    // `LISTEN_FDS` (sd_listen_fds(3)).
    let mut given = ListenFd::from_env();
    if given.len() == 0 {
        return Ok(Inherited::Nothing);
    }
    let mut sockets = Vec::new();
    for index in 0..given.len() {
        match given.take_tcp_listener(index) {
            Ok(Some(socket)) => sockets.push(socket),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(index, %error, "a socket that was given is no TCP socket that listens, and is not used");
            }
        }
    }
    Ok(Inherited::Sockets(sockets))
}
