//! Certificates with their keys opened, kept from one snapshot to the next.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use portward_core::{
    CertificateId, CertificateStatus, CertificateVersion, KeyId, SiteId, Thumbprint, Timestamp, VersionNumber,
};
use portward_proxy::{KeyError, ServedCertificate, Traffic};
use portward_store::{
    desired::{Desired, open_private_key},
    sealing::{MasterKey, Sealer, UnsealError},
};

use super::challenges::ChallengeCertificates;

/// Opens the private key of each version once, however many snapshots show it.
#[derive(Debug)]
pub(crate) struct Library {
    master: MasterKey,
    opened: HashMap<CertificateId, Opened>,
    /// What comes to each site is counted from snapshot to snapshot.
    traffic: HashMap<SiteId, Arc<Traffic>>,
    pub(super) challenges: ChallengeCertificates,
}

#[derive(Debug)]
struct Opened {
    version: VersionNumber,
    key: KeyId,
    leaf: Thumbprint,
    served: Arc<ServedCertificate>,
}

/// Says why a certificate of the store cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnservableError {
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

impl Library {
    /// An empty library, for what is sealed under that key.
    pub(crate) fn new(master: MasterKey) -> Self {
        Self { master, opened: HashMap::new(), traffic: HashMap::new(), challenges: ChallengeCertificates::default() }
    }

    /// The certificate ready for handshakes: the same value as before if neither version nor status is another.
    pub(crate) fn served(
        &mut self,
        desired: &Desired,
        id: &CertificateId,
        version: &CertificateVersion,
        status: CertificateStatus,
    ) -> Result<Arc<ServedCertificate>, UnservableError> {
        if let Some(opened) = self.opened.get_mut(id)
            && opened.version == version.number
            && opened.key == version.key
            && opened.leaf == version.facts.thumbprint
        {
            if opened.served.status != status {
                opened.served = Arc::new(ServedCertificate { status, ..(*opened.served).clone() });
            }
            return Ok(Arc::clone(&opened.served));
        }
        let sealed = desired.keys.get(&version.key).ok_or_else(|| UnservableError::NoKey(version.key.clone()))?;
        // A restore may bring another cluster's secrets.
        let cluster = desired.cluster.as_ref().ok_or(UnservableError::NoCluster)?;
        let sealer = Sealer::new(cluster.id.clone(), self.master.clone());
        let secret = open_private_key(&sealer, &version.key, sealed).map_err(UnservableError::Sealed)?;
        let self_signed = version.facts.self_signed;
        let served = ServedCertificate::new(id.clone(), &version.chain, secret.expose(), self_signed, status)
            .map_err(UnservableError::Key)?;
        let served = Arc::new(served);
        let opened = Opened {
            version: version.number,
            key: version.key.clone(),
            leaf: version.facts.thumbprint,
            served: Arc::clone(&served),
        };
        self.opened.insert(id.clone(), opened);
        Ok(served)
    }

    /// What counts the requests of a site: the same from its first snapshot to its last.
    pub(super) fn traffic(&mut self, site: &SiteId, now: Timestamp) -> Arc<Traffic> {
        let traffic = self.traffic.entry(site.clone()).or_insert_with(|| Arc::new(Traffic::since(now)));
        Arc::clone(traffic)
    }

    /// Forgets the keys of certificates, and the traffic of sites, that are not there any more.
    pub(crate) fn keep(&mut self, desired: &Desired) {
        self.opened.retain(|id, _| desired.certificate(id).is_some());
        let sites: HashSet<&SiteId> = desired.sites.iter().map(|stored| &stored.value.id).collect();
        self.traffic.retain(|id, _| sites.contains(id));
    }
}
