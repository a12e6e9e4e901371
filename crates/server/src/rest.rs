//! The REST API: one table of routes, each with the right that it needs.
//!
//! A handler takes a [`call::Call`] of its right, and the use cases take the proof in it:
//! a route without a right, or with the wrong one, does not compile.

mod answer;
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
        .route(M::GET, "/api/v1/certificates/{id}", certificates::show)
        .route(M::DELETE, "/api/v1/certificates/{id}", certificates::remove)
        .route(M::GET, "/api/v1/certificates/{id}/versions", certificates::list_versions)
        .route(M::POST, "/api/v1/certificates/{id}/export", certificates::export)
        .route(M::POST, "/api/v1/certificates/{id}/rollback", certificates::roll_back)
        .route(M::POST, "/api/v1/store/backup", store::backup)
        .route(M::POST, "/api/v1/store/restore", store::restore)
}

#[cfg(test)]
mod tests;
