//! A thread that owns a connection and does one thing after another.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread,
};

use tokio::sync::oneshot;

use crate::StoreError;

/// Sends work to a thread. Dropped, it waits until the thread has finished what it was given.
pub(super) struct Worker<S> {
    jobs: Option<mpsc::Sender<Job<S>>>,
    thread: Option<thread::JoinHandle<()>>,
}

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// Is what a job will return.
pub(super) struct Answer<T>(oneshot::Receiver<T>);

/// Says that nobody knows what became of a job: its thread broke down.
#[derive(Debug, thiserror::Error)]
#[error("the thread that works on the store broke down")]
pub(super) struct BrokeDown;

impl<S: Send + 'static> Worker<S> {
    /// Starts a thread that owns `state`.
    pub(super) fn spawn(name: &str, mut state: S) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job<S>>();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            for job in queue {
                // A panic ends the job, whose caller notices that no answer comes, but not the thread.
                // What the job had begun in SQLite was rolled back as the stack unwound.
                if catch_unwind(AssertUnwindSafe(|| job(&mut state))).is_err() {
                    tracing::error!("a request to the store panicked");
                }
            }
        })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Gives a job to the thread at once. It is done even if nobody waits for the answer.
    pub(super) fn run<T: Send + 'static>(&self, job: impl FnOnce(&mut S) -> T + Send + 'static) -> Answer<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job<S> = Box::new(move |state| {
            let _ = answer.send(job(state));
        });
        // If the thread is gone, so is the sender of the answer.
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
        Answer(answered)
    }
}

impl<T> Answer<T> {
    /// Waits until the job is done, and gives what it returned.
    pub(super) async fn wait(self) -> Result<T, BrokeDown> {
        self.0.await.map_err(|_| BrokeDown)
    }
}

impl<S> Drop for Worker<S> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked: it catches panics of its jobs.
            let _ = thread.join();
        }
    }
}

impl From<BrokeDown> for StoreError {
    fn from(error: BrokeDown) -> Self {
        Self::Unavailable(error.into())
    }
}
