//! Changing who may do what.

use portward_core::{Timestamp, TokenId, UserName};

use super::{Change, Expected};
use crate::{
    access::{StoredOidc, StoredSetup, StoredToken, StoredUser},
    hex::hex,
    place::Place,
    records::{OidcRecord, OwnedRecord, SetupRecord, TokenRecord, UserRecord},
    sealing::{Sealer, Secret},
};

impl Change {
    /// Writes a user.
    pub fn put_user(&mut self, user: &StoredUser, expected: Expected) {
        self.put(&Place::User(user.user.name.clone()), &UserRecord::from(user), expected);
    }

    /// Takes a user away.
    pub fn remove_user(&mut self, name: &UserName, expected: Expected) {
        self.delete(&Place::User(name.clone()), expected);
    }

    /// Writes a token.
    pub fn put_token(&mut self, token: &StoredToken, expected: Expected) {
        self.put(&Place::Token(token.token.id.clone()), &TokenRecord::from(token), expected);
    }

    /// Forgets a token.
    pub fn remove_token(&mut self, id: &TokenId, expected: Expected) {
        self.delete(&Place::Token(id.clone()), expected);
    }

    /// Writes what proves a setup link; the one before it counts no more.
    pub fn put_setup(&mut self, setup: &StoredSetup) {
        let record = SetupRecord::new(hex(&setup.sha256), setup.expires);
        self.put(&Place::Setup, &record, Expected::Any);
        self.require_no_owner();
    }

    /// Makes a setup link count no more.
    pub fn remove_setup(&mut self, expected: Expected) {
        self.delete(&Place::Setup, expected);
    }

    /// Says that the server has its first owner; refused where it had one.
    pub fn put_owned(&mut self, since: Timestamp) {
        self.put(&Place::Owned, &OwnedRecord::new(since), Expected::Absent);
    }

    /// Writes the OpenID provider, with the client's secret sealed for its generation; what is sealed in it already
    /// does not count.
    pub fn put_oidc(&mut self, oidc: &StoredOidc, secret: Option<&Secret>, sealer: &Sealer, expected: Expected) {
        let sealed = secret.map(|secret| sealer.seal(&Place::Oidc.key(), oidc.generation, secret));
        self.put(&Place::Oidc, &OidcRecord::new(oidc, sealed), expected);
    }

    /// Forgets the OpenID provider.
    pub fn remove_oidc(&mut self, expected: Expected) {
        self.delete(&Place::Oidc, expected);
    }

    fn require_no_owner(&mut self) {
        let key = Place::Owned.key();
        self.when.entry(key.clone()).or_insert(crate::Cond::Absent(key));
    }
}
