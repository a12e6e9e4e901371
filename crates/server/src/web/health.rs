//! Whether the server lives, and whether it serves what was asked for: for load balancers and supervisors.

use std::sync::Arc;

use axum::{Extension, Router, body::Body, extract::State, response::Response, routing::get};
use http::{HeaderValue, StatusCode, header};

use super::{Listener, Way};
use crate::app::App;

/// `/healthz` and `/readyz`.
pub(super) fn router(app: Arc<App>) -> Router {
    Router::new().route("/healthz", get(health)).route("/readyz", get(readiness)).with_state(app)
}

/// The process lives and answers.
async fn health() -> Response {
    text(StatusCode::OK, "ok\n".to_owned())
}

/// Everything that is wanted is bound and served, or not; why not is told on the machine itself.
async fn readiness(State(app): State<Arc<App>>, Extension(way): Extension<Way>) -> Response {
    let reasons = app.unready();
    if reasons.is_empty() {
        return text(StatusCode::OK, "ready\n".to_owned());
    }
    if way.listener == Listener::Binding {
        return text(StatusCode::SERVICE_UNAVAILABLE, "not ready\nportward status says why\n".to_owned());
    }
    text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready\n{}\n", reasons.join("\n")))
}

fn text(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
