//! A task of Octopus's, which is an attempt of ours.
//!
//! Its id says for which certificate it is and when it was asked for, so that nothing has to be kept: the task is the
//! first attempt from then on.

use portward_api::acme::{AttemptView, OutcomeView};
use portward_core::{CertificateId, Timestamp};
use serde_json::{Value, json};

/// Is one task.
#[derive(Clone, Debug)]
pub(super) struct Task {
    certificate: CertificateId,
    queued: Timestamp,
    /// What it became; none while the engine has not begun.
    pub(super) attempt: Option<AttemptView>,
    /// Whether there is nothing to do.
    pub(super) is_settled: bool,
}

/// Names how far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Queued,
    Executing,
    Success,
    Failed,
}

impl Task {
    /// A task that was asked for.
    pub(super) fn queued(certificate: CertificateId, at: Timestamp) -> Self {
        Self { certificate, queued: at, attempt: None, is_settled: false }
    }

    /// Reads an id.
    pub(super) fn parse(id: &str) -> Option<Self> {
        let (seconds, certificate) = id.strip_prefix(PREFIX)?.split_once('-')?;
        let queued = Timestamp::from_unix(seconds.parse().ok()?).ok()?;
        let certificate = CertificateId::parse(certificate).ok()?;
        Some(Self { certificate, queued, attempt: None, is_settled: false })
    }

    /// The id.
    pub(super) fn id(&self) -> String {
        format!("{PREFIX}{}-{}", self.queued.unix(), self.certificate)
    }

    /// For which certificate it is.
    pub(super) fn certificate(&self) -> &str {
        self.certificate.as_str()
    }

    /// Its attempt, among those for the certificate, newest first: the first one that began since it was asked for, else
    /// the one that was under way then.
    pub(super) fn attempt_in(&self, attempts: Vec<AttemptView>) -> Option<AttemptView> {
        let since = |attempt: &AttemptView| Timestamp::parse(&attempt.began).is_ok_and(|began| began >= self.queued);
        let (mut later, mut earlier): (Vec<_>, Vec<_>) = attempts.into_iter().partition(since);
        later.pop().or_else(|| {
            earlier.truncate(1);
            earlier.pop().filter(|attempt| attempt.outcome.is_none())
        })
    }

    /// The resource, as `GET /api/tasks/{id}` has it.
    pub(super) fn resource(&self) -> Value {
        let state = self.state();
        let id = self.id();
        let is_completed = matches!(state, State::Success | State::Failed);
        json!({
            "Id": id,
            "Name": super::CONFIGURE,
            "Description": "Configure Let's Encrypt SSL Certificate",
            "Arguments": { "CertificateId": self.certificate.as_str() },
            "State": state.as_str(),
            "QueueTime": self.queued.to_string(),
            "StartTime": self.attempt.as_ref().map(|attempt| &attempt.began),
            "CompletedTime": self.ended(),
            "IsCompleted": is_completed,
            "FinishedSuccessfully": state == State::Success,
            "HasWarningsOrErrors": state == State::Failed,
            "HasBeenPickedUpByProcessor": state != State::Queued,
            "HasPendingInterruptions": false,
            "CanRerun": false,
            "ErrorMessage": self.error().unwrap_or_default(),
            "Links": { "Self": format!("/api/tasks/{id}"), "Details": format!("/api/tasks/{id}/details") },
        })
    }

    /// The resource with its log, as `GET /api/tasks/{id}/details` has it.
    pub(super) fn details(&self) -> Value {
        let state = self.state();
        let lines = self.attempt.iter().flat_map(|attempt| &attempt.timeline).map(
            |event| json!({ "Category": "Info", "OccurredAt": event.at, "MessageText": event.what, "Detail": null }),
        );
        let failed = self.error().map(
            |error| json!({ "Category": "Fatal", "OccurredAt": self.ended(), "MessageText": error, "Detail": null }),
        );
        let log: Vec<Value> = lines.chain(failed).collect();
        let percent = if matches!(state, State::Success | State::Failed) { 100 } else { 0 };
        json!({
            "Task": self.resource(),
            "ActivityLogs": [{
                "Id": format!("{}/1", self.id()),
                "Name": "Configure Let's Encrypt SSL Certificate",
                "Status": state.as_activity(),
                "Started": self.attempt.as_ref().map(|attempt| &attempt.began),
                "Ended": self.ended(),
                "ProgressPercentage": percent,
                "Children": [],
                "LogElements": log,
            }],
            "Progress": { "ProgressPercentage": percent },
            "Links": { "Self": format!("/api/tasks/{}/details", self.id()) },
        })
    }

