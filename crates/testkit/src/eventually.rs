//! Waiting for what takes a moment and gives no signal.

use std::time::{Duration, Instant};

/// Asks again and again until there is an answer; fails the test after a minute or so.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "this did not come true in {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Long enough for a loaded machine with two cores; nothing waits so long when all is well.
const PATIENCE: Duration = Duration::from_secs(60);
