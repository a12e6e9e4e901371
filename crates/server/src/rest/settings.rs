//! `/api/v1/settings`.

use axum::response::Response;
use portward_api::{Changed, SettingsUpdate, SettingsView};

use super::{answer, body::SMALL, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get(
            "/api/v1/settings",
            show,
            Doc::show::<SettingsView>("show_settings", "Shows what applies to the whole server."),
        )
        .patch(
            "/api/v1/settings",
            edit,
            Doc::edit::<SettingsUpdate, Changed<SettingsView>>(
                "edit_settings",
                "Changes settings; what is left out stays.",
            )
            .safely(),
        )
}

async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_settings(&call.by))
}

async fn edit(mut call: Call<right::SettingsChange>) -> Result<Response, AppError> {
    let input: SettingsUpdate = call.json(SMALL).await?;
    answer::changed(call.app.edit_settings(&call.by, &input, call.precondition, call.apply).await?)
}
