//! `/api/v1/status`.

use axum::response::Response;

use super::{answer, call::Call};
use crate::app::{AppError, right};

pub(super) async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.show_status(&call.by))
}
