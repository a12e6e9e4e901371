//! `/api/v1/setup` and `/api/v1/setup-link`.

use axum::response::Response;
use portward_api::SetupInput;

use super::{
    answer,
    body::SMALL,
    call::{Call, OpenCall},
};
use crate::app::{AppError, right};

pub(super) async fn make_link(mut call: Call<right::UserChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.make_setup_link(call.by.actor()).await?)
}

pub(super) async fn create_owner(mut call: OpenCall) -> Result<Response, AppError> {
    let actor = call.take_actor().ok();
    if actor.is_none() {
        call.demand_privacy()?;
    }
    let input: SetupInput = call.json(SMALL).await?;
    let owner = call.app.create_owner(actor.as_ref(), &input, &call.origin()).await?;
    answer::json(&call.app.user_view(&owner).await?)
}
