//! `/api/v1/oidc`.

use axum::response::Response;
use portward_api::{OidcSet, OidcTested, OidcView, Removed};

use super::{answer, body::SMALL, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get(
            "/api/v1/oidc",
            show,
            Doc::show::<OidcView>("show_oidc", "Shows the OpenID provider at which users sign in, without the secret."),
        )
        .put(
            "/api/v1/oidc",
            set,
            Doc::edit::<OidcSet, OidcView>(
                "set_oidc",
                "Says at which OpenID provider users sign in; what is left out is as at first, but for the secret.",
            ),
        )
        .delete(
            "/api/v1/oidc",
            remove,
            Doc::remove::<Removed>(
                "remove_oidc",
                "Has users sign in with passwords alone; those of the provider stay.",
            ),
        )
        .post(
            "/api/v1/oidc/test",
            test,
            Doc::act("test_oidc", "Asks the provider what it says of itself, and for its keys; nobody signs in.")
                .answers::<OidcTested>(),
        )
}

async fn show(call: Call<right::UserView>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_oidc(&call.by).await?)
}

async fn set(mut call: Call<right::UserChange>) -> Result<Response, AppError> {
    let input: OidcSet = call.json(SMALL).await?;
    answer::revised(&call.app.set_oidc(&call.by, &input, call.precondition, call.apply).await?)
}

async fn remove(mut call: Call<right::UserChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_oidc(&call.by, call.precondition, call.apply).await?)
}

async fn test(mut call: Call<right::UserChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.test_oidc(&call.by).await?)
}
