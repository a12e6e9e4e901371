//! Tasks that run beside everything else, and are started again if they panic.

pub(crate) mod deliver;
pub(crate) mod events;
pub(crate) mod go_back;
pub(crate) mod keep;
pub(crate) mod notice;
pub(crate) mod open_store;
pub(crate) mod publish;
pub(crate) mod renew;
pub(crate) mod store_health;
pub(crate) mod upstreams;
pub(crate) mod watched;

use std::{future::Future, time::Duration};

use tokio::{sync::watch, task::JoinSet};

/// Tells tasks to end.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

/// Ends tasks.
#[derive(Debug)]
pub(crate) struct ShutdownTrigger(watch::Sender<bool>);

/// Makes the two ends of a shutdown.
pub(crate) fn shutdown() -> (ShutdownTrigger, Shutdown) {
    let (trigger, shutdown) = watch::channel(false);
    (ShutdownTrigger(trigger), Shutdown(shutdown))
}

impl ShutdownTrigger {
    /// Tells all tasks to end.
    pub(crate) fn pull(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Waits until tasks are to end.
    pub(crate) async fn pulled(&self) {
        // A trigger that is dropped has nobody left to serve.
        let _ = self.0.clone().wait_for(|pulled| *pulled).await;
    }
}

/// Runs a task until it returns; one that panics is logged and started again.
pub(crate) async fn supervise<F, R>(name: &'static str, make: F)
where
    F: Fn() -> R,
    R: Future<Output = ()> + Send + 'static,
{
    // Dropped with the supervisor, the set ends the task too.
    let mut running = JoinSet::new();
    running.spawn(make());
    while let Some(ended) = running.join_next().await {
        match ended {
            Err(error) if error.is_panic() => {
                tracing::error!(task.name = name, "a task panicked and is started again");
                tokio::time::sleep(RESTART_DELAY).await;
                running.spawn(make());
            }
            _ => break,
        }
    }
}

/// Keeps a task that panics at once from filling the log.
const RESTART_DELAY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_started_again() {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        supervise("test", move || {
            let counted = Arc::clone(&counted);
            async move {
                if counted.fetch_add(1, Ordering::SeqCst) < 2 {
                    panic!("on purpose");
                }
            }
        })
        .await;
        assert_eq!(runs.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn everybody_hears_of_a_shutdown() {
        let (trigger, shutdown) = shutdown();
        let other = shutdown.clone();
        trigger.pull();
        shutdown.pulled().await;
        other.pulled().await;
    }
}
