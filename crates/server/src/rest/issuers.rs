//! `/api/v1/acme/issuers`.

use axum::response::Response;
use portward_api::{
    Removed,
    acme::{IssuerCreate, IssuerView, RolledOver},
};

use super::{answer, answer::Order, body::WITH_AUTHORITIES, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get("/api/v1/acme/issuers", list, Doc::list::<IssuerView>("list_issuers", "Lists the issuers."))
        .post(
            "/api/v1/acme/issuers",
            add,
            Doc::add::<IssuerCreate, IssuerView>(
                "add_issuer",
                "Adds an issuer; its account is made with the first order.",
            ),
        )
        .get("/api/v1/acme/issuers/{id}", show, Doc::show::<IssuerView>("show_issuer", "Shows an issuer."))
        .delete(
            "/api/v1/acme/issuers/{id}",
            remove,
            Doc::remove::<Removed>("remove_issuer", "Removes an issuer that no certificate is asked of."),
        )
        .post(
            "/api/v1/acme/issuers/{id}/rollover",
            roll_over,
            Doc::act("roll_over_account", "Gives the account with an issuer a new key (RFC 8555 section 7.3.5).")
                .answers::<RolledOver>(),
        )
}

async fn list(call: Call<right::View>) -> Result<Response, AppError> {
    let issuers = call.app.list_issuers(&call.by).await?;
    answer::page(&call, Order::Ascending, issuers, |view| view.id.clone())
}

async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_issuer(&call.by, call.id()).await?)
}

async fn add(mut call: Call<right::IssuerChange>) -> Result<Response, AppError> {
    let input: IssuerCreate = call.json(WITH_AUTHORITIES).await?;
    let added = call.app.add_issuer(&call.by, &input, call.apply).await?;
    answer::created(&added, format!("/api/v1/acme/issuers/{}", added.view.id))
}

async fn remove(mut call: Call<right::IssuerChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_issuer(&call.by, call.id(), call.precondition, call.apply).await?)
}

async fn roll_over(mut call: Call<right::IssuerChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.roll_over_account(&call.by, call.id()).await?)
}
