//! Writes the desired state into a file of its own after it was changed, so that a start need not wait for the store.

use std::{path::PathBuf, sync::Arc, time::Duration};

use portward_core::Revision;
use portward_store::{Store, disk_snapshot, sealing::MasterKey};
use tokio::time::Instant;

use super::Shutdown;
use crate::{app::chain_text, served::Served};

/// Is what the task works with.
#[derive(Clone)]
pub(crate) struct Keep {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) master: MasterKey,
    pub(crate) served: Arc<Served>,
    pub(crate) data_dir: PathBuf,
    pub(crate) shutdown: Shutdown,
}

impl Keep {
    /// Writes until shutdown.
    pub(crate) async fn run(self) {
        let mut newest = self.served.subscribe();
        let mut written = Revision(0);
        let mut pause = PAUSE;
        loop {
            let after = written;
            let outdated =
                async { newest.wait_for(|state| state.is_published && state.desired.revision > after).await.is_ok() };
            tokio::select! {
                () = self.shutdown.pulled() => return,
                there_is_news = outdated => if !there_is_news { return },
            }
            // What comes at once with the first change is written with it.
            tokio::select! {
                () = self.shutdown.pulled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let began = Instant::now();
            match disk_snapshot::write(&*self.store, &self.data_dir, &self.master).await {
                Ok(revision) => {
                    tracing::debug!(
                        revision = revision.0,
                        milliseconds = began.elapsed().as_millis(),
                        "kept on the disk"
                    );
                    written = revision;
                    pause = PAUSE.max(began.elapsed() * SHARE);
                }
                Err(error) => {
                    tracing::warn!(
                        error = chain_text(&error),
                        "the desired state could not be written for the next start; it is tried again in a minute"
                    );
                    pause = RETRY;
                }
            }
        }
    }
}

/// Between two writings, at least.
const PAUSE: Duration = Duration::from_secs(5);
/// A twentieth of the time at most goes into it.
const SHARE: u32 = 20;
/// After it failed, as on a full disk.
const RETRY: Duration = Duration::from_secs(60);
