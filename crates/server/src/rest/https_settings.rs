//! `/api/v1/https-settings`.

use axum::response::Response;
use portward_api::{Changed, HttpsSettingsUpdate, HttpsSettingsView};
use portward_certs::MAX_PFX_BYTES;

use super::{answer, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, https_settings::HttpsSettingsInput, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get(
            "/api/v1/https-settings",
            show,
            Doc::act(
                "show_https_settings",
                "Shows how the portal is reached, and what removing its certificate breaks.",
            )
            .answers::<HttpsSettingsView>(),
        )
        .put(
            "/api/v1/https-settings",
            change,
            Doc::act(
                "change_https_settings",
                "Changes certificate, port and redirect of the portal at once; what is left out stays.",
            )
            .takes::<HttpsSettingsUpdate>()
            .dry_run()
            .safely()
            .answers::<Changed<HttpsSettingsView>>(),
        )
}

async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.show_https_settings(&call.by))
}

async fn change(mut call: Call<right::HttpsSettingsChange>) -> Result<Response, AppError> {
    let input: HttpsSettingsUpdate = call.json(FILES).await?;
    let input = HttpsSettingsInput::parse(input)?;
    answer::json(&call.app.change_https_settings(&call.by, input, call.apply).await?)
}

/// A handful of the largest files, in base64.
const FILES: usize = 4 * MAX_PFX_BYTES * 4 / 3;
