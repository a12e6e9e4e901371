//! `/api/v1/settings`.

use axum::response::Response;
use portward_api::SettingsUpdate;

use super::{answer, body::SMALL, call::Call};
use crate::app::{AppError, right};

pub(super) async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_settings(&call.by))
}

pub(super) async fn edit(mut call: Call<right::SettingsChange>) -> Result<Response, AppError> {
    let input: SettingsUpdate = call.json(SMALL).await?;
    answer::revised(&call.app.edit_settings(&call.by, &input, call.precondition, call.apply).await?)
}
