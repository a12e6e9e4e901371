//! Whether the other side is still there: a ping every [`PING_EVERY`], answered within [`PING_PATIENCE`].

use std::time::Duration;

use h2::{Ping, PingPong, Reason};
use tokio::time::{sleep, timeout};

/// How often a ping is sent; load balancers forget a connection after a minute or more without one.
pub const PING_EVERY: Duration = Duration::from_secs(20);
/// How long an answer may take.
pub const PING_PATIENCE: Duration = Duration::from_secs(10);

/// Why a link ended, as people say it; `who` is the other side.
pub(crate) fn why(error: &h2::Error, who: &str) -> String {
    let is_cut = |io: &std::io::Error| {
        matches!(
            io.kind(),
            std::io::ErrorKind::UnexpectedEof
                | std::io::ErrorKind::ConnectionReset
                | std::io::ErrorKind::ConnectionAborted
                | std::io::ErrorKind::BrokenPipe
        )
    };
    match error.reason() {
        Some(Reason::NO_ERROR) => format!("{who} closed it"),
        Some(Reason::ENHANCE_YOUR_CALM) if !error.is_remote() => format!("{who} sent more than a link takes"),
        _ if error.get_io().is_some_and(is_cut) => format!("the connection was cut: {error}"),
        _ => error.to_string(),
    }
}

/// Resolves when the other side does not answer any more; never while it does.
pub(crate) async fn lost(ping_pong: Option<PingPong>) {
    let Some(mut ping_pong) = ping_pong else { return std::future::pending().await };
    loop {
        sleep(PING_EVERY).await;
        match timeout(PING_PATIENCE, ping_pong.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            // The connection tells better than a ping that it has ended.
            Ok(Err(_)) => return std::future::pending().await,
            Err(_) => return,
        }
    }
}
