//! Certificates as they are served: kept from one snapshot to the next.

mod sites;

use std::{
    borrow::Borrow,
    collections::{BTreeSet, HashSet, VecDeque},
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use portward_core::{CertificateId, CertificateStatus, CertificateVersion, Finder, KeyId, LeafFacts, VersionNumber};
use portward_proxy::{KeyError, OpenKey, OpenKeys, ServedCertificate, ServedKey, certified_key};
use portward_store::{
    desired::{Desired, StoredKey, open_private_key},
    sealing::{MasterKey, Sealer, UnsealError},
};
use rustls::sign::CertifiedKey;

pub(super) use sites::SiteLibrary;

use crate::app::chain_text;

/// Holds all certificates that can be served. Their private keys stay sealed until a handshake needs them.
#[derive(Debug)]
pub(super) struct Library {
    master: MasterKey,
    /// For the cluster that the store says it is of.
    sealer: Option<(String, Arc<Sealer>)>,
    usable: HashSet<Usable>,
    open: Arc<OpenKeys>,
    /// How many more keys are opened while this snapshot is built, to see whether they open.
    budget: usize,
    /// Those of which that is to be seen afterwards.
    unchecked: VecDeque<CertificateId>,
    /// Those whose keys did not open then: it is looked at at once what is wrong.
    doubtful: BTreeSet<CertificateId>,
}

/// Is a certificate that can be served.
#[derive(Debug)]
pub(super) struct Usable {
    pub(super) served: Arc<ServedCertificate>,
    key: Arc<SealedKey>,
}

/// Says why a certificate of the store cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnservableError {
    /// The record of the version in use is missing or cannot be read.
    #[error("version {0} is to be served, and it is missing or cannot be read")]
    NoVersion(VersionNumber),
    /// The record of its private key is missing or cannot be read.
    #[error("its private key \"{0}\" is missing in the store")]
    NoKey(KeyId),
    /// Nothing says for whom its private key is sealed.
    #[error("the store does not say whose it is")]
    NoCluster,
    /// The private key does not open.
    #[error("its private key cannot be opened")]
    Sealed(#[source] UnsealError),
    /// Key and chain cannot be served together.
    #[error("it cannot be served")]
    Key(#[source] KeyError),
}

/// Is a private key as it is stored, with the chain that it is for.
struct SealedKey {
    sealer: Arc<Sealer>,
    version: Arc<CertificateVersion>,
    stored: Arc<StoredKey>,
}

impl Library {
    /// An empty library, for what is sealed under that key.
    pub(super) fn new(master: MasterKey) -> Self {
        Self {
            master,
            sealer: None,
            usable: HashSet::new(),
            open: OpenKeys::new(OPEN_KEYS),
            budget: 0,
            unchecked: VecDeque::new(),
            doubtful: BTreeSet::new(),
        }
    }

    /// Begins another snapshot.
    pub(super) fn begin(&mut self) {
        self.budget = OPENED_AT_ONCE;
    }

    /// The certificate of that id, if it can be served.
    pub(super) fn usable(&self, id: &CertificateId) -> Option<&Usable> {
        self.usable.get(id)
    }

    /// All that can be served, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Usable> {
        self.usable.iter()
    }

    /// Whether no certificate can be served.
    pub(super) fn is_empty(&self) -> bool {
        self.usable.is_empty()
    }

    /// Puts a certificate in, ready for handshakes: the same value as before if neither version nor status is another.
    ///
    /// `keys` are those of the desired state; who puts in many in the order of their ids has them found at once.
    pub(super) fn put(
        &mut self,
        desired: &Desired,
        keys: &mut Finder<'_, StoredKey>,
        id: &CertificateId,
        version: &Arc<CertificateVersion>,
        status: CertificateStatus,
    ) -> Result<(), UnservableError> {
        let key = &version.key;
        let stored = keys.find(key).ok_or_else(|| UnservableError::NoKey(key.clone()))?;
        let before = self.usable.get(id).filter(|_| !self.doubtful.contains(id));
        let usable = match before.filter(|usable| usable.key.is(version, stored)) {
            Some(usable) if usable.served.status == status => None,
            Some(usable) => {
                let served = Arc::new(ServedCertificate { status, ..(*usable.served).clone() });
                Some(Usable { served, key: Arc::clone(&usable.key) })
            }
            None => Some(self.make(desired, id, version, stored, status)?),
        };
        if let Some(usable) = usable {
            self.usable.replace(usable);
        }
        Ok(())
    }

    fn make(
        &mut self,
        desired: &Desired,
        id: &CertificateId,
        version: &Arc<CertificateVersion>,
        stored: &Arc<StoredKey>,
        status: CertificateStatus,
    ) -> Result<Usable, UnservableError> {
        let sealer = self.sealer(desired)?;
        let opener = Arc::new(SealedKey { sealer, version: Arc::clone(version), stored: Arc::clone(stored) });
        let key = ServedKey::sealed(Arc::clone(&opener) as _, &self.open);
        if self.doubtful.remove(id) || self.budget > 0 {
            self.budget = self.budget.saturating_sub(1);
            if !key.opens() {
                opener.try_open()?;
            }
        } else {
            self.unchecked.push_back(id.clone());
        }
        let LeafFacts { thumbprint, self_signed, .. } = *version.facts;
        let served = Arc::new(ServedCertificate { id: id.clone(), thumbprint, self_signed, status, key });
        Ok(Usable { served, key: opener })
    }

    /// Takes a certificate out.
    pub(super) fn remove(&mut self, id: &CertificateId) {
        self.usable.remove(id);
    }

    /// Keeps those certificates alone of which a desired state knows, and makes room for all of them.
    pub(super) fn retain_known(&mut self, desired: &Desired) {
        self.usable.retain(|usable| desired.certificate(&usable.served.id).is_some());
        self.usable.reserve(desired.certificates.len().saturating_sub(self.usable.len()));
    }

    /// Some of the certificates of which it was not seen yet whether their keys open; none if there are no more.
    pub(super) fn take_unchecked(&mut self) -> Vec<(CertificateId, Arc<ServedKey>)> {
        let some = self.unchecked.len().min(CHECKED_AT_ONCE);
        let keys = self.unchecked.drain(..some);
        let keys = keys.filter_map(|id| {
            let key = Arc::clone(&self.usable.get(&id)?.served.key);
            Some((id, key))
        });
        let keys = keys.collect();
        if self.unchecked.is_empty() {
            self.unchecked.shrink_to_fit();
        }
        keys
    }

    /// Has the keys of these certificates looked at when they are put in the next time.
    pub(super) fn doubt(&mut self, ids: impl IntoIterator<Item = CertificateId>) {
        self.doubtful.extend(ids);
    }

    /// A restore may bring another cluster's secrets.
    fn sealer(&mut self, desired: &Desired) -> Result<Arc<Sealer>, UnservableError> {
        let cluster = desired.cluster.as_ref().ok_or(UnservableError::NoCluster)?;
        match &self.sealer {
            Some((id, sealer)) if *id == cluster.id => Ok(Arc::clone(sealer)),
            _ => {
                let sealer = Arc::new(Sealer::new(cluster.id.clone(), self.master.clone()));
                self.sealer = Some((cluster.id.clone(), Arc::clone(&sealer)));
                Ok(sealer)
            }
        }
    }
}

impl Usable {
    /// What its leaf says.
    pub(super) fn facts(&self) -> &LeafFacts {
        &self.key.version.facts
    }
}

/// There is one for each certificate, which is found by its id.
impl Borrow<CertificateId> for Usable {
    fn borrow(&self) -> &CertificateId {
        &self.served.id
    }
}

impl Hash for Usable {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.served.id.hash(state);
    }
}

