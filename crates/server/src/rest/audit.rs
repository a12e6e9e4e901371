//! `/api/v1/audit`.

use axum::response::Response;
use portward_api::{AuditQuery, AuditVerification, AuditView};

use super::{answer, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get(
            "/api/v1/audit",
            list,
            Doc::list::<AuditView>("list_audit", "Lists who changed what, the newest first.").parameters(&[
                ("who", "Text in the name of who changed something.", ""),
                ("what", "Text in what was done, or in a key that was written.", ""),
                ("day", "A day in UTC, as in `2026-11-20`.", DAY),
            ]),
        )
        .get(
            "/api/v1/audit/verify",
            verify,
            Doc::act("verify_audit", "Goes through the whole chain of audit records and says whether it holds.")
                .parameters(&[("known", "The hash of a record that was kept somewhere else.", HASH)])
                .answers::<AuditVerification>(),
        )
}

async fn list(call: Call<right::AuditView>) -> Result<Response, AppError> {
    let query = {
        let asked = |name| call.parameter(name).map(str::to_owned);
        let (limit, cursor) = (Some(call.query.part.limit), call.query.part.after.clone());
        AuditQuery { who: asked("who"), what: asked("what"), day: asked("day"), limit, cursor }
    };
    let page = call.app.list_audit(&call.by, &query).await?;
    answer::part(&call, page.items, page.next_cursor.as_deref())
}

async fn verify(call: Call<right::AuditView>) -> Result<Response, AppError> {
    answer::json(&call.app.verify_audit(&call.by, call.parameter("known")).await?)
}

/// A date (RFC 3339 section 5.6): months with 31 days, with 30, February, and its 29th in leap years.
const DAY: &str = concat!(
    "^20([0-9]{2}-(",
    "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|",
    "(0[469]|11)-(0[1-9]|[12][0-9]|30)|",
    "02-(0[1-9]|1[0-9]|2[0-8]))|",
    "([02468][048]|[13579][26])-02-29)$"
);
/// SHA-256 in hexadecimal digits.
const HASH: &str = "^[0-9a-f]{64}$";
