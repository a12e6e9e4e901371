//! Has what is served tell of upstreams that are unwell.

use std::{sync::Arc, time::Duration};

use super::Shutdown;
use crate::{app::App, served::Served};

/// Is what the task works with.
#[derive(Clone)]
pub(crate) struct TellUpstreams {
    pub(crate) app: Arc<App>,
    pub(crate) served: Arc<Served>,
    pub(crate) shutdown: Shutdown,
}

impl TellUpstreams {
    /// Looks until shutdown.
    pub(crate) async fn run(self) {
        loop {
            self.served.set_unwell_upstreams(self.app.problems_of_upstreams());
            tokio::select! {
                () = self.shutdown.pulled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }
}

/// Nobody waits longer for a problem that checks have found.
const PERIOD: Duration = Duration::from_secs(2);
