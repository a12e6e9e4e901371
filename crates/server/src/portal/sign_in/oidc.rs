//! Signing in at an OpenID provider: to it, and back.

use axum::response::Response;
use http::{StatusCode, header};

use super::{Elsewhere, SignInPage, next, page};
use crate::{
    app::{AppError, access::oidc::OidcReturn},
    portal::{
        answer,
        visit::{OpenVisit, cookie_answer},
    },
    web::cookie,
};

/// Sends a browser to the provider.
pub(in crate::portal) async fn begin(visit: OpenVisit) -> Result<Response, AppError> {
    let way = visit.browser_way()?;
    let next = next(visit.query.text("next"));
    let here = way.origin().unwrap_or_default();
    match visit.app.begin_oidc(&here, next.clone(), &visit.origin()).await {
        Ok(begun) => {
            let mut response = answer::see_other(&begun.location);
            if let Some(value) = cookie::begin_oidc(way, begun.browser.expose()) {
                response.headers_mut().append(header::SET_COOKIE, value);
            }
            Ok(response)
        }
        Err(error) if error.status() == StatusCode::NOT_FOUND => Err(error),
        Err(error) => {
            let label = visit.app.oidc_label().await;
            refused(&visit, &error, next, label)
        }
    }
}

/// Takes a browser back from the provider.
pub(in crate::portal) async fn finish(visit: OpenVisit) -> Result<Response, AppError> {
    let way = visit.browser_way()?;
    let (query, browser) = (&visit.query, visit.oidc_cookie().map(str::to_owned));
    let returned = OidcReturn {
        state: query.text("state"),
        code: query.filled("code"),
        issuer: query.given("iss"),
        error: query.filled("error"),
        description: query.filled("error_description"),
        browser: browser.as_deref(),
    };
    let mut response = match visit.app.finish_oidc(&returned, &visit.origin()).await {
        Ok((session, next)) => cookie_answer(answer::see_other(&next), way, &session),
        Err(error) if error.status() == StatusCode::NOT_FOUND => return Err(error),
        Err(error) => {
            let label = visit.app.oidc_label().await;
            refused(&visit, &error, "/".to_owned(), label)?
        }
    };
    if let Some(value) = cookie::end_oidc(way) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}

/// The page to sign in, which says why that did not work; with a password it goes on working.
fn refused(visit: &OpenVisit, error: &AppError, next: String, label: Option<String>) -> Result<Response, AppError> {
    if error.status() == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(error = crate::app::chain_text(error), "a sign-in at the OpenID provider failed");
    }
    let page = page(visit, visit.browser_way()?, String::new(), next, label);
    let why = answer::sentence(error);
    let elsewhere = page.elsewhere.map(|elsewhere| Elsewhere { refused: Some(why), ..elsewhere });
    answer::with_status(error.status(), &SignInPage { elsewhere, ..page })
}
