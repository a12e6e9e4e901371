//! Going back: what the keys of a change held before it, and putting it there again.
//!
//! Records go back as the bytes that they were, so that what is sealed in them stays sealed, and opens again.

mod entire;

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use portward_core::{Binding, CertificateId, Site, SiteCertificate};

pub use entire::{WentBack, go_back_entirely};

use super::{Change, CommitError, Committed, Expected, commit_keeping};
use crate::{
    Cond, Key, Kv, Page, Prefix, Revision, Store,
    place::Place,
    records::{BindingRecord, RecordError, Shared, SiteRecord, decode},
};

/// Holds what the keys of a change held before it, secrets sealed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Before {
    pub(crate) held: BTreeMap<Key, Held>,
}

/// Is what became of one key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// What it held before; none if it was not there.
    pub(crate) before: Option<Bytes>,
    /// Whether it is there after the change.
    pub(crate) is_there: bool,
}

/// Says why there is no way back from a change.
#[derive(Debug, thiserror::Error)]
pub enum GoBackError {
    /// It wrote what nobody goes back from, as users and tokens are.
    #[error("nobody goes back from a change of \"{0}\"")]
    NotForBack(Key),
    /// Something that the change made has grown since.
    #[error("\"{0}\" came after the change and belongs to what it made")]
    Grown(Key),
    /// One of its keys was changed since, or the store fails.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Before {
    pub(super) fn of(edits: &BTreeMap<Key, Option<Bytes>>, seen: &BTreeMap<Key, Option<Kv>>) -> Self {
        let held = edits.iter().map(|(key, value)| {
            let before = seen.get(key).and_then(Option::as_ref).map(|kv| kv.value.clone());
            (key.clone(), Held { before, is_there: value.is_some() })
        });
        Self { held: held.collect() }
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// How many bytes it holds.
    pub fn bytes(&self) -> usize {
        self.held.iter().map(|(key, held)| key.as_str().len() + held.before.as_ref().map_or(0, Bytes::len)).sum()
    }

    /// Whether one can go back from the change at all: it wrote the front door, and nothing about who may do what.
    pub fn is_for_back(&self) -> bool {
        !self.is_empty() && self.not_for_back().is_none()
    }

    /// Whether another change wrote a key that this one wrote too.
    pub fn shares_key_with(&self, other: &Self) -> bool {
        other.held.keys().any(|key| !is_work(key) && self.held.contains_key(key))
    }

    /// The sites that going back puts in place.
    pub fn sites(&self) -> Vec<Site> {
        let sites = self.held.iter().filter_map(|(key, held)| match (Place::of(key), &held.before) {
            (Some(Place::Site(id)), Some(bytes)) => read_site(id, bytes).ok(),
            _ => None,
        });
        sites.collect()
    }

    /// The bindings that going back puts in place.
    pub fn bindings(&self) -> Vec<Binding> {
        let bindings = self.held.iter().filter_map(|(key, held)| match (Place::of(key), &held.before) {
            (Some(Place::Binding(id)), Some(bytes)) => {
                decode::<BindingRecord>(bytes).and_then(|record| record.into_binding(id)).ok()
            }
            _ => None,
        });
        bindings.collect()
    }

    /// The key for which another change stands in the way of going back: it writes what was written or what going back
    /// names, or it depends on what going back takes away.
    pub fn collides_with<'a>(&self, change: &'a Change) -> Option<&'a Key> {
        let named: Vec<Key> = self.certificates().map(|id| Place::CertificateSpec(id).key()).collect();
        let is_held = |key: &Key| is_desired(key) && self.held.contains_key(key);
        let mut edited = change.edits.keys();
        let mut needed = change.when.keys();
        edited.find(|key| is_held(key) || named.contains(key)).or_else(|| needed.find(|key| is_held(key)))
    }

    /// Refuses what nobody goes back from.
    fn refuse_not_for_back(&self) -> Result<(), GoBackError> {
        self.not_for_back().map_or(Ok(()), |key| Err(GoBackError::NotForBack(key.clone())))
    }

    fn not_for_back(&self) -> Option<&Key> {
        self.held.keys().find(|key| !is_work(key) && !is_front_door(key))
    }

    /// The certificates that going back takes away.
    fn added(&self) -> impl Iterator<Item = CertificateId> {
        self.held.iter().filter_map(|(key, held)| match (Place::of(key), &held.before) {
            (Some(Place::CertificateSpec(id)), None) => Some(id),
            _ => None,
        })
    }

    /// The certificates that what is put in place names.
    fn certificates(&self) -> impl Iterator<Item = CertificateId> {
        let of_bindings = self.bindings().into_iter().filter_map(|binding| binding.default_certificate);
        let of_sites = self.sites().into_iter().filter_map(|site| match site.certificate {
            SiteCertificate::Fixed(id) => Some(id),
            SiteCertificate::Auto => None,
        });
        of_bindings.chain(of_sites)
    }

    /// The keys of certificates that going back takes away, and that the change did not write.
    async fn grown(&self, store: &dyn Store) -> Result<Option<Key>, CommitError> {
        for id in self.added() {
            let prefix = Prefix::of_checked(format!("certs/{id}/"));
            let listed = store.list(&prefix, None, Page::first(self.held.len() + 1)).await?;
            if let Some(kv) = listed.kvs.into_iter().find(|kv| !self.held.contains_key(&kv.key)) {
                return Ok(Some(kv.key));
            }
        }
        Ok(None)
    }
}

