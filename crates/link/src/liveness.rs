//! Whether the other side is still there: a ping every [`PING_EVERY`], answered within [`PING_PATIENCE`].

use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{sleep, timeout};

/// How often a ping is sent; load balancers forget a connection after a minute or more without one.
pub const PING_EVERY: Duration = Duration::from_secs(20);
/// How long an answer may take.
pub const PING_PATIENCE: Duration = Duration::from_secs(10);

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
