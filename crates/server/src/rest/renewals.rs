//! What of `/api/v1/certificates` is about managed ones, and `/api/v1/acme/renewals`.

use axum::response::Response;
use portward_api::{
    CertificateView,
    acme::{CertificateRenew, CertificateRequestCreate, CertificateRevoke, RenewalView, Requested, Revoked},
};

use super::{answer, answer::Order, body::SMALL, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .post(
            "/api/v1/certificates/request",
            request,
            Doc::add::<CertificateRequestCreate, Requested>(
                "request_certificate",
                "Asks a CA for a certificate and keeps it renewed; it is self-signed until there is one.",
            )
            .if_match(),
        )
        .get(
            "/api/v1/certificates/{id}/renewal",
            show,
            Doc::act("show_renewal", "Shows when a certificate is renewed, and what is going on.")
                .answers::<RenewalView>(),
        )
        .post(
            "/api/v1/certificates/{id}/renew",
            renew,
            Doc::act("renew_certificate", "Has a certificate renewed; the order is only begun when this answers.")
                .takes::<CertificateRenew>()
                .answers::<RenewalView>(),
        )
        .post(
            "/api/v1/certificates/{id}/revoke",
            revoke,
            Doc::act("revoke_certificate", "Has the version that is served revoked by its CA.")
                .takes::<CertificateRevoke>()
                .answers::<Revoked>(),
        )
        .post(
            "/api/v1/certificates/{id}/unmanage",
            unmanage,
            Doc::act("unmanage_certificate", "Renews a certificate no more; it stays, and is served until its end.")
                .if_match()
                .answers::<CertificateView>()
                .tagged(),
        )
        .get(
            "/api/v1/acme/renewals",
            list,
            Doc::list::<RenewalView>("list_renewals", "Lists the managed certificates, with what is going on."),
        )
}

async fn list(call: Call<right::View>) -> Result<Response, AppError> {
    // Each is read for its view, so that only those are which are asked for.
    let ids = call.app.list_managed(&call.by);
    let (ids, next) = answer::cut(&call, Order::Ascending, ids, |id| id.to_string());
    let renewals = call.app.list_renewals(&call.by, &ids).await?;
    answer::part(&call, renewals, next.as_deref())
}

async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.show_renewal(&call.by, call.id()).await?)
}

async fn request(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: CertificateRequestCreate = call.json(SMALL).await?;
    let requested = call.app.request_certificate(&call.by, &input, call.precondition, call.apply).await?;
    if input.replace.is_some() {
        return answer::revised(&requested);
    }
    answer::created(&requested, format!("/api/v1/certificates/{}", requested.view.certificate.id))
}

async fn renew(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: CertificateRenew = call.json(SMALL).await?;
    answer::json(&call.app.renew_certificate(&call.by, call.id(), &input).await?)
}

async fn revoke(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: CertificateRevoke = call.json(SMALL).await?;
    answer::json(&call.app.revoke_certificate(&call.by, call.id(), &input).await?)
}

async fn unmanage(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::revised(&call.app.unmanage_certificate(&call.by, call.id(), call.precondition).await?)
}