    fn state(&self) -> State {
        match self.attempt.as_ref().map(|attempt| &attempt.outcome) {
            Some(Some(OutcomeView::Served { .. })) => State::Success,
            Some(Some(OutcomeView::Failed { .. })) => State::Failed,
            Some(None) => State::Executing,
            None if self.is_settled => State::Success,
            None => State::Queued,
        }
    }

    fn ended(&self) -> Option<&str> {
        match self.attempt.as_ref()?.outcome.as_ref()? {
            OutcomeView::Served { at } | OutcomeView::Failed { at, .. } => Some(at),
        }
    }

    fn error(&self) -> Option<String> {
        match self.attempt.as_ref()?.outcome.as_ref()? {
            OutcomeView::Failed { cause, remedy, .. } => Some(format!("{cause} {remedy}")),
            OutcomeView::Served { .. } => None,
        }
    }
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Executing => "Executing",
            Self::Success => "Success",
            Self::Failed => "Failed",
        }
    }

    /// The word of an activity's log for the same.
    fn as_activity(self) -> &'static str {
        match self {
            Self::Queued => "Pending",
            Self::Executing => "Running",
            Self::Success => "Success",
            Self::Failed => "Failed",
        }
    }
}

const PREFIX: &str = "ServerTasks-";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn attempt(began: i64, outcome: Option<OutcomeView>) -> AttemptView {
        AttemptView {
            id: began.to_string(),
            certificate: "front-test".to_owned(),
            issuer: "letsencrypt".to_owned(),
            names: Vec::new(),
            why: String::new(),
            began: Timestamp::from_unix(began).unwrap().to_string(),
            stage: "planned".to_owned(),
            order: None,
            timeline: Vec::new(),
            outcome,
        }
    }

    fn served() -> Option<OutcomeView> {
        Some(OutcomeView::Served { at: "2026-11-20T12:00:09Z".to_owned() })
    }

    #[test]
    fn an_id_says_what_the_task_is_about() {
        let task = Task::parse("ServerTasks-1795176000-front-test-2").unwrap();
        assert_eq!((task.certificate(), task.queued.unix()), ("front-test-2", 1_795_176_000));
        assert_eq!(task.id(), "ServerTasks-1795176000-front-test-2");
        for bad in ["", "ServerTasks-", "ServerTasks-1", "ServerTasks-x-front", "ServerTasks-1-No", "Tasks-1-front"] {
            assert!(Task::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_task_is_the_first_attempt_since_it_was_asked_for() {
        let task = Task::parse("ServerTasks-1000-front-test").unwrap();
        let found = |attempts: Vec<AttemptView>| task.attempt_in(attempts).map(|attempt| attempt.id);
        assert_eq!(found(Vec::new()), None);
        assert_eq!(
            found(vec![attempt(1200, None), attempt(1001, served()), attempt(900, served())]).as_deref(),
            Some("1001")
        );
        assert_eq!(found(vec![attempt(1000, None)]).as_deref(), Some("1000"));
        assert_eq!(found(vec![attempt(900, served())]), None, "one that had ended is none of it");
        assert_eq!(found(vec![attempt(900, None), attempt(800, None)]).as_deref(), Some("900"));
    }

    #[test]
    fn a_task_says_how_far_it_is_and_why_it_failed() {
        let failed = Some(OutcomeView::Failed {
            at: "2026-11-20T12:00:09Z".to_owned(),
            code: "challenge-unreachable".to_owned(),
            cause: "Nobody came.".to_owned(),
            remedy: "Open port 80.".to_owned(),
            problem: None,
        });
        for (attempt, is_settled, state, completed, success, error) in [
            (None, false, "Queued", false, false, ""),
            (None, true, "Success", true, true, ""),
            (Some(attempt(1000, None)), false, "Executing", false, false, ""),
            (Some(attempt(1000, served())), false, "Success", true, true, ""),
            (Some(attempt(1000, failed)), false, "Failed", true, false, "Nobody came. Open port 80."),
        ] {
            let task = Task { attempt, is_settled, ..Task::parse("ServerTasks-1000-front-test").unwrap() };
            let resource = task.resource();
            assert_eq!(
                (
                    resource["State"].as_str(),
                    resource["IsCompleted"].as_bool(),
                    resource["FinishedSuccessfully"].as_bool()
                ),
                (Some(state), Some(completed), Some(success))
            );
            assert_eq!(resource["ErrorMessage"], error);
            assert_eq!(task.details()["Task"], resource);
        }
    }
}
