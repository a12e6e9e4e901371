//! Who has a name, and who names a certificate: found without going through all sites and certificates.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use portward_core::{CertificateId, Holders, Host, HostPattern, Keyed, Site, SiteCertificate, SiteId, Sorted};

use super::{Desired, Stored, StoredCertificate};

/// Knows who has which name in a desired state.
///
/// It is made when it is asked for the first time, which a server does as soon as it serves; from then on a change costs the same however many names there are.
#[derive(Clone, Debug, Default)]
pub struct NameIndex {
    /// Of which it knows the names.
    sites: Sorted<Stored<Site>>,
    certificates: Sorted<StoredCertificate>,
    of_sites: Holders<Stored<Site>>,
    of_certificates: Holders<StoredCertificate>,
    fixed: Sorted<FixedSites>,
    portal_sites: Arc<BTreeSet<SiteId>>,
}

/// Is the sites that name a certificate.
#[derive(Clone, Debug)]
struct FixedSites {
    certificate: CertificateId,
    sites: BTreeSet<SiteId>,
}

/// Holds the newest index that was asked for; all clones of a desired state share it.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Arc<NameIndex>>>);

impl Desired {
    /// Who has which name in this desired state, whatever was done to it since it was read.
    pub fn names(&self) -> Arc<NameIndex> {
        let mut kept = self.names.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut kept).follow(&self.sites, &self.certificates);
        Arc::clone(&kept)
    }
}

impl NameIndex {
    /// The sites that have exactly that name.
    pub fn sites(&self, name: &HostPattern) -> impl Iterator<Item = &SiteId> {
        let all = self.of_sites.at(name).iter().filter(move |stored| stored.value.names.contains(name));
        all.map(|stored| &stored.value.id)
    }

    /// The certificates of which a version has exactly that name.
    pub fn certificates(&self, name: &HostPattern) -> impl Iterator<Item = &CertificateId> {
        let all = self.of_certificates.at(name).iter().filter(move |stored| names_of(stored).any(|has| has == name));
        all.map(|stored| &stored.value.id)
    }

    /// The certificates of which a version has a name that covers that one; some may come twice.
    pub fn covering(&self, name: &HostPattern) -> impl Iterator<Item = &CertificateId> {
        let above = match name {
            HostPattern::Exact(Host::Name(host)) => host.parent().and_then(wildcard),
            _ => None,
        };
        let above: Vec<&CertificateId> = above.iter().flat_map(|above| self.certificates(above)).collect();
        self.certificates(name).chain(above).chain(self.certificates(&HostPattern::Any))
    }

    /// The sites that name a certificate.
    pub fn sites_fixed_to(&self, certificate: &CertificateId) -> impl Iterator<Item = &SiteId> {
        self.fixed.get(certificate).into_iter().flat_map(|fixed| &fixed.sites)
    }

    /// The sites that lead to the portal.
    pub fn portal_sites(&self) -> impl Iterator<Item = &SiteId> {
        self.portal_sites.iter()
    }

    /// Learns what is another than before.
    fn follow(&mut self, sites: &Sorted<Stored<Site>>, certificates: &Sorted<StoredCertificate>) {
        if self.sites.is_empty() && self.certificates.is_empty() {
            self.of_sites = Holders::with_room_for(sites.len());
            self.of_certificates = Holders::with_room_for(certificates.len());
        }
        let before = std::mem::replace(&mut self.sites, sites.clone());
        for (was, is) in Sorted::differences(&before, sites) {
            if let Some(was) = was {
                self.remove_site(was);
            }
            if let Some(is) = is {
                self.add_site(is);
            }
        }
        let before = std::mem::replace(&mut self.certificates, certificates.clone());
        for (was, is) in Sorted::differences(&before, certificates) {
            if let Some(was) = was {
                names_of(was).for_each(|name| self.of_certificates.remove(name, &was.value.id));
            }
            if let Some(is) = is {
                names_of(is).for_each(|name| self.of_certificates.insert(name, is));
            }
        }
    }

    fn add_site(&mut self, stored: &Arc<Stored<Site>>) {
        let site = &stored.value;
        for name in &site.names {
            self.of_sites.insert(name, stored);
        }
        if site.is_portal() {
            Arc::make_mut(&mut self.portal_sites).insert(site.id.clone());
        }
        if let SiteCertificate::Fixed(id) = &site.certificate {
            let mut fixed = self.fixed_to(id);
            fixed.sites.insert(site.id.clone());
            self.fixed.insert(fixed);
        }
    }

