//! Responses of the portal, with the headers that all of them have.

use askama::Template;
use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    for_people::for_people,
    frame::{Frame, Nav},
    view::sentence_case,
};
use crate::app::{Actor, App, AppError, chain_text};

/// A page for somebody who came too far: what is wrong, and where to go on.
#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    status: u16,
    title: &'a str,
    message: String,
}

/// The same inside the portal.
#[derive(Template)]
#[template(path = "error-framed.html")]
struct FramedErrorPage<'a> {
    frame: Frame,
    title: &'a str,
    message: String,
    code: &'a str,
    findings: Vec<String>,
    /// Whether a form was sent, to which one can go back.
    is_of_form: bool,
}

/// 200 with a page.
pub(super) fn html(page: &impl Template) -> Result<Response, AppError> {
    with_status(StatusCode::OK, page)
}

/// A page with another status, as for a form that was not taken.
pub(super) fn with_status(status: StatusCode, page: &impl Template) -> Result<Response, AppError> {
    let text = page.render().map_err(|error| AppError::internal("the page could not be written", error))?;
    Ok(respond(status, text))
}

/// 200 with a file to keep.
pub(super) fn file(media_type: &'static str, content: Body) -> Response {
    let mut response = Response::new(content);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    protect(headers);
    response
}

/// 303: the browser asks for another page with GET (RFC 9110 section 15.4.4).
pub(super) fn see_other(location: &str) -> Response {
    let mut response = respond(StatusCode::SEE_OTHER, String::new());
    if let Ok(value) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// Sends somebody who is not signed in to where they can, and back after that.
pub(super) fn sign_in_first(request: &Request) -> Response {
    let wanted = match (request.method(), request.uri().path_and_query()) {
        (&Method::GET, Some(path)) => path.as_str(),
        _ => "/",
    };
    see_other(&format!("/sign-in?next={}", utf8_percent_encode(wanted, NON_ALPHANUMERIC)))
}

/// The page of an error, for somebody who may not have signed in: commands stay, as there is no form instead.
pub(crate) fn error_page(error: &AppError) -> Response {
    log(error);
    let page = ErrorPage {
        status: error.status().as_u16(),
        title: title(error),
        message: ended(sentence_case(&error.to_string())),
    };
    with_status(error.status(), &page).unwrap_or_else(|_| respond(error.status(), error.to_string()))
}

/// The page of an error, inside the portal.
pub(super) fn framed_error(app: &App, actor: &Actor, method: &Method, error: &AppError) -> Response {
    log(error);
    let title = title(error);
    let page = FramedErrorPage {
        frame: Frame::new(app, actor, Nav::None, title),
        title,
        message: sentence(error),
        code: error.code(),
        is_of_form: *method == Method::POST,
        findings: error.findings().iter().map(|finding| as_sentence(&finding.message)).collect(),
    };
    with_status(error.status(), &page).unwrap_or_else(|_| error_page(error))
}

/// The message of an error as a sentence.
pub(super) fn sentence(error: &AppError) -> String {
    as_sentence(&error.to_string())
}

/// A message as a sentence, for somebody who has a form before them.
pub(super) fn as_sentence(message: &str) -> String {
    ended(sentence_case(&for_people(message)))
}

fn ended(mut sentence: String) -> String {
    if !sentence.ends_with(['.', '?', '!', ':']) {
        sentence.push('.');
    }
    sentence
}

fn title(error: &AppError) -> &'static str {
    match error.code() {
        "https-required" | "token-over-http" => return "The portal is for https",
        "misdirected" => return "The portal does not know this name",
        _ => {}
    }
    match error.status() {
        StatusCode::FORBIDDEN => "You may not do this",
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => "Something else is in the way",
        status if status.is_server_error() => "Portward could not do this",
        _ => "This was not taken",
    }
}

fn log(error: &AppError) {
    if error.status().is_server_error() {
        tracing::error!(error = chain_text(error), error.code = error.code(), "a page failed");
    } else {
        tracing::debug!(error = chain_text(error), error.code = error.code(), "a page was refused");
    }
}

fn respond(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    protect(headers);
    response
}

/// What a browser is told about every page: nothing from elsewhere, nothing inline, no frame around it, no copy kept.
fn protect(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
}

/// Content Security Policy (level 3); the chevron of `select` is a `data:` image of the style sheet.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'";
