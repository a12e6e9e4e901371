//! `/api/v1/deliveries`: certificates that agents install.

use axum::response::Response;
use portward_api::{DeliveryCreate, DeliveryView, Removed};

use super::{answer, answer::Order, body::SMALL, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get("/api/v1/deliveries", list, Doc::list::<DeliveryView>("list_deliveries", "Lists the deliveries."))
        .post(
            "/api/v1/deliveries",
            add,
            Doc::add::<DeliveryCreate, DeliveryView>(
                "add_delivery",
                "Has an agent install a certificate with its key, and keep it as it is here.",
            ),
        )
        .get("/api/v1/deliveries/{id}", show, Doc::show::<DeliveryView>("show_delivery", "Shows a delivery."))
        .delete(
            "/api/v1/deliveries/{id}",
            remove,
            Doc::remove::<Removed>("remove_delivery", "Ends a delivery; the files stay as they are."),
        )
        .post(
            "/api/v1/deliveries/{id}/retry",
            retry,
            Doc::act("retry_delivery", "Has a delivery tried now.").answers::<DeliveryView>(),
        )
}

async fn list(call: Call<right::View>) -> Result<Response, AppError> {
    let deliveries = call.app.list_deliveries(&call.by).await?;
    answer::page(&call, Order::Ascending, deliveries, |view| view.id.clone())
}

async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_delivery(&call.by, call.id()).await?)
}

async fn add(mut call: Call<right::DeliveryChange>) -> Result<Response, AppError> {
    let input: DeliveryCreate = call.json(SMALL).await?;
    let added = call.app.add_delivery(&call.by, &input, call.apply).await?;
    answer::created(&added, format!("/api/v1/deliveries/{}", added.view.id))
}

async fn remove(mut call: Call<right::DeliveryChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_delivery(&call.by, call.id(), call.precondition, call.apply).await?)
}

async fn retry(mut call: Call<right::DeliveryChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.retry_delivery(&call.by, call.id()).await?)
}
