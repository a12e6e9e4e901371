//! `/api/v1/explain`.

use axum::response::Response;
use portward_api::ExplainRequest;

use super::{answer, body::SMALL, call::Call};
use crate::app::{AppError, right};

pub(super) async fn explain(mut call: Call<right::View>) -> Result<Response, AppError> {
    let input: ExplainRequest = call.json(SMALL).await?;
    answer::json(&call.app.explain(&call.by, &input).await?)
}
