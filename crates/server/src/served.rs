//! What is served now, and since which change: what use cases wait for and views show.

use std::{sync::Arc, time::Duration};

use portward_core::{BindingId, Revision};
use portward_proxy::BindingReport;
use portward_store::desired::Desired;
use tokio::sync::watch;

use crate::{
    problem::{NOTIFICATION_FAILING, OF_AGENTS, Problem, RENEWAL_FAILING, STORE_READ_ONLY, Subject, UPSTREAM_UNWELL},
    tasks::publish::challenge_port,
};

/// Tells what is served; one for each server, written by the publish task alone.
#[derive(Debug)]
pub(crate) struct Served {
    newest: watch::Sender<Arc<ServedState>>,
}

/// Is what is served at one moment.
#[derive(Debug, Default)]
pub(crate) struct ServedState {
    /// The desired state of which it was built.
    pub(crate) desired: Arc<Desired>,
    /// What became of each binding.
    pub(crate) bindings: Vec<BindingReport>,
    /// What was left out, or should be looked at; the worst first.
    pub(crate) problems: Vec<Problem>,
    /// Whether anything was ever published.
    pub(crate) is_published: bool,
}

/// Says that a change was not served in time.
#[derive(Debug, thiserror::Error)]
#[error("revision {wanted} was not served within {} seconds; revision {served} is", .limit.as_secs())]
pub(crate) struct NotServedError {
    wanted: Revision,
    served: Revision,
    limit: Duration,
}

impl Served {
    /// Nothing is served yet.
    pub(crate) fn new() -> Self {
        Self { newest: watch::Sender::new(Arc::new(ServedState::default())) }
    }

    /// What is served now.
    pub(crate) fn now(&self) -> Arc<ServedState> {
        Arc::clone(&self.newest.borrow())
    }

