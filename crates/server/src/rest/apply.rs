//! `/api/v1/desired-state` and `/api/v1/apply`.

use axum::response::Response;
use portward_api::DesiredStateApply;

use super::{answer, call::Call};
use crate::app::{AppError, right};

pub(super) async fn export(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.export_desired_state(&call.by))
}

pub(super) async fn apply(mut call: Call<right::SettingsChange>) -> Result<Response, AppError> {
    let input: DesiredStateApply = call.json(LARGE).await?;
    answer::json(&call.app.apply_desired_state(&call.by, &input, call.apply).await?)
}

/// Some thousand sites, with authorities of their own.
const LARGE: usize = 16 * 1024 * 1024;
