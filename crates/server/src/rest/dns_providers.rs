//! `/api/v1/acme/dns-providers`, and the kinds of them.

use axum::response::Response;
use portward_api::{
    Removed,
    acme::{DnsProviderCreate, DnsProviderKindView, DnsProviderView},
};

use super::{answer, answer::Order, body::SMALL, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .get(
            "/api/v1/acme/dns-kinds",
            list_kinds,
            Doc::list::<DnsProviderKindView>("list_dns_kinds", "Lists the kinds of DNS providers with their settings."),
        )
        .get(
            "/api/v1/acme/dns-providers",
            list,
            Doc::list::<DnsProviderView>("list_dns_providers", "Lists the DNS providers."),
        )
        .post(
            "/api/v1/acme/dns-providers",
            add,
            Doc::add::<DnsProviderCreate, DnsProviderView>("add_dns_provider", "Adds a DNS provider."),
        )
        .get(
            "/api/v1/acme/dns-providers/{id}",
            show,
            Doc::show::<DnsProviderView>("show_dns_provider", "Shows a DNS provider, without its secrets."),
        )
        .delete(
            "/api/v1/acme/dns-providers/{id}",
            remove,
            Doc::remove::<Removed>("remove_dns_provider", "Removes a DNS provider that no certificate needs."),
        )
}

async fn list_kinds(call: Call<right::View>) -> Result<Response, AppError> {
    answer::page(&call, Order::Ascending, call.app.list_dns_kinds(&call.by), |view| view.kind.clone())
}

async fn list(call: Call<right::View>) -> Result<Response, AppError> {
    answer::page(&call, Order::Ascending, call.app.list_dns_providers(&call.by), |view| view.id.clone())
}

async fn show(call: Call<right::View>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_dns_provider(&call.by, call.id())?)
}

async fn add(mut call: Call<right::IssuerChange>) -> Result<Response, AppError> {
    let input: DnsProviderCreate = call.json(SMALL).await?;
    let added = call.app.add_dns_provider(&call.by, &input, call.apply).await?;
    answer::created(&added, format!("/api/v1/acme/dns-providers/{}", added.view.id))
}

async fn remove(mut call: Call<right::IssuerChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_dns_provider(&call.by, call.id(), call.precondition, call.apply).await?)
}
