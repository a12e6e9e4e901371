//! Which certificate is the best one for each name.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use portward_core::{CertificateId, HostMap, HostPattern, preference};
use portward_proxy::ServedCertificate;

use super::library::Library;

/// Knows the best certificate for each name, and who else has the name.
#[derive(Debug, Default)]
pub(super) struct Names {
    best: HostMap<Arc<ServedCertificate>>,
    /// All that have a name, where these are several.
    several: HashMap<HostPattern, BTreeSet<CertificateId>>,
}

impl Names {
    /// Nothing is known yet; so many names do not make it grow.
    pub(super) fn with_room_for(names: usize) -> Self {
        Self { best: HostMap::with_room_for(names), several: HashMap::new() }
    }

    /// The best certificate for each name.
    pub(super) fn best(&self) -> &HostMap<Arc<ServedCertificate>> {
        &self.best
    }

    /// Whether a certificate is the best one for a name.
    pub(super) fn is_best(&self, name: &HostPattern, id: &CertificateId) -> bool {
        self.best.at(name).is_some_and(|best| best.id == *id)
    }

    /// All certificates that have a name.
    pub(super) fn all(&self, name: &HostPattern) -> BTreeSet<CertificateId> {
        match self.several.get(name) {
            Some(all) => all.clone(),
            None => self.best.at(name).map(|best| best.id.clone()).into_iter().collect(),
        }
    }

    /// Whether several certificates have a name.
    pub(super) fn has_several(&self, name: &HostPattern) -> bool {
        self.several.get(name).is_some_and(|all| all.len() > 1)
    }

    /// Has a certificate count for a name; [`Names::settle`] must follow.
    pub(super) fn add(&mut self, name: &HostPattern, served: &Arc<ServedCertificate>) {
        match (self.several.get_mut(name), self.best.at(name)) {
            (Some(all), _) => {
                all.insert(served.id.clone());
            }
            (None, None) => {
                self.best.insert(name, Arc::clone(served));
            }
            (None, Some(other)) if other.id == served.id => {}
            (None, Some(other)) => {
                let both = BTreeSet::from([other.id.clone(), served.id.clone()]);
                self.several.insert(name.clone(), both);
            }
        }
    }

    /// Has a certificate not count for a name any more; [`Names::settle`] must follow.
    pub(super) fn remove(&mut self, name: &HostPattern, id: &CertificateId) {
        if let Some(all) = self.several.get_mut(name) {
            all.remove(id);
        } else if self.is_best(name, id) {
            self.best.remove(name);
        }
    }

    /// Finds the best one for a name anew.
    pub(super) fn settle(&mut self, name: &HostPattern, library: &Library) {
        let all = self.all(name);
        let mut best: Option<(&Arc<ServedCertificate>, _)> = None;
        for usable in all.iter().filter_map(|id| library.usable(id)) {
            let rank = preference(usable.facts(), usable.served.status);
            if best.as_ref().is_none_or(|(_, other)| *other < rank) {
                best = Some((&usable.served, rank));
            }
        }
        match best {
            // Put in again only if it is another one, so that what is shared stays shared.
            Some((best, _)) if self.best.at(name).is_some_and(|now| Arc::ptr_eq(now, best)) => {}
            Some((best, _)) => {
                self.best.insert(name, Arc::clone(best));
            }
            None => {
                self.best.remove(name);
            }
        }
        if all.len() < 2 {
            self.several.remove(name);
        }
    }
}
