//! `/api/v1/tokens`.

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use portward_api::{Removed, TokenCreate, TokenCreated, TokenView};

use super::{answer, answer::Order, body::SMALL, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get(
            "/api/v1/tokens",
            list,
            Doc::list::<TokenView>("list_tokens", "Lists the tokens that were not revoked, without their secrets."),
        )
        .post(
            "/api/v1/tokens",
            create,
            Doc::act("create_token", "Makes a token; its secret is in this answer alone.")
                .takes::<TokenCreate>()
                .dry_run()
                .answers::<TokenCreated>()
                .made::<TokenCreated>(),
        )
        .delete(
            "/api/v1/tokens/{id}",
            revoke,
            Doc::act("revoke_token", "Revokes a token; the next request with it is refused.")
                .dry_run()
                .answers::<Removed>(),
        )
}

async fn list(call: Call<right::UserView>) -> Result<Response, AppError> {
    let tokens = call.app.list_tokens(&call.by).await?;
    answer::page(&call, Order::Descending, tokens, |view| format!("{} {}", view.created, view.id))
}

async fn create(mut call: Call<right::TokenChange>) -> Result<Response, AppError> {
    let input: TokenCreate = call.json(SMALL).await?;
    let created = call.app.create_token(&call.by, &input, call.apply).await?;
    let mut response = answer::json(&created)?;
    if created.secret.is_some() {
        *response.status_mut() = StatusCode::CREATED;
        if let Ok(value) = HeaderValue::try_from(format!("/api/v1/tokens/{}", created.token.id)) {
            response.headers_mut().insert(header::LOCATION, value);
        }
    }
    Ok(response)
}

async fn revoke(mut call: Call<right::TokenChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.revoke_token(&call.by, call.id(), call.apply).await?)
}
