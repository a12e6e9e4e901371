//! `/api/v1/audit`.

use axum::response::Response;
use portward_api::AuditQuery;

use super::{answer, call::Call};
use crate::app::{AppError, right};

pub(super) async fn list(mut call: Call<right::AuditView>) -> Result<Response, AppError> {
    let mut asked = |name| call.query.others.remove(name);
    let limit = asked("limit").map(|text| text.parse().unwrap_or(0));
    let (who, what, day, cursor) = (asked("who"), asked("what"), asked("day"), asked("cursor"));
    answer::json(&call.app.list_audit(&call.by, &AuditQuery { who, what, day, limit, cursor }).await?)
}

pub(super) async fn verify(call: Call<right::AuditView>) -> Result<Response, AppError> {
    let known = call.query.others.get("known").map(String::as_str);
    answer::json(&call.app.verify_audit(&call.by, known).await?)
}
