//! Makes what is served follow what is stored.
//!
//! It takes no input: woken by a change, by time, or once a minute, it takes the desired state as it is then and
//! publishes it. What was not touched since is taken over from what was published before.

mod agents;
mod assembly;
mod challenges;
mod following;
mod library;
mod names;
mod side_by_side;

use std::{collections::HashSet, sync::Arc, time::Duration};

use portward_core::{CertificateId, Revision, Timestamp};
use portward_proxy::{BindError, BindingReport, Clock, Proxy, ServedKey};
use portward_store::{
    Store, StoreError, WatchEvent, WatchStream, desired,
    desired::{Desired, Touched},
    sealing::MasterKey,
};
use tokio::time::Instant;

pub(crate) use agents::is_for_agents;
use assembly::{Assembly, Built};
pub(crate) use assembly::{list, uncovered};
pub(crate) use challenges::challenge_port;
pub(crate) use following::Following;

use super::{Shutdown, notice::is_event};
use crate::{
    app::chain_text,
    problem::{Problem, Subject},
    served::{Served, ServedState},
};

/// Is what the task works with.
#[derive(Clone)]
pub(crate) struct Publish {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) desired: Arc<Following>,
    /// What is published before the store is open; none if it is.
    pub(crate) kept: Option<Arc<Desired>>,
    pub(crate) master: MasterKey,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) served: Arc<Served>,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
}

impl Publish {
    /// Publishes until shutdown.
    pub(crate) async fn run(self) {
        let mut assembly = Assembly::new(self.master.clone());
        let mut watch: Option<WatchStream> = None;
        // Besides what the follower says: nothing was built yet.
        let mut besides = Touched::everything();
        if let Some(kept) = self.kept.clone().filter(|_| !self.served.now().is_published) {
            self.publish(kept, &Touched::everything(), &mut assembly).await;
            if self.desired.is_of_kept() {
                besides = Touched::default();
            }
        }
        loop {
            let next = match self.publish_newest(&mut assembly, std::mem::take(&mut besides)).await {
                Ok((revision, changes_at)) => {
                    if watch.is_none() {
                        watch = self.watch(revision).await;
                    }
                    self.pause(changes_at)
                }
                Err(error) => {
                    tracing::warn!(error = chain_text(&error), "the store cannot be read; what is served stays");
                    self.served.complain(store_problem(&error));
                    (watch, besides) = (None, Touched::everything());
                    if self.wait(RETRY).await { continue } else { return }
                }
            };
            if self.check_some(&mut assembly).await {
                continue;
            }
            self.index();
            tokio::select! {
                () = self.shutdown.pulled() => return,
                () = tokio::time::sleep(next) => {}
                stands = changed(&mut watch, self.served.now().desired.revision) => {
                    if !stands {
                        watch = None;
                    }
                }
            }
        }
    }

