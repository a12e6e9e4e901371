//! Making a change that could shut somebody out: stored, served, tried, and waiting to be confirmed if that is asked for.
//!
//! What does not pass its trial goes back at once.

use std::{error::Error, sync::Arc};

use http::StatusCode;
use portward_api::ConfirmationView;
use portward_core::{BindingId, ConfirmationId, NewWay, Revision};
use portward_store::{
    LimitError, StoreError, Txn,
    change::Before,
    work::{AskedConfirmation, confirmation, confirmations_prefix},
};
use tokio::sync::MutexGuard;

use super::{
    Actor, App, AppError, Apply, Draft, random_hex,
    trial::{self, Trial},
};
use crate::served::ServedState;

/// Says what is looked at when a change is made safely.
pub(super) struct Safety {
    /// By which way a confirmation has to come.
    pub(super) way: NewWay,
    /// Bindings that go once the change is confirmed.
    pub(super) retires: Vec<BindingId>,
}

/// Is a change that was made safely.
pub(super) struct Made {
    /// The revision that it made.
    pub(super) revision: Revision,
    /// What is served.
    pub(super) served: Arc<ServedState>,
    /// What waits to be confirmed.
    pub(super) confirmation: Option<ConfirmationView>,
}

impl Safety {
    /// Any way that is left counts.
    pub(super) fn any() -> Self {
        Self::by(NewWay::Any)
    }

    /// That way counts.
    pub(super) fn by(way: NewWay) -> Self {
        Self { way, retires: Vec::new() }
    }
}

impl App {
    /// Makes a change, waits until it is served, and tries what `trials` says of what is served then.
    ///
    /// `trials` may find by itself that the change does not work; then, and when a trial fails, it goes back.
    pub(super) async fn make_safely(
        &self,
        mut draft: Draft,
        deciding: MutexGuard<'_, ()>,
        apply: Apply,
        safety: Safety,
        trials: impl FnOnce(&ServedState) -> Result<Vec<Trial>, AppError>,
    ) -> Result<Made, AppError> {
        let asked = apply.confirm_within().map(|within| {
            let id = ConfirmationId::parse(&random_hex::<6>()?);
            let id = id.map_err(|error| AppError::internal("no id could be made for the confirmation", error))?;
            let permission = draft.permission().ok_or_else(|| {
                AppError::internal("the change cannot wait to be confirmed", "it needs no permission")
            })?;
            Ok::<_, AppError>(AskedConfirmation { id, within, permission, way: safety.way, retires: safety.retires })
        });
        let asked = asked.transpose()?;
        let id = asked.as_ref().map(|asked| asked.id.clone());
        if let Some(asked) = asked {
            draft.ask_confirmation(asked);
        }
        let what = draft.what().to_owned();
        let committed = self.commit_keeping(draft).await;
        let committed = committed.map_err(|error| if id.is_some() { too_large_to_wait(error) } else { error })?;
        let revision = committed.revision;
        drop(deciding);
        let served = self.in_effect(revision).await?;
        let tried = match trials(&served) {
            Ok(trials) => {
                trial::run(&trials, &served.desired, self.now()).await.map_err(|(_, step)| trial::refusal(&step))
            }
            Err(error) => Err(error),
        };
        let steps = match tried {
            Ok(steps) => steps,
            Err(refused) => {
                let back = self.take_back(id.as_ref(), &committed.before, revision, &what, refused.code()).await;
                return Err(match back {
                    Ok(()) => refused,
                    Err(error) => not_taken_back(&refused, &error, revision),
                });
            }
        };
        let confirmation = match &id {
            Some(id) => {
                self.waiting.tried(id, steps);
                self.look_what_waits().await;
                self.waiting.find(id).map(|waiting| self.confirmation_view(&waiting))
            }
            None => None,
        };
        Ok(Made { revision, served, confirmation })
    }

    /// Goes back from a change that did not pass its trial.
    async fn take_back(
        &self,
        id: Option<&ConfirmationId>,
        before: &Before,
        revision: Revision,
        what: &str,
        reason: &str,
    ) -> Result<(), AppError> {
        let deciding = self.decide().await;
        let audit = format!("go back to before revision {revision} ({what}): {reason}");
        let mut change = self.change_of(&Actor::portward("trial"), audit);
        if let Some(id) = id
            && let Some(waiting) =
                confirmation(&*self.parts.store, id).await.map_err(super::confirmations::unreadable)?
        {
            change.settle_confirmation(&waiting);
        }
        let back = self.put_back_entirely(change, before, revision, what).await?;
        drop(deciding);
        self.look_what_waits().await;
        self.in_effect(back.revision).await?;
        Ok(())
    }
}

/// The error of a change that did not pass its trial, and could not be taken back.
fn not_taken_back(refused: &AppError, error: &AppError, revision: Revision) -> AppError {
    let message = format!(
        "the change did not pass its trial ({refused}), and could not be taken back ({error}); revision {revision} is in effect, and portward recover restores the last good state"
    );
    AppError::new(error.status(), "not-taken-back", message)
}

/// The error of a change that cannot wait to be confirmed, as what it replaces is too large to be kept with it.
fn too_large_to_wait(error: AppError) -> AppError {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<StoreError>());
    let (bytes, most) = match cause {
        Some(StoreError::LimitExceeded(LimitError::Value { key, bytes })) if confirmations_prefix().contains(key) => {
            (*bytes, Txn::MAX_VALUE_BYTES)
        }
        Some(StoreError::LimitExceeded(LimitError::Bytes(bytes))) => (*bytes, Txn::MAX_BYTES),
        _ => return error,
    };
    AppError::refused(
        "too-large-to-confirm",
        format!(
            "with what it replaces, which is kept until it is confirmed, the change has {bytes} bytes, and at most {most} can wait; make it in several changes (portward apply: file by file), or without --confirm-within. Nothing was changed"
        ),
    )
}

/// The error of a change that would leave no way in.
pub(super) fn would_lock_out(message: impl Into<String>) -> AppError {
    AppError::new(StatusCode::CONFLICT, "would-lock-out", message)
}
