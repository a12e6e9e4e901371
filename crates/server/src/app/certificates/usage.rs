//! Who uses which certificate: the sites that it is presented for, and the bindings whose default it is.

use std::collections::{BTreeMap, HashMap};

use portward_core::{BindingId, CertificateId, HostMap, HostPattern, SiteCertificate, SiteId, Timestamp, preference};
use portward_store::desired::Desired;

use crate::app::{Allowed, App, right};

/// Knows who uses which certificate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    uses: BTreeMap<CertificateId, Uses>,
}

/// Is who uses one certificate, in the order of ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    /// Sites that name it, or for a name of which it is the best one there is.
    pub(crate) sites: Vec<SiteId>,
    /// Bindings that present it to clients that name no host, or one that no certificate has.
    pub(crate) bindings: Vec<BindingId>,
}

impl App {
    /// Says who uses which certificate now.
    pub(crate) fn certificate_usage(&self, _by: &Allowed<right::View>) -> Usage {
        Usage::of(&self.served().desired, self.now())
    }
}

impl Usage {
    /// Finds out who uses which certificate, by the rules by which they are presented.
    pub(crate) fn of(desired: &Desired, now: Timestamp) -> Self {
        let mut uses: BTreeMap<CertificateId, Uses> = BTreeMap::new();
        let best = best_by_name(desired, now);
        for stored in &desired.sites {
            let site = &stored.value;
            let mut presented: Vec<&CertificateId> = match &site.certificate {
                SiteCertificate::Fixed(id) => vec![id],
                SiteCertificate::Auto => site.names.iter().filter_map(|name| for_name(&best, name)).collect(),
            };
            presented.sort_unstable();
            presented.dedup();
            for id in presented {
                uses.entry(id.clone()).or_default().sites.push(site.id.clone());
            }
        }
        for stored in &desired.bindings {
            if let Some(id) = &stored.value.default_certificate {
                uses.entry(id.clone()).or_default().bindings.push(stored.value.id.clone());
            }
        }
        Self { uses }
    }

    /// Who uses that one; none if nobody does.
    pub(crate) fn get(&self, id: &CertificateId) -> Option<&Uses> {
        self.uses.get(id)
    }
}

fn for_name<'a>(best: &HostMap<&'a CertificateId>, name: &HostPattern) -> Option<&'a CertificateId> {
    match name {
        HostPattern::Any => None,
        HostPattern::Exact(host) => best.find(host).copied(),
        HostPattern::Wildcard(_) => best.at(name).copied(),
    }
}

/// The best certificate for each name, as the publish task chooses.
fn best_by_name(desired: &Desired, now: Timestamp) -> HostMap<&CertificateId> {
    let mut best: HashMap<&HostPattern, (&CertificateId, (bool, bool, Timestamp))> = HashMap::new();
    for stored in desired.presentable() {
        let Some(version) = stored.value.current_version() else { continue };
        let rank = preference(&version.facts, version.facts.validity.status(now, desired.settings.warning));
        for name in version.facts.names.iter().filter(|name| **name != HostPattern::Any) {
            match best.get(name) {
                Some((_, other)) if *other >= rank => {}
                _ => {
                    best.insert(name, (&stored.value.id, rank));
                }
            }
        }
    }
    let mut map = HostMap::new();
    for (name, (id, _)) in best {
        map.insert(name, id);
    }
    map
}
