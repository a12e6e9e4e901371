//! What a browser brings back from the provider.

use http::StatusCode;

use super::provider::{Provider, shown};
use crate::app::AppError;

/// Is what a browser brings back from the provider (RFC 6749 section 4.1.2, RFC 9207 section 2).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OidcReturn<'a> {
    pub(crate) state: &'a str,
    pub(crate) code: Option<&'a str>,
    pub(crate) issuer: Option<&'a str>,
    pub(crate) error: Option<&'a str>,
    pub(crate) description: Option<&'a str>,
    /// What the browser was told to show.
    pub(crate) browser: Option<&'a str>,
}

/// Refuses an answer of another provider than the one that was asked (RFC 9207 section 2.4).
pub(super) fn check_issuer(provider: &Provider, said: Option<&str>) -> Result<(), AppError> {
    let message = match said {
        Some(said) if said == provider.issuer.as_str() => return Ok(()),
        None if !provider.names_itself => return Ok(()),
        Some(said) => format!("the answer is of \"{}\", and {} was asked. Sign in again", shown(said), provider.issuer),
        None => {
            format!("the answer does not say that it is of {}, which always says so. Sign in again", provider.issuer)
        }
    };
    Err(AppError::new(StatusCode::FORBIDDEN, "oidc-answer-refused", message))
}

/// The code, unless an error came in its place.
pub(super) fn code_of<'a>(provider: &Provider, returned: &OidcReturn<'a>) -> Result<&'a str, AppError> {
    let (error, description) = (returned.error.map(shown), returned.description.map(shown).unwrap_or_default());
    let Some(error) = error else {
        return returned.code.ok_or_else(|| {
            let message = format!("{} sent neither a code nor an error. Sign in again", provider.issuer);
            AppError::new(StatusCode::FORBIDDEN, "oidc-answer-refused", message)
        });
    };
    let why = if description.is_empty() { error.clone() } else { format!("{error}: {description}") };
    let remedy = match error.as_str() {
        "access_denied" => "Sign in again, or ask who looks after the provider",
        "invalid_scope" => "Give scopes that it knows: portward oidc set --scope SCOPE",
        _ => "Its log says more",
    };
    let message = format!("{} lets nobody in ({why}). {remedy}", provider.issuer);
    Err(AppError::new(StatusCode::FORBIDDEN, "oidc-denied", message))
}
