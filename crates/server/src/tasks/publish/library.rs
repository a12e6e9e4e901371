//! Certificates as they are served, and the traffic of sites: kept from one snapshot to the next.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt,
    sync::Arc,
};

use portward_core::{
    Balance, CertificateId, CertificateStatus, CertificateVersion, KeyId, Site, SiteId, Timestamp, Upstream,
    VersionNumber,
};
use portward_proxy::{
    Groups, KeyError, OpenKey, OpenKeys, ServedCertificate, ServedKey, ServedSite, StickyKey, Traffic, UpstreamHealth,
    certified_key,
};
use portward_store::{
    desired::{Desired, open_private_key},
    sealing::{MasterKey, Sealed, Sealer, UnsealError},
};
use rustls::sign::CertifiedKey;

use super::challenges::ChallengeCertificates;
use crate::app::chain_text;

/// Holds all certificates that can be served. Their private keys stay sealed until a handshake needs them.
#[derive(Debug)]
pub(crate) struct Library {
    master: MasterKey,
    /// For the cluster that the store says it is of.
    sealer: Option<(String, Arc<Sealer>)>,
    usable: HashMap<CertificateId, Usable>,
    open: Arc<OpenKeys>,
    /// How many more keys are opened while this snapshot is built, to see whether they open.
    budget: usize,
    /// Those of which that is to be seen afterwards.
    unchecked: VecDeque<CertificateId>,
    /// Those whose keys did not open then: it is looked at at once what is wrong.
    doubtful: BTreeSet<CertificateId>,
    /// Each site as it was built last: what comes to it is counted, and how its upstreams do is known, from snapshot to
    /// snapshot.
    sites: HashMap<SiteId, Arc<ServedSite>>,
    /// By what clients come back to an upstream: the same after a restart, and on every node.
    sticky: StickyKey,
    pub(super) challenges: ChallengeCertificates,
}

/// Is a certificate that can be served.
#[derive(Debug)]
pub(super) struct Usable {
    pub(super) served: Arc<ServedCertificate>,
    pub(super) version: Arc<CertificateVersion>,
    sealed: Arc<Sealed>,
    /// When time makes something else of it.
    pub(super) turns: Option<Timestamp>,
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
    sealed: Arc<Sealed>,
}

