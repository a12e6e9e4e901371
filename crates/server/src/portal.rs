//! The portal: what people see in a browser.
//!
//! Each page is a file in `portal/`, with its template in `templates/`; [`pages`](fn@pages) is the one table of them.
//! Pages call the same use cases as the API. They work without script: what changes something is a form,
//! and its answer is a redirect to the page that shows the result.

mod about;
mod account;
mod agents;
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
mod choice;
mod confirming;
mod deliveries;
mod dns_providers;
mod equivalents;
mod explain;
mod for_people;
mod form;
mod frame;
mod going_back;
mod https_settings;
mod import;
mod issuers;
mod lets_encrypt;
mod listing;
mod notifications;
mod oidc;
mod overview;
mod pages;
mod problems;
mod rail;
mod request;
mod search;
mod settings;
mod setup;
mod sign_in;
mod sites;
mod slip;
mod standing;
mod toast;
mod traffic;
mod users;
mod view;
mod visit;

use std::{future::ready, sync::Arc};

use axum::{Router, extract::Request};
use http::{Method as M, header};

pub(crate) use agents::Checks;
pub(crate) use answer::error_page;
pub(crate) use import::Uploads;
pub(crate) use toast::Toasts;

use portward_core::HostPattern;

use crate::{app::App, served::ServedState};
use asset::Assets;
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
    let assets = Arc::new(Assets::new());
    agents::pages(Pages::new(app))
        .open(M::GET, "/assets/{name}", move |visit| ready(assets.show(&visit)))
        .open(M::GET, "/setup", setup::show)
        .open(M::POST, "/setup", setup::create)
        .open(M::GET, "/sign-in", sign_in::show)
        .open(M::POST, "/sign-in", sign_in::submit)
        .open(M::GET, "/sign-in/oidc", sign_in::begin_oidc)
        .open(M::GET, "/sign-in/oidc/callback", sign_in::finish_oidc)
        .page(M::POST, "/sign-out", sign_in::sign_out)
        .page(M::GET, "/account", account::show)
        .page(M::POST, "/account/password", account::change_password)
        .page(M::GET, "/account/second-factor", account::show_second_factor)
        .page(M::POST, "/account/second-factor", account::finish_second_factor)
        .page(M::POST, "/account/second-factor/begin", account::begin_second_factor)
        .page(M::POST, "/account/second-factor/off", account::end_second_factor)
        .page(M::POST, "/account/sessions/{id}/end", account::end_session)
        .page(M::POST, "/account/tokens/{id}/revoke", account::revoke_token)
        .page(M::GET, "/users", users::show)
        .page(M::GET, "/users/new", users::new_user)
        .page(M::POST, "/users/new", users::add_user)
        .page(M::GET, "/users/openid-connect", oidc::show)
        .page(M::POST, "/users/openid-connect", oidc::save)
        .page(M::POST, "/users/openid-connect/test", oidc::test)
        .page(M::POST, "/users/openid-connect/remove", oidc::remove)
        .page(M::GET, "/users/{id}/change", users::show_user)
        .page(M::POST, "/users/{id}/change", users::edit_user)
        .page(M::GET, "/users/{id}/remove", users::ask_remove)
        .page(M::POST, "/users/{id}/remove", users::remove)
        .page(M::GET, "/tokens/new", users::new_token)
        .page(M::POST, "/tokens/new", users::create_token)
        .page(M::POST, "/tokens/{id}/revoke", users::revoke_token)
        .page(M::GET, "/", overview::show)
        .page(M::GET, "/live", frame::show_live)
        .page(M::GET, "/overview/live", overview::show_live)
        .page(M::GET, "/overview/traffic", overview::show_traffic)
        .page(M::GET, "/certificates", certificates::list)
        .page(M::GET, "/certificates/{id}", certificates::show)
        .page(M::POST, "/certificates/{id}/renew", certificates::renew)
        .page(M::POST, "/certificates/{id}/roll-back", certificates::roll_back)
        .page(M::POST, "/certificates/{id}/export", certificates::export)
        .page(M::POST, "/certificates/{id}/revoke", certificates::revoke)
        .page(M::POST, "/certificates/{id}/unmanage", certificates::unmanage)
        .page(M::GET, "/certificates/{id}/remove", certificates::ask_remove)
        .page(M::POST, "/certificates/{id}/remove", certificates::remove)
        .page(M::GET, "/import", import::show)
        .page(M::POST, "/import", import::submit)
        .page(M::GET, "/bindings", bindings::show)
        .page(M::POST, "/bindings", bindings::add)
        .page(M::GET, "/bindings/{id}/edit", bindings::ask_edit)
        .page(M::POST, "/bindings/{id}/edit", bindings::edit)
        .page(M::GET, "/bindings/{id}/certificate", bindings::ask_certificate)
        .page(M::POST, "/bindings/{id}/certificate", bindings::change_certificate)
        .page(M::GET, "/bindings/{id}/remove", bindings::ask_remove)
        .page(M::POST, "/bindings/{id}/remove", bindings::remove)
        .page(M::GET, "/https-settings", https_settings::show)
        .page(M::POST, "/https-settings", https_settings::save)
        .page(M::POST, "/https-settings/redirect-off", https_settings::switch_redirect_off)
        .page(M::POST, "/https-settings/remove", https_settings::remove)
        .page(M::POST, "/confirmations/{id}", confirming::answer)
        .page(M::POST, "/undo", confirming::undo)
        .page(M::GET, "/sites", sites::list)
        .page(M::GET, "/sites/new", sites::show_new)
        .page(M::POST, "/sites/new", sites::add)
        .page(M::GET, "/sites/{id}", sites::show)
        .page(M::POST, "/sites/{id}", sites::save)
        .page(M::POST, "/sites/{id}/ask", sites::ask)
        .page(M::GET, "/sites/{id}/headers", sites::show_headers)
        .page(M::POST, "/sites/{id}/headers", sites::save_headers)
        .page(M::GET, "/sites/{id}/forwarding", sites::show_forwarding)
        .page(M::POST, "/sites/{id}/forwarding", sites::save_forwarding)
        .page(M::GET, "/sites/{id}/limits", sites::show_limits)
        .page(M::POST, "/sites/{id}/limits", sites::save_limits)
        .page(M::GET, "/sites/{id}/traffic", sites::show_traffic)
        .page(M::GET, "/sites/{id}/traffic/live", sites::show_live_traffic)
        .page(M::GET, "/sites/{id}/history", sites::show_history)
        .page(M::GET, "/sites/{id}/remove", sites::ask_remove)
        .page(M::POST, "/sites/{id}/remove", sites::remove)
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
        .page(M::GET, "/notifications", notifications::list)
        .page(M::POST, "/notifications", notifications::add)
        .page(M::GET, "/notifications/{id}", notifications::show)
        .page(M::POST, "/notifications/{id}", notifications::edit)
        .page(M::POST, "/notifications/{id}/test", notifications::test)
        .page(M::POST, "/notifications/{id}/remove", notifications::remove)
        .page(M::GET, "/settings", settings::show)
        .page(M::POST, "/settings", settings::edit)
        .page(M::GET, "/about", about::show)
        .page(M::GET, "/api-reference", api_reference::show)
        .page(M::GET, "/api-reference/{group}", api_reference::show_group)
        .page(M::GET, "/explain", explain::show)
        .page(M::GET, "/audit", audit::show)
        .page(M::GET, "/backup", backup::show)
        .page(M::POST, "/backup", backup::take)
        .page(M::POST, "/backup/restore", backup::restore)
        .page(M::GET, "/search", search::show)
        .page(M::GET, "/search/hits", search::hits)
}

/// Where the portal is for people elsewhere, without a slash at its end; none if no site with a name has it, or no https
/// binding accepts connections.
pub(crate) fn public_url(served: &ServedState) -> Option<String> {
    let desired = &served.desired;
    let sites = desired.sites.iter().map(|stored| &stored.value).filter(|site| site.is_portal());
    let host = sites.flat_map(|site| &site.names).find_map(|name| match name {
        HostPattern::Exact(host) => Some(host.clone()),
        _ => None,
    })?;
    let bindings = desired.bindings.iter().map(|stored| &stored.value);
    let ports = bindings.filter(|binding| binding.is_https()).filter_map(|binding| {
        let report = served.binding(&binding.id)?;
        report.result.as_ref().ok().map(std::net::SocketAddr::port)
    });
    // The usual port is the one that people can leave out.
    match ports.min_by_key(|port| (*port != 443, *port))? {
        443 => Some(format!("https://{host}")),
        port => Some(format!("https://{host}:{port}")),
    }
}

/// Whether somebody reads the answer in a browser.
pub(crate) fn is_for_people(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    !request.uri().path().starts_with("/api/") && accept.contains("text/html")
}

#[cfg(test)]
mod tests;
