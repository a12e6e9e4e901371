//! Building a snapshot from the desired state. It cannot fail: what is bad is left out and told of.
//!
//! What is built is kept, and the next snapshot is made of it: only what was touched, and what hangs on that, is looked
//! at again. So one change costs the same however many sites and certificates there are.

mod sites;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use portward_core::{
    Binding, BindingProtocol, CertificateId, CertificateStatus, DialAddress, HostMap, HostPattern, LeafFacts,
    Management, SiteId, Timestamp, Validity, WarningPolicy,
};
use portward_proxy::{ServedBinding, ServedCertificate, ServedKey, ServedSite, Snapshot};
use portward_store::{
    desired::{Desired, Stored, StoredCertificate, Touched},
    sealing::MasterKey,
};

use super::{
    library::{Library, UnservableError},
    names::Names,
};
use crate::{
    app::chain_text,
    problem::{Problem, Subject},
    tasks::notice::{EXPIRED, EXPIRES_SOON},
};

/// Is what was built.
#[derive(Debug)]
pub(crate) struct Built {
    /// To be published.
    pub(crate) snapshot: Snapshot,
    /// What was left out of it, or should be looked at.
    pub(crate) problems: Vec<Problem>,
    /// When time alone makes another snapshot of the same state.
    pub(crate) changes_at: Option<Timestamp>,
}

/// Holds what snapshots are made of.
#[derive(Debug)]
pub(crate) struct Assembly {
    library: Library,
    names: Names,
    sites: HostMap<Arc<ServedSite>>,
    /// The sites that name a certificate.
    fixed: HashMap<CertificateId, BTreeSet<SiteId>>,
    /// When time makes something else of which certificate.
    turns: BTreeSet<(Timestamp, CertificateId)>,
    /// What was built last; none before the first time.
    before: Option<Desired>,
    /// Whether two sites have the same name, so that which of them is served hangs on both.
    is_contested: bool,
    of_certificates: BTreeMap<CertificateId, Problem>,
    of_bindings: Vec<Problem>,
    of_sites: BTreeMap<SiteId, Vec<Problem>>,
    of_dates: BTreeMap<CertificateId, Problem>,
}

impl Assembly {
    /// Nothing is built yet; private keys are sealed under that key.
    pub(crate) fn new(master: MasterKey) -> Self {
        Self {
            library: Library::new(master),
            names: Names::default(),
            sites: HostMap::new(),
            fixed: HashMap::new(),
            turns: BTreeSet::new(),
            before: None,
            is_contested: false,
            of_certificates: BTreeMap::new(),
            of_bindings: Vec::new(),
            of_sites: BTreeMap::new(),
            of_dates: BTreeMap::new(),
        }
    }

    /// Builds what is to be served at a time. `touched` says what may be another than when this was called before.
    pub(crate) fn build(&mut self, desired: &Desired, touched: &Touched, now: Timestamp) -> Built {
        self.library.begin();
        match self.before.take() {
            Some(before) if !touched.everything && !self.is_contested => {
                self.build_touched(desired, &before, touched, now);
                if self.is_contested {
                    self.build_everything(desired, now);
                }
            }
            _ => self.build_everything(desired, now),
        }
        self.before = Some(desired.clone());
        let mut bindings = self.bindings(desired);
        bindings.extend(super::challenges::bindings(desired));
        bindings.extend(super::agents::bindings(desired));
        let challenges = desired
            .challenges
            .iter()
            .map(|challenge| {
                ((challenge.host().clone(), challenge.token().into()), challenge.key_authorization().into())
            })
            .collect();
        let snapshot = Snapshot {
            trusted_proxies: desired.settings.trusted_proxies.clone(),
            revision: desired.revision,
            bindings,
            sites: self.sites.clone(),
            certificates: self.names.best().clone(),
            challenges,
            tls_challenges: self.library.challenges.of(desired),
            agent_protocols: super::agents::protocols(desired),
        };
        let changes_at = self.turns.first().map(|(at, _)| *at);
        Built { snapshot, problems: self.problems(desired), changes_at }
    }

    /// Some certificates of which it was not seen yet whether their private keys open.
    pub(crate) fn take_unchecked(&mut self) -> Vec<(CertificateId, Arc<ServedKey>)> {
        self.library.take_unchecked()
    }

