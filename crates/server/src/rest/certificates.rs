//! `/api/v1/certificates`.

use axum::response::Response;
use portward_api::{
    CertificateExport, CertificateImport, CertificateOutcome, CertificateRollback, CertificateTaken, Changed,
    SelfSignedCreate,
};
use portward_certs::MAX_PFX_BYTES;

use super::{answer, answer::Order, body::SMALL, call::Call};
use crate::app::{AppError, Revised, right};

pub(super) async fn list(call: Call<right::View>) -> Result<Response, AppError> {
    answer::page(&call, Order::Ascending, call.app.list_certificates(&call.by), |view| view.id.clone())
}

pub(super) async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_certificate(&call.by, call.id())?)
}

pub(super) async fn list_versions(call: Call<right::View>) -> Result<Response, AppError> {
    let versions = call.app.list_certificate_versions(&call.by, call.id())?;
    answer::page(&call, Order::Ascending, versions, |view| format!("{:010}", view.version))
}

pub(super) async fn import(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: CertificateImport = call.json(IMPORT).await?;
    let taken = call.app.import_certificate(&call.by, input, call.precondition, call.apply).await?;
    taken_answer(taken)
}

pub(super) async fn inspect(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: CertificateImport = call.json(IMPORT).await?;
    answer::json(&call.app.inspect_certificate(&call.by, input).await?)
}

pub(super) async fn make_self_signed(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: SelfSignedCreate = call.json(SMALL).await?;
    taken_answer(call.app.make_self_signed(&call.by, &input, call.apply).await?.into())
}

pub(super) async fn roll_back(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: CertificateRollback = call.json(SMALL).await?;
    let back = call.app.roll_back_certificate(&call.by, call.id(), &input, call.precondition, call.apply).await?;
    taken_answer(back)
}

pub(super) async fn export(mut call: Call<right::CertificateExportPrivateKey>) -> Result<Response, AppError> {
    let input: CertificateExport = call.json(SMALL).await?;
    let exported = call.app.export_certificate(&call.by, call.id(), &input).await?;
    Ok(answer::file(exported.media_type, exported.into_body()))
}

pub(super) async fn remove(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_certificate(&call.by, call.id(), call.precondition, call.apply).await?)
}

fn taken_answer(taken: Changed<Revised<CertificateTaken>>) -> Result<Response, AppError> {
    match taken.view.outcome {
        CertificateOutcome::Created => {
            let location = format!("/api/v1/certificates/{}", taken.view.certificate.id);
            answer::changed_created(taken, location)
        }
        CertificateOutcome::NewVersion | CertificateOutcome::Unchanged => answer::changed(taken),
    }
}

/// A handful of the largest files, in base64.
const IMPORT: usize = 4 * MAX_PFX_BYTES * 4 / 3;
