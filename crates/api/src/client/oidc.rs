//! Operations about the OpenID provider.

use http::Method;

use super::{Client, ClientError, Effect, exchange::Sent};
use crate::{OidcSet, OidcTested, OidcView, Removed};

impl Client {
    /// The provider at which users sign in.
    pub async fn show_oidc(&self) -> Result<OidcView, ClientError> {
        self.ask(Method::GET, "oidc", Sent::Nothing).await
    }

    /// Says at which provider users sign in.
    pub async fn set_oidc(&self, set: &OidcSet, effect: Effect) -> Result<OidcView, ClientError> {
        self.ask(Method::PUT, &effect.of("oidc"), Sent::json(set)?).await
    }

    /// Has users sign in here alone.
    pub async fn remove_oidc(&self) -> Result<Removed, ClientError> {
        self.ask(Method::DELETE, "oidc", Sent::Nothing).await
    }

    /// Asks the provider what it says of itself.
    pub async fn test_oidc(&self) -> Result<OidcTested, ClientError> {
        self.ask(Method::POST, "oidc/test", Sent::Nothing).await
    }
}
