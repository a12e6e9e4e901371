//! The portal: what people see in a browser.
//!
//! Each page is a file in `portal/`, with its template in `templates/`; [`pages`] is the one table of them.
//! Pages call the same use cases as the API. They work without script: what changes something is a form,
//! and its answer is a redirect to the page that shows the result.

mod about;
mod answer;
mod api_reference;
mod asset;
mod bindings;
mod certificates;
mod chain;
mod equivalents;
mod form;
mod frame;
mod import;
mod overview;
mod pages;
mod problems;
mod rail;
mod settings;
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
        .page(M::GET, "/problems", problems::show)
        .page(M::GET, "/settings", settings::show)
        .page(M::POST, "/settings", settings::edit)
        .page(M::GET, "/about", about::show)
        .page(M::GET, "/api-reference", api_reference::show)
        .page(M::GET, "/api-reference/{group}", api_reference::show_group)
}

/// Whether somebody reads the answer in a browser.
pub(crate) fn is_for_people(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    !request.uri().path().starts_with("/api/") && accept.contains("text/html")
}