    /// Follows what is served.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<ServedState>> {
        self.newest.subscribe()
    }

    /// Tells everybody who waits. What is known of renewals and channels that fail stays.
    pub(crate) fn publish(&self, mut state: ServedState) {
        self.newest.send_modify(|now| {
            let is_managed = |problem: &Problem| match &problem.subject {
                Subject::Certificate(id) => {
                    let stored = state.desired.certificate(id);
                    stored.is_some_and(|stored| stored.value.management.managed().is_some())
                }
                _ => false,
            };
            let failing = now.problems.iter().filter(|problem| is_failing_renewal(problem) && is_managed(problem));
            let failing: Vec<Problem> = failing.cloned().collect();
            state.set_failing(RENEWAL_FAILING, failing);
            let is_there = |problem: &&Problem| match &problem.subject {
                Subject::Channel(id) => state.desired.channel(id).is_some(),
                _ => false,
            };
            let failing: Vec<Problem> = now.problems.iter().filter(is_there).cloned().collect();
            state.set_failing(NOTIFICATION_FAILING, failing);
            let is_asked = |problem: &&Problem| match &problem.subject {
                Subject::Site(id) => {
                    let mut sites = state.desired.sites.iter().map(|stored| &stored.value);
                    sites.any(|site| site.id == *id && site.forwarding.health.is_some())
                }
                _ => false,
            };
            let unwell = now.problems.iter().filter(|problem| problem.code == UPSTREAM_UNWELL).filter(is_asked);
            let unwell: Vec<Problem> = unwell.cloned().collect();
            state.set_failing(UPSTREAM_UNWELL, unwell);
            let stays = |problem: &Problem| OF_AGENTS.contains(&problem.code) || problem.code == STORE_READ_ONLY;
            state.problems.retain(|problem| !stays(problem));
            state.problems.extend(now.problems.iter().filter(|problem| stays(problem)).cloned());
            state.problems.sort_by_key(|problem| problem.severity);
            *now = Arc::new(state);
        });
    }

    /// Has what is served tell of the renewals that fail, and of no others; it stays as it is.
    pub(crate) fn set_failing_renewals(&self, failing: Vec<Problem>) {
        self.set_failing(RENEWAL_FAILING, failing);
    }

    /// Has what is served tell of the channels that deliver nothing, and of no others; it stays as it is.
    pub(crate) fn set_failing_channels(&self, failing: Vec<Problem>) {
        self.set_failing(NOTIFICATION_FAILING, failing);
    }

    /// Has what is served tell that the store cannot be written, or that it can; it stays as it is.
    pub(crate) fn set_store_problem(&self, problem: Option<Problem>) {
        self.set_failing(STORE_READ_ONLY, problem.into_iter().collect());
    }

    /// Has what is served tell of these problems with agents, and of no others; it stays as it is.
    pub(crate) fn set_problems_of_agents(&self, problems: Vec<Problem>) {
        debug_assert!(problems.iter().all(|problem| OF_AGENTS.contains(&problem.code)), "a code is not listed");
        self.set_failing_of(OF_AGENTS, problems);
    }

    /// Has what is served tell of the upstreams that are unwell, and of no others; it stays as it is.
    pub(crate) fn set_unwell_upstreams(&self, unwell: Vec<Problem>) {
        self.set_failing(UPSTREAM_UNWELL, unwell);
    }

    fn set_failing(&self, code: &str, failing: Vec<Problem>) {
        self.set_failing_of(&[code], failing);
    }

    fn set_failing_of(&self, codes: &[&str], failing: Vec<Problem>) {
        self.newest.send_if_modified(|now| {
            let is_same = now.problems.iter().filter(|problem| codes.contains(&problem.code)).count() == failing.len()
                && failing.iter().all(|problem| now.problems.contains(problem));
            if is_same {
                return false;
            }
            let mut state = ServedState {
                desired: Arc::clone(&now.desired),
                bindings: now.bindings.clone(),
                problems: now.problems.clone(),
                is_published: now.is_published,
            };
            state.problems.retain(|problem| !codes.contains(&problem.code));
            state.problems.extend(failing);
            state.problems.sort_by_key(|problem| problem.severity);
            *now = Arc::new(state);
            true
        });
    }

    /// Adds a problem to what is served, which stays as it is.
    pub(crate) fn complain(&self, problem: Problem) {
        let now = self.now();
        if now.problems.contains(&problem) {
            return;
        }
        let mut problems = vec![problem];
        problems.extend(now.problems.iter().filter(|other| other.subject != Subject::Store).cloned());
        self.publish(ServedState {
            desired: Arc::clone(&now.desired),
            bindings: now.bindings.clone(),
            problems,
            is_published: now.is_published,
        });
    }

    /// Waits until what is served is so.
    #[cfg(test)]
    pub(crate) async fn until(&self, is_so: impl FnMut(&Arc<ServedState>) -> bool) -> Arc<ServedState> {
        let mut newest = self.newest.subscribe();
        let waiting = tokio::time::timeout(Duration::from_secs(30), newest.wait_for(is_so));
        #[allow(clippy::unwrap_used, reason = "tests")]
        Arc::clone(&waiting.await.unwrap().unwrap())
    }

    /// Waits until a revision or a later one is served.
    pub(crate) async fn reached(&self, wanted: Revision, limit: Duration) -> Result<Arc<ServedState>, NotServedError> {
        let mut newest = self.newest.subscribe();
        let waiting = newest.wait_for(|state| state.is_published && state.desired.revision >= wanted);
        match tokio::time::timeout(limit, waiting).await {
            Ok(Ok(state)) => Ok(Arc::clone(&state)),
            _ => Err(NotServedError { wanted, served: self.now().desired.revision, limit }),
        }
    }
}

fn is_failing_renewal(problem: &Problem) -> bool {
    problem.code == RENEWAL_FAILING
}

impl ServedState {
    fn set_failing(&mut self, code: &str, failing: Vec<Problem>) {
        self.problems.retain(|problem| problem.code != code);
        self.problems.extend(failing);
        self.problems.sort_by_key(|problem| problem.severity);
    }

    /// What became of a binding; none if it is not part of what is served.
    pub(crate) fn binding(&self, id: &BindingId) -> Option<&BindingReport> {
        self.bindings.iter().find(|report| report.id == *id)
    }

    /// What keeps the server from being ready; empty when it is.
    pub(crate) fn unready(&self) -> Vec<String> {
        if !self.is_published {
            return vec!["nothing is served yet".to_owned()];
        }
        let mut reasons = Vec::new();
        for report in self.bindings.iter().filter(|report| challenge_port(&report.id).is_none()) {
            if let Err(error) = &report.result {
                reasons.push(format!("binding {}: {error}", report.id));
            }
        }
        let store = self.problems.iter().filter(|problem| problem.subject == Subject::Store);
        reasons.extend(store.map(|problem| problem.message.clone()));
        reasons
    }
}
