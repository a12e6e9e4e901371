//! Accounts with CAs: made once, used for years, made anew when a CA forgot them.

use std::fmt;

use portward_certs::acme::{AccountKey, EabKey, NewAccount, RegisteredAccount, RollOverError};
use portward_core::{IssuerId, acme::CaError};
use portward_store::{
    change::{Change, commit},
    desired::open_eab_key,
    sealing::{Secret, UnsealError},
    work::{OpenAccountError, StoredAccount},
};
use zeroize::Zeroizing;

use super::{
    engine::Engine,
    turn::{Asked, TurnError},
};

/// Says why there is no account.
#[derive(Debug)]
pub(super) enum NoAccount {
    /// The operator did not agree to the terms; here is where they are.
    Terms(Option<String>),
    /// The CA says no, or nothing.
    Ca(CaError),
    /// Something of ours.
    Internal(String),
}

impl fmt::Display for NoAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terms(Some(url)) => write!(f, "the terms of service at {url} were not agreed to"),
            Self::Terms(None) => f.write_str("the terms of service were not agreed to"),
            Self::Ca(error) => error.fmt(f),
            Self::Internal(text) => f.write_str(text),
        }
    }
}

impl Engine {
    /// The account with an issuer; made if there is none.
    pub(super) async fn account(&self, asked: &Asked) -> Result<Result<RegisteredAccount, NoAccount>, TurnError> {
        let _making = self.accounts.lock().await;
        let stored = self.stored_account(&asked.issuer.id).await?;
        match stored.filter(|account| account.directory == asked.issuer.directory) {
            Some(StoredAccount { url: Some(url), key, next_key: None, .. }) => {
                Ok(Ok(RegisteredAccount { url, key: account_key(&key) }))
            }
            Some(account @ StoredAccount { url: Some(_), next_key: Some(_), .. }) => {
                let url = account.url.clone().unwrap_or_default();
                let key = account_key(&account.key);
                match self.finish_rollover(asked, account).await? {
                    Ok(account) => Ok(Ok(account)),
                    Err(RollOverError::Refused(error)) => {
                        tracing::warn!(
                            issuer.id = %asked.issuer.id, error = %error,
                            "the CA refuses the new key of the account, which goes on with the old one"
                        );
                        Ok(Ok(RegisteredAccount { url, key }))
                    }
                    Err(RollOverError::Unsure(error)) => Ok(Err(NoAccount::Ca(error))),
                }
            }
            other => self.register(asked, other.map(|account| account.key)).await,
        }
    }

    /// The account with an issuer, as it is stored. One that does not open is none: it never will.
    async fn stored_account(&self, issuer: &IssuerId) -> Result<Option<StoredAccount>, TurnError> {
        match StoredAccount::read(&*self.store, &self.sealer().await?, issuer).await {
            Err(OpenAccountError::Sealed(error @ UnsealError::Refused { .. })) => {
                let error = crate::app::chain_text(&error);
                tracing::error!(issuer.id = %issuer, error, "the account with a CA does not open; another one is made");
                Ok(None)
            }
            read => Ok(read?),
        }
    }

    /// Forgets an account that the CA does not know any more, with its key: the next one has another.
    pub(super) async fn forget_account(&self, issuer: &IssuerId) -> Result<(), TurnError> {
        let _making = self.accounts.lock().await;
        let mut change = Change::of_work();
        change.remove_account(issuer);
        commit(&*self.store, change).await?;
        Ok(())
    }

    /// Gives the account with an issuer a new key. The key is stored before the CA is asked.
    ///
    /// # Errors
    ///
    /// Says what of ours failed; the inner error is the CA's.
    pub(crate) async fn roll_over(&self, asked: &Asked) -> Result<Result<RegisteredAccount, RollOverError>, String> {
        let text = |error: TurnError| crate::app::chain_text(&error);
        let issuer = &asked.issuer.id;
        let _making = self.accounts.lock().await;
        let stored = self.stored_account(issuer).await.map_err(text)?;
        let Some(mut account) = stored.filter(|account| account.url.is_some()) else {
            return Err(format!("there is no account with \"{issuer}\" yet; it is made with the first order"));
        };
        if account.next_key.is_none() {
            let key = AccountKey::generate().map_err(|error| error.to_string())?;
            account.next_key = Some(Secret::copy_of(key.as_pkcs8_der()));
            let mut change = Change::of_work();
            change.put_account(issuer, &account, &self.sealer().await.map_err(text)?);
            commit(&*self.store, change).await.map_err(|error| crate::app::chain_text(&error))?;
        }
        self.finish_rollover(asked, account).await.map_err(text)
    }