    /// Waits, and says whether to go on.
    async fn wait(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.shutdown.pulled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    async fn watch(&self, after: Revision) -> Option<WatchStream> {
        match self.store.watch(&desired::prefixes(), after).await {
            Ok(stream) => Some(stream),
            Err(error) => {
                tracing::warn!(error = chain_text(&error), "the store cannot be watched; it is read again soon");
                None
            }
        }
    }

    /// Publishes the desired state as it is now; gives its revision, and when time may make another snapshot of it.
    ///
    /// `besides` is what may be another than the last time although nobody changed it.
    async fn publish_newest(
        &self,
        assembly: &mut Assembly,
        besides: Touched,
    ) -> Result<(Revision, Option<Timestamp>), StoreError> {
        let (desired, mut touched) = self.desired.take(&*self.store).await?;
        touched.add(besides);
        let revision = desired.revision;
        let changes_at = self.publish(desired, &touched, assembly).await;
        Ok((revision, changes_at))
    }

    /// Publishes a desired state, of which that much was touched since the last time.
    async fn publish(&self, desired: Arc<Desired>, touched: &Touched, assembly: &mut Assembly) -> Option<Timestamp> {
        let began = Instant::now();
        let Built { snapshot, mut problems, changes_at } = assembly.build(&desired, touched, self.clock.now());
        let bindings = self.proxy.publish(snapshot).await;
        problems.extend(bindings.iter().filter_map(unbound));
        problems.sort_by_key(|problem| problem.severity);
        self.log_news(&problems);
        tracing::debug!(
            revision = desired.revision.0,
            problems = problems.len(),
            everything = touched.everything,
            milliseconds = began.elapsed().as_millis(),
            "published"
        );
        self.served.publish(ServedState { desired, bindings, problems, is_published: true });
        changes_at
    }

    /// Looks whether the private keys of some certificates open, of those that were published without that; whether
    /// there were any.
    async fn check_some(&self, assembly: &mut Assembly) -> bool {
        let keys = assembly.take_unchecked();
        if keys.is_empty() {
            return false;
        }
        let closed = |keys: Vec<(CertificateId, Arc<ServedKey>)>| -> Vec<CertificateId> {
            keys.into_iter().filter(|(_, key)| !key.opens()).map(|(id, _)| id).collect()
        };
        let unusable = tokio::task::spawn_blocking(move || closed(keys)).await.unwrap_or_default();
        if !unusable.is_empty() {
            assembly.doubt(unusable.iter().cloned());
            self.desired.touch(unusable).await;
        }
        true
    }

    /// Makes the index of names, or brings it up to date, so that no use case waits for that.
    fn index(&self) {
        let desired = Arc::clone(&self.served.now().desired);
        tokio::task::spawn_blocking(move || desired.names());
    }

    /// Logs each problem once, when it comes up; but not what is an event, and told of as such.
    fn log_news(&self, problems: &[Problem]) {
        let before = self.served.now();
        let known: HashSet<&Problem> = before.problems.iter().collect();
        for problem in problems.iter().filter(|problem| !is_event(problem.code) && !known.contains(problem)) {
            tracing::warn!(
                problem.code = problem.code,
                problem.what = %problem.subject,
                problem.remedy = problem.remedy,
                "{}", problem.message
            );
        }
    }

    fn pause(&self, changes_at: Option<Timestamp>) -> Duration {
        changes_at.map_or(PERIOD, |at| at.since(self.clock.now()).clamp(Duration::from_secs(1), PERIOD))
    }
}

/// Waits for a change after a revision; whether the watch still stands.
async fn changed(watch: &mut Option<WatchStream>, after: Revision) -> bool {
    let Some(stream) = watch else {
        // Somebody else ends the wait, after which the watch is tried again.
        tokio::time::sleep(RETRY).await;
        return false;
    };
    loop {
        match stream.next().await {
            Some(WatchEvent::Batch { revision, .. }) if revision > after => return true,
            Some(WatchEvent::Batch { .. } | WatchEvent::Alive) => {}
            Some(WatchEvent::Compacted { .. } | WatchEvent::Lost(_)) | None => return false,
        }
    }
}

/// The problem of a binding that has no sockets.
fn unbound(report: &BindingReport) -> Option<Problem> {
    let error = report.result.as_ref().err()?;
    if challenge_port(&report.id).is_some() {
        // Nobody asked for it; the attempt that needs it tells of it.
        return None;
    }
    if is_for_agents(&report.id) {
        return Some(Problem::error(
            bind_code(error),
            Subject::Agents,
            format!("the binding for agents alone is not there: {error}"),
            "it is tried again every minute; to give it up: portward identity edit --no-binding",
        ));
    }
    Some(Problem::error(
        bind_code(error),
        Subject::Binding(report.id.clone()),
        error.to_string(),
        format!("it is tried again every minute; to give it up: portward binding remove {}", report.id),
    ))
}

/// The stable word for a reason why an address cannot be listened on.
pub(crate) fn bind_code(error: &BindError) -> &'static str {
    match error {
        BindError::Ours(_) => "binding-exists",
        BindError::Taken { .. } => "port-taken",
        BindError::Privilege { .. } => "port-needs-privilege",
        BindError::Forbidden(_) => "port-forbidden",
        BindError::NotAnAddress { .. } => "address-not-here",
        BindError::NoIpv6(_) => "no-ipv6",
        BindError::TooManyFiles(_) => "too-many-files",
        BindError::Refused { .. } => "bind-refused",
    }
}

fn store_problem(error: &StoreError) -> Problem {
    Problem::error(
        "store-unavailable",
        Subject::Store,
        format!("the store cannot be read, so changes are not seen: {}", chain_text(error)),
        "what was served before goes on being served; look at the disk of the data directory and at the log",
    )
}

/// Bindings without sockets are tried again, and the clock may have been set.
const PERIOD: Duration = Duration::from_secs(60);
/// After the store could not be read or watched.
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
