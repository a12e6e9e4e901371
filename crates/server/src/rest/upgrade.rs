//! `/api/v1/upgrade`.

use axum::response::Response;
use portward_api::{UpgradeInput, UpgradeView};

use super::{answer, body::SMALL, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table.post(
        "/api/v1/upgrade",
        upgrade,
        Doc::act(
            "upgrade_server",
            "Has another program take over without a lost connection; on the admin socket alone.",
        )
        .takes::<UpgradeInput>()
        .answers::<UpgradeView>(),
    )
}

async fn upgrade(mut call: Call<right::SettingsChange>) -> Result<Response, AppError> {
    let input: UpgradeInput = call.json(SMALL).await?;
    answer::json(&call.app.upgrade(&call.by, &input).await?)
}