    /// Has the CA take the next key, or finds that it has. A key that the CA refuses is forgotten, so that the account goes
    /// on with the old one; it stays where nobody knows which of them the CA has.
    async fn finish_rollover(
        &self,
        asked: &Asked,
        mut account: StoredAccount,
    ) -> Result<Result<RegisteredAccount, RollOverError>, TurnError> {
        let (url, key) = (account.url.clone().unwrap_or_default(), account_key(&account.key));
        let old = RegisteredAccount { url, key };
        let Some(next) = account.next_key.take() else { return Ok(Ok(old)) };
        let new = account_key(&next);
        // It succeeds too where the CA took the key before we were cut short.
        let rolled = match asked.ca.roll_over(&old, &new).await {
            Ok(()) => {
                account.key = next;
                Ok(RegisteredAccount { key: new, ..old })
            }
            Err(error @ RollOverError::Refused(_)) => Err(error),
            Err(error @ RollOverError::Unsure(_)) => return Ok(Err(error)),
        };
        let mut change = Change::of_work();
        change.put_account(&asked.issuer.id, &account, &self.sealer().await?);
        commit(&*self.store, change).await?;
        Ok(rolled)
    }

    /// Makes an account. Its key is stored first, so that the CA gives the same account again after a crash.
    async fn register(
        &self,
        asked: &Asked,
        key: Option<Secret>,
    ) -> Result<Result<RegisteredAccount, NoAccount>, TurnError> {
        let issuer = &asked.issuer;
        if !issuer.terms_agreed {
            match asked.ca.directory().await {
                Ok(facts) if facts.terms_of_service.is_some() => {
                    return Ok(Err(NoAccount::Terms(facts.terms_of_service)));
                }
                Ok(_) => {}
                Err(error) => return Ok(Err(NoAccount::Ca(error))),
            }
        }
        let eab = match (&issuer.eab_key_id, &asked.stored.eab_mac_key) {
            (Some(key_id), Some(sealed)) => {
                let mac_key = open_eab_key(&self.sealer().await?, &issuer.id, sealed)?;
                Some(EabKey { key_id: key_id.clone(), mac_key: Zeroizing::new(mac_key.expose().to_vec()) })
            }
            _ => None,
        };
        let key = match key {
            Some(key) => account_key(&key),
            None => match AccountKey::generate() {
                Ok(key) => key,
                Err(error) => return Ok(Err(NoAccount::Internal(error.to_string()))),
            },
        };
        let secret = Secret::copy_of(key.as_pkcs8_der());
        let mut stored = StoredAccount { directory: issuer.directory.clone(), url: None, key: secret, next_key: None };
        let mut change = Change::of_work();
        change.put_account(&issuer.id, &stored, &self.sealer().await?);
        commit(&*self.store, change).await?;
        let new = NewAccount { key, contacts: issuer.contacts.clone(), terms_agreed: true, eab };
        let account = match asked.ca.register(&new).await {
            Ok(account) => account,
            Err(error) => return Ok(Err(NoAccount::Ca(error))),
        };
        stored.url = Some(account.url.clone());
        let mut change = Change::of_work();
        change.put_account(&issuer.id, &stored, &self.sealer().await?);
        commit(&*self.store, change).await?;
        tracing::info!(issuer.id = %issuer.id, acme.account = account.url, "an account with the CA was made");
        Ok(Ok(account))
    }
}

fn account_key(secret: &Secret) -> AccountKey {
    AccountKey::from_pkcs8_der(Zeroizing::new(secret.expose().to_vec()))
}
