//! Asking about users, tokens and the first owner.

use http::Method;
use portward_core::{TokenId, UserName};

use super::{Client, ClientError, exchange::Sent};
use crate::{
    Removed, SetupInput, SetupLinkView, TokenCreate, TokenCreated, TokenView, UserCreate, UserUpdate, UserView,
};

impl Client {
    /// All users.
    pub async fn list_users(&self) -> Result<Vec<UserView>, ClientError> {
        self.list("users").await
    }

    /// Adds a user.
    pub async fn add_user(&self, create: &UserCreate) -> Result<UserView, ClientError> {
        self.ask(Method::POST, "users", Sent::json(create)?).await
    }

    /// Changes a user; what is left out stays.
    pub async fn edit_user(&self, name: &UserName, update: &UserUpdate) -> Result<UserView, ClientError> {
        self.ask(Method::PATCH, &format!("users/{name}"), Sent::json(update)?).await
    }

    /// Removes a user with their tokens.
    pub async fn remove_user(&self, name: &UserName) -> Result<Removed, ClientError> {
        self.ask(Method::DELETE, &format!("users/{name}"), Sent::Nothing).await
    }

    /// All tokens that were not revoked.
    pub async fn list_tokens(&self) -> Result<Vec<TokenView>, ClientError> {
        self.list("tokens").await
    }

    /// Makes a token; its secret is in this answer alone.
    pub async fn create_token(&self, create: &TokenCreate) -> Result<TokenCreated, ClientError> {
        self.ask(Method::POST, "tokens", Sent::json(create)?).await
    }

    /// Revokes a token; the next request with it is refused.
    pub async fn revoke_token(&self, id: &TokenId) -> Result<Removed, ClientError> {
        self.ask(Method::DELETE, &format!("tokens/{id}"), Sent::Nothing).await
    }

    /// Creates the first owner.
    pub async fn create_owner(&self, input: &SetupInput) -> Result<UserView, ClientError> {
        self.ask(Method::POST, "setup", Sent::json(input)?).await
    }

    /// Makes a setup link; the one before it counts no more.
    pub async fn make_setup_link(&self) -> Result<SetupLinkView, ClientError> {
        self.ask(Method::POST, "setup-link", Sent::Nothing).await
    }
}
