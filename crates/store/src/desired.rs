//! Reading all that operators asked for, as it was at one revision.

mod assembly;

use std::{collections::BTreeMap, sync::Arc};

use portward_core::{Binding, Certificate, CertificateId, KeyId, Settings, Site};

use crate::{
    Key, Kv, Page, Revision, Store, StoreError,
    challenge::HttpChallenge,
    cluster::Cluster,
    place::Place,
    records::RecordError,
    sealing::{Sealed, Sealer, Secret, UnsealError},
};

/// Holds the whole desired state at one revision.
///
/// A record that cannot be read is left out and told of in [`Desired::bad`]; everything else is there.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// The revision at which everything was read.
    pub revision: Revision,
    /// Whose it is; none if the store is empty.
    pub cluster: Option<Cluster>,
    /// In the order of their ids.
    pub bindings: Vec<Stored<Binding>>,
    /// In the order of their ids.
    pub sites: Vec<Stored<Site>>,
    /// In the order of their ids.
    pub certificates: Vec<StoredCertificate>,
    /// Defaults stand in for what was never set.
    pub settings: Settings,
    /// When a setting was last written; zero if none ever was.
    pub settings_revision: Revision,
    /// Answers that http-01 challenges wait for.
    pub challenges: Vec<HttpChallenge>,
    /// Private keys, sealed.
    pub keys: BTreeMap<KeyId, Arc<Sealed>>,
    /// What could not be read.
    pub bad: Vec<BadRecord>,
}

/// Is a thing, and the revision that last wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    /// The thing.
    pub value: T,
    /// What a change expects to find; see [`Expected::At`](crate::change::Expected::At).
    pub revision: Revision,
}

/// Is a certificate, with the revisions of the records that it is made of.
///
/// Its [`Certificate::current`] is number 0 while there is no version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCertificate {
    /// The certificate.
    pub value: Certificate,
    /// When its name or management was last written.
    pub spec_revision: Revision,
    /// When the number of the version that is served was last written; none if it never was.
    pub current_revision: Option<Revision>,
}

/// Tells of a record that was left out.
#[derive(Clone, Debug)]
pub struct BadRecord {
    /// Where it is.
    pub key: Key,
    /// Why it cannot be read.
    pub reason: Arc<RecordError>,
}

impl Desired {
    /// The certificate of that id.
    pub fn certificate(&self, id: &CertificateId) -> Option<&StoredCertificate> {
        let index = self.certificates.binary_search_by(|stored| stored.value.id.cmp(id)).ok()?;
        self.certificates.get(index)
    }
}

impl StoredCertificate {
    /// The newest revision that wrote a record which can be changed.
    pub fn revision(&self) -> Revision {
        self.current_revision.map_or(self.spec_revision, |current| current.max(self.spec_revision))
    }
}

/// Opens a private key (PKCS #8 in DER) that [`Desired::keys`] holds.
pub fn open_private_key(sealer: &Sealer, id: &KeyId, sealed: &Sealed) -> Result<Secret, UnsealError> {
    sealer.open(&Place::PrivateKey(id.clone()).key(), PRIVATE_KEY_VERSION, sealed)
}

/// Reads the whole desired state at one revision. A bad record never makes it fail.
pub async fn read(store: &dyn Store) -> Result<Desired, StoreError> {
    let mut attempts = 0;
    loop {
        let revision = store.revision().await?;
        match read_at(store, revision).await {
            // More happened while we read than the store remembers: begin again with what is there now.
            Err(StoreError::Compacted { .. }) if attempts < MAX_ATTEMPTS => attempts += 1,
            Ok(kvs) => return Ok(assembly::assemble(revision, kvs)),
            Err(error) => return Err(error),
        }
    }
}

async fn read_at(store: &dyn Store, revision: Revision) -> Result<Vec<Kv>, StoreError> {
    let mut kvs = Vec::new();
    for prefix in Place::prefixes() {
        let mut page = Some(Page::first(PAGE_KEYS));
        while let Some(asked) = page {
            let mut listed = store.list(&prefix, Some(revision), asked).await?;
            kvs.append(&mut listed.kvs);
            page = listed.following(PAGE_KEYS);
        }
    }
    Ok(kvs)
}

/// Private keys are written once; a new key has a new id.
pub(crate) const PRIVATE_KEY_VERSION: u64 = 1;
/// With certificates of 3 KB a page has about 3 MB.
const PAGE_KEYS: usize = 1000;
/// Then something else is wrong, and the caller should know.
const MAX_ATTEMPTS: u32 = 3;

#[cfg(test)]
mod tests;
