//! `/api/v1/notifications`.

use axum::response::Response;
use portward_api::{ChannelCreate, ChannelKindView, ChannelUpdate, ChannelView, Removed, SentView};

use super::{answer, answer::Order, body::SMALL, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get(
            "/api/v1/notification-kinds",
            list_kinds,
            Doc::list::<ChannelKindView>("list_channel_kinds", "Lists the kinds of channels with their settings."),
        )
        .get(
            "/api/v1/notifications",
            list,
            Doc::list::<ChannelView>("list_channels", "Lists the notification channels, and how sending on them goes."),
        )
        .post(
            "/api/v1/notifications",
            add,
            Doc::add::<ChannelCreate, ChannelView>("add_channel", "Adds a notification channel; nothing is sent yet."),
        )
        .get(
            "/api/v1/notifications/{id}",
            show,
            Doc::show::<ChannelView>("show_channel", "Shows a notification channel, without its secrets."),
        )
        .patch(
            "/api/v1/notifications/{id}",
            edit,
            Doc::edit::<ChannelUpdate, ChannelView>(
                "edit_channel",
                "Changes a notification channel; what is left out stays.",
            ),
        )
        .delete(
            "/api/v1/notifications/{id}",
            remove,
            Doc::remove::<Removed>("remove_channel", "Removes a notification channel with what waits for it."),
        )
        .post(
            "/api/v1/notifications/{id}/test",
            test,
            Doc::act("test_channel", "Sends a test message now, and tells what the other side said.")
                .answers::<SentView>(),
        )
}

async fn list_kinds(call: Call<right::View>) -> Result<Response, AppError> {
    answer::page(&call, Order::Ascending, call.app.list_channel_kinds(&call.by), |view| view.kind.clone())
}

async fn list(call: Call<right::View>) -> Result<Response, AppError> {
    answer::page(&call, Order::Ascending, call.app.list_channels(&call.by), |view| view.id.clone())
}

async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_channel(&call.by, call.id())?)
}

async fn add(mut call: Call<right::NotificationChange>) -> Result<Response, AppError> {
    let input: ChannelCreate = call.json(SMALL).await?;
    let added = call.app.add_channel(&call.by, &input, call.apply).await?;
    answer::created(&added, format!("/api/v1/notifications/{}", added.view.id))
}

async fn edit(mut call: Call<right::NotificationChange>) -> Result<Response, AppError> {
    let input: ChannelUpdate = call.json(SMALL).await?;
    let edited = call.app.edit_channel(&call.by, call.id(), &input, call.precondition, call.apply).await?;
    answer::revised(&edited)
}

async fn remove(mut call: Call<right::NotificationChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_channel(&call.by, call.id(), call.precondition, call.apply).await?)
}

async fn test(mut call: Call<right::NotificationChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.test_channel(&call.by, call.id()).await?)
}
