//! `/api/v1/confirmations`, `/api/v1/undo` and `/api/v1/recover`: changes that wait, that are taken back, and ways back in.

use axum::response::Response;
use portward_api::{Answered, ConfirmationView, Recover, Recovered};

use super::{answer, answer::Order, body::SMALL, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get(
            "/api/v1/confirmations",
            list,
            Doc::list::<ConfirmationView>(
                "list_confirmations",
                "Lists the changes that go back by themselves unless they are confirmed.",
            ),
        )
        .get(
            "/api/v1/confirmations/{id}",
            show,
            Doc::act("show_confirmation", "Shows a change that waits to be confirmed.").answers::<ConfirmationView>(),
        )
        .post(
            "/api/v1/confirmations/{id}",
            keep,
            Doc::act("confirm_change", "Keeps a change that waits, if this comes by the new way in.")
                .fresh()
                .answers::<Answered>(),
        )
        .delete(
            "/api/v1/confirmations/{id}",
            go_back,
            Doc::act("go_back", "Goes back from a change that waits, without waiting longer.").answers::<Answered>(),
        )
        .post(
            "/api/v1/undo/{id}",
            undo,
            Doc::act("undo_change", "Puts back what the change of a revision replaced, for ten minutes after it.")
                .answers::<Answered>(),
        )
        .post(
            "/api/v1/recover",
            recover,
            Doc::act(
                "recover_access",
                "Puts right what keeps operators out of the portal; for somebody on the machine itself.",
            )
            .takes::<Recover>()
            .dry_run()
            .answers::<Recovered>(),
        )
}

async fn list(call: Call<right::View>) -> Result<Response, AppError> {
    let waiting = call.app.list_confirmations(&call.by).await?;
    // The oldest first; an id says nothing of age.
    answer::page(&call, Order::Ascending, waiting, |view| format!("{}{}", view.made, view.id))
}

async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.show_confirmation(&call.by, call.id()).await?)
}

async fn keep(mut call: Call<right::View>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.keep(&call.by, call.id(), call.way.as_ref()).await?)
}

async fn go_back(mut call: Call<right::View>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.go_back(&call.by, call.id()).await?)
}

async fn undo(mut call: Call<right::View>) -> Result<Response, AppError> {
    call.no_body().await?;
    let revision = call.id().parse().map_err(|_| AppError::not_found("revision", call.id()))?;
    answer::json(&call.app.undo(&call.by, revision).await?)
}

async fn recover(mut call: Call<right::StoreRestore>) -> Result<Response, AppError> {
    let input: Recover = call.json(SMALL).await?;
    answer::json(&call.app.recover(&call.by, &input, call.apply).await?)
}
