//! `/api/v1/https-settings`.

use axum::response::Response;
use portward_api::HttpsSettingsUpdate;
use portward_certs::MAX_PFX_BYTES;

use super::{answer, call::Call};
use crate::app::{AppError, https_settings::HttpsSettingsInput, right};

pub(super) async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.show_https_settings(&call.by))
}

pub(super) async fn change(mut call: Call<right::HttpsSettingsChange>) -> Result<Response, AppError> {
    let input: HttpsSettingsUpdate = call.json(FILES).await?;
    let input = HttpsSettingsInput::parse(input)?;
    answer::json(&call.app.change_https_settings(&call.by, input, call.apply).await?)
}

/// A handful of the largest files, in base64.
const FILES: usize = 4 * MAX_PFX_BYTES * 4 / 3;
