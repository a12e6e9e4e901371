//! Who may do what: users, tokens, and the secret of the setup link.
//!
//! They are read when somebody asks, and not with the desired state: what is revoked counts at once, even where
//! nothing new can be served, and a change of them wakes nobody who serves.
//! Of passwords and tokens only hashes are kept; a second factor is sealed.

mod oidc;

use std::fmt;

use portward_core::{Identity, Timestamp, Token, TokenId, User, UserId, UserName};
use zeroize::Zeroizing;

use crate::{
    Key, Kv, Page, Prefix, Read, Store, StoreError,
    desired::Stored,
    hex::unhex,
    place::{Place, TOKENS, USERS},
    records::{RecordError, SetupRecord, TokenRecord, UserRecord, decode},
    sealing::{Sealed, Sealer, Secret, UnsealError},
};

pub use oidc::{StoredOidc, find_identity, open_oidc_secret, read_oidc};

/// Is a user with what lets them in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredUser {
    /// The user.
    pub user: User,
    /// Tells them from another one who had the name before.
    pub id: UserId,
    /// Rises when sessions must end; a session of another number is none.
    pub epoch: u64,
    /// None for somebody who signs in elsewhere.
    pub password: Option<PasswordHash>,
    /// Who they are where they sign in; none for somebody with a password here.
    pub identity: Option<Identity>,
    /// None if the password is all that is asked for.
    pub second_factor: Option<StoredSecondFactor>,
}

/// Holds a password as argon2 hashed it, in the PHC string format.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Zeroizing<String>);

/// Is what is asked for beside the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecondFactor {
    /// The secret of RFC 6238; [`open_second_factor`] opens it.
    pub secret: Sealed,
    /// The SHA-256 of each recovery code that was not used.
    pub recovery: Vec<[u8; 32]>,
}

/// Is a token with what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    /// The token.
    pub token: Token,
    /// The SHA-256 of its text.
    pub sha256: [u8; 32],
}

/// Is what proves a setup link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSetup {
    /// The SHA-256 of its secret.
    pub sha256: [u8; 32],
    /// Until when it counts.
    pub expires: Timestamp,
}

/// Says why it is not known who may do what.
#[derive(Debug, thiserror::Error)]
pub enum ReadAccessError {
    /// The store fails.
    #[error("cannot read users and tokens")]
    Store(#[from] StoreError),
    /// The record is of a newer Portward, or damaged.
    #[error("cannot read \"{key}\" of the store")]
    Record {
        /// Where it is.
        key: Key,
        /// Why not.
        #[source]
        source: RecordError,
    },
}

/// Reads one user.
pub async fn read_user(store: &dyn Store, name: &UserName) -> Result<Option<Stored<StoredUser>>, ReadAccessError> {
    let (kv, _) = store.get(&Place::User(name.clone()).key(), Read::Linearizable).await?;
    kv.map(|kv| user(&kv, name.clone())).transpose()
}

/// Reads one token, revoked or not.
pub async fn read_token(store: &dyn Store, id: &TokenId) -> Result<Option<Stored<StoredToken>>, ReadAccessError> {
    let (kv, _) = store.get(&Place::Token(id.clone()).key(), Read::Linearizable).await?;
    kv.map(|kv| token(&kv, id.clone())).transpose()
}

/// Reads all users, in the order of their names; one that cannot be read is left out and logged.
pub async fn users(store: &dyn Store) -> Result<Vec<Stored<StoredUser>>, StoreError> {
    let read = |kv: &Kv| match Place::of(&kv.key)? {
        Place::User(name) => Some(user(kv, name)),
        _ => None,
    };
    all(store, USERS, read).await
}

/// Reads all tokens, in the order of their ids, revoked ones too; one that cannot be read is left out and logged.
pub async fn tokens(store: &dyn Store) -> Result<Vec<Stored<StoredToken>>, StoreError> {
    let read = |kv: &Kv| match Place::of(&kv.key)? {
        Place::Token(id) => Some(token(kv, id)),
        _ => None,
    };
    all(store, TOKENS, read).await
}

/// Whether there is, or was, an owner: from then on no setup link makes one.
pub async fn is_owned(store: &dyn Store) -> Result<bool, StoreError> {
    let (kv, _) = store.get(&Place::Owned.key(), Read::Linearizable).await?;
    Ok(kv.is_some())
}

/// Reads what proves the setup link that was made last.
pub async fn read_setup(store: &dyn Store) -> Result<Option<Stored<StoredSetup>>, ReadAccessError> {
    let key = Place::Setup.key();
    let (kv, _) = store.get(&key, Read::Linearizable).await?;
    let Some(kv) = kv else { return Ok(None) };
    let read = || {
        let record: SetupRecord = decode(&kv.value)?;
        let sha256 = unhex(&record.sha256).ok_or_else(|| RecordError::invalid("sha256", "it is not a SHA-256"))?;
        Ok(StoredSetup { sha256, expires: record.expires })
    };
    let value = read().map_err(|source| ReadAccessError::Record { key, source })?;
    Ok(Some(Stored { value, revision: kv.mod_revision }))
}

/// Opens the secret of a user's second factor.
pub fn open_second_factor(sealer: &Sealer, name: &UserName, sealed: &Sealed) -> Result<Secret, UnsealError> {
    sealer.open(&Place::User(name.clone()).key(), SECOND_FACTOR_VERSION, sealed)
}

/// Seals the secret of a user's second factor.
pub fn seal_second_factor(sealer: &Sealer, name: &UserName, secret: &Secret) -> Sealed {
    sealer.seal(&Place::User(name.clone()).key(), SECOND_FACTOR_VERSION, secret)
}

impl PasswordHash {
    /// The PHC string.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for PasswordHash {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// Shows nothing: who has the hash can guess.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

fn user(kv: &Kv, name: UserName) -> Result<Stored<StoredUser>, ReadAccessError> {
    let value = decode::<UserRecord>(&kv.value).and_then(|record| record.into_user(name));
    stored(kv, value)
}

fn token(kv: &Kv, id: TokenId) -> Result<Stored<StoredToken>, ReadAccessError> {
    let value = decode::<TokenRecord>(&kv.value).and_then(|record| record.into_token(id));
    stored(kv, value)
}

fn stored<T>(kv: &Kv, value: Result<T, RecordError>) -> Result<Stored<T>, ReadAccessError> {
    let value = value.map_err(|source| ReadAccessError::Record { key: kv.key.clone(), source })?;
    Ok(Stored { value, revision: kv.mod_revision })
}

async fn all<T>(
    store: &dyn Store,
    prefix: &str,
    read: impl Fn(&Kv) -> Option<Result<Stored<T>, ReadAccessError>>,
) -> Result<Vec<Stored<T>>, StoreError> {
    let prefix = Prefix::of_checked(prefix.to_owned());
    let mut found = Vec::new();
    let mut page = Some(Page::first(PAGE_KEYS));
    while let Some(asked) = page {
        let listed = store.list(&prefix, None, asked).await?;
        for kv in &listed.kvs {
            match read(kv) {
                Some(Ok(stored)) => found.push(stored),
                Some(Err(error)) => tracing::error!(error = &error as &dyn std::error::Error, "a record is left out"),
                None => tracing::error!(key = %kv.key, "nothing of this Portward has such a key; it is left out"),
            }
        }
        page = listed.following(PAGE_KEYS);
    }
    Ok(found)
}

/// A new secret is sealed with a new user record; its place is bound by the key.
const SECOND_FACTOR_VERSION: u64 = 1;
const PAGE_KEYS: usize = 1000;

#[cfg(test)]
mod tests;
