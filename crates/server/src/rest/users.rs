//! `/api/v1/users`.

use axum::response::Response;
use portward_api::{Removed, UserCreate, UserUpdate, UserView};

use super::{answer, answer::Order, body::SMALL, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get("/api/v1/users", list, Doc::list::<UserView>("list_users", "Lists the users."))
        .post("/api/v1/users", add, Doc::add::<UserCreate, UserView>("add_user", "Adds a user."))
        .get("/api/v1/users/{id}", show, Doc::show::<UserView>("show_user", "Shows a user; its id is its name."))
        .patch(
            "/api/v1/users/{id}",
            edit,
            Doc::edit::<UserUpdate, UserView>("edit_user", "Changes a user; what is left out stays."),
        )
        .delete(
            "/api/v1/users/{id}",
            remove,
            Doc::remove::<Removed>("remove_user", "Removes a user with their tokens; their sessions end."),
        )
}

async fn list(call: Call<right::UserView>) -> Result<Response, AppError> {
    let users = call.app.list_users(&call.by).await?;
    answer::page(&call, Order::Ascending, users, |view| view.name.clone())
}

async fn show(call: Call<right::UserView>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_user(&call.by, call.id()).await?)
}

async fn add(mut call: Call<right::UserChange>) -> Result<Response, AppError> {
    let input: UserCreate = call.json(SMALL).await?;
    let added = call.app.add_user(&call.by, &input, call.apply).await?;
    answer::created(&added, format!("/api/v1/users/{}", added.view.name))
}

async fn edit(mut call: Call<right::UserChange>) -> Result<Response, AppError> {
    let input: UserUpdate = call.json(SMALL).await?;
    let edited = call.app.edit_user(&call.by, call.id(), &input, call.precondition, call.apply).await?;
    answer::revised(&edited)
}

async fn remove(mut call: Call<right::UserChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_user(&call.by, call.id(), call.precondition, call.apply).await?)
}
