//! Backup: taking one, and going back to one.

use askama::Template;
use axum::{body::Body, response::Response};
use http::{HeaderValue, Method, StatusCode, header};
use portward_api::BACKUP_MEDIA_TYPE;

use super::{
    answer,
    equivalents::{DifferenceLine, Equivalents, curl},
    frame::{Frame, Nav},
    view::{counted, grouped},
    visit::Visit,
};
use crate::{
    app::{AppError, Apply, MAX_BACKUP_BYTES, right},
    web::FileBody,
};

#[derive(Template)]
#[template(path = "backup.html")]
struct BackupTemplate {
    frame: Frame,
    lead: String,
    /// What a restore replaces; none for those who may not.
    replaces: Option<String>,
    refused: Option<String>,
    equivalents: Equivalents,
}

/// Shows how a backup is taken, and how to go back to one.
pub(super) async fn show(visit: Visit<right::StoreBackup>) -> Result<Response, AppError> {
    let may_restore = visit.may::<right::StoreRestore>().is_ok();
    answer::html(&page(&visit, may_restore, None))
}

/// Gives out a backup as a file to keep.
pub(super) async fn take(visit: Visit<right::StoreBackup>) -> Result<Response, AppError> {
    let file = visit.app.back_up(&visit.by).await?;
    let mut response = answer::file(BACKUP_MEDIA_TYPE, Body::new(FileBody::new(file)));
    let name = format!("attachment; filename=\"portward-{}.backup\"", visit.app.now().date());
    if let Ok(value) = HeaderValue::try_from(name) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// Puts a backup in the place of all that is stored.
pub(super) async fn restore(mut visit: Visit<right::StoreRestore>) -> Result<Response, AppError> {
    let most = usize::try_from(MAX_BACKUP_BYTES).unwrap_or(usize::MAX);
    let mut fields = visit.multipart_up_to(most).await?;
    let broken = |error: axum::extract::multipart::MultipartError| {
        AppError::malformed("incomplete-body", "the backup broke off; nothing was restored").caused_by(error)
    };
    let passing = visit.app.passing_file()?;
    let (mut is_given, mut is_understood) = (false, false);
    while let Some(mut field) = fields.next_field().await.map_err(broken)? {
        match field.name() {
            Some("backup") => {
                let mut file = passing.create()?;
                while let Some(piece) = field.chunk().await.map_err(broken)? {
                    is_given |= !piece.is_empty();
                    passing.write(&mut file, &piece)?;
                }
            }
            Some("understood") => is_understood = true,
            _ => {}
        }
    }
    let refused = match (is_given, is_understood) {
        (false, _) => Some("Choose the file of a backup.".to_owned()),
        (true, false) => Some("Say that everything that is stored is to be replaced.".to_owned()),
        (true, true) => None,
    };
    let refused = match refused {
        Some(refused) => refused,
        None => match visit.app.restore(&visit.by, &passing, Apply::Now).await {
            Ok(restored) => {
                let said = format!(
                    "{} records are stored and served, as revision {}.",
                    grouped(restored.records),
                    grouped(restored.revision)
                );
                return Ok(visit.done("/backup", said));
            }
            Err(error) if error.status().is_client_error() => answer::sentence(&error),
            Err(error) => return Err(error),
        },
    };
    answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page(&visit, true, Some(refused)))
}

fn page<R: crate::app::Right>(visit: &Visit<R>, may_restore: bool, refused: Option<String>) -> BackupTemplate {
    let desired = &visit.app.served().desired;
    let things = format!(
        "{}, {} and {}",
        counted(desired.bindings.len(), "binding"),
        counted(desired.sites.len(), "site"),
        counted(desired.certificates.len(), "certificate")
    );
    let equivalents = Equivalents {
        cli: "portward store backup --out portward.backup\nportward store restore portward.backup".to_owned(),
        curl: format!("{} -o portward.backup", curl(&Method::POST, "/api/v1/store/backup", None)),
        ..Equivalents::default()
    };
    BackupTemplate {
        frame: visit.frame(Nav::Backup, "Backup"),
        lead: format!("One file has everything that is stored: {things}, users and audit."),
        replaces: may_restore.then_some(things),
        refused,
        equivalents,
    }
}
