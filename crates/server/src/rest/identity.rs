//! `/api/v1/identity`: by what agents know the server.

use axum::response::Response;
use portward_api::{
    IdentityChanged, IdentityExport, IdentityExported, IdentityImport, IdentityRotate, IdentityUpdate, IdentityView,
};

use super::{
    answer,
    body::{SMALL, WITH_PFX},
    call::Call,
    doc::Doc,
    table::Table,
};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get(
            "/api/v1/identity",
            show,
            Doc::act("show_identity", "Shows the identity by which agents know the server, and how far a rotation is.")
                .answers::<IdentityView>(),
        )
        .patch(
            "/api/v1/identity",
            edit,
            Doc::act("edit_identity", "Changes where agents find the server; what is left out stays.")
                .takes::<IdentityUpdate>()
                .dry_run()
                .answers::<IdentityView>(),
        )
        .post(
            "/api/v1/identity/rotate",
            rotate,
            Doc::act("rotate_identity", "Has a new identity follow the one in use; agents follow by themselves.")
                .takes::<IdentityRotate>()
                .answers::<IdentityChanged>(),
        )
        .post(
            "/api/v1/identity/import",
            import,
            Doc::act("import_identity", "Takes an identity of the operator's in place of the one in use.")
                .takes::<IdentityImport>()
                .answers::<IdentityChanged>(),
        )
        .post(
            "/api/v1/identity/export",
            export,
            Doc::act("export_identity", "Gives an identity out as a PFX: the one in use, or a new one.")
                .takes::<IdentityExport>()
                .answers::<IdentityExported>(),
        )
}

async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.show_identity(&call.by).await?)
}

async fn edit(mut call: Call<right::IdentityChange>) -> Result<Response, AppError> {
    let input: IdentityUpdate = call.json(SMALL).await?;
    answer::json(&call.app.edit_identity(&call.by, &input, call.apply).await?)
}

async fn rotate(mut call: Call<right::IdentityChange>) -> Result<Response, AppError> {
    let input: IdentityRotate = call.json(WITH_PFX).await?;
    answer::json(&call.app.rotate_identity(&call.by, &input).await?)
}

async fn import(mut call: Call<right::IdentityChange>) -> Result<Response, AppError> {
    let input: IdentityImport = call.json(WITH_PFX).await?;
    answer::json(&call.app.import_identity(&call.by, &input).await?)
}

async fn export(mut call: Call<right::IdentityChange>) -> Result<Response, AppError> {
    let input: IdentityExport = call.json(WITH_PFX).await?;
    answer::json(&call.app.export_identity(&call.by, &input).await?)
}
