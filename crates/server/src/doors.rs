//! Doors like those of others, so that scripts made for them go on: TeamCity's for its certificate, and Octopus's for
//! Let's Encrypt. What is behind them is what the API has; `docs/doors.md` says what is mapped to what.

mod knock;
mod manner;
mod octopus;
mod table;
mod teamcity;

use std::sync::Arc;

use axum::{Router, extract::Request, response::Response};
use http::Method as M;

use crate::app::{App, AppError};
use manner::Manner;
use table::Doors;

/// All doors.
pub(crate) fn router(app: Arc<App>) -> Router {
    doors(app).into_router()
}

/// All rows of the table: method, path, and the permission that is needed.
#[cfg(test)]
pub(crate) fn rows(app: Arc<App>) -> Vec<(http::Method, &'static str, Option<portward_core::Permission>)> {
    doors(app).routes().iter().map(|route| (route.method.clone(), route.path, Some(route.permission))).collect()
}

fn doors(app: Arc<App>) -> Doors {
    Doors::new(app)
        .door(Manner::TeamCity, M::POST, "/app/https/settings/uploadCertificate", teamcity::upload_certificate)
        .door(Manner::TeamCity, M::GET, "/app/https/settings/certificateInfo", teamcity::certificate_facts)
        .door(Manner::Octopus, M::GET, "/api/letsencryptconfiguration", octopus::show_configuration)
        .door(Manner::Octopus, M::PUT, "/api/letsencryptconfiguration", octopus::change_configuration)
        .door(Manner::Octopus, M::POST, "/api/tasks", octopus::create_task)
        .door(Manner::Octopus, M::GET, "/api/tasks/{id}", octopus::show_task)
        .door(Manner::Octopus, M::GET, "/api/tasks/{id}/details", octopus::show_task_details)
}

/// The refusal of a request before it came to a door, in the manner of its door; none for other paths.
pub(crate) fn refusal(request: &Request, error: &AppError) -> Option<Response> {
    Some(Manner::of(request.uri().path())?.refusal(error))
}

/// Whether Octopus's own header for tokens is read at a path.
pub(crate) fn takes_octopus_key(path: &str) -> bool {
    Manner::of(path) == Some(Manner::Octopus)
}

/// The header in which Octopus's clients send their token.
pub(crate) const OCTOPUS_API_KEY: &str = "x-octopus-apikey";

#[cfg(test)]
mod tests;
