//! Accounts with CAs; their keys are sealed.

use portward_core::IssuerId;
use serde::{Deserialize, Serialize};

use super::{ReadWorkError, WorkPlace, read};
use crate::{
    Store,
    change::Change,
    sealing::{Sealed, Sealer, Secret, UnsealError},
};

/// Is an account with a CA, as it is stored: before the CA knows of it, there is a key and no URL.
#[derive(Clone, Debug)]
pub struct StoredAccount {
    /// URL of the directory that it belongs to.
    pub directory: String,
    /// URL of the account; none before the CA has answered.
    pub url: Option<String>,
    /// Its private key, PKCS #8 in DER.
    pub key: Secret,
    /// The key that takes its place; none but while a rollover is under way.
    pub next_key: Option<Secret>,
}

/// Says why an account could not be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenAccountError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadWorkError),
    /// Its key does not open.
    #[error("the key of the account does not open")]
    Sealed(#[from] UnsealError),
}

#[derive(Serialize, Deserialize)]
struct AccountRecord {
    directory: String,
    url: Option<String>,
    key: Sealed,
    next_key: Option<Sealed>,
}

impl StoredAccount {
    /// Reads the account with an issuer.
    pub async fn read(store: &dyn Store, sealer: &Sealer, issuer: &IssuerId) -> Result<Option<Self>, OpenAccountError> {
        let place = WorkPlace::Account(issuer);
        let Some(record) = read::<AccountRecord>(store, &place).await? else { return Ok(None) };
        let open = |version, sealed| sealer.open(&place.key(), version, sealed);
        Ok(Some(Self {
            directory: record.directory,
            url: record.url,
            key: open(KEY, &record.key)?,
            next_key: record.next_key.as_ref().map(|sealed| open(NEXT_KEY, sealed)).transpose()?,
        }))
    }

    /// Reads the URL of the account with an issuer, without opening its key.
    pub async fn read_url(store: &dyn Store, issuer: &IssuerId) -> Result<Option<String>, ReadWorkError> {
        Ok(read::<AccountRecord>(store, &WorkPlace::Account(issuer)).await?.and_then(|record| record.url))
    }
}

impl Change {
    /// Writes the account with an issuer.
    pub fn put_account(&mut self, issuer: &IssuerId, account: &StoredAccount, sealer: &Sealer) {
        let place = WorkPlace::Account(issuer);
        let seal = |version, secret| sealer.seal(&place.key(), version, secret);
        let record = AccountRecord {
            directory: account.directory.clone(),
            url: account.url.clone(),
            key: seal(KEY, &account.key),
            next_key: account.next_key.as_ref().map(|secret| seal(NEXT_KEY, secret)),
        };
        self.put_work(&place, &record);
    }

    /// Forgets the account with an issuer.
    pub fn remove_account(&mut self, issuer: &IssuerId) {
        self.delete_work(&WorkPlace::Account(issuer));
    }
}

/// What the key is sealed as, so that it cannot be swapped with the next one.
const KEY: u64 = 1;
const NEXT_KEY: u64 = 2;
