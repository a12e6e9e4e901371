//! What is told to systemd, if that waits to hear it (sd_notify(3)).

use std::time::Duration;

use sd_notify::NotifyState;

/// Says that everything is served.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that the server ends.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that another process is the server from now on.
pub(super) fn followed_by(process: u32) {
    tell(&[NotifyState::MainPid(process)]);
}

/// Says that something is done at a signal; [`ready`] is to follow.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "systemd could not be told that the server reloads"),
    }
}

/// Says again and again that the control plane does its work (`WatchdogSec=`), where that is waited for.
pub(super) async fn watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()) else { return };
    // As sd_watchdog_enabled(3) advises.
    let mut ticks = tokio::time::interval((limit / 2).max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd could not be told how the server is");
    }
}
