//! Going back from a change that waited to be confirmed, although a CA issued certificates meanwhile.
//!
//! People are refused what such a change wrote. A CA is not: it adds versions with their keys, and has them served.
//! A certificate that the change added goes with all that has come to it; one that was there before is served as before.

use portward_core::{CertificateId, KeyId, VersionNumber};

use super::{Before, GoBackError};
use crate::{
    Cond, Key, Kv, Page, Prefix, Read, Revision, Store, StoreError,
    change::{AUDIT_KEYS, Change, CommitError, Expected, commit},
    place::Place,
    records::{CurrentRecord, VersionRecord, decode},
};

/// Is a change that was gone back from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WentBack {
    /// The revision that going back made.
    pub revision: Revision,
    /// Certificates that are gone: what is remembered of them is to be forgotten too.
    pub gone: Vec<CertificateId>,
    /// Certificates that the change added and that stay, as one transaction has no room for all that has come to them.
    pub left: Vec<CertificateId>,
}

/// Goes back from a change that was made at a revision, with what a CA has added to it since: all of it in one change.
///
/// If a CA issues at the same moment, it is looked at again.
pub async fn go_back_entirely(
    store: &dyn Store,
    change: Change,
    before: &Before,
    made: Revision,
) -> Result<WentBack, GoBackError> {
    before.refuse_not_for_back()?;
    let mut attempt = 1;
    loop {
        let Plan { change, gone, left } = Plan::of(store, change.clone(), before, made).await?;
        match commit(store, change).await {
            Ok(revision) => return Ok(WentBack { revision, gone, left }),
            Err(CommitError::Conflict { key, .. }) if attempt < MAX_ATTEMPTS && is_issued(&key) => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Is what going back does.
struct Plan {
    change: Change,
    gone: Vec<CertificateId>,
    left: Vec<CertificateId>,
}

impl Plan {
    async fn of(store: &dyn Store, mut change: Change, before: &Before, made: Revision) -> Result<Self, CommitError> {
        let mut rest = before.clone();
        let mut added = Vec::new();
        for id in before.added() {
            let one = Added::read(store, id, made).await?;
            rest.held.retain(|key, _| !one.has(key));
            added.push(one);
        }
        rest.drop_lost(store).await?;
        change.put_back_current(store, &mut rest, made).await?;
        change.put_back(&rest, made);
        // Those to which the least has come are the first to fit.
        added.sort_by_key(|one| one.removal.edits.len());
        let (mut gone, mut left) = (Vec::new(), Vec::new());
        for one in added {
            if change.has_room_beside(AUDIT_KEYS, &one.removal) {
                change.absorb(one.removal);
                gone.push(one.id);
            } else {
                left.push(one.id);
            }
        }
        Ok(Self { change, gone, left })
    }
}

/// Is a certificate that the change added, as it is now.
struct Added {
    id: CertificateId,
    prefix: Prefix,
    /// Takes it away with all its versions and their keys.
    removal: Change,
}

impl Added {
    async fn read(store: &dyn Store, id: CertificateId, made: Revision) -> Result<Self, StoreError> {
        let prefix = Prefix::of_checked(format!("certs/{id}/"));
        let mut removal = Change::of_work();
        for kv in store.list(&prefix, None, Page::first(MAX_KEYS)).await?.kvs {
            if let Some(key) = private_key(&kv) {
                removal.edit(key, None, Expected::Any);
            }
            let expected = if is_issued(&kv.key) { kv.mod_revision } else { made };
            removal.edit(kv.key, None, Expected::At(expected));
        }
        Ok(Self { id, prefix, removal })
    }

    fn has(&self, key: &Key) -> bool {
        self.prefix.contains(key) || self.removal.edits.contains_key(key)
    }
}

impl Before {
    /// Leaves out versions that the change added and that are gone with their keys, as others have come behind them.
    async fn drop_lost(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        let added = self.held.iter().filter(|(key, held)| held.before.is_none() && is_issued(key));
        let added: Vec<Key> = added.map(|(key, _)| key.clone()).collect();
        for key in added {
            if store.get(&key, Read::Linearizable).await?.0.is_none() {
                self.held.remove(&key);
            }
        }
        Ok(())
    }
}

impl Change {
    /// Has the versions served again that were served before, where a CA has had others served since. Where that version
    /// is not there any more, the newest one stays.
    async fn put_back_current(
        &mut self,
        store: &dyn Store,
        rest: &mut Before,
        made: Revision,
    ) -> Result<(), StoreError> {
        for (key, held) in rest.held.clone() {
            let (Some(Place::CertificateCurrent(id)), Some(bytes), true) =
                (Place::of(&key), held.before, held.is_there)
            else {
                continue;
            };
            let (found, _) = store.get(&key, Read::Linearizable).await?;
            let Some(found) = found.filter(|kv| kv.mod_revision != made) else { continue };
            let Ok(record) = decode::<CurrentRecord>(&bytes) else { continue };
            rest.held.remove(&key);
            let version = Place::CertificateVersion(id, VersionNumber::from(record)).key();
            let comes_back = rest.held.get(&version).is_some_and(|held| held.before.is_some());
            if comes_back {
                self.edit(key, Some(bytes), Expected::At(found.mod_revision));
            } else if store.get(&version, Read::Linearizable).await?.0.is_some() {
                self.edit(key, Some(bytes), Expected::At(found.mod_revision));
                self.when.insert(version.clone(), Cond::Present(version));
            }
        }
        Ok(())
    }
}

/// The key of the private key of a version that is stored; none if it is another record, or cannot be read.
fn private_key(kv: &Kv) -> Option<Key> {
    let Some(Place::CertificateVersion(..)) = Place::of(&kv.key) else { return None };
    let record: VersionRecord = decode(&kv.value).ok()?;
    Some(Place::PrivateKey(KeyId::parse(&record.key).ok()?).key())
}

/// Whether a key is one of those that are written where a CA has issued.
fn is_issued(key: &Key) -> bool {
    matches!(Place::of(key), Some(Place::CertificateVersion(..) | Place::CertificateCurrent(_) | Place::PrivateKey(_)))
}

/// A certificate has ten versions and three records more.
const MAX_KEYS: usize = 1000;
/// How often a CA may issue at the very moment of going back.
const MAX_ATTEMPTS: u32 = 10;

#[cfg(test)]
mod tests;
