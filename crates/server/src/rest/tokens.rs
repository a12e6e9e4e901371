//! `/api/v1/tokens`.

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use portward_api::TokenCreate;

use super::{answer, answer::Order, body::SMALL, call::Call};
use crate::app::{AppError, right};

pub(super) async fn list(call: Call<right::UserView>) -> Result<Response, AppError> {
    let tokens = call.app.list_tokens(&call.by).await?;
    answer::page(&call, Order::Descending, tokens, |view| format!("{} {}", view.created, view.id))
}

pub(super) async fn create(mut call: Call<right::TokenChange>) -> Result<Response, AppError> {
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

pub(super) async fn revoke(mut call: Call<right::TokenChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.revoke_token(&call.by, call.id(), call.apply).await?)
}
