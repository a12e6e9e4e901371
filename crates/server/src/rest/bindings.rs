//! `/api/v1/bindings`.

use axum::response::Response;
use portward_api::{BindingCreate, BindingUpdate, BindingView, Changed, Removed};

use super::{answer, answer::Order, body::SMALL, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get("/api/v1/bindings", list, Doc::list::<BindingView>("list_bindings", "Lists the bindings."))
        .post(
            "/api/v1/bindings",
            add,
            Doc::add::<BindingCreate, Changed<BindingView>>("add_binding", "Adds a binding, which is tried first.")
                .safely(),
        )
        .get("/api/v1/bindings/{id}", show, Doc::show::<BindingView>("show_binding", "Shows a binding."))
        .patch(
            "/api/v1/bindings/{id}",
            edit,
            Doc::edit::<BindingUpdate, Changed<BindingView>>(
                "edit_binding",
                "Changes a binding; what is left out stays.",
            )
            .safely(),
        )
        .delete(
            "/api/v1/bindings/{id}",
            remove,
            Doc::remove::<Changed<Removed>>("remove_binding", "Removes a binding; its connections finish.").safely(),
        )
}

async fn list(call: Call<right::View>) -> Result<Response, AppError> {
    answer::page(&call, Order::Ascending, call.app.list_bindings(&call.by), |view| view.id.clone())
}

async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_binding(&call.by, call.id())?)
}

async fn add(mut call: Call<right::BindingChange>) -> Result<Response, AppError> {
    let input: BindingCreate = call.json(SMALL).await?;
    let added = call.app.add_binding(&call.by, &input, call.apply).await?;
    let location = format!("/api/v1/bindings/{}", added.view.id);
    answer::changed_created(added, location)
}

async fn edit(mut call: Call<right::BindingChange>) -> Result<Response, AppError> {
    let input: BindingUpdate = call.json(SMALL).await?;
    answer::changed(call.app.edit_binding(&call.by, call.id(), &input, call.precondition, call.apply).await?)
}

async fn remove(mut call: Call<right::BindingChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_binding(&call.by, call.id(), call.precondition, call.apply).await?)
}
