//! Who somebody is.

use http::StatusCode;
use portward_store::access;

use super::{Actor, App, AppError};

/// Is what a request shows to say who asks.
#[derive(Clone, Copy)]
pub(crate) enum Credential<'a> {
    /// A token of the API, as in `Authorization: Bearer` (RFC 6750 section 2.1).
    Token(&'a str),
    /// The session of somebody who signed in, as in the cookie.
    Session(&'a str),
}

impl App {
    /// Whether there is, or was, an owner; before that nobody can be asked to sign in.
    pub(crate) async fn has_owner(&self) -> Result<bool, AppError> {
        Ok(access::is_owned(&*self.parts.store).await?)
    }

    /// Finds out who shows a credential.
    pub(crate) async fn identify(&self, credential: Credential<'_>) -> Result<Actor, AppError> {
        let message = match credential {
            Credential::Token(_) => "the token is not known; it may have been revoked",
            Credential::Session(_) => "the session has ended; sign in again",
        };
        Err(AppError::new(StatusCode::UNAUTHORIZED, "not-authenticated", message))
    }
}
