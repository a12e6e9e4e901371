//! Waiting for what is watched in the store.

use portward_store::{WatchEvent, WatchStream};

/// Waits until something below the watched prefixes is changed; false if the watch broke.
pub(super) async fn touched(watch: &mut Option<WatchStream>) -> bool {
    let Some(stream) = watch else {
        // Somebody else ends the wait, after which the watch is tried again.
        return std::future::pending().await;
    };
    loop {
        match stream.next().await {
            Some(WatchEvent::Batch { .. }) => return true,
            Some(WatchEvent::Alive) => {}
            Some(WatchEvent::Compacted { .. } | WatchEvent::Lost(_)) | None => return false,
        }
    }
}
