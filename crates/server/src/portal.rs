//! The portal: what people see in a browser.
//!
//! Each page is a file in `portal/`, with its template in `templates/`; [`pages`] is the one table of them.
//! Pages call the same use cases as the API. They work without script: what changes something is a form,
//! and its answer is a redirect to the page that shows the result.

mod about;
mod answer;
mod api_reference;
mod asset;
mod attempts;
mod audit;
mod backup;
mod bindings;
#[cfg(test)]
mod browser;
mod certificates;
mod chain;
mod dns_providers;
mod equivalents;
mod explain;
mod form;
mod frame;
mod import;
mod issuers;
mod lets_encrypt;
mod overview;
mod pages;
mod problems;
mod rail;
mod request;
mod search;
mod slip;
mod toast;
mod view;
mod visit;

use std::sync::Arc;

use axum::{Router, extract::Request};
use http::{Method as M, header};

pub(crate) use answer::error_page;
pub(crate) use import::Uploads;
pub(crate) use toast::Toasts;

use crate::app::App;
use pages::Pages;

/// All pages of the portal.
pub(crate) fn router(app: Arc<App>) -> Router {
    pages(app).into_router()
}

/// All rows of the table: method, path, and the permission that is needed; none for what is open.
#[cfg(test)]
pub(crate) fn rows(app: Arc<App>) -> Vec<(http::Method, &'static str, Option<portward_core::Permission>)> {
    pages(app).routes().iter().map(|route| (route.method.clone(), route.path, route.permission)).collect()
}

fn pages(app: Arc<App>) -> Pages {
    Pages::new(app)
        .open(M::GET, "/assets/{name}", asset::show)
        .page(M::GET, "/", overview::show)
        .page(M::GET, "/certificates", certificates::list)
        .page(M::GET, "/certificates/{id}", certificates::show)
        .page(M::POST, "/certificates/{id}/renew", certificates::renew)
        .page(M::POST, "/certificates/{id}/roll-back", certificates::roll_back)
        .page(M::POST, "/certificates/{id}/export", certificates::export)
        .page(M::POST, "/certificates/{id}/revoke", certificates::revoke)
        .page(M::POST, "/certificates/{id}/unmanage", certificates::unmanage)
        .page(M::POST, "/certificates/{id}/remove", certificates::remove)
        .page(M::GET, "/import", import::show)
        .page(M::POST, "/import", import::submit)
        .page(M::GET, "/bindings", bindings::show)
        .page(M::POST, "/bindings", bindings::add)
        .page(M::GET, "/request", request::show)
        .page(M::POST, "/request", request::submit)
        .page(M::GET, "/attempts", attempts::list)
        .page(M::GET, "/attempts/{id}", attempts::show)
        .page(M::GET, "/attempts/{id}/live", attempts::show_live)
        .page(M::GET, "/lets-encrypt", lets_encrypt::show)
        .page(M::POST, "/lets-encrypt", lets_encrypt::configure)
        .page(M::POST, "/lets-encrypt/renew", lets_encrypt::renew)
        .page(M::POST, "/lets-encrypt/disable", lets_encrypt::disable)
        .page(M::GET, "/issuers", issuers::list)
        .page(M::POST, "/issuers", issuers::add)
        .page(M::GET, "/issuers/new", issuers::show_new)
        .page(M::POST, "/issuers/{id}/remove", issuers::remove)
        .page(M::POST, "/issuers/{id}/roll-over", issuers::roll_over)
        .page(M::GET, "/dns-providers/new", dns_providers::show_new)
        .page(M::POST, "/dns-providers", dns_providers::add)
        .page(M::POST, "/dns-providers/{id}/remove", dns_providers::remove)
        .page(M::GET, "/problems", problems::show)
        .page(M::GET, "/explain", explain::show)
        .page(M::GET, "/audit", audit::show)
        .page(M::GET, "/backup", backup::show)
        .page(M::POST, "/backup", backup::take)
        .page(M::POST, "/backup/restore", backup::restore)
        .page(M::GET, "/search", search::show)
        .page(M::GET, "/search/hits", search::hits)
}

/// Whether somebody reads the answer in a browser.
pub(crate) fn is_for_people(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    !request.uri().path().starts_with("/api/") && accept.contains("text/html")
}

#[cfg(test)]
mod tests;
