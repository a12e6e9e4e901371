//! Who called as an agent does, and is not trusted: an operator may know them.
//!
//! Anybody can call, so what is kept of them is bounded in number and length.

use portward_core::{AgentName, Thumbprint, Timestamp};
use serde::{Deserialize, Serialize};

use super::{ReadWorkError, STRANGERS, WorkPlace, decode, read, read_all};
use crate::{
    Page, Prefix, Read, Store,
    change::{Change, CommitError, Expected, commit},
    records::text,
};

/// Is who called, and was not recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stranger {
    /// What they showed, and have the key of.
    #[serde(with = "text")]
    pub thumbprint: Thumbprint,
    /// The same, for tools that know SHA-1 alone.
    pub sha1: String,
    /// What their certificate says of itself.
    pub subject: String,
    /// From where they called last.
    pub address: String,
    /// When they first called.
    #[serde(with = "text")]
    pub first_seen: Timestamp,
    /// When they called last.
    #[serde(with = "text")]
    pub last_seen: Timestamp,
    /// How often they called.
    pub tries: u64,
    /// Which version they say they are.
    #[serde(default)]
    pub version: Option<String>,
    /// The agent that they may have been.
    #[serde(default, with = "text::option")]
    pub former: Option<AgentName>,
}

/// Says why a stranger could not be remembered.
#[derive(Debug, thiserror::Error)]
pub enum RememberStrangerError {
    /// What is remembered cannot be read.
    #[error("what is remembered of strangers cannot be read")]
    Read(#[from] ReadWorkError),
    /// It cannot be written.
    #[error("what is remembered of strangers cannot be written")]
    Commit(#[from] CommitError),
}

impl Stranger {
    /// Most strangers that are remembered.
    pub const MOST: usize = 200;
    /// Longest text of a stranger, in characters: a distinguished name of several parts fits.
    pub const MAX_TEXT: usize = 256;

    /// Reads what is remembered of one stranger.
    pub async fn read(store: &dyn Store, thumbprint: &Thumbprint) -> Result<Option<Self>, ReadWorkError> {
        read(store, &WorkPlace::Stranger(thumbprint)).await
    }

    /// Reads what is remembered of all strangers, who called last first.
    pub async fn read_all(store: &dyn Store) -> Result<Vec<Self>, ReadWorkError> {
        let all = read_all::<Self>(store, STRANGERS).await?;
        let mut strangers: Vec<Self> = all.into_iter().map(|(_, stranger)| stranger).collect();
        strangers.sort_by(|a, b| (b.last_seen, &b.thumbprint).cmp(&(a.last_seen, &a.thumbprint)));
        Ok(strangers)
    }

    fn bounded(mut self) -> Self {
        let cut = |text: &mut String| *text = text.chars().take(Self::MAX_TEXT).collect();
        [&mut self.sha1, &mut self.subject, &mut self.address].into_iter().for_each(cut);
        self.version.iter_mut().for_each(cut);
        self
    }
}

/// Remembers that a stranger called, and gives what is remembered of them then: when they first called, and how often
/// they did. Of more than [`Stranger::MOST`] those are forgotten who called longest ago.
///
/// `seen` says what they are now; its [`first_seen`](Stranger::first_seen) and [`tries`](Stranger::tries) count only
/// where nothing is remembered of them.
pub async fn remember_stranger(store: &dyn Store, seen: &Stranger) -> Result<Stranger, RememberStrangerError> {
    let place = WorkPlace::Stranger(&seen.thumbprint);
    let mut tries = 1;
    loop {
        let (kv, _) = store.get(&place.key(), Read::Linearizable).await.map_err(ReadWorkError::from)?;
        let expected = kv.as_ref().map_or(Expected::Absent, |kv| Expected::At(kv.mod_revision));
        // What cannot be read is written anew.
        let before: Option<Stranger> = kv.as_ref().and_then(|kv| decode(&kv.key, &kv.value).ok());
        let mut now = seen.clone().bounded();
        if let Some(before) = before {
            now.first_seen = before.first_seen;
            now.tries = before.tries.saturating_add(1);
            now.former = now.former.or(before.former);
            now.version = now.version.or(before.version);
        }
        let mut change = Change::of_work();
        if kv.is_none() {
            forget_oldest(store, &mut change).await?;
        }
        change.put_work_if(&place, &now, expected);
        match commit(store, change).await {
            Ok(_) => return Ok(now),
            Err(CommitError::Conflict { .. }) if tries < MOST_TRIES => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

impl Change {
    /// Forgets a stranger, as they are trusted now, or nobody wants to know of them.
    pub fn remove_stranger(&mut self, thumbprint: &Thumbprint) {
        self.delete_work(&WorkPlace::Stranger(thumbprint));
    }
}

/// Makes room for one more.
async fn forget_oldest(store: &dyn Store, change: &mut Change) -> Result<(), ReadWorkError> {
    let prefix = Prefix::of_checked(STRANGERS.to_owned());
    // Two who call at the same moment may make one more than there should be; the next one makes up for it.
    let listed = store.list(&prefix, None, Page::first(2 * Stranger::MOST)).await?;
    let surplus = (listed.kvs.len() + 1).saturating_sub(Stranger::MOST);
    if surplus == 0 {
        return Ok(());
    }
    let mut all: Vec<_> = listed
        .kvs
        .into_iter()
        .map(|kv| {
            // What cannot be read goes first.
            let last_seen = decode::<Stranger>(&kv.key, &kv.value).ok().map(|stranger| stranger.last_seen);
            (last_seen, kv.key, kv.mod_revision)
        })
        .collect();
    all.sort_unstable();
    for (_, key, revision) in all.into_iter().take(surplus.min(super::AT_ONCE)) {
        // Whoever calls again meanwhile is not forgotten.
        change.edit(key, None, Expected::At(revision));
    }
    Ok(())
}

/// Many may call at the same time; whoever is not remembered calls again.
const MOST_TRIES: usize = 10;
