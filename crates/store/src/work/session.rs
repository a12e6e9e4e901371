//! Sessions of people who signed in, by the SHA-256 of what their browser shows.
//!
//! They survive a restart, and are no part of a backup.

use portward_core::{Timestamp, UserId, UserName};
use serde::{Deserialize, Serialize};

use super::{ReadWorkError, SESSIONS, WorkPlace, decode, read_all};
use crate::{
    Read, Store,
    change::{Change, Expected},
    desired::Stored,
    hex::hex,
    records::text,
};

/// Is what is remembered of somebody who signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who it is.
    #[serde(with = "text")]
    pub user: UserName,
    /// Tells them from another one of that name.
    #[serde(with = "text")]
    pub user_id: UserId,
    /// Of the user, when they signed in.
    pub epoch: u64,
    /// When they signed in.
    #[serde(with = "text")]
    pub started: Timestamp,
    /// When they last asked for something, to a minute.
    #[serde(with = "text")]
    pub seen: Timestamp,
    /// From where they signed in, as far as that is known.
    pub address: Option<String>,
    /// What their browser says of itself.
    pub agent: Option<String>,
}

/// Reads one session.
pub async fn read_session(store: &dyn Store, sha256: &[u8; 32]) -> Result<Option<Stored<Session>>, ReadWorkError> {
    let key = WorkPlace::Session(&hex(sha256)).key();
    let (kv, _) = store.get(&key, Read::Linearizable).await?;
    let Some(kv) = kv else { return Ok(None) };
    Ok(Some(Stored { value: decode(&kv.key, &kv.value)?, revision: kv.mod_revision }))
}

/// Reads all sessions, ended ones too, each with its SHA-256 in hexadecimal.
pub async fn sessions(store: &dyn Store) -> Result<Vec<(String, Session)>, ReadWorkError> {
    let all = read_all(store, SESSIONS).await?;
    let name = |key: &crate::Key| key.as_str().strip_prefix(SESSIONS).unwrap_or_default().to_owned();
    Ok(all.into_iter().map(|(key, session)| (name(&key), session)).collect())
}

impl Change {
    /// Writes a session.
    pub fn put_session(&mut self, sha256: &[u8; 32], session: &Session, expected: Expected) {
        self.put_work_if(&WorkPlace::Session(&hex(sha256)), session, expected);
    }

    /// Ends a session, by its SHA-256 in hexadecimal.
    pub fn remove_session(&mut self, sha256: &str) {
        self.delete_work(&WorkPlace::Session(sha256));
    }
}
