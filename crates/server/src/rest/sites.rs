//! `/api/v1/sites`.

use axum::response::Response;
use portward_api::{Changed, PresetView, Removed, SiteCreate, SiteUpdate, SiteUpstreamsView, SiteView, TrafficView};

use super::{answer, answer::Order, body::SMALL, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get("/api/v1/sites", list, Doc::list::<SiteView>("list_sites", "Lists the sites."))
        .post("/api/v1/sites", add, Doc::add::<SiteCreate, SiteView>("add_site", "Adds a site."))
        .get("/api/v1/sites/{id}", show, Doc::show::<SiteView>("show_site", "Shows a site."))
        .patch(
            "/api/v1/sites/{id}",
            edit,
            Doc::edit::<SiteUpdate, Changed<SiteView>>("edit_site", "Changes a site; what is left out stays.").safely(),
        )
        .delete(
            "/api/v1/sites/{id}",
            remove,
            Doc::remove::<Changed<Removed>>("remove_site", "Removes a site.").safely(),
        )
        .get(
            "/api/v1/sites/{id}/traffic",
            show_traffic,
            Doc::act("show_traffic", "Shows what came to a site since this server first served it.")
                .answers::<TrafficView>(),
        )
        .get(
            "/api/v1/sites/{id}/upstreams",
            show_upstreams,
            Doc::act("show_upstreams", "Shows how the upstreams of a site do.").answers::<SiteUpstreamsView>(),
        )
        .get(
            "/api/v1/presets",
            list_presets,
            Doc::list::<PresetView>("list_presets", "Lists what well-known applications want of their sites."),
        )
}

async fn list(call: Call<right::View>) -> Result<Response, AppError> {
    answer::page(&call, Order::Ascending, call.app.list_sites(&call.by), |view| view.id.clone())
}

async fn show_traffic(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.show_traffic(&call.by, call.id())?)
}

async fn show_upstreams(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.show_upstreams(&call.by, call.id())?)
}

async fn list_presets(call: Call<right::View>) -> Result<Response, AppError> {
    answer::page(&call, Order::Ascending, call.app.list_presets(&call.by), |view| view.id.clone())
}

async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_site(&call.by, call.id())?)
}

async fn add(mut call: Call<right::SiteChange>) -> Result<Response, AppError> {
    let input: SiteCreate = call.json(SMALL).await?;
    let added = call.app.add_site(&call.by, &input, call.apply).await?;
    answer::created(&added, format!("/api/v1/sites/{}", added.view.id))
}

async fn edit(mut call: Call<right::SiteChange>) -> Result<Response, AppError> {
    let input: SiteUpdate = call.json(SMALL).await?;
    answer::changed(call.app.edit_site(&call.by, call.id(), &input, call.precondition, call.apply).await?)
}

async fn remove(mut call: Call<right::SiteChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_site(&call.by, call.id(), call.precondition, call.apply).await?)
}
