//! Keeping the desired state: read once, and changed by what happens afterwards.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use portward_core::{CertificateId, SiteId};

use super::{
    Desired, PAGE_KEYS,
    assembly::{Assembly, Known, assemble},
};
use crate::{
    Changes, Key, Page, Prefix, Revision, Store, StoreError,
    place::{CERTIFICATES, Place},
    records::{Issuers, IssuersRecord, decode},
};

/// Holds the desired state, and brings it up to what is in the store.
///
/// What one change costs does not depend on how many sites and certificates there are.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    desired: Desired,
    issuers: HashMap<String, Issuers>,
}

/// Says what of a desired state may be another than before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// All of it; the other fields say nothing then.
    pub everything: bool,
    /// What there are few of, as challenges and issuers; settings and bindings count as everything.
    pub few: bool,
    /// These sites.
    pub sites: BTreeSet<SiteId>,
    /// These certificates, or their private keys.
    pub certificates: BTreeSet<CertificateId>,
}

impl Touched {
    /// All of it.
    pub fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Whether nothing is.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what something else touched.
    pub fn add(&mut self, other: Self) {
        self.everything |= other.everything;
        self.few |= other.few;
        self.sites.extend(other.sites);
        self.certificates.extend(other.certificates);
    }
}

impl Follower {
    /// Reads the whole desired state. A bad record never makes it fail.
    pub async fn begin(store: &dyn Store) -> Result<Self, StoreError> {
        let mut attempts = 0;
        loop {
            let revision = store.revision().await?;
            match read_at(store, revision).await {
                // More happened while we read than the store remembers: begin again with what is there now.
                Err(StoreError::Compacted { .. }) if attempts < MAX_ATTEMPTS => attempts += 1,
                Ok(assembly) => return Ok(Self::of(assembly, revision)),
                Err(error) => return Err(error),
            }
        }
    }

    /// What was kept, at the revision at which it was.
    pub(crate) fn at(self, revision: Revision) -> Self {
        Self { desired: Desired { revision, ..self.desired }, ..self }
    }

    pub(super) fn of(assembly: Assembly, revision: Revision) -> Self {
        let (desired, issuers) = assembly.finish();
        Self { desired: Desired { revision, ..desired }, issuers }
    }

    /// The desired state.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// Follows the store up to its newest revision, and says what may be another than before.
    ///
    /// If it fails, the state is one that was there, perhaps a later one than before: the next call goes on from it, and
    /// must not be told that less was touched. So `touched` collects also what was done before the failure.
    pub async fn catch_up(&mut self, store: &dyn Store, touched: &mut Touched) -> Result<(), StoreError> {
        let newest = store.revision().await?;
        self.catch_up_to(newest, store, touched).await
    }

