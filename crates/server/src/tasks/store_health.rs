//! Tells operators when the store can be read and not written, and notices when it can again.

use std::{sync::Arc, time::Duration};

use portward_store::{HealthState, Store, Txn};

use super::Shutdown;
use crate::{
    problem::{Problem, STORE_READ_ONLY, Subject},
    served::Served,
};

/// Is what the task works with.
#[derive(Clone)]
pub(crate) struct WatchStoreHealth {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) served: Arc<Served>,
    pub(crate) shutdown: Shutdown,
}

impl WatchStoreHealth {
    /// Looks until shutdown.
    pub(crate) async fn run(self) {
        loop {
            let mut health = self.store.health().await;
            if health.state == HealthState::ReadOnly {
                // Nobody may want to write, and then nobody would find out.
                let _ = self.store.txn(Txn::new()).await;
                health = self.store.health().await;
            }
            let problem = (health.state == HealthState::ReadOnly).then(|| {
                Problem::error(
                    STORE_READ_ONLY,
                    Subject::Store,
                    format!("nothing can be changed: {}", health.note),
                    "what is served goes on being served; look at the disk of the data directory: portward store doctor",
                )
            });
            self.served.set_store_problem(problem);
            tokio::select! {
                () = self.shutdown.pulled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }
}

/// An operator who looks at status after a failed change sees why.
const PERIOD: Duration = Duration::from_secs(2);
