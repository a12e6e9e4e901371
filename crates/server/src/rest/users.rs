//! `/api/v1/users`.

use axum::response::Response;
use portward_api::{UserCreate, UserUpdate};

use super::{answer, answer::Order, body::SMALL, call::Call};
use crate::app::{AppError, right};

pub(super) async fn list(call: Call<right::UserView>) -> Result<Response, AppError> {
    let users = call.app.list_users(&call.by).await?;
    answer::page(&call, Order::Ascending, users, |view| view.name.clone())
}

pub(super) async fn show(call: Call<right::UserView>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_user(&call.by, call.id()).await?)
}

pub(super) async fn add(mut call: Call<right::UserChange>) -> Result<Response, AppError> {
    let input: UserCreate = call.json(SMALL).await?;
    let added = call.app.add_user(&call.by, &input, call.apply).await?;
    answer::created(&added, format!("/api/v1/users/{}", added.view.name))
}

pub(super) async fn edit(mut call: Call<right::UserChange>) -> Result<Response, AppError> {
    let input: UserUpdate = call.json(SMALL).await?;
    let edited = call.app.edit_user(&call.by, call.id(), &input, call.precondition, call.apply).await?;
    answer::revised(&edited)
}

pub(super) async fn remove(mut call: Call<right::UserChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_user(&call.by, call.id(), call.precondition, call.apply).await?)
}