    /// Follows up to a revision that was the newest a moment ago: there may be changes behind it, which come along.
    async fn catch_up_to(
        &mut self,
        newest: Revision,
        store: &dyn Store,
        touched: &mut Touched,
    ) -> Result<(), StoreError> {
        if newest < self.desired.revision {
            // Another store is in its place. After the changes were read that would mean nothing.
            return self.begin_again(store, touched).await;
        }
        while self.desired.revision < newest {
            match store.changes(&Place::prefixes(), self.desired.revision).await {
                Ok(changes) => match self.apply(store, changes, touched).await {
                    Ok(Applied::All) => {}
                    Ok(Applied::Not) | Err(StoreError::Compacted { .. }) => self.begin_again(store, touched).await?,
                    Err(error) => return Err(error),
                },
                Err(StoreError::Compacted { .. }) => self.begin_again(store, touched).await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn begin_again(&mut self, store: &dyn Store, touched: &mut Touched) -> Result<(), StoreError> {
        *self = Self::begin(store).await?;
        *touched = Touched::everything();
        Ok(())
    }

    async fn apply(
        &mut self,
        store: &dyn Store,
        changes: Changes,
        touched: &mut Touched,
    ) -> Result<Applied, StoreError> {
        let Changes { puts, deletes, up_to } = changes;
        let mut certificates = BTreeSet::new();
        let (mut sites, mut keys, mut few) = (Vec::new(), Vec::new(), false);
        let all =
            puts.into_iter().map(|kv| (kv.key.clone(), Some(kv))).chain(deletes.into_iter().map(|key| (key, None)));
        for (key, kv) in all {
            match Place::of(&key) {
                Some(Place::Site(id)) => sites.push((id, key, kv)),
                Some(Place::PrivateKey(id)) => keys.push((id, key, kv)),
                Some(
                    Place::CertificateSpec(id)
                    | Place::CertificateManaged(id)
                    | Place::CertificateCurrent(id)
                    | Place::CertificateVersion(id, _),
                ) => {
                    certificates.insert(id);
                }
                // They are written anew with each certificate that has them, and mostly stay what they are.
                Some(Place::Issuers(sha256)) => {
                    let read = kv.and_then(|kv| decode::<IssuersRecord>(&kv.value).ok()).map(Issuers::from);
                    match (read, self.issuers.get(&sha256)) {
                        (Some(read), Some(known)) if read == *known => {}
                        (Some(read), None) if self.desired.bad.is_empty() => {
                            self.issuers.insert(sha256, read);
                        }
                        _ => return Ok(Applied::Not),
                    }
                }
                Some(_) => few = true,
                // In places of many it is bad, and few are.
                None if MANY.iter().any(|prefix| key.as_str().starts_with(prefix)) => return Ok(Applied::Not),
                None => few = true,
            }
        }
        // A key comes and goes with a version of its certificate; otherwise nobody knows whose it is.
        if !keys.is_empty() && certificates.is_empty() {
            return Ok(Applied::Not);
        }
        // What is read comes before the first change here, so that a failure leaves everything as it was.
        let few_read = if few { Some(read_few(store, up_to).await?) } else { None };
        let mut certificates_read = Assembly::default();
        for id in &certificates {
            let prefix = Prefix::of_checked(format!("certs/{id}/"));
            read_below(store, &prefix, up_to, &mut certificates_read).await?;
        }

        let mut next = self.desired.clone();
        next.revision = up_to;
        for (id, key, kv) in sites {
            next.bad.retain(|bad| bad.key != key);
            next.sites.remove(&id);
            let read = assemble(up_to, kv.into_iter().collect());
            if let Some(site) = read.sites.first() {
                next.sites.insert(site.clone());
            }
            next.bad.extend(read.bad);
            touched.sites.insert(id);
        }
        for (id, key, kv) in keys {
            next.bad.retain(|bad| bad.key != key);
            next.keys.remove(&id);
            let read = assemble(up_to, kv.into_iter().collect());
            if let Some(stored) = read.keys.first() {
                next.keys.insert(stored.clone());
            }
            next.bad.extend(read.bad);
        }
        if !certificates.is_empty() {
            let issuers = std::mem::take(&mut self.issuers);
            let (read, issuers) = certificates_read.finish_with(issuers);
            self.issuers = issuers;
            for id in &certificates {
                next.certificates.remove(id);
            }
            next.bad.retain(|bad| !certificate_of(&bad.key).is_some_and(|id| certificates.contains(&id)));
            for stored in &read.certificates {
                next.certificates.insert(stored.clone());
            }
            next.bad.extend(read.bad);
            touched.certificates.extend(certificates);
        }
        if let Some(read) = few_read {
            touched.few = true;
            touched.everything |=
                read.settings != next.settings || read.bindings != next.bindings || read.cluster != next.cluster;
            next.bad.retain(|bad| MANY.iter().any(|prefix| bad.key.as_str().starts_with(prefix)));
            next.bad.extend(read.bad);
            next.cluster = read.cluster;
            next.bindings = read.bindings;
            next.settings = read.settings;
            next.settings_revision = read.settings_revision;
            next.issuers = read.issuers;
            next.dns_providers = read.dns_providers;
            next.channels = read.channels;
            next.identities = read.identities;
            next.trust = read.trust;
            next.challenges = read.challenges;
            next.tls_challenges = read.tls_challenges;
        }
        self.desired = next;
        Ok(Applied::All)
    }
}

/// Says whether changes could be applied one by one.
enum Applied {
    All,
    Not,
}

fn certificate_of(key: &Key) -> Option<CertificateId> {
    let mut segments = key.segments();
    (segments.next() == Some("certs")).then(|| segments.next())?.and_then(|id| CertificateId::parse(id).ok())
}

/// Reads everything of which there are few.
async fn read_few(store: &dyn Store, revision: Revision) -> Result<Desired, StoreError> {
    let mut assembly = Assembly::default();
    for prefix in Place::prefixes().into_iter().filter(|prefix| !MANY.contains(&prefix.as_str())) {
        read_below(store, &prefix, revision, &mut assembly).await?;
    }
    Ok(assembly.finish().0)
}

async fn read_below(
    store: &dyn Store,
    prefix: &Prefix,
    revision: Revision,
    assembly: &mut Assembly,
) -> Result<(), StoreError> {
    let mut page = Some(Page::first(PAGE_KEYS));
    while let Some(asked) = page {
        let listed = store.list(prefix, Some(revision), asked).await?;
        page = listed.following(PAGE_KEYS);
        assembly.absorb(Assembly::of(listed.kvs));
    }
    Ok(())
}

/// Reads everything. While one page is read of the disk, those before it are read by other threads.
async fn read_at(store: &dyn Store, revision: Revision) -> Result<Assembly, StoreError> {
    let mut whole = Assembly::default();
    let mut known = None;
    for prefix in Place::prefixes() {
        if prefix.as_str() == CERTIFICATES {
            known = Some(Arc::new(whole.known()));
        }
        let mut reading = VecDeque::new();
        let mut page = Some(Page::first(PAGE_KEYS));
        while let Some(asked) = page {
            let listed = store.list(&prefix, Some(revision), asked).await?;
            page = listed.following(PAGE_KEYS);
            let (is_short, known) = (listed.kvs.len() < PAGE_KEYS, known.clone());
            let read = move || {
                let mut assembly = Assembly::of(listed.kvs);
                known.iter().for_each(|known: &Arc<Known>| assembly.share(known));
                assembly
            };
            if is_short && reading.is_empty() {
                whole.absorb(read());
                continue;
            }
            reading.push_back(tokio::task::spawn_blocking(read));
            if reading.len() > PAGES_AT_ONCE
                && let Some(first) = reading.pop_front()
            {
                whole.absorb(first.await.map_err(|error| StoreError::Unavailable(error.into()))?);
            }
        }
        for read in reading {
            whole.absorb(read.await.map_err(|error| StoreError::Unavailable(error.into()))?);
        }
    }
    Ok(whole)
}

/// Below these are as many keys as there are sites and certificates.
const MANY: [&str; 4] = ["sites/", "chains/", "keys/", CERTIFICATES];
/// Enough that all cores read, and few enough that not everything is in memory twice.
const PAGES_AT_ONCE: usize = 8;
/// Then something else is wrong, and the caller should know.
const MAX_ATTEMPTS: u32 = 3;

#[cfg(test)]
mod tests;
