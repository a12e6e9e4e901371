//! `/api/v1/desired-state` and `/api/v1/apply`.

use axum::response::Response;
use portward_api::{Applied, Changed, DesiredState, DesiredStateApply};

use super::{answer, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get(
            "/api/v1/desired-state",
            export,
            Doc::act("export_desired_state", "Shows all that operators asked for, as a document without secrets.")
                .answers::<DesiredState>(),
        )
        .post(
            "/api/v1/apply",
            apply,
            Doc::act("apply_desired_state", "Makes the desired state what is declared.")
                .takes::<DesiredStateApply>()
                .dry_run()
                .safely()
                .names::<Applied>()
                .answers::<Changed<Applied>>(),
        )
}

async fn export(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.export_desired_state(&call.by))
}

async fn apply(mut call: Call<right::SettingsChange>) -> Result<Response, AppError> {
    let input: DesiredStateApply = call.json(LARGE).await?;
    answer::json(&call.app.apply_desired_state(&call.by, &input, call.apply).await?)
}

/// Some thousand sites, with authorities of their own.
const LARGE: usize = 16 * 1024 * 1024;
