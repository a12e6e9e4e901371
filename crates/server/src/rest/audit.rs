//! `/api/v1/audit`.

use axum::response::Response;
use portward_api::AuditQuery;

use super::{answer, call::Call};
use crate::app::{AppError, right};

pub(super) async fn list(call: Call<right::AuditView>) -> Result<Response, AppError> {
    let query = {
        let asked = |name| call.parameter(name).map(str::to_owned);
        let (limit, cursor) = (Some(call.query.part.limit), call.query.part.after.clone());
        AuditQuery { who: asked("who"), what: asked("what"), day: asked("day"), limit, cursor }
    };
    let page = call.app.list_audit(&call.by, &query).await?;
    answer::part(&call, page.items, page.next_cursor.as_deref())
}

pub(super) async fn verify(call: Call<right::AuditView>) -> Result<Response, AppError> {
    answer::json(&call.app.verify_audit(&call.by, call.parameter("known")).await?)
}