impl PartialEq for Usable {
    fn eq(&self, other: &Self) -> bool {
        self.served.id == other.served.id
    }
}

impl Eq for Usable {}

impl SealedKey {
    /// Whether it is the one of a version.
    fn is(&self, version: &CertificateVersion, stored: &Arc<StoredKey>) -> bool {
        self.version.number == version.number
            && self.version.key == version.key
            && self.version.facts.thumbprint == version.facts.thumbprint
            && (Arc::ptr_eq(&self.stored, stored) || self.stored == *stored)
    }

    fn try_open(&self) -> Result<Arc<CertifiedKey>, UnservableError> {
        let secret =
            open_private_key(&self.sealer, &self.stored.id, &self.stored.sealed).map_err(UnservableError::Sealed)?;
        certified_key(&self.version.chain, secret.expose()).map_err(UnservableError::Key)
    }
}

impl OpenKey for SealedKey {
    fn open(&self) -> Option<Arc<CertifiedKey>> {
        match self.try_open() {
            Ok(key) => Some(key),
            Err(error) => {
                tracing::error!(key = %self.version.key, error = chain_text(&error), "a private key cannot be used");
                None
            }
        }
    }
}

impl fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedKey").field("id", &self.version.key).finish_non_exhaustive()
    }
}

/// A chain and a key that are open take some 6 KiB, so these are 24 MiB, once so many are asked for.
const OPEN_KEYS: usize = 4096;
/// To open a key takes some 100 µs; with so many, who waits for a change does not notice.
const OPENED_AT_ONCE: usize = 256;
/// Who waits for a change waits for these too.
const CHECKED_AT_ONCE: usize = 512;
