//! `/api/v1/explain`.

use axum::response::Response;
use portward_api::{ExplainRequest, ExplainView};

use super::{answer, body::SMALL, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table.post(
        "/api/v1/explain",
        explain,
        Doc::act("explain_host", "Says why a host name answers as it does, step by step.")
            .takes::<ExplainRequest>()
            .answers::<ExplainView>(),
    )
}

async fn explain(mut call: Call<right::View>) -> Result<Response, AppError> {
    let input: ExplainRequest = call.json(SMALL).await?;
    answer::json(&call.app.explain(&call.by, &input).await?)
}
