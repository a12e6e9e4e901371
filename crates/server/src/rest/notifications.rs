//! `/api/v1/notifications`.

use axum::response::Response;
use portward_api::{ChannelCreate, ChannelUpdate};

use super::{answer, answer::Order, body::SMALL, call::Call};
use crate::app::{AppError, right};

pub(super) async fn list_kinds(call: Call<right::View>) -> Result<Response, AppError> {
    answer::page(&call, Order::Ascending, call.app.list_channel_kinds(&call.by), |view| view.kind.clone())
}

pub(super) async fn list(call: Call<right::View>) -> Result<Response, AppError> {
    answer::page(&call, Order::Ascending, call.app.list_channels(&call.by), |view| view.id.clone())
}

pub(super) async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_channel(&call.by, call.id())?)
}

pub(super) async fn add(mut call: Call<right::NotificationChange>) -> Result<Response, AppError> {
    let input: ChannelCreate = call.json(SMALL).await?;
    let added = call.app.add_channel(&call.by, &input, call.apply).await?;
    answer::created(&added, format!("/api/v1/notifications/{}", added.view.id))
}

pub(super) async fn edit(mut call: Call<right::NotificationChange>) -> Result<Response, AppError> {
    let input: ChannelUpdate = call.json(SMALL).await?;
    let edited = call.app.edit_channel(&call.by, call.id(), &input, call.precondition, call.apply).await?;
    answer::revised(&edited)
}

pub(super) async fn remove(mut call: Call<right::NotificationChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_channel(&call.by, call.id(), call.precondition, call.apply).await?)
}

pub(super) async fn test(mut call: Call<right::NotificationChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.test_channel(&call.by, call.id()).await?)
}
