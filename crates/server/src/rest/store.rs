//! `/api/v1/store`.

use axum::{body::Body, response::Response};
use http::StatusCode;
use http_body_util::BodyExt;
use portward_api::{BACKUP_MEDIA_TYPE, Restored};

use super::{answer, call::Call, doc::Doc, table::Table};
use crate::{
    app::{AppError, MAX_BACKUP_BYTES, right},
    web::FileBody,
};

pub(super) fn routes(table: Table) -> Table {
    table
        .post(
            "/api/v1/store/backup",
            backup,
            Doc::act("back_up_store", "Gives out a backup of all that is stored.").answers_file(&[BACKUP_MEDIA_TYPE]),
        )
        .post(
            "/api/v1/store/restore",
            restore,
            Doc::act("restore_store", "Puts a backup in the place of all that is stored.")
                .takes_file(BACKUP_MEDIA_TYPE)
                .dry_run()
                .answers::<Restored>(),
        )
}

async fn backup(mut call: Call<right::StoreBackup>) -> Result<Response, AppError> {
    call.no_body().await?;
    let file = call.app.back_up(&call.by).await?;
    Ok(answer::file(BACKUP_MEDIA_TYPE, Body::new(FileBody::new(file))))
}

async fn restore(mut call: Call<right::StoreRestore>) -> Result<Response, AppError> {
    let mut body = call.stream(BACKUP_MEDIA_TYPE)?;
    let passing = call.app.passing_file()?;
    let mut file = passing.create()?;
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| AppError::malformed("incomplete-body", "the backup broke off").caused_by(error))?;
        if let Some(piece) = frame.data_ref() {
            length += piece.len() as u64;
            if length > MAX_BACKUP_BYTES {
                let message = format!("the backup has more than {MAX_BACKUP_BYTES} bytes");
                return Err(AppError::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", message));
            }
            passing.write(&mut file, piece)?;
        }
    }
    drop(file);
    answer::json(&call.app.restore(&call.by, &passing, call.apply).await?)
}
