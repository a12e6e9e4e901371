//! In which form a door refuses.

use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::app::{AppError, chain_text};

/// Says whose door it is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    TeamCity,
    Octopus,
}

impl Manner {
    /// The manner of the door at a path.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            _ if path.starts_with("/app/https/settings/") => Some(Self::TeamCity),
            "/api/letsencryptconfiguration" | "/api/tasks" => Some(Self::Octopus),
            _ if path.starts_with("/api/tasks/") => Some(Self::Octopus),
            _ => None,
        }
    }

    /// The refusal. What lies below an error goes to the log.
    pub(super) fn refusal(self, error: &AppError) -> Response {
        if error.status().is_server_error() {
            tracing::error!(error = chain_text(error), error.code = error.code(), "a request at a door failed");
        } else {
            tracing::debug!(error = chain_text(error), error.code = error.code(), "a request was refused at a door");
        }
        let status = error.status();
        match self {
            // Its clients ask for application/json, and its documentation shows no error.
            Self::TeamCity => {
                let mut problem = json!(error.to_problem(None));
                problem["errorMessage"] = json!(error.to_string());
                answer(status, &problem)
            }
            Self::Octopus => {
                let findings: Vec<&str> = error.findings().iter().map(|finding| finding.message.as_str()).collect();
                answer(status, &json!({ "ErrorMessage": error.to_string(), "Errors": findings, "Code": error.code() }))
            }
        }
    }
}

/// An answer in JSON.
pub(super) fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
