//! The records of who may do what: nothing in them lets anybody in.

use portward_core::{
    EmailAddress, Identity, Permission, Role, Timestamp, Token, TokenId, TokenOwner, User, UserId, UserName,
};
use serde::{Deserialize, Serialize};

use super::{Record, RecordError, text};
use crate::{
    access::{StoredSecondFactor, StoredToken, StoredUser},
    hex::{hex, unhex},
    sealing::Sealed,
};

/// Is `access/users/<name>`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserRecord {
    v: u32,
    #[serde(with = "text")]
    id: UserId,
    #[serde(with = "text")]
    role: Role,
    /// A PHC string; none for somebody who signs in elsewhere.
    password: Option<String>,
    #[serde(with = "text::option")]
    email: Option<EmailAddress>,
    disabled: bool,
    #[serde(with = "text")]
    created: Timestamp,
    epoch: u64,
    second_factor: Option<SecondFactorRecord>,
    /// From version 2 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<IdentityRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityRecord {
    issuer: String,
    subject: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecondFactorRecord {
    secret: Sealed,
    /// SHA-256 in hexadecimal of each code that was not used.
    recovery: Vec<String>,
}

/// Is `access/tokens/<id>`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRecord {
    v: u32,
    name: String,
    /// Of the whole text, in hexadecimal.
    sha256: String,
    permissions: Vec<String>,
    owner: OwnerRecord,
    #[serde(with = "text")]
    created: Timestamp,
    #[serde(with = "text::option")]
    expires: Option<Timestamp>,
    #[serde(with = "text::option")]
    revoked: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum OwnerRecord {
    User {
        #[serde(with = "text")]
        name: UserName,
        #[serde(with = "text")]
        id: UserId,
    },
    Machine(String),
}

/// Is `access/setup`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetupRecord {
    v: u32,
    /// In hexadecimal.
    pub(crate) sha256: String,
    #[serde(with = "text")]
    pub(crate) expires: Timestamp,
}

/// Is `access/owned`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnedRecord {
    v: u32,
    #[serde(with = "text")]
    since: Timestamp,
}

impl Record for UserRecord {
    // 2 has users who sign in elsewhere.
    const VERSION: u32 = 2;
}

impl Record for TokenRecord {
    const VERSION: u32 = 1;
}

impl Record for SetupRecord {
    const VERSION: u32 = 1;
}

impl Record for OwnedRecord {
    const VERSION: u32 = 1;
}

impl From<&StoredUser> for UserRecord {
    fn from(stored: &StoredUser) -> Self {
        let StoredUser { user, id, epoch, password, identity, second_factor } = stored;
        Self {
            // An older Portward goes on reading what it understands.
            v: if identity.is_none() { 1 } else { Self::VERSION },
            id: id.clone(),
            role: user.role,
            password: password.as_ref().map(|password| password.expose().to_owned()),
            email: user.email.clone(),
            disabled: user.is_disabled,
            created: user.created,
            epoch: *epoch,
            second_factor: second_factor.as_ref().map(|factor| SecondFactorRecord {
                secret: factor.secret.clone(),
                recovery: factor.recovery.iter().map(|sha256| hex(sha256)).collect(),
            }),
            identity: identity
                .as_ref()
                .map(|identity| IdentityRecord { issuer: identity.issuer.clone(), subject: identity.subject.clone() }),
        }
    }
}

impl UserRecord {
    /// Reads the user of that name.
    pub(crate) fn into_user(self, name: UserName) -> Result<StoredUser, RecordError> {
        let second_factor = self.second_factor.map(|factor| {
            let recovery: Option<Vec<_>> = factor.recovery.iter().map(|text| unhex(text)).collect();
            let recovery = recovery.ok_or_else(|| RecordError::invalid("recovery", "it is not a list of SHA-256"))?;
            Ok(StoredSecondFactor { secret: factor.secret, recovery })
        });
        Ok(StoredUser {
            user: User { name, role: self.role, email: self.email, is_disabled: self.disabled, created: self.created },
            id: self.id,
            epoch: self.epoch,
            password: self.password.map(Into::into),
            identity: self.identity.map(|IdentityRecord { issuer, subject }| Identity { issuer, subject }),
            second_factor: second_factor.transpose()?,
        })
    }
}

impl From<&StoredToken> for TokenRecord {
    fn from(stored: &StoredToken) -> Self {
        let StoredToken { token, sha256 } = stored;
        Self {
            v: Self::VERSION,
            name: token.name.clone(),
            sha256: hex(sha256),
            permissions: token.permissions.iter().map(ToString::to_string).collect(),
            owner: match &token.owner {
                TokenOwner::User { name, id } => OwnerRecord::User { name: name.clone(), id: id.clone() },
                TokenOwner::Machine(who) => OwnerRecord::Machine(who.clone()),
            },
            created: token.created,
            expires: token.expires,
            revoked: token.revoked,
        }
    }
}

impl TokenRecord {
    /// Reads the token of that id. A permission that is not known here is left out: it permits nothing here.
    pub(crate) fn into_token(self, id: TokenId) -> Result<StoredToken, RecordError> {
        let sha256 = unhex(&self.sha256).ok_or_else(|| RecordError::invalid("sha256", "it is not a SHA-256"))?;
        let owner = match self.owner {
            OwnerRecord::User { name, id } => TokenOwner::User { name, id },
            OwnerRecord::Machine(who) => TokenOwner::Machine(who),
        };
        let permissions = self.permissions.iter().filter_map(|text| Permission::parse(text)).collect();
        let Self { name, created, expires, revoked, .. } = self;
        Ok(StoredToken { token: Token { id, name, permissions, owner, created, expires, revoked }, sha256 })
    }
}

impl SetupRecord {
    /// Makes the record.
    pub(crate) fn new(sha256: String, expires: Timestamp) -> Self {
        Self { v: Self::VERSION, sha256, expires }
    }
}

impl OwnedRecord {
    /// Makes the record.
    pub(crate) fn new(since: Timestamp) -> Self {
        Self { v: Self::VERSION, since }
    }
}
