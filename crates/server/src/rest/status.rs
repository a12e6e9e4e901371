//! `/api/v1/status`.

use axum::response::Response;
use portward_api::StatusView;

use super::{answer, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table.get(
        "/api/v1/status",
        show,
        Doc::act("show_status", "Shows what is served, and what is wrong.").answers::<StatusView>(),
    )
}

async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.show_status(&call.by))
}