impl Library {
    /// An empty library, for what is sealed under that key.
    pub(crate) fn new(master: MasterKey) -> Self {
        let sticky = StickyKey::new(&master.derive("sticky cookies"));
        Self {
            master,
            sealer: None,
            usable: HashMap::new(),
            open: OpenKeys::new(OPEN_KEYS),
            budget: 0,
            unchecked: VecDeque::new(),
            doubtful: BTreeSet::new(),
            sites: HashMap::new(),
            sticky,
            challenges: ChallengeCertificates::default(),
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

    /// Whether no certificate can be served.
    pub(super) fn is_empty(&self) -> bool {
        self.usable.is_empty()
    }

    /// Puts a certificate in, ready for handshakes: the same value as before if neither version nor status is another.
    pub(super) fn put(
        &mut self,
        desired: &Desired,
        id: &CertificateId,
        version: &Arc<CertificateVersion>,
        status: CertificateStatus,
        turns: Option<Timestamp>,
    ) -> Result<(), UnservableError> {
        let sealed = desired.private_key(&version.key).ok_or_else(|| UnservableError::NoKey(version.key.clone()))?;
        if let Some(usable) = self.usable.get_mut(id)
            && !self.doubtful.contains(id)
            && usable.version.number == version.number
            && usable.version.key == version.key
            && usable.version.facts.thumbprint == version.facts.thumbprint
            && (Arc::ptr_eq(&usable.sealed, sealed) || usable.sealed == *sealed)
        {
            if usable.served.status != status {
                usable.served = Arc::new(ServedCertificate { status, ..(*usable.served).clone() });
            }
            usable.turns = turns;
            return Ok(());
        }
        let sealer = self.sealer(desired)?;
        let (version, sealed) = (Arc::clone(version), Arc::clone(sealed));
        let opener = Arc::new(SealedKey { sealer, version: Arc::clone(&version), sealed: Arc::clone(&sealed) });
        let key = ServedKey::sealed(Arc::clone(&opener) as _, &self.open);
        if self.doubtful.remove(id) || self.budget > 0 {
            self.budget = self.budget.saturating_sub(1);
            if !key.opens() {
                opener.try_open()?;
            }
        } else {
            self.unchecked.push_back(id.clone());
        }
        let (thumbprint, self_signed) = (version.facts.thumbprint, version.facts.self_signed);
        let served = Arc::new(ServedCertificate { id: id.clone(), thumbprint, self_signed, status, key });
        self.usable.insert(id.clone(), Usable { served, version, sealed, turns });
        Ok(())
    }

    /// Takes a certificate out.
    pub(super) fn remove(&mut self, id: &CertificateId) -> Option<Usable> {
        self.usable.remove(id)
    }

    /// Keeps those certificates alone.
    pub(super) fn retain(&mut self, is_there: impl Fn(&CertificateId) -> bool) {
        self.usable.retain(|id, _| is_there(id));
    }

    /// Some of the certificates of which it was not seen yet whether their keys open; none if there are no more.
    pub(super) fn take_unchecked(&mut self) -> Vec<(CertificateId, Arc<ServedKey>)> {
        let some = self.unchecked.len().min(CHECKED_AT_ONCE);
        let keys = self.unchecked.drain(..some);
        keys.filter_map(|id| {
            let key = Arc::clone(&self.usable.get(&id)?.served.key);
            Some((id, key))
        })
        .collect()
    }

    /// Has the keys of these certificates looked at when they are put in the next time.
    pub(super) fn doubt(&mut self, ids: impl IntoIterator<Item = CertificateId>) {
        self.doubtful.extend(ids);
    }

    /// What counts the requests of a site: the same from its first snapshot to its last.
    pub(super) fn traffic(&self, site: &SiteId, now: Timestamp) -> Arc<Traffic> {
        match self.sites.get(site) {
            Some(before) => Arc::clone(&before.traffic),
            None => Arc::new(Traffic::since(now)),
        }
    }

    /// The upstreams of a site: each with what was known of it before, unless a setting was changed by which it may
    /// have become another.
    pub(super) fn upstreams(&self, site: &Site) -> Groups {
        let before = self.sites.get(&site.id);
        let (trust, how) = (&site.upstream_trust, &site.forwarding);
        let is_same = before.is_some_and(|before| {
            before.upstream_trust == *trust
                && before.forwarding.health == how.health
                && before.forwarding.proxy_protocol == how.proxy_protocol
                && before.forwarding.http == how.http
        });
        // One that is in several groups is one and the same.
        let mut known: Vec<(Upstream, Arc<UpstreamHealth>)> = Vec::new();
        let sticky = (how.balance == Balance::Sticky).then_some((&self.sticky, &site.id));
        Groups::new(&site.upstreams, &how.routes, sticky, |upstream| {
            if let Some((_, health)) = known.iter().find(|(other, _)| other == upstream) {
                return Arc::clone(health);
            }
            let health = before.and_then(|before| before.upstreams.health(upstream)).cloned();
            if let Some(health) = health.as_ref().filter(|_| !is_same) {
                health.forgive();
            }
            let health = health.unwrap_or_default();
            known.push((upstream.clone(), Arc::clone(&health)));
            health
        })
    }

    /// Remembers a site as it was built.
    pub(super) fn remember(&mut self, site: &Arc<ServedSite>) {
        self.sites.insert(site.id.clone(), Arc::clone(site));
    }

    /// Forgets a site that is not there any more.
    pub(super) fn forget(&mut self, site: &SiteId) {
        self.sites.remove(site);
    }

    /// Forgets all sites that are not there any more.
    pub(super) fn retain_sites(&mut self, desired: &Desired) {
        self.sites.retain(|id, _| desired.site(id).is_some());
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

impl SealedKey {
    fn try_open(&self) -> Result<Arc<CertifiedKey>, UnservableError> {
        let secret =
            open_private_key(&self.sealer, &self.version.key, &self.sealed).map_err(UnservableError::Sealed)?;
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

/// A chain and a key that are open take some 6 KiB, so these are 24 MiB.
const OPEN_KEYS: usize = 4096;
/// To open a key takes some 100 µs; with so many, who waits for a change does not notice.
const OPENED_AT_ONCE: usize = 256;
/// Who waits for a change waits for these too.
const CHECKED_AT_ONCE: usize = 512;
