//! Goes back from changes that nobody confirmed in time; right after the start from those whose time ended before it.

use std::{sync::Arc, time::Duration};

use super::Shutdown;
use crate::app::{App, chain_text};

/// Is what the task works with.
#[derive(Clone)]
pub(crate) struct GoBack {
    pub(crate) app: Arc<App>,
    pub(crate) shutdown: Shutdown,
}

impl GoBack {
    /// Goes back until shutdown.
    pub(crate) async fn run(self) {
        loop {
            if let Err(error) = self.app.go_back_overdue().await {
                tracing::warn!(error = chain_text(&error), "a change cannot go back yet; it is tried again");
            }
            tokio::select! {
                () = self.shutdown.pulled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }
}

/// Reading what waits, which is nothing most of the time, costs a lookup; nobody waits a second longer than said.
const PERIOD: Duration = Duration::from_secs(1);
