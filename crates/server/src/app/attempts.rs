//! Use cases of attempts, and their views.

use std::sync::Arc;

use portward_api::acme::{AcmeProblemView, AttemptView, EventView, OutcomeView, SubproblemView};
use portward_core::{
    AttemptId, CertificateId,
    acme::{AcmeProblem, Attempt, Outcome, Stage},
};
use portward_store::work::{self, ReadWorkError};

use super::{Allowed, App, AppError, right};

impl App {
    /// Lists the attempts for all certificates that are kept, newest first.
    pub(crate) async fn list_attempts(&self, _by: &Allowed<right::View>) -> Result<Vec<AttemptView>, AppError> {
        self.attempts(None, usize::MAX).await
    }

    /// Lists the attempts for one certificate, newest first.
    pub(crate) async fn list_certificate_attempts(
        &self,
        _by: &Allowed<right::View>,
        id: &str,
    ) -> Result<Vec<AttemptView>, AppError> {
        let id = super::certificates::find(&self.served().desired, id)?.value.id.clone();
        self.attempts(Some(&id), usize::MAX).await
    }

    /// Shows one attempt.
    pub(crate) async fn show_attempt(&self, _by: &Allowed<right::View>, id: &str) -> Result<AttemptView, AppError> {
        let desired = Arc::clone(&self.served().desired);
        let found = match AttemptId::parse(id) {
            Ok(id) => {
                let certificates = desired.certificates.iter().map(|stored| &stored.value.id);
                work::find_attempt(&*self.parts.store, certificates, &id).await.map_err(unreadable)?
            }
            Err(_) => None,
        };
        found.as_ref().map(view).ok_or_else(|| {
            let message = format!("there is no attempt \"{id}\"; portward acme attempts shows those that are kept");
            AppError::new(http::StatusCode::NOT_FOUND, "not-found", message)
        })
    }

    /// The newest attempts, newest first.
    pub(super) async fn attempts(
        &self,
        certificate: Option<&CertificateId>,
        most: usize,
    ) -> Result<Vec<AttemptView>, AppError> {
        let attempts = work::newest_attempts(&*self.parts.store, certificate, most).await;
        let attempts = attempts.map_err(unreadable)?;
        Ok(attempts.iter().map(view).collect())
    }
}

/// What is shown of an attempt.
pub(super) fn view(attempt: &Attempt) -> AttemptView {
    let stage = attempt.timeline.last().map_or(Stage::Planned, |event| event.stage);
    AttemptView {
        id: attempt.id.to_string(),
        certificate: attempt.certificate.to_string(),
        issuer: attempt.issuer.to_string(),
        names: attempt.names.iter().map(ToString::to_string).collect(),
        why: attempt.why.clone(),
        began: attempt.began.to_string(),
        stage: stage.to_string(),
        order: attempt.order.clone(),
        timeline: attempt
            .timeline
            .iter()
            .map(|event| EventView {
                at: event.at.to_string(),
                stage: event.stage.to_string(),
                what: event.what.clone(),
            })
            .collect(),
        outcome: attempt.outcome.as_ref().map(|outcome| match outcome {
            Outcome::Served { at } => OutcomeView::Served { at: at.to_string() },
            Outcome::Failed { at, diagnosis } => OutcomeView::Failed {
                at: at.to_string(),
                code: diagnosis.code.clone(),
                cause: diagnosis.cause.clone(),
                remedy: diagnosis.remedy.clone(),
                problem: diagnosis.problem.as_ref().map(problem),
            },
        }),
    }
}

fn unreadable(error: ReadWorkError) -> AppError {
    AppError::internal("the attempts cannot be read", error)
}

fn problem(problem: &AcmeProblem) -> AcmeProblemView {
    AcmeProblemView {
        kind: problem.kind.clone(),
        detail: problem.detail.clone(),
        status: problem.status,
        subproblems: problem
            .subproblems
            .iter()
            .map(|sub| SubproblemView {
                identifier: sub.identifier.clone(),
                kind: sub.kind.clone(),
                detail: sub.detail.clone(),
            })
            .collect(),
    }
}
