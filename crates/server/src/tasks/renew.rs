//! Keeps certificates: gives the engine its turns, and wakes it for what was changed.

use std::{sync::Arc, time::Duration};

use portward_store::{Key, Prefix, Store, WatchEvent, WatchStream, work};

use super::Shutdown;
use crate::{app::chain_text, renewals::Engine};

/// Is what the task works with.
#[derive(Clone)]
pub(crate) struct Renew {
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) shutdown: Shutdown,
}

impl Renew {
    /// Keeps certificates until shutdown.
    ///
    /// A step that is under way then is cut short; it is gone on with after the next start.
    pub(crate) async fn run(self) {
        loop {
            let watched = async {
                let after = self.store.revision().await?;
                let watch = self.store.watch(&watched(), after).await?;
                self.engine.load().await?;
                Ok::<_, portward_store::StoreError>(watch)
            };
            let again = match watched.await {
                Ok(watch) => tokio::select! {
                    () = self.shutdown.pulled() => return,
                    () = self.engine.run() => Duration::ZERO,
                    () = self.follow(watch) => RETRY,
                },
                Err(error) => {
                    tracing::warn!(error = chain_text(&error), "the store cannot be read; renewals wait");
                    RETRY
                }
            };
            tokio::select! {
                () = self.shutdown.pulled() => return,
                () = tokio::time::sleep(again) => {}
            }
        }
    }

    /// Wakes the engine for what is changed, until the watch breaks.
    async fn follow(&self, mut watch: WatchStream) {
        while let Some(event) = watch.next().await {
            match event {
                WatchEvent::Batch { puts, deletes, .. } => {
                    let keys: Vec<Key> = puts.into_iter().map(|kv| kv.key).chain(deletes).collect();
                    let is_issuer = keys.iter().any(|key| key.as_str().starts_with(ISSUERS));
                    if is_issuer && let Err(error) = self.engine.load().await {
                        tracing::warn!(error = chain_text(&error), "the store cannot be read; renewals wait");
                        return;
                    }
                    for id in keys.iter().filter_map(work::certificate_of) {
                        self.engine.wake(&id);
                    }
                }
                WatchEvent::Alive => {}
                WatchEvent::Compacted { .. } | WatchEvent::Lost(_) => return,
            }
        }
    }
}

fn watched() -> Vec<Prefix> {
    let mut prefixes: Vec<Prefix> =
        ["certs/", ISSUERS].into_iter().filter_map(|text| Prefix::parse(text).ok()).collect();
    prefixes.push(work::requests());
    prefixes
}

/// Certificates may have waited for an issuer.
const ISSUERS: &str = "acme/issuers/";
/// After the store could not be read or watched.
const RETRY: Duration = Duration::from_secs(1);