impl fmt::Debug for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.held.keys()).finish()
    }
}

impl Change {
    /// Puts back what was there before another change, which was made at that revision.
    ///
    /// What that change wrote must be as it left it, and what is named must be there.
    /// Issuers of chains stay, as other certificates may have the same; of what tasks remember, what was deleted comes back.
    pub fn put_back(&mut self, before: &Before, made: Revision) {
        for (key, Held { before, is_there }) in &before.held {
            if is_work(key) {
                if !is_there && before.is_some() {
                    self.edit(key.clone(), before.clone(), Expected::Any);
                }
            } else if !matches!(Place::of(key), Some(Place::Issuers(_))) && (*is_there || before.is_some()) {
                let expected = if *is_there { Expected::At(made) } else { Expected::Absent };
                self.edit(key.clone(), before.clone(), expected);
            }
        }
        for id in before.certificates() {
            let spec = Place::CertificateSpec(id).key();
            if !self.edits.contains_key(&spec) {
                self.when.entry(spec.clone()).or_insert(Cond::Present(spec));
            }
        }
    }
}

/// Goes back from a change that was made at a revision: all of it in one change, or nothing.
///
/// It is refused if something that the change made has grown since; [`go_back_entirely`] takes that away too.
pub async fn go_back(
    store: &dyn Store,
    mut change: Change,
    before: &Before,
    made: Revision,
) -> Result<Committed, GoBackError> {
    before.refuse_not_for_back()?;
    if let Some(key) = before.grown(store).await? {
        return Err(GoBackError::Grown(key));
    }
    change.put_back(before, made);
    Ok(commit_keeping(store, change).await?)
}

fn read_site(id: portward_core::SiteId, bytes: &[u8]) -> Result<Site, RecordError> {
    decode::<SiteRecord>(bytes)?.into_site(id, &Shared::default())
}

fn is_work(key: &Key) -> bool {
    key.segments().next() == Some("work")
}

fn is_desired(key: &Key) -> bool {
    !is_work(key) && !matches!(Place::of(key), Some(Place::Issuers(_)))
}

fn is_front_door(key: &Key) -> bool {
    matches!(
        Place::of(key),
        Some(
            Place::Setting(_)
                | Place::Binding(_)
                | Place::Site(_)
                | Place::CertificateSpec(_)
                | Place::CertificateCurrent(_)
                | Place::CertificateVersion(..)
                | Place::CertificateManaged(_)
                | Place::Issuers(_)
                | Place::PrivateKey(_)
                | Place::Issuer(_)
                | Place::DnsProvider(_)
        )
    )
}

#[cfg(test)]
mod tests;
