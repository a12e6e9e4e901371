//! `/api/v1/confirmations`, `/api/v1/undo` and `/api/v1/recover`: changes that wait, that are taken back, and ways back in.

use axum::response::Response;
use portward_api::Recover;

use super::{answer, answer::Order, body::SMALL, call::Call};
use crate::app::{AppError, right};

pub(super) async fn list(call: Call<right::View>) -> Result<Response, AppError> {
    let waiting = call.app.list_confirmations(&call.by).await?;
    // The oldest first; an id says nothing of age.
    answer::page(&call, Order::Ascending, waiting, |view| format!("{}{}", view.made, view.id))
}

pub(super) async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.show_confirmation(&call.by, call.id()).await?)
}

pub(super) async fn keep(mut call: Call<right::View>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.keep(&call.by, call.id(), call.way.as_ref()).await?)
}

pub(super) async fn go_back(mut call: Call<right::View>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.go_back(&call.by, call.id()).await?)
}

pub(super) async fn undo(mut call: Call<right::View>) -> Result<Response, AppError> {
    call.no_body().await?;
    let revision = call.id().parse().map_err(|_| AppError::not_found("revision", call.id()))?;
    answer::json(&call.app.undo(&call.by, revision).await?)
}

pub(super) async fn recover(mut call: Call<right::StoreRestore>) -> Result<Response, AppError> {
    let input: Recover = call.json(SMALL).await?;
    answer::json(&call.app.recover(&call.by, &input, call.apply).await?)
}
