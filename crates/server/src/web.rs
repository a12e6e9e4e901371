//! All that answers over HTTP, put together: the API, the portal, and the doors.
//!
//! Every way in (the admin socket, the loopback listener, a binding whose site is the portal) has this router;
//! who asks is found out before, by the socket or in the [`Entrance`], and lies in the request as an
//! [`Actor`](crate::app::Actor).

pub(crate) mod binding;
pub(crate) mod connection;
pub(crate) mod cookie;
mod entrance;
mod file_body;
mod health;
mod host;
#[cfg(test)]
mod matrix;
mod origin;
mod path;
mod way;

use std::sync::Arc;

use axum::{Extension, Router, extract::Request, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

pub(crate) use entrance::{Entrance, actor_of};
pub(crate) use file_body::FileBody;
pub(crate) use way::{Listener, Way};

use crate::{
    app::{App, AppError},
    doors, portal, rest,
};

/// All routes there are.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (api, document) = rest::router(Arc::clone(&app));
    api.merge(portal::router(Arc::clone(&app)))
        .merge(doors::router(Arc::clone(&app)))
        .merge(health::router(app))
        .layer(Extension(document))
        .fallback(|request: Request| async move {
            let message = format!("there is nothing at {}", request.uri().path());
            refuse(&request, &AppError::new(StatusCode::NOT_FOUND, "no-such-path", message))
        })
        .method_not_allowed_fallback(|request: Request| async move {
            let message = format!("{} does not take {}", request.uri().path(), request.method());
            refuse(&request, &AppError::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", message))
        })
}

/// Refuses in the form in which the caller reads: a door's own, a page for the portal, a problem document for all else.
fn refuse(request: &Request, error: &AppError) -> Response {
    if let Some(refusal) = doors::refusal(request, error) {
        return refusal;
    }
    if portal::is_for_people(request) {
        return portal::error_page(error);
    }
    rest::problem_response(error, Some(request.uri().path().to_owned()))
}

/// What a client is told about every answer that says nothing else: run nothing in it, guess no type, keep no copy.
fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
