//! Attempts to get certificates, at `/api/v1/acme/attempts` and at each certificate.

use axum::response::Response;
use portward_api::acme::AttemptView;

use super::{answer, answer::Order, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get(
            "/api/v1/certificates/{id}/attempts",
            list_of_certificate,
            Doc::list::<AttemptView>(
                "list_certificate_attempts",
                "Lists the attempts to get one certificate, newest first.",
            ),
        )
        .get(
            "/api/v1/acme/attempts",
            list,
            Doc::list::<AttemptView>("list_attempts", "Lists the attempts to get certificates, newest first."),
        )
        .get("/api/v1/acme/attempts/{id}", show, Doc::act("show_attempt", "Shows an attempt.").answers::<AttemptView>())
}

async fn list(call: Call<right::View>) -> Result<Response, AppError> {
    let attempts = call.app.list_attempts(&call.by).await?;
    answer::page(&call, Order::Descending, attempts, |view| format!("{}~{}", view.began, view.id))
}

async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.show_attempt(&call.by, call.id()).await?)
}

async fn list_of_certificate(call: Call<right::View>) -> Result<Response, AppError> {
    let attempts = call.app.list_certificate_attempts(&call.by, call.id()).await?;
    answer::page(&call, Order::Descending, attempts, |view| view.id.clone())
}
