//! Notices that wait to be sent, and what is remembered of the channels they are sent on.

use portward_core::{ChannelId, NoticeKind, Timestamp, Tone};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::{AT_ONCE, CHANNELS, OUTBOX, ReadWorkError, WorkPlace, decode, read, read_all};
use crate::{
    Page, Prefix, Read, Store,
    change::{Change, CommitError, Expected, commit},
    place::Place,
    random,
    records::text,
};

/// Is a notice that waits to be sent on one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedNotice {
    /// Names the notice, on all channels alike; ids are in the order of time.
    pub id: String,
    /// What it is about.
    #[serde(with = "text")]
    pub kind: NoticeKind,
    /// How it is meant.
    #[serde(with = "text")]
    pub tone: Tone,
    /// Which thing, as in `certificate shop-test`.
    pub subject: String,
    /// One line.
    pub title: String,
    /// What is, and why.
    pub message: String,
    /// What to do; empty if nothing is to be done.
    pub remedy: String,
    /// The page of the portal about it.
    pub path: Option<String>,
    /// When it was.
    #[serde(with = "text")]
    pub at: Timestamp,
}

/// Is what is remembered of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelWork {
    /// Deliveries that failed in a row.
    pub failures: u32,
    /// Not before this after a failure.
    #[serde(with = "text::option")]
    pub retry_at: Option<Timestamp>,
    /// What came of the last delivery.
    pub last: Option<Delivered>,
    /// When messages were sent lately; a digest is there several times.
    #[serde(with = "text::list")]
    pub sent: Vec<Timestamp>,
    /// Notices that were given up since the last delivery.
    pub dropped: u32,
}

/// Is what came of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// When.
    #[serde(with = "text")]
    pub at: Timestamp,
    /// Whether the other side took the message.
    pub ok: bool,
    /// What the other side said, or why it could not be asked.
    pub said: String,
}

impl ChannelWork {
    /// Reads what is remembered of a channel.
    pub async fn read(store: &dyn Store, channel: &ChannelId) -> Result<Option<Self>, ReadWorkError> {
        read(store, &WorkPlace::Channel(channel)).await
    }

    /// Reads what is remembered of all channels.
    pub async fn read_all(store: &dyn Store) -> Result<Vec<(ChannelId, Self)>, ReadWorkError> {
        let all = read_all(store, CHANNELS).await?;
        let id = |key: &crate::Key| key.segments().nth(2).and_then(|id| ChannelId::parse(id).ok());
        Ok(all.into_iter().filter_map(|(key, work)| Some((id(&key)?, work))).collect())
    }
}

/// The prefixes below which is what waits and what is remembered of channels, for a watch.
pub fn outbox() -> [Prefix; 2] {
    [OUTBOX, CHANNELS].map(|text| Prefix::of_checked(text.to_owned()))
}

/// Makes an id for a notice.
pub fn new_notice_id(at: Timestamp) -> String {
    let milliseconds = u64::try_from(at.unix()).unwrap_or(0).saturating_mul(1000);
    Ulid::from_parts(milliseconds, u128::from_be_bytes(random::bytes())).to_string()
}

/// Reads all notices that wait, in the order of channels and of time.
pub async fn queued(store: &dyn Store) -> Result<Vec<(ChannelId, QueuedNotice)>, ReadWorkError> {
    let all = read_all(store, OUTBOX).await?;
    let id = |key: &crate::Key| key.segments().nth(2).and_then(|id| ChannelId::parse(id).ok());
    Ok(all.into_iter().filter_map(|(key, notice)| Some((id(&key)?, notice))).collect())
}

/// Says why what is remembered of a channel could not be edited.
#[derive(Debug, thiserror::Error)]
pub enum EditChannelWorkError {
    /// It cannot be read.
    #[error("what is remembered of a channel cannot be read")]
    Read(#[from] ReadWorkError),
    /// It cannot be written.
    #[error("what is remembered of a channel cannot be written")]
    Commit(#[from] CommitError),
}

/// Edits what is remembered of a channel as it is now, and makes the change that the edit begins; gives what is remembered
/// then, and nothing if the channel is gone. Whoever is overtaken edits again.
pub async fn edit_channel_work(
    store: &dyn Store,
    channel: &ChannelId,
    edit: impl Fn(&mut ChannelWork) -> Change,
) -> Result<Option<ChannelWork>, EditChannelWorkError> {
    let (place, own) = (WorkPlace::Channel(channel), Place::Channel(channel.clone()).key());
    let mut tries = 1;
    loop {
        if store.get(&own, Read::Linearizable).await.map_err(ReadWorkError::from)?.0.is_none() {
            return Ok(None);
        }
        let (kv, _) = store.get(&place.key(), Read::Linearizable).await.map_err(ReadWorkError::from)?;
        let expected = kv.as_ref().map_or(Expected::Absent, |kv| Expected::At(kv.mod_revision));
        let mut work = kv.map(|kv| decode(&kv.key, &kv.value)).transpose()?.unwrap_or_default();
        let mut change = edit(&mut work);
        change.put_work_if(&place, &work, expected);
        change.require_channel(channel);
        match commit(store, change).await {
            Ok(_) => return Ok(Some(work)),
            Err(CommitError::Conflict { .. }) if tries < MOST_TRIES => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Forgets a channel that is removed, with what waits for it.
pub async fn forget_channel(store: &dyn Store, channel: &ChannelId) -> Result<(), CommitError> {
    let prefix = Prefix::of_checked(format!("{OUTBOX}{channel}/"));
    loop {
        let listed = store.list(&prefix, None, Page::first(AT_ONCE)).await?;
        let mut change = Change::of_work();
        change.delete_work(&WorkPlace::Channel(channel));
        let is_last = listed.kvs.len() < AT_ONCE;
        for kv in listed.kvs {
            change.edit(kv.key, None, Expected::Any);
        }
        commit(store, change).await?;
        if is_last {
            return Ok(());
        }
    }
}

impl Change {
    /// Has a notice wait for a channel.
    pub fn put_queued(&mut self, channel: &ChannelId, notice: &QueuedNotice) {
        self.put_work(&WorkPlace::Outbox(channel, &notice.id), notice);
    }

    /// Takes a notice away, as it was sent or given up.
    pub fn remove_queued(&mut self, channel: &ChannelId, id: &str) {
        self.delete_work(&WorkPlace::Outbox(channel, id));
    }

    /// Writes what is remembered of a channel, whatever was there.
    pub fn put_channel_work(&mut self, channel: &ChannelId, work: &ChannelWork) {
        self.put_work(&WorkPlace::Channel(channel), work);
    }
}

/// Two write at the same time: whoever sends, and whoever tests.
const MOST_TRIES: usize = 10;
