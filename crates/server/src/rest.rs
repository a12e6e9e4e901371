//! The REST API: one table of routes, each with the right that it needs.
//!
//! A handler takes a [`call::Call`] of its right, and the use cases take the proof in it:
//! a route without a right, or with the wrong one, does not compile.
//! What is open to those who have not signed in takes a [`call::OpenCall`], and says so in the table.
//! Each row ends with a [`doc::Doc`]: what the operation takes and answers, of which the OpenAPI document is made.
//! Each resource has a file with its rows, `routes`, and the handlers that they name.

mod agents;
mod answer;
mod apply;
mod attempts;
mod audit;
mod bindings;
mod body;
mod call;
mod certificates;
mod confirmations;
mod deliveries;
mod dns_providers;
mod doc;
mod events;
mod explain;
mod forecast;
mod foreign;
mod https_settings;
mod identity;
mod issuers;
mod letsencrypt;
mod notifications;
mod oidc;
mod openapi;
mod query;
mod renewals;
mod replay;
mod session;
mod settings;
mod setup;
mod sites;
mod status;
mod store;
mod table;
mod tokens;
mod upgrade;
mod users;

use std::sync::Arc;

use axum::Router;
#[cfg(test)]
use http::Method;

pub(crate) use answer::problem_response;
pub(crate) use openapi::Document;
use table::Table;

use crate::app::App;

/// All routes of the API, and what describes them.
pub(crate) fn router(app: Arc<App>) -> (Router, Arc<Document>) {
    let table = table(app);
    let document = Arc::new(Document::of(table.routes()));
    (table.into_router(), document)
}

/// All rows of the table: method, path, and the permission that is needed; none for what is open.
#[cfg(test)]
pub(crate) fn rows(app: Arc<App>) -> Vec<(Method, &'static str, Option<portward_core::Permission>)> {
    table(app).routes().iter().map(|route| (route.method.clone(), route.path, route.permission)).collect()
}

/// The whole table: each resource brings its rows.
fn table(app: Arc<App>) -> Table {
    let resources: [fn(Table) -> Table; 30] = [
        openapi::routes,
        events::routes,
        status::routes,
        bindings::routes,
        sites::routes,
        https_settings::routes,
        confirmations::routes,
        certificates::routes,
        renewals::routes,
        attempts::routes,
        issuers::routes,
        dns_providers::routes,
        notifications::routes,
        agents::routes,
        identity::routes,
        deliveries::routes,
        letsencrypt::routes,
        forecast::routes,
        foreign::routes,
        apply::routes,
        settings::routes,
        explain::routes,
        audit::routes,
        store::routes,
        users::routes,
        oidc::routes,
        tokens::routes,
        setup::routes,
        session::routes,
        upgrade::routes,
    ];
    resources.into_iter().fold(Table::new(app), |table, routes| routes(table))
}

#[cfg(test)]
mod tests;
