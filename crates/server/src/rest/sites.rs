//! `/api/v1/sites`.

use axum::response::Response;
use portward_api::{SiteCreate, SiteUpdate};

use super::{answer, answer::Order, body::SMALL, call::Call};
use crate::app::{AppError, right};

pub(super) async fn list(call: Call<right::View>) -> Result<Response, AppError> {
    answer::page(&call, Order::Ascending, call.app.list_sites(&call.by), |view| view.id.clone())
}

pub(super) async fn show_traffic(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.show_traffic(&call.by, call.id())?)
}

pub(super) async fn list_presets(call: Call<right::View>) -> Result<Response, AppError> {
    answer::page(&call, Order::Ascending, call.app.list_presets(&call.by), |view| view.id.clone())
}

pub(super) async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_site(&call.by, call.id())?)
}

pub(super) async fn add(mut call: Call<right::SiteChange>) -> Result<Response, AppError> {
    let input: SiteCreate = call.json(SMALL).await?;
    let added = call.app.add_site(&call.by, &input, call.apply).await?;
    answer::created(&added, format!("/api/v1/sites/{}", added.view.id))
}

pub(super) async fn edit(mut call: Call<right::SiteChange>) -> Result<Response, AppError> {
    let input: SiteUpdate = call.json(SMALL).await?;
    answer::changed(call.app.edit_site(&call.by, call.id(), &input, call.precondition, call.apply).await?)
}

pub(super) async fn remove(mut call: Call<right::SiteChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_site(&call.by, call.id(), call.precondition, call.apply).await?)
}
