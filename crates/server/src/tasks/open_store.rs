//! Opens the store behind what is served already, and tries again until that succeeds.

use std::{path::PathBuf, sync::Arc, time::Duration};

use portward_core::Timestamp;
use portward_store::{cluster::Cluster, late::LateStore, sealing::MasterKey, sqlite::SqliteStore};

use super::Shutdown;
use crate::{
    app::chain_text,
    served::Served,
    server::{Opened, open_store},
};

/// Is what the task works with.
#[derive(Clone)]
pub(crate) struct OpenStore {
    pub(crate) late: LateStore,
    pub(crate) opened: Opened,
    pub(crate) data_dir: PathBuf,
    pub(crate) clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    pub(crate) master: MasterKey,
    /// Whose store it must be.
    pub(crate) cluster: String,
    pub(crate) served: Arc<Served>,
    pub(crate) shutdown: Shutdown,
}

impl OpenStore {
    /// Tries until it is open, or until shutdown.
    pub(crate) async fn run(self) {
        // To look through the file takes what the first handshake waits for.
        let mut newest = self.served.subscribe();
        tokio::select! {
            () = self.shutdown.pulled() => return,
            _ = newest.wait_for(|state| state.is_published) => {}
        }
        let (mut pause, mut told) = (RETRY, None);
        while let Err(why) = self.open().await {
            self.late.fail_with(&*why);
            if told.as_ref() != Some(&why) {
                tracing::error!(
                    why,
                    "the store cannot be opened; what was kept of it on the disk is served, and nothing can be changed"
                );
                told = Some(why);
            }
            tokio::select! {
                () = self.shutdown.pulled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST);
        }
        if told.is_some() {
            tracing::info!("the store is open");
        }
    }

    async fn open(&self) -> Result<(), String> {
        if !SqliteStore::is_in(&self.data_dir) {
            return Err(format!(
                "there is no store in {}; put it back, or go back to a backup: portward store restore FILE",
                self.data_dir.display()
            ));
        }
        let clock = Arc::clone(&self.clock);
        let store = open_store(&self.data_dir, clock, None).await.map_err(|error| chain_text(&error))?;
        match Cluster::of(&store).await {
            Ok(Some(cluster)) if cluster.id == self.cluster => {}
            Ok(_) => {
                return Err(format!(
                    "the store in {} is another one than what is served was read of; start the server anew to serve it",
                    self.data_dir.display()
                ));
            }
            Err(error) => return Err(chain_text(&error)),
        }
        Cluster::open(&store, self.master.clone()).await.map_err(|error| chain_text(&error))?;
        // It is opened once.
        let _ = self.opened.set(store.clone());
        self.late.open_as(Arc::new(store));
        Ok(())
    }
}

/// After the first failure.
const RETRY: Duration = Duration::from_secs(1);
/// To look whether a damaged file is sound now takes some seconds of one core.
const LONGEST: Duration = Duration::from_secs(10);
