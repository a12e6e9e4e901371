//! Responses of the API: JSON, and one place where an error becomes a problem document.

use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use portward_api::{Changed, PROBLEM_JSON, Page};
use serde::Serialize;

use super::{call::Call, query::Part};
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

/// 200 with the part of a list that is asked for, and `Link` to the following one (RFC 8288).
///
/// The items are in the order of their keys, so that a page begins where the one before ended whatever happened meanwhile.
pub(super) fn page<R, T: Serialize>(
    call: &Call<R>,
    order: Order,
    items: Vec<T>,
    key: impl Fn(&T) -> String,
) -> Result<Response, AppError> {
    let (items, next) = cut(call, order, items, key);
    part(call, items, next.as_deref())
}

/// The part of a list that is asked for, and the key after which the following part begins; none if it is the last one.
pub(super) fn cut<R, T>(
    call: &Call<R>,
    order: Order,
    mut items: Vec<T>,
    key: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let Part { limit, after } = &call.query.part;
    items.sort_by_cached_key(&key);
    if order == Order::Descending {
        items.reverse();
    }
    if let Some(after) = after {
        let is_over = |item: &T| match order {
            Order::Ascending => key(item) <= *after,
            Order::Descending => key(item) >= *after,
        };
        items.drain(..items.partition_point(is_over));
    }
    let has_more = items.len() > *limit;
    items.truncate(*limit);
    let next = items.last().filter(|_| has_more).map(key);
    (items, next)
}

/// 200 with a part of a list that was cut already; `next` is the key after which the following part begins.
pub(super) fn part<R, T: Serialize>(call: &Call<R>, items: Vec<T>, next: Option<&str>) -> Result<Response, AppError> {
    let next_cursor = next.map(str::to_owned);
    let link = next_cursor.as_ref().map(|cursor| {
        let others = call.query.others.iter().map(|(name, value)| {
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
            format!("&{name}={value}")
        });
        let (limit, cursor) = (call.query.part.limit, utf8_percent_encode(cursor, KEPT));
        format!("<{}?limit={limit}&cursor={cursor}{}>; rel=\"next\"", call.path, others.collect::<String>())
    });
    let mut response = json(&Page { items, next_cursor })?;
    if let Some(value) = link.and_then(|link| HeaderValue::try_from(link).ok()) {
        response.headers_mut().insert(header::LINK, value);
    }
    Ok(response)
}

/// What goes into an address, all but what is a part of it anyway.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Says which way a list runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// By the ids.
    Ascending,
    /// The newest first.
    Descending,
}

/// 200 with a view, what follows and what waits, and its revision as `ETag`.
pub(super) fn changed<T: Serialize>(changed: Changed<Revised<T>>) -> Result<Response, AppError> {
    let revision = changed.revision;
    revised(&Revised { view: changed.map(|revised| revised.view), revision })
}

/// 201 with a view, what follows and what waits, its revision and where it is now; 200 in a dry run.
pub(super) fn changed_created<T: Serialize>(
    changed: Changed<Revised<T>>,
    location: String,
) -> Result<Response, AppError> {
    let revision = changed.revision;
    created(&Revised { view: changed.map(|revised| revised.view), revision }, location)
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
    let mut response = response(status, PROBLEM_JSON, Body::from(body));
    if let Some(wait) = error.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    response
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
