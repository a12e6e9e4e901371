//! Responses of the API: JSON, and one place where an error becomes a problem document.

use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use portward_api::PROBLEM_JSON;
use serde::Serialize;

use crate::app::{AppError, Revised, chain_text};

/// 200 with a view.
pub(super) fn json(view: &impl Serialize) -> Result<Response, AppError> {
    let body =
        serde_json::to_vec(view).map_err(|error| AppError::internal("the answer could not be written", error))?;
    Ok(response(StatusCode::OK, "application/json", Body::from(body)))
}

/// 200 with a view, and its revision as `ETag` (RFC 9110 section 8.8.3).
pub(super) fn revised<T: Serialize>(revised: &Revised<T>) -> Result<Response, AppError> {
    let mut response = json(&revised.view)?;
    if let Some(revision) = revised.revision
        && let Ok(value) = HeaderValue::try_from(format!("\"{revision}\""))
    {
        response.headers_mut().insert(header::ETAG, value);
    }
    Ok(response)
}

/// 201 with a view, its revision and where it is now; 200 in a dry run.
pub(super) fn created<T: Serialize>(made: &Revised<T>, location: String) -> Result<Response, AppError> {
    let mut response = revised(made)?;
    if made.revision.is_some() {
        *response.status_mut() = StatusCode::CREATED;
        if let Ok(value) = HeaderValue::try_from(location) {
            response.headers_mut().insert(header::LOCATION, value);
        }
    }
    Ok(response)
}

/// 200 with the content of a file.
pub(super) fn file(media_type: &'static str, content: Body) -> Response {
    response(StatusCode::OK, media_type, content)
}

/// The problem document of an error (RFC 9457). What lies below it goes to the log.
pub(crate) fn problem_response(error: &AppError, instance: Option<String>) -> Response {
    let status = error.status();
    if status.is_server_error() {
        tracing::error!(error = chain_text(error), error.code = error.code(), "a request failed");
    } else {
        tracing::debug!(error = chain_text(error), error.code = error.code(), "a request was refused");
    }
    let body = serde_json::to_vec(&error.to_problem(instance)).unwrap_or_default();
    response(status, PROBLEM_JSON, Body::from(body))
}

fn response(status: StatusCode, media_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    response
}
