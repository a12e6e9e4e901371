//! `/api/v1/bindings`.

use axum::response::Response;
use portward_api::{BindingCreate, BindingUpdate};

use super::{answer, answer::Order, body::SMALL, call::Call};
use crate::app::{AppError, right};

pub(super) async fn list(call: Call<right::View>) -> Result<Response, AppError> {
    answer::page(&call, Order::Ascending, call.app.list_bindings(&call.by), |view| view.id.clone())
}

pub(super) async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_binding(&call.by, call.id())?)
}

pub(super) async fn add(mut call: Call<right::BindingChange>) -> Result<Response, AppError> {
    let input: BindingCreate = call.json(SMALL).await?;
    let added = call.app.add_binding(&call.by, &input, call.apply).await?;
    let location = format!("/api/v1/bindings/{}", added.view.id);
    answer::changed_created(added, location)
}

pub(super) async fn edit(mut call: Call<right::BindingChange>) -> Result<Response, AppError> {
    let input: BindingUpdate = call.json(SMALL).await?;
    answer::changed(call.app.edit_binding(&call.by, call.id(), &input, call.precondition, call.apply).await?)
}

pub(super) async fn remove(mut call: Call<right::BindingChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_binding(&call.by, call.id(), call.precondition, call.apply).await?)
}