    /// Has the private keys of these certificates looked at when they are touched the next time.
    pub(crate) fn doubt(&mut self, ids: impl IntoIterator<Item = CertificateId>) {
        self.library.doubt(ids);
    }

    fn build_everything(&mut self, desired: &Desired, now: Timestamp) {
        (self.names, self.sites) = (Names::default(), HostMap::new());
        self.fixed.clear();
        self.turns.clear();
        self.of_certificates.clear();
        self.of_sites.clear();
        self.of_dates.clear();
        self.is_contested = false;
        self.library.retain(|id| desired.certificate(id).is_some());
        self.library.retain_sites(desired);
        let mut several = HashSet::new();
        for stored in &desired.certificates {
            for name in self.put_certificate(desired, stored, now) {
                if self.names.all(&name).len() > 1 {
                    several.insert(name);
                }
            }
        }
        for name in several {
            self.names.settle(&name, &self.library);
        }
        for stored in &desired.sites {
            self.put_site(desired, stored, now);
        }
        for stored in &desired.certificates {
            self.put_date(desired, stored, now);
        }
    }

    fn build_touched(&mut self, desired: &Desired, before: &Desired, touched: &Touched, now: Timestamp) {
        let mut certificates = touched.certificates.clone();
        certificates.extend(self.turns.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| id.clone()));
        if !touched.certificates.is_empty() {
            // What was missing for one of these may have come.
            certificates.extend(self.of_certificates.keys().cloned());
        }
        // With whether they had a certificate.
        let mut names: HashMap<HostPattern, bool> = HashMap::new();
        let mut dates = certificates.clone();
        for id in &certificates {
            if let Some(usable) = self.library.usable(id) {
                let of_id: Vec<_> = served_names(&usable.version.facts).cloned().collect();
                if let Some(at) = usable.turns {
                    self.turns.remove(&(at, id.clone()));
                }
                for name in of_id {
                    dates.extend(self.names.all(&name));
                    self.names.remove(&name, id);
                    names.entry(name).or_insert(true);
                }
            }
            self.of_certificates.remove(id);
            match desired.certificate(id) {
                Some(stored) => {
                    let of_id = self.put_certificate(desired, stored, now);
                    for name in of_id {
                        let had = self.names.all(&name).len() > 1;
                        names.entry(name).or_insert(had);
                    }
                }
                None => drop(self.library.remove(id)),
            }
        }
        let mut sites = touched.sites.clone();
        for (name, had) in &names {
            self.names.settle(name, &self.library);
            dates.extend(self.names.all(name));
            if self.names.best().at(name).is_some() != *had {
                sites.extend(self.sites_by(desired, name));
            }
        }
        sites.extend(certificates.iter().filter_map(|id| self.fixed.get(id)).flatten().cloned());
        for id in &sites {
            if let Some(stored) = before.site(id) {
                dates.extend(self.remove_site(&stored.value));
            }
        }
        for id in &sites {
            match desired.site(id) {
                Some(stored) => dates.extend(self.put_site(desired, stored, now)),
                None => self.library.forget(id),
            }
        }
        for id in dates {
            self.of_dates.remove(&id);
            if let Some(stored) = desired.certificate(&id) {
                self.put_date(desired, stored, now);
            }
        }
    }

    /// The sites that may have no certificate any more, or have one now, with a name that has none any more, or one now.
    fn sites_by(&self, desired: &Desired, name: &HostPattern) -> Vec<SiteId> {
        let mut sites: Vec<SiteId> = self.sites.at(name).map(|site| site.id.clone()).into_iter().collect();
        if let HostPattern::Wildcard(_) = name {
            let is_below = |other: &HostPattern| name.covers(other);
            let below = desired.sites.iter().filter(|stored| stored.value.names.iter().any(is_below));
            sites.extend(below.map(|stored| stored.value.id.clone()));
        }
        sites
    }

    fn problems(&self, desired: &Desired) -> Vec<Problem> {
        let records = desired.bad.iter().map(|bad| {
            Problem::error(
                "bad-record",
                Subject::Record(bad.key.clone()),
                format!("the record is left out: {}", chain_text(&*bad.reason)),
                "install the Portward that wrote it, or go back to a backup: portward store restore FILE",
            )
        });
        let mut problems: Vec<Problem> = records.collect();
        problems.extend(self.of_certificates.values().cloned());
        problems.extend(self.of_bindings.iter().cloned());
        problems.extend(self.of_sites.values().flatten().cloned());
        problems.extend(self.of_dates.values().cloned());
        problems
    }

    /// Puts a certificate in if it can be served, and gives its names.
    fn put_certificate(&mut self, desired: &Desired, stored: &StoredCertificate, now: Timestamp) -> Vec<HostPattern> {
        let certificate = &stored.value;
        let id = &certificate.id;
        if certificate.key_on().is_some() {
            self.library.remove(id);
            return Vec::new();
        }
        let put = match certificate.current_version() {
            None => Err(UnservableError::NoVersion(certificate.current)),
            Some(version) => {
                let validity = version.facts.validity;
                let status = validity.status(now, desired.settings.warning);
                let turns = next_status_change(validity, now, desired.settings.warning);
                self.library.put(desired, id, version, status, turns)
            }
        };
        let (code, message) = match put {
            Ok(()) => {
                let Some(usable) = self.library.usable(id) else { return Vec::new() };
                self.turns.extend(usable.turns.map(|at| (at, id.clone())));
                let names: Vec<_> = served_names(&usable.version.facts).cloned().collect();
                for name in &names {
                    self.names.add(name, &usable.served);
                }
                return names;
            }
            Err(error @ UnservableError::NoVersion(_)) => ("certificate-without-version", error.to_string()),
            Err(error) => {
                let message = format!("the certificate \"{}\" is left out: {}", certificate.name, chain_text(&error));
                ("certificate-unusable", message)
            }
        };
        self.library.remove(id);
        let remedy = format!("import it again: portward certificate import FILE --replace {id}");
        let problem = Problem::error(code, Subject::Certificate(id.clone()), message, remedy);
        self.of_certificates.insert(id.clone(), problem);
        Vec::new()
    }

    fn bindings(&mut self, desired: &Desired) -> Vec<Arc<ServedBinding>> {
        let mut served = Vec::with_capacity(desired.bindings.len());
        self.of_bindings.clear();
        for Stored { value: binding, .. } in &desired.bindings {
            let default_certificate = match binding.protocol {
                BindingProtocol::Http | BindingProtocol::TlsPassthrough => None,
                BindingProtocol::Https => self.default_certificate(desired, binding),
            };
            let Binding { id, protocol, address, default_certificate: _, accept_proxy_from, to: _ } = binding;
            served.push(Arc::new(ServedBinding {
                default_certificate,
                accept_proxy_from: accept_proxy_from.clone(),
                passages: self.passages(desired, binding),
                ..ServedBinding::new(id.clone(), *protocol, *address)
            }));
        }
        served
    }

    /// Where names lead whose connections are passed through, without those that a site has.
    fn passages(&mut self, desired: &Desired, binding: &Binding) -> HostMap<DialAddress> {
        let mut passages = HostMap::new();
        for passage in &binding.to {
            let alone = Binding { to: vec![passage.clone()], ..binding.clone() };
            let sites = desired.sites.iter().map(|stored| &stored.value);
            let taken = sites.into_iter().find(|site| alone.takes_from(&site.names).is_some());
            let Some(site) = taken else {
                passages.insert(&passage.name, passage.target.clone());
                continue;
            };
            self.of_bindings.push(Problem::error(
                "passage-name-taken",
                Subject::Binding(binding.id.clone()),
                format!("the site {} has \"{}\" and serves it: it is not passed through to {}", site.id, passage.name, passage.target),
                format!("take the name from one of them: portward site edit {}, or portward binding edit {} --to HOST=ADDRESS:PORT", site.id, binding.id),
            ));
        }
        passages
    }

    fn default_certificate(&mut self, desired: &Desired, binding: &Binding) -> Option<Arc<ServedCertificate>> {
        let subject = Subject::Binding(binding.id.clone());
        let remedy =
            "import one: portward certificate import FILE, or make one: portward certificate new-self-signed NAME";
        let wanted = binding.default_certificate.as_ref();
        if let Some(usable) = wanted.and_then(|id| self.library.usable(id)) {
            return Some(Arc::clone(&usable.served));
        }
        let (code, message) = match wanted {
            Some(id) if desired.certificate(id).is_some() => {
                ("default-certificate-unusable", format!("its default certificate \"{id}\" cannot be served"))
            }
            Some(id) => ("default-certificate-missing", format!("its default certificate \"{id}\" does not exist")),
            None if self.library.is_empty() => {
                ("no-certificate", "it is https, and there is no certificate to serve".to_owned())
            }
            None => {
                let message = "it has no default certificate: clients that name no host, or one that no certificate has, are refused";
                self.of_bindings.push(Problem::warning(
                    "no-default-certificate",
                    subject,
                    message,
                    format!(
                        "portward binding remove {}, then portward binding add {} --default-certificate ID",
                        binding.id,
                        binding.url()
                    ),
                ));
                return None;
            }
        };
        self.of_bindings.push(Problem::error(code, subject, message, remedy));
        None
    }

    /// Tells of a certificate if it is out of its time, or soon will be.
    fn put_date(&mut self, desired: &Desired, stored: &StoredCertificate, now: Timestamp) {
        let certificate = &stored.value;
        let Some(usable) = self.library.usable(&certificate.id) else { return };
        let Validity { not_before, not_after } = usable.version.facts.validity;
        let (code, message) = match usable.served.status {
            CertificateStatus::Valid => return,
            CertificateStatus::ExpiresSoon => {
                (EXPIRES_SOON, format!("the certificate \"{}\" expires on {not_after}", certificate.name))
            }
            CertificateStatus::NotYetValid => (
                "certificate-not-yet-valid",
                format!(
                    "the certificate \"{}\" is not valid before {not_before}; this machine's clock says {now}",
                    certificate.name
                ),
            ),
            CertificateStatus::Expired => {
                (EXPIRED, format!("the certificate \"{}\" expired on {not_after}", certificate.name))
            }
        };
        let subject = Subject::Certificate(certificate.id.clone());
        let remedy = match certificate.management {
            Management::Managed(_) => {
                format!("see how its renewal stands: portward acme renewals {}", certificate.id)
            }
            Management::Unmanaged => {
                format!("import its successor: portward certificate import FILE --replace {}", certificate.id)
            }
        };
        // What nobody is shown does no harm yet.
        let harmless =
            usable.served.status.is_in_force() || !self.is_used(desired, &usable.served, &usable.version.facts);
        let problem = match harmless {
            true => Problem::warning(code, subject, message, remedy),
            false => Problem::error(code, subject, message, remedy),
        };
        self.of_dates.insert(certificate.id.clone(), problem);
    }

    /// Whether a certificate is presented to somebody.
    fn is_used(&self, desired: &Desired, served: &ServedCertificate, facts: &LeafFacts) -> bool {
        let id = &served.id;
        let is_default =
            |stored: &Stored<Binding>| stored.value.is_https() && stored.value.default_certificate.as_ref() == Some(id);
        served_names(facts).any(|name| self.names.is_best(name, id))
            || self.fixed.contains_key(id)
            || desired.bindings.iter().any(is_default)
    }
}

/// The names of a leaf for which it is chosen.
fn served_names(facts: &LeafFacts) -> impl Iterator<Item = &HostPattern> {
    facts.names.iter().filter(|name| **name != HostPattern::Any)
}

/// When time makes another status of a certificate.
fn next_status_change(validity: Validity, now: Timestamp, warn: WarningPolicy) -> Option<Timestamp> {
    let second = Duration::from_secs(1);
    let soon = validity.not_after.minus(warn.lead(validity.lifetime())).plus(second);
    [validity.not_before, soon, validity.not_after.plus(second)].into_iter().filter(|at| *at > now).min()
}

/// The names that a leaf does not cover; `*` asks for none.
pub(crate) fn uncovered<'a>(names: &'a [HostPattern], facts: &LeafFacts) -> Vec<&'a HostPattern> {
    let covered = |name: &HostPattern| *name == HostPattern::Any || facts.names.iter().any(|has| has.covers(name));
    names.iter().filter(|name| !covered(name)).collect()
}

/// Names in one line.
pub(crate) fn list(names: &[&HostPattern]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
