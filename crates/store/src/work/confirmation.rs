//! Changes that go back by themselves unless they are confirmed, with what is put back then.
//!
//! The record is written with the change, so that a server that dies knows of it at its next start.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use portward_core::{BindingId, ConfirmWithin, ConfirmationId, NewWay, Permission, Revision, Timestamp};
use serde::{Deserialize, Serialize};

use super::{CONFIRMATIONS, ReadWorkError, VERSION, Versioned, WorkPlace, decode};
use crate::{
    Key, Kv, Page, Prefix, Read, RecordError, Store,
    change::{Before, Change, Expected, Held},
    records::{base64::Blob, text},
};

/// Asks that a change goes back by itself; see [`Change::ask_confirmation`].
#[derive(Clone, Debug)]
pub struct AskedConfirmation {
    /// Names it.
    pub id: ConfirmationId,
    /// How long it waits.
    pub within: ConfirmWithin,
    /// What one needs to answer: the permission that the change itself needs.
    pub permission: Permission,
    /// By which way a confirmation has to come.
    pub way: NewWay,
    /// Bindings that go once the change is confirmed, and answer until then.
    pub retires: Vec<BindingId>,
}

/// Is a change that waits to be confirmed.
#[derive(Clone, Debug)]
pub struct Confirmation {
    /// Names it.
    pub id: ConfirmationId,
    /// The revision that the change made.
    pub revision: Revision,
    /// Who made it.
    pub who: String,
    /// What it is, as in the audit.
    pub what: String,
    /// When it was made.
    pub made: Timestamp,
    /// When it goes back.
    pub deadline: Timestamp,
    /// What one needs to answer.
    pub permission: Permission,
    /// By which way a confirmation has to come.
    pub way: NewWay,
    /// Bindings that go once it is confirmed.
    pub retires: Vec<BindingId>,
    /// What is put back.
    pub before: Before,
}

#[derive(Serialize, Deserialize)]
struct ConfirmationRecord {
    who: String,
    what: String,
    #[serde(with = "text")]
    made: Timestamp,
    #[serde(with = "text")]
    deadline: Timestamp,
    #[serde(with = "text")]
    permission: Permission,
    #[serde(with = "text")]
    way: NewWay,
    #[serde(with = "text::list")]
    retires: Vec<BindingId>,
    held: Vec<HeldRecord>,
}

#[derive(Serialize, Deserialize)]
struct HeldRecord {
    key: String,
    before: Option<Blob>,
    is_there: bool,
}

impl AskedConfirmation {
    /// The record that goes with a change.
    pub(crate) fn entry(&self, who: &str, what: &str, made: Timestamp, before: &Before) -> (Key, Bytes) {
        let held = before.held.iter().map(|(key, held)| HeldRecord {
            key: key.to_string(),
            before: held.before.as_ref().map(|bytes| Blob(bytes.as_ref().into())),
            is_there: held.is_there,
        });
        let record = ConfirmationRecord {
            who: who.to_owned(),
            what: what.to_owned(),
            made,
            deadline: made.plus(self.within.duration()),
            permission: self.permission,
            way: self.way,
            retires: self.retires.clone(),
            held: held.collect(),
        };
        // Text keys and text alone; nothing in it can fail to be written.
        let bytes = serde_json::to_vec(&Versioned { v: VERSION, value: &record }).unwrap_or_default();
        (WorkPlace::Confirmation(&self.id).key(), bytes.into())
    }
}

impl Confirmation {
    /// How long it still waits by the clock; no longer than was said where that was set back to before it began.
    pub fn left(&self, now: Timestamp) -> Duration {
        self.deadline.since(now.max(self.made))
    }

    /// Whether its time is over by the clock.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.left(now).is_zero()
    }

    fn read(kv: &Kv) -> Result<Self, ReadWorkError> {
        let record: ConfirmationRecord = decode(&kv.key, &kv.value)?;
        let malformed = |field: &'static str, text: &str| ReadWorkError::Record {
            key: kv.key.clone(),
            source: RecordError::invalid(field, text.to_owned()),
        };
        let id = kv.key.as_str().strip_prefix(CONFIRMATIONS).unwrap_or_default();
        let id = ConfirmationId::parse(id).map_err(|_| malformed("id", id))?;
        let mut held = BTreeMap::new();
        for record in record.held {
            let key = Key::parse(&record.key).map_err(|_| malformed("key", &record.key))?;
            let before = record.before.map(|blob| Bytes::copy_from_slice(&blob.0));
            held.insert(key, Held { before, is_there: record.is_there });
        }
        Ok(Self {
            id,
            revision: kv.mod_revision,
            who: record.who,
            what: record.what,
            made: record.made,
            deadline: record.deadline,
            permission: record.permission,
            way: record.way,
            retires: record.retires,
            before: Before { held },
        })
    }
}

/// Reads all that wait, the oldest first; what cannot be read is told of beside them.
pub async fn confirmations(store: &dyn Store) -> Result<(Vec<Confirmation>, Vec<ReadWorkError>), ReadWorkError> {
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    let mut page = Some(Page::first(PAGE_KEYS));
    while let Some(asked) = page {
        let listed = store.list(&confirmations_prefix(), None, asked).await?;
        for kv in &listed.kvs {
            match Confirmation::read(kv) {
                Ok(confirmation) => found.push(confirmation),
                Err(error) => unreadable.push(error),
            }
        }
        page = listed.following(PAGE_KEYS);
    }
    found.sort_by_key(|confirmation| (confirmation.made, confirmation.revision));
    Ok((found, unreadable))
}

/// Reads one that waits; none if it was answered or has gone back.
pub async fn confirmation(store: &dyn Store, id: &ConfirmationId) -> Result<Option<Confirmation>, ReadWorkError> {
    let (kv, _) = store.get(&WorkPlace::Confirmation(id).key(), Read::Linearizable).await?;
    kv.as_ref().map(Confirmation::read).transpose()
}

/// The prefix of what waits, for a watch.
pub fn confirmations_prefix() -> Prefix {
    Prefix::of_checked(CONFIRMATIONS.to_owned())
}

impl Change {
    /// Has a change wait no more; refused if somebody else answered meanwhile.
    pub fn settle_confirmation(&mut self, confirmation: &Confirmation) {
        let key = WorkPlace::Confirmation(&confirmation.id).key();
        self.edit(key, None, Expected::At(confirmation.revision));
    }
}

/// One with a whole certificate has about 100 KB, and there are few at a time.
const PAGE_KEYS: usize = 10;
