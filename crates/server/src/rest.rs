//! The REST API: one table of routes, each with the right that it needs.
//!
//! A handler takes a [`call::Call`] of its right, and the use cases take the proof in it:
//! a route without a right, or with the wrong one, does not compile.

mod acme;
mod answer;
mod audit;
mod bindings;
mod body;
mod call;
mod certificates;
mod sites;
mod status;
mod store;
mod table;

use std::sync::Arc;

use axum::Router;
use http::Method;

pub(crate) use answer::problem_response;
use table::Table;

use crate::app::App;

/// All routes of the API.
pub(crate) fn router(app: Arc<App>) -> Router {
    table(app).into_router()
}

fn table(app: Arc<App>) -> Table {
    use Method as M;
    Table::new(app)
        .route(M::GET, "/api/v1/status", status::show)
        .route(M::GET, "/api/v1/bindings", bindings::list)
        .route(M::POST, "/api/v1/bindings", bindings::add)
        .route(M::GET, "/api/v1/bindings/{id}", bindings::show)
        .route(M::DELETE, "/api/v1/bindings/{id}", bindings::remove)
        .route(M::GET, "/api/v1/sites", sites::list)
        .route(M::POST, "/api/v1/sites", sites::add)
        .route(M::GET, "/api/v1/sites/{id}", sites::show)
        .route(M::PATCH, "/api/v1/sites/{id}", sites::edit)
        .route(M::DELETE, "/api/v1/sites/{id}", sites::remove)
        .route(M::GET, "/api/v1/certificates", certificates::list)
        .route(M::POST, "/api/v1/certificates", certificates::import)
        .route(M::POST, "/api/v1/certificates/self-signed", certificates::make_self_signed)
        .route(M::POST, "/api/v1/certificates/inspect", certificates::inspect)
        .route(M::GET, "/api/v1/certificates/{id}", certificates::show)
        .route(M::DELETE, "/api/v1/certificates/{id}", certificates::remove)
        .route(M::GET, "/api/v1/certificates/{id}/versions", certificates::list_versions)
        .route(M::POST, "/api/v1/certificates/{id}/export", certificates::export)
        .route(M::POST, "/api/v1/certificates/{id}/rollback", certificates::roll_back)
        .route(M::POST, "/api/v1/certificates/request", acme::request)
        .route(M::GET, "/api/v1/certificates/{id}/renewal", acme::show_renewal)
        .route(M::GET, "/api/v1/certificates/{id}/attempts", acme::list_certificate_attempts)
        .route(M::POST, "/api/v1/certificates/{id}/renew", acme::renew)
        .route(M::POST, "/api/v1/certificates/{id}/revoke", acme::revoke)
        .route(M::POST, "/api/v1/certificates/{id}/unmanage", acme::unmanage)
        .route(M::GET, "/api/v1/acme/issuers", acme::list_issuers)
        .route(M::POST, "/api/v1/acme/issuers", acme::add_issuer)
        .route(M::GET, "/api/v1/acme/issuers/{id}", acme::show_issuer)
        .route(M::DELETE, "/api/v1/acme/issuers/{id}", acme::remove_issuer)
        .route(M::POST, "/api/v1/acme/issuers/{id}/rollover", acme::roll_over_account)
        .route(M::GET, "/api/v1/acme/dns-kinds", acme::list_dns_kinds)
        .route(M::GET, "/api/v1/acme/dns-providers", acme::list_dns_providers)
        .route(M::POST, "/api/v1/acme/dns-providers", acme::add_dns_provider)
        .route(M::GET, "/api/v1/acme/dns-providers/{id}", acme::show_dns_provider)
        .route(M::DELETE, "/api/v1/acme/dns-providers/{id}", acme::remove_dns_provider)
        .route(M::GET, "/api/v1/acme/attempts", acme::list_attempts)
        .route(M::GET, "/api/v1/acme/attempts/{id}", acme::show_attempt)
        .route(M::GET, "/api/v1/acme/renewals", acme::list_renewals)
        .route(M::GET, "/api/v1/acme/letsencrypt", acme::show_letsencrypt)
        .route(M::POST, "/api/v1/acme/letsencrypt", acme::configure)
        .route(M::POST, "/api/v1/acme/letsencrypt/renew", acme::renew_letsencrypt)
        .route(M::DELETE, "/api/v1/acme/letsencrypt", acme::disable_letsencrypt)
        .route(M::POST, "/api/v1/acme/check", acme::check)
        .route(M::POST, "/api/v1/acme/simulate", acme::simulate)
        .route(M::POST, "/api/v1/import", acme::import_foreign)
        .asking(M::GET, "/api/v1/audit", &["who", "what", "day", "limit", "cursor"], audit::list)
        .asking(M::GET, "/api/v1/audit/verify", &["known"], audit::verify)
        .route(M::POST, "/api/v1/store/backup", store::backup)
        .route(M::POST, "/api/v1/store/restore", store::restore)
}

#[cfg(test)]
mod tests;
