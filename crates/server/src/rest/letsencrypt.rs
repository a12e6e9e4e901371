//! `/api/v1/acme/letsencrypt`: the certificate for the server's own name.

use axum::response::Response;
use portward_api::acme::{CertificateRenew, LetsEncryptConfigure, LetsEncryptStatus};

use super::{answer, body::SMALL, body::WITH_AUTHORITIES, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get(
            "/api/v1/acme/letsencrypt",
            show,
            Doc::act("show_letsencrypt", "Shows what is configured for the server's own name.")
                .answers::<LetsEncryptStatus>(),
        )
        .post(
            "/api/v1/acme/letsencrypt",
            configure,
            Doc::act("configure_letsencrypt", "Gets a certificate for the server's own name, and keeps it renewed.")
                .takes::<LetsEncryptConfigure>()
                .dry_run()
                .answers::<LetsEncryptStatus>()
                .tagged(),
        )
        .post(
            "/api/v1/acme/letsencrypt/renew",
            renew,
            Doc::act("renew_letsencrypt", "Has the certificate for the server's own name renewed.")
                .takes::<CertificateRenew>()
                .answers::<LetsEncryptStatus>(),
        )
        .delete(
            "/api/v1/acme/letsencrypt",
            disable,
            Doc::act("disable_letsencrypt", "Gets no more certificates for the server's own name.")
                .answers::<LetsEncryptStatus>(),
        )
}

async fn configure(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: LetsEncryptConfigure = call.json(WITH_AUTHORITIES).await?;
    answer::revised(&call.app.configure_letsencrypt(&call.by, &input, call.apply).await?)
}

async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.show_letsencrypt(&call.by).await?)
}

async fn renew(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: CertificateRenew = call.json(SMALL).await?;
    answer::json(&call.app.renew_letsencrypt(&call.by, &input).await?)
}

async fn disable(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.disable_letsencrypt(&call.by).await?)
}
