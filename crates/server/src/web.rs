//! All that answers over HTTP, put together: the API, and the portal.
//!
//! Every way in (the admin socket, the loopback listener, a binding whose site is the portal) has this router;
//! who asks is found out before, and lies in the request as an [`Actor`](crate::app::Actor).

mod way;

use std::sync::Arc;

use axum::{Extension, Router, extract::Request};
use http::StatusCode;

pub(crate) use way::{Listener, Way};

use crate::{
    app::{App, AppError},
    portal, rest,
};

/// All routes there are.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (api, document) = rest::router(Arc::clone(&app));
    api.merge(portal::router(app))
        .layer(Extension(document))
        .fallback(|request: Request| async move {
            let path = request.uri().path();
            refuse(&request, StatusCode::NOT_FOUND, "no-such-path", format!("there is nothing at {path}"))
        })
        .method_not_allowed_fallback(|request: Request| async move {
            let message = format!("{} does not take {}", request.uri().path(), request.method());
            refuse(&request, StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", message)
        })
}

/// Refuses in the form in which the caller reads: a page for the portal, a problem document for all else.
fn refuse(request: &Request, status: StatusCode, code: &'static str, message: String) -> axum::response::Response {
    let error = AppError::new(status, code, message);
    if portal::is_for_people(request) {
        return portal::error_page(&error);
    }
    rest::problem_response(&error, Some(request.uri().path().to_owned()))
}
