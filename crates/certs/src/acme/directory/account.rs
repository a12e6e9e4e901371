//! Accounts: made, found, and given another key.

use portward_core::acme::{CaError, CaErrorKind};
use serde_json::json;

use super::{
    Directory,
    call::Call,
    jws::{Known, bind_external_account},
};
use crate::acme::{AccountKey, NewAccount, RegisteredAccount, RollOverError, http::Answer};

impl Directory {
    pub(super) async fn register_account(&self, new: &NewAccount) -> Result<RegisteredAccount, CaError> {
        let urls = self.urls().await?;
        let call = self.call("registering the account", &urls);
        let signer = Self::signer(&call, &new.key)?;
        let mut payload = json!({});
        if !new.contacts.is_empty() {
            payload["contact"] = json!(new.contacts);
        }
        if new.terms_agreed {
            payload["termsOfServiceAgreed"] = true.into();
        }
        if let Some(eab) = &new.eab {
            let bound = bind_external_account(eab, &signer.jwk(), &urls.new_account);
            payload["externalAccountBinding"] =
                bound.map_err(|error| call.unsupported(&urls.new_account, error.to_string()))?;
        }
        let answer = call.post(&signer, Known::Key, &urls.new_account, payload.to_string().as_bytes()).await?;
        Ok(RegisteredAccount { url: located(&call, &answer)?, key: new.key.clone() })
    }

    pub(super) async fn change_key(&self, account: &RegisteredAccount, new: &AccountKey) -> Result<(), RollOverError> {
        let Err(error) = self.ask_for_key(account, new).await else { return Ok(()) };
        // Without an answer, or with that of somebody in between, the CA may be changing it yet.
        let is_answered = error.status.is_some_and(|status| !matches!(status, 502 | 504));
        if !is_answered && !matches!(error.kind, CaErrorKind::Unsupported(_)) {
            return Err(RollOverError::Unsure(error));
        }
        // A call whose answer was lost has changed the key already, and the old one is refused now.
        match self.owner(new).await {
            Ok(Some(owner)) if owner == account.url => Ok(()),
            Ok(_) => Err(RollOverError::Refused(error)),
            Err(unknown) => Err(RollOverError::Unsure(unknown)),
        }
    }

    async fn ask_for_key(&self, account: &RegisteredAccount, new: &AccountKey) -> Result<(), CaError> {
        let urls = self.urls().await?;
        let call = self.call("changing the key of the account", &urls);
        let Some(key_change) = &urls.key_change else {
            return Err(call.unsupported(&self.url, "the CA cannot change the key of an account"));
        };
        let (old_signer, new_signer) = (Self::signer(&call, &account.key)?, Self::signer(&call, new)?);
        let payload = json!({ "account": account.url, "oldKey": old_signer.jwk() });
        let inner = new_signer
            .sign(Known::Key, None, key_change, payload.to_string().as_bytes())
            .map_err(|error| call.unsupported(key_change, error.to_string()))?;
        call.post(&old_signer, Known::Account(&account.url), key_change, inner.to_string().as_bytes()).await?;
        Ok(())
    }

    /// The URL of the account that has the key; none if the CA does not know it (RFC 8555 section 7.3.1).
    async fn owner(&self, key: &AccountKey) -> Result<Option<String>, CaError> {
        let urls = self.urls().await?;
        let call = self.call("looking for the account of a key", &urls);
        let signer = Self::signer(&call, key)?;
        let payload = json!({ "onlyReturnExisting": true }).to_string();
        match call.post(&signer, Known::Key, &urls.new_account, payload.as_bytes()).await {
            Ok(answer) => located(&call, &answer).map(Some),
            Err(error) if error.is_outage() || error.is_rate_limit() => Err(error),
            Err(_) => Ok(None),
        }
    }
}

fn located(call: &Call, answer: &Answer) -> Result<String, CaError> {
    answer.location().ok_or_else(|| call.malformed(answer, "it does not say where the account is (Location)"))
}
