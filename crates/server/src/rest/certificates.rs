//! `/api/v1/certificates`.

use axum::response::Response;
use portward_api::{
    CertificateExport, CertificateImport, CertificateOutcome, CertificateRollback, CertificateTaken,
    CertificateVersionView, CertificateView, Changed, InspectionView, Removed, SelfSignedCreate,
};
use portward_certs::MAX_PFX_BYTES;

use super::{answer, answer::Order, body::SMALL, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, Revised, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get(
            "/api/v1/certificates",
            list,
            Doc::list::<CertificateView>(
                "list_certificates",
                "Lists the certificates, each with the version that is served.",
            ),
        )
        .post(
            "/api/v1/certificates",
            import,
            Doc::add::<CertificateImport, Changed<CertificateTaken>>(
                "import_certificate",
                "Takes a certificate with its private key.",
            )
            .safely()
            .if_match(),
        )
        .post(
            "/api/v1/certificates/self-signed",
            make_self_signed,
            Doc::add::<SelfSignedCreate, CertificateTaken>(
                "make_self_signed_certificate",
                "Makes a certificate that is signed by its own key.",
            ),
        )
        .post(
            "/api/v1/certificates/inspect",
            inspect,
            Doc::act("inspect_certificate", "Looks at files as an import would, and stores nothing.")
                .takes::<CertificateImport>()
                .answers::<InspectionView>(),
        )
        .get(
            "/api/v1/certificates/{id}",
            show,
            Doc::show::<CertificateView>("show_certificate", "Shows a certificate, with the version that is served."),
        )
        .delete(
            "/api/v1/certificates/{id}",
            remove,
            Doc::remove::<Changed<Removed>>("remove_certificate", "Removes a certificate with all its versions.")
                .safely(),
        )
        .get(
            "/api/v1/certificates/{id}/versions",
            list_versions,
            Doc::list::<CertificateVersionView>(
                "list_certificate_versions",
                "Lists the versions of a certificate that can be gone back to.",
            ),
        )
        .post(
            "/api/v1/certificates/{id}/export",
            export,
            Doc::act("export_certificate", "Gives a certificate out with its private key.")
                .takes::<CertificateExport>()
                .answers_file(&["application/x-pem-file", "application/x-pkcs12"]),
        )
        .post(
            "/api/v1/certificates/{id}/rollback",
            roll_back,
            Doc::edit::<CertificateRollback, Changed<CertificateTaken>>(
                "roll_back_certificate",
                "Goes back to the version before the one that is served.",
            )
            .safely(),
        )
}

async fn list(call: Call<right::View>) -> Result<Response, AppError> {
    let (ids, next) =
        answer::cut(&call, Order::Ascending, call.app.certificate_ids(&call.by), |id| id.as_str().to_owned());
    answer::part(&call, call.app.show_certificates(&call.by, &ids), next.as_deref())
}

async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_certificate(&call.by, call.id())?)
}

async fn list_versions(call: Call<right::View>) -> Result<Response, AppError> {
    let versions = call.app.list_certificate_versions(&call.by, call.id())?;
    answer::page(&call, Order::Ascending, versions, |view| format!("{:010}", view.version))
}

async fn import(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: CertificateImport = call.json(IMPORT).await?;
    let taken = call.app.import_certificate(&call.by, input, call.precondition, call.apply).await?;
    taken_answer(taken)
}

async fn inspect(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: CertificateImport = call.json(IMPORT).await?;
    answer::json(&call.app.inspect_certificate(&call.by, input).await?)
}

async fn make_self_signed(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: SelfSignedCreate = call.json(SMALL).await?;
    taken_answer(call.app.make_self_signed(&call.by, &input, call.apply).await?.into())
}

async fn roll_back(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: CertificateRollback = call.json(SMALL).await?;
    let back = call.app.roll_back_certificate(&call.by, call.id(), &input, call.precondition, call.apply).await?;
    taken_answer(back)
}

async fn export(mut call: Call<right::CertificateExportPrivateKey>) -> Result<Response, AppError> {
    let input: CertificateExport = call.json(SMALL).await?;
    let exported = call.app.export_certificate(&call.by, call.id(), &input).await?;
    Ok(answer::file(exported.media_type, exported.into_body()))
}

async fn remove(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
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
