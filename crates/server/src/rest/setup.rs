//! `/api/v1/setup` and `/api/v1/setup-link`.

use axum::response::Response;
use http::Method;
use portward_api::{SetupInput, SetupLinkView, UserView};

use super::{
    answer,
    body::SMALL,
    call::{Call, OpenCall},
    doc::Doc,
    table::Table,
};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .post(
            "/api/v1/setup-link",
            make_link,
            Doc::act("make_setup_link", "Makes a link by which the first owner comes; on the admin socket alone.")
                .answers::<SetupLinkView>(),
        )
        .open(
            Method::POST,
            "/api/v1/setup",
            create_owner,
            Doc::act("create_owner", "Creates the first owner, for who has the token of the setup link.")
                .takes::<SetupInput>()
                .answers::<UserView>(),
        )
}

async fn make_link(mut call: Call<right::UserChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.make_setup_link(call.by.actor()).await?)
}

async fn create_owner(mut call: OpenCall) -> Result<Response, AppError> {
    let actor = call.take_actor().ok();
    if actor.is_none() {
        call.demand_privacy()?;
    }
    let input: SetupInput = call.json(SMALL).await?;
    let owner = call.app.create_owner(actor.as_ref(), &input, &call.origin()).await?;
    answer::json(&call.app.user_view(&owner).await?)
}