    fn remove_site(&mut self, stored: &Stored<Site>) {
        let site = &stored.value;
        for name in &site.names {
            self.of_sites.remove(name, &site.id);
        }
        if site.is_portal() {
            Arc::make_mut(&mut self.portal_sites).remove(&site.id);
        }
        if let SiteCertificate::Fixed(id) = &site.certificate {
            let mut fixed = self.fixed_to(id);
            fixed.sites.remove(&site.id);
            match fixed.sites.is_empty() {
                true => self.fixed.remove(id),
                false => self.fixed.insert(fixed),
            };
        }
    }

    fn fixed_to(&self, id: &CertificateId) -> FixedSites {
        let none = || FixedSites { certificate: id.clone(), sites: BTreeSet::new() };
        self.fixed.get(id).cloned().unwrap_or_else(none)
    }
}

fn names_of(stored: &StoredCertificate) -> impl Iterator<Item = &HostPattern> {
    stored.value.versions.iter().flat_map(|version| &version.facts.names)
}

fn wildcard(parent: &str) -> Option<HostPattern> {
    HostPattern::parse(&format!("*.{parent}")).ok()
}

impl Keyed for FixedSites {
    type Key = CertificateId;

    fn key(&self) -> &CertificateId {
        &self.certificate
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::sample;

    fn name(text: &str) -> HostPattern {
        HostPattern::parse(text).unwrap()
    }

    fn site(id: &str, names: &[&str], certificate: Option<&str>) -> Stored<Site> {
        let names = names.iter().map(|text| name(text)).collect();
        let certificate =
            certificate.map_or(SiteCertificate::Auto, |id| SiteCertificate::Fixed(sample::certificate_id(id)));
        let value = Site { id: SiteId::parse(id).unwrap(), names, certificate, ..sample::site(id) };
        Stored { value, revision: crate::Revision(1) }
    }

    fn ids<'a, I: fmt::Display + 'a>(ids: impl Iterator<Item = &'a I>) -> Vec<String> {
        ids.map(ToString::to_string).collect()
    }

    #[test]
    fn it_follows_whatever_is_done_to_a_desired_state() {
        let mut desired = Desired::default();
        assert_eq!(ids(desired.names().sites(&name("a.test"))), [""; 0]);
        desired.sites.insert(site("s1", &["a.test", "*.b.test"], None));
        desired.sites.insert(site("s2", &["a.test"], Some("c1")));
        let before = desired.clone();
        desired.sites.insert(site("s3", &["a.test"], Some("c1")));
        desired.sites.insert(site("s2", &["c.test"], Some("c2")));
        desired.sites.remove(&SiteId::parse("s1").unwrap());
        let c = |id: &str| sample::certificate_id(id);
        for _ in 0..2 {
            let names = desired.names();
            assert_eq!(ids(names.sites(&name("a.test"))), ["s3"]);
            assert_eq!(ids(names.sites(&name("c.test"))), ["s2"]);
            assert_eq!(ids(names.sites(&name("*.b.test"))), [""; 0]);
            assert_eq!(
                (ids(names.sites_fixed_to(&c("c1"))), ids(names.sites_fixed_to(&c("c2")))),
                (vec!["s3".into()], vec!["s2".into()])
            );
            let names = before.names();
            assert_eq!(ids(names.sites(&name("a.test"))), ["s1", "s2"]);
            assert_eq!(ids(names.sites(&name("*.b.test"))), ["s1"]);
            assert_eq!(
                (ids(names.sites_fixed_to(&c("c1"))), ids(names.sites_fixed_to(&c("c2")))),
                (vec!["s2".into()], vec![])
            );
        }
    }

    #[test]
    fn a_certificate_is_found_by_each_name_that_it_covers() {
        let mut desired = Desired::default();
        for (id, names) in [("c1", &["a.b.test"][..]), ("c2", &["*.b.test", "a.b.test"]), ("c3", &["*.b.test"])] {
            desired.certificates.insert(sample::stored_certificate(id, names));
        }
        let names = desired.names();
        assert_eq!(ids(names.certificates(&name("a.b.test"))), ["c1", "c2"]);
        let mut covering = ids(names.covering(&name("a.b.test")));
        covering.sort();
        covering.dedup();
        assert_eq!(covering, ["c1", "c2", "c3"]);
        assert_eq!(ids(names.covering(&name("*.b.test"))), ["c2", "c3"]);
        assert_eq!(ids(names.covering(&name("b.test"))), [""; 0]);
        desired.certificates.remove(&sample::certificate_id("c2"));
        assert_eq!(ids(desired.names().covering(&name("x.b.test"))), ["c3"]);
        desired.certificates.remove(&sample::certificate_id("c3"));
        assert_eq!(ids(desired.names().covering(&name("x.b.test"))), [""; 0]);
    }
}
