//! Waiting for what is watched in the store.

use portward_store::{Key, WatchEvent, WatchStream};

/// Waits until something below the watched prefixes is changed, and gives the keys; none if the watch broke.
pub(crate) async fn touched(watch: &mut Option<WatchStream>) -> Option<Vec<Key>> {
    let Some(stream) = watch else {
        // Somebody else ends the wait, after which the watch is tried again.
        return std::future::pending().await;
    };
    loop {
        match stream.next().await {
            Some(WatchEvent::Batch { puts, deletes, .. }) => {
                return Some(puts.into_iter().map(|kv| kv.key).chain(deletes).collect());
            }
            Some(WatchEvent::Alive) => {}
            Some(WatchEvent::Compacted { .. } | WatchEvent::Lost(_)) | None => return None,
        }
    }
}
