//! Who uses which certificate: the sites that it is presented for, and the bindings whose default it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use portward_core::{
    BindingId, CertificateId, Host, HostMap, HostPattern, LeafFacts, SiteCertificate, SiteId, Timestamp, preference,
};
use portward_store::desired::{Desired, NameIndex, StoredCertificate};

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

    /// Says who uses one certificate now.
    pub(crate) fn uses_of_certificate(&self, _by: &Allowed<right::View>, id: &CertificateId) -> Option<Uses> {
        Usage::of_these(&self.served().desired, [id], self.now()).uses.remove(id)
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

    /// Finds out the same of some certificates, without going through the others.
    pub(crate) fn of_these<'a>(
        desired: &Desired,
        ids: impl IntoIterator<Item = &'a CertificateId>,
        now: Timestamp,
    ) -> Self {
        let names = desired.names();
        let mut sites: BTreeMap<&CertificateId, BTreeSet<&SiteId>> = BTreeMap::new();
        let mut uses: BTreeMap<CertificateId, Uses> = BTreeMap::new();
        let mut wildcards: HashMap<&str, &CertificateId> = HashMap::new();
        let is_auto =
            |id: &&SiteId| desired.site(id).is_some_and(|stored| stored.value.certificate == SiteCertificate::Auto);
        for id in ids {
            let used_by = sites.entry(id).or_default();
            used_by.extend(names.sites_fixed_to(id));
            let facts = desired.certificate(id).and_then(presentable_facts);
            for name in facts.into_iter().flat_map(|facts| &facts.names) {
                if *name == HostPattern::Any || best_at(desired, &names, name, now) != Some(id) {
                    continue;
                }
                used_by.extend(names.sites(name).filter(is_auto));
                if let HostPattern::Wildcard(base) = name {
                    wildcards.insert(base.as_str(), id);
                }
            }
            for stored in desired.bindings.iter().filter(|stored| stored.value.default_certificate.as_ref() == Some(id))
            {
                uses.entry(id.clone()).or_default().bindings.push(stored.value.id.clone());
            }
        }
        // Nobody knows which names lie below one.
        let below = desired.sites.iter().filter(|_| !wildcards.is_empty()).map(|stored| &stored.value);
        for site in below.filter(|site| site.certificate == SiteCertificate::Auto) {
            for name in &site.names {
                let HostPattern::Exact(Host::Name(host)) = name else { continue };
                let Some(id) = host.parent().and_then(|parent| wildcards.get(parent)) else { continue };
                if best_at(desired, &names, name, now).is_none() {
                    sites.entry(id).or_default().insert(&site.id);
                }
            }
        }
        for (id, sites) in sites.into_iter().filter(|(_, sites)| !sites.is_empty()) {
            uses.entry(id.clone()).or_default().sites = sites.into_iter().cloned().collect();
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

/// What the leaf says that is presented where a certificate is chosen; none if it is chosen nowhere.
fn presentable_facts(stored: &StoredCertificate) -> Option<&LeafFacts> {
    let version = stored.value.current_version().filter(|_| stored.value.key_on().is_none())?;
    Some(&version.facts)
}

/// The best certificate of those that have exactly that name, as the publish task chooses.
fn best_at<'a>(
    desired: &'a Desired,
    names: &NameIndex,
    name: &HostPattern,
    now: Timestamp,
) -> Option<&'a CertificateId> {
    let mut best: Option<(&CertificateId, _)> = None;
    for stored in names.certificates(name).filter_map(|id| desired.certificate(id)) {
        let Some(facts) = presentable_facts(stored).filter(|facts| facts.names.contains(name)) else { continue };
        let rank = preference(facts, facts.validity.status(now, desired.settings.warning));
        if best.as_ref().is_none_or(|(_, other)| *other < rank) {
            best = Some((&stored.value.id, rank));
        }
    }
    best.map(|(id, _)| id)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_api::SiteCreate;

    use super::*;
    use crate::{
        app::{Apply, Precondition},
        fixture::{Fixture, binding, bundle, by, import, site},
    };

    #[tokio::test]
    async fn some_are_used_by_those_who_use_them_among_all() {
        let fixture = Fixture::start().await;
        let app = &fixture.app;
        for names in
            [&["a.shop.test", "b.shop.test"][..], &["*.shop.test"], &["a.shop.test"], &["other.test"], &["x.test"]]
        {
            let wanted = import(&bundle(names, 90), None);
            app.import_certificate(&by(), wanted, Precondition::None, Apply::Now).await.unwrap();
        }
        let ids = app.certificate_ids(&by());
        let fixed = SiteCreate { certificate: Some("other-test".to_owned()), ..site(&["other.test"]) };
        for site in [site(&["a.shop.test", "c.shop.test"]), site(&["*.shop.test", "b.shop.test"]), site(&["*"]), fixed]
        {
            app.add_site(&by(), &site, Apply::Now).await.unwrap();
        }
        app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
        let (desired, now) = (&app.served().desired, app.now());
        let all = Usage::of(desired, now);
        let used: Vec<_> = ids.iter().filter(|id| all.get(id).is_some()).collect();
        assert!(used.len() >= 3 && used.len() < ids.len(), "{used:?} of {ids:?}");
        let together = Usage::of_these(desired, &ids, now);
        for id in &ids {
            assert_eq!(Usage::of_these(desired, [id], now).get(id), all.get(id), "{id}");
            assert_eq!(together.get(id), all.get(id), "{id}");
        }
    }
}
