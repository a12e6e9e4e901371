//! Changes that wait to be confirmed, changes that are taken back, and the HTTPS settings.

use http::Method;
use portward_core::{ConfirmationId, Revision};

use super::Effect;
use super::{Client, ClientError, exchange::Sent};
use crate::{Answered, Changed, ConfirmationView, HttpsSettingsUpdate, HttpsSettingsView, Recover, Recovered};

impl Client {
    /// The changes that go back by themselves unless they are confirmed.
    pub async fn list_confirmations(&self) -> Result<Vec<ConfirmationView>, ClientError> {
        self.list("confirmations").await
    }

    /// Keeps a change that waits.
    pub async fn confirm_change(&self, id: &ConfirmationId) -> Result<Answered, ClientError> {
        self.ask(Method::POST, &format!("confirmations/{id}"), Sent::Nothing).await
    }

    /// Goes back from a change that waits, without waiting longer.
    pub async fn go_back(&self, id: &ConfirmationId) -> Result<Answered, ClientError> {
        self.ask(Method::DELETE, &format!("confirmations/{id}"), Sent::Nothing).await
    }

    /// Puts back what the change of a revision replaced.
    pub async fn undo_change(&self, revision: Revision) -> Result<Answered, ClientError> {
        self.ask(Method::POST, &format!("undo/{revision}"), Sent::Nothing).await
    }

    /// How the portal is reached.
    pub async fn show_https_settings(&self) -> Result<HttpsSettingsView, ClientError> {
        self.ask(Method::GET, "https-settings", Sent::Nothing).await
    }

    /// Changes how the portal is reached; what is left out stays.
    pub async fn change_https_settings(
        &self,
        update: &HttpsSettingsUpdate,
    ) -> Result<Changed<HttpsSettingsView>, ClientError> {
        self.ask(Method::PUT, &self.changing("https-settings"), Sent::json(update)?).await
    }

    /// Puts right what keeps operators out of the portal.
    pub async fn recover(&self, recover: &Recover, effect: Effect) -> Result<Recovered, ClientError> {
        self.ask(Method::POST, &effect.of("recover"), Sent::json(recover)?).await
    }
}
