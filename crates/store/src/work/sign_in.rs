//! What is remembered of signing in: when, which code was the last, which second factor is being set up;
//! and when tokens were last used.

use std::collections::BTreeMap;

use portward_core::{Timestamp, TokenId, UserId, UserName};
use serde::{Deserialize, Serialize};

use super::{ReadWorkError, TOKEN_USES, WorkPlace, decode, read, read_all};
use crate::{
    Read, Store,
    change::{Change, Expected},
    desired::Stored,
    records::text,
    sealing::{Sealed, Sealer, Secret, UnsealError},
};

/// Is what is remembered of how somebody signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIns {
    /// When they last signed in.
    #[serde(with = "text::option")]
    pub last: Option<Timestamp>,
    /// The last step of RFC 6238 of which a code was taken: neither it nor an earlier one is taken again.
    pub step: Option<u64>,
}

/// Is a second factor that somebody sets up: it counts when they have shown a code of it.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// Whose it is.
    pub user_id: UserId,
    /// The secret.
    pub secret: Secret,
    /// Until when it can be finished.
    pub expires: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct EnrolmentRecord {
    #[serde(with = "text")]
    user_id: UserId,
    secret: Sealed,
    #[serde(with = "text")]
    expires: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct TokenUseRecord {
    #[serde(with = "text")]
    at: Timestamp,
}

/// Says why a second factor that is being set up could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadEnrolmentError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadWorkError),
    /// It does not open.
    #[error("the second factor that is being set up does not open")]
    Sealed(#[from] UnsealError),
}

/// Reads how somebody signed in; none if they never did.
pub async fn read_sign_ins(store: &dyn Store, user: &UserName) -> Result<Option<Stored<SignIns>>, ReadWorkError> {
    let (kv, _) = store.get(&WorkPlace::SignIns(user).key(), Read::Linearizable).await?;
    let Some(kv) = kv else { return Ok(None) };
    Ok(Some(Stored { value: decode(&kv.key, &kv.value)?, revision: kv.mod_revision }))
}

/// Reads the second factor that somebody sets up.
pub async fn read_enrolment(
    store: &dyn Store,
    sealer: &Sealer,
    user: &UserName,
) -> Result<Option<Enrolment>, ReadEnrolmentError> {
    let place = WorkPlace::Enrolment(user);
    let Some(record) = read::<EnrolmentRecord>(store, &place).await? else { return Ok(None) };
    let secret = sealer.open(&place.key(), ENROLMENT_VERSION, &record.secret)?;
    Ok(Some(Enrolment { user_id: record.user_id, secret, expires: record.expires }))
}

/// Reads when each token was last used, to a minute; who was never used is not there.
pub async fn last_used(store: &dyn Store) -> Result<BTreeMap<TokenId, Timestamp>, ReadWorkError> {
    let all = read_all::<TokenUseRecord>(store, TOKEN_USES).await?;
    let token = |key: &crate::Key| TokenId::parse(key.as_str().strip_prefix(TOKEN_USES)?).ok();
    Ok(all.into_iter().filter_map(|(key, record)| Some((token(&key)?, record.at))).collect())
}

impl Change {
    /// Writes how somebody signed in.
    pub fn put_sign_ins(&mut self, user: &UserName, sign_ins: &SignIns, expected: Expected) {
        self.put_work_if(&WorkPlace::SignIns(user), sign_ins, expected);
    }

    /// Forgets how somebody signed in, and the second factor that they set up.
    pub fn forget_sign_ins(&mut self, user: &UserName) {
        self.delete_work(&WorkPlace::SignIns(user));
        self.delete_work(&WorkPlace::Enrolment(user));
    }

    /// Writes the second factor that somebody sets up.
    pub fn put_enrolment(&mut self, user: &UserName, enrolment: &Enrolment, sealer: &Sealer) {
        let place = WorkPlace::Enrolment(user);
        let secret = sealer.seal(&place.key(), ENROLMENT_VERSION, &enrolment.secret);
        let record = EnrolmentRecord { user_id: enrolment.user_id.clone(), secret, expires: enrolment.expires };
        self.put_work(&place, &record);
    }

    /// Forgets the second factor that somebody sets up.
    pub fn remove_enrolment(&mut self, user: &UserName) {
        self.delete_work(&WorkPlace::Enrolment(user));
    }

    /// Writes when a token was last used.
    pub fn put_token_use(&mut self, token: &TokenId, at: Timestamp) {
        self.put_work(&WorkPlace::TokenUse(token), &TokenUseRecord { at });
    }

    /// Forgets when a token was last used.
    pub fn forget_token_use(&mut self, token: &TokenId) {
        self.delete_work(&WorkPlace::TokenUse(token));
    }
}

/// It is written once.
const ENROLMENT_VERSION: u64 = 1;
