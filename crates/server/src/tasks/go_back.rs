//! Goes back from changes that nobody confirmed in time; right after the start from those whose time ended before it.

use std::{sync::Arc, time::Duration};

use portward_store::WatchStream;

use super::{Shutdown, watched::touched};
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
        let mut watch: Option<WatchStream> = None;
        loop {
            if watch.is_none() {
                watch = match self.app.watch_what_waits().await {
                    Ok(stream) => Some(stream),
                    Err(error) => {
                        tracing::warn!(error = chain_text(&error), "what waits to be confirmed cannot be watched");
                        None
                    }
                };
            }
            let looked = self.app.go_back_overdue().await;
            if let Err(error) = &looked {
                tracing::warn!(error = chain_text(error), "a change cannot go back yet; it is tried again");
            }
            // The clock may be set at any time, forward and back, so a deadline is looked for, not slept for.
            let is_idle = looked.is_ok() && watch.is_some() && !self.app.waits();
            let pause = if is_idle { IDLE } else { PERIOD };
            tokio::select! {
                () = self.shutdown.pulled() => return,
                touched = touched(&mut watch) => if touched.is_none() { watch = None },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

/// Nobody waits a second longer than said.
const PERIOD: Duration = Duration::from_secs(1);
/// When nothing waits; the watch says when something does.
const IDLE: Duration = Duration::from_secs(300);
