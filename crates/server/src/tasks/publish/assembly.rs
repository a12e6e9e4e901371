//! Building a snapshot from the desired state. It cannot fail: what is bad is left out and told of.
//!
//! What is built is kept, and the next snapshot is made of it: only what was touched, and what hangs on that, is looked
//! at again. So one change costs the same however many sites and certificates there are.

mod bindings;
mod certificates;
mod sites;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    thread,
};

use portward_core::{Binding, CertificateId, HostPattern, LeafFacts, Site, SiteCertificate, SiteId, Timestamp};
use portward_proxy::{ServedKey, Snapshot};
use portward_store::{
    desired::{Desired, Stored, Touched},
    sealing::MasterKey,
};

use super::{challenges::ChallengeCertificates, library::Usable, side_by_side};
use crate::{
    app::chain_text,
    problem::{Problem, Subject},
};
use certificates::{Certificates, of_date, served_names};
use sites::{Sites, look};

/// Is what was built.
#[derive(Debug)]
pub(crate) struct Built {
    /// To be published.
    pub(crate) snapshot: Snapshot,
    /// What was left out of it, or should be looked at.
    pub(crate) problems: Vec<Problem>,
    /// When time alone may make another snapshot of the same state.
    pub(crate) changes_at: Option<Timestamp>,
}

/// Holds what snapshots are made of.
#[derive(Debug)]
pub(crate) struct Assembly {
    certificates: Certificates,
    sites: Sites,
    challenges: ChallengeCertificates,
    /// What was built last, and when; none before the first time.
    before: Option<(Desired, Timestamp)>,
    of_bindings: Vec<Problem>,
    of_dates: BTreeMap<CertificateId, Problem>,
}

impl Assembly {
    /// Nothing is built yet; private keys are sealed under that key.
    pub(crate) fn new(master: MasterKey) -> Self {
        Self {
            sites: Sites::new(&master),
            certificates: Certificates::new(master),
            challenges: ChallengeCertificates::default(),
            before: None,
            of_bindings: Vec::new(),
            of_dates: BTreeMap::new(),
        }
    }

    /// Builds what is to be served at a time. `touched` says what may be another than when this was called before.
    pub(crate) fn build(&mut self, desired: &Desired, touched: &Touched, now: Timestamp) -> Built {
        self.certificates.begin();
        match self.before.take() {
            // A clock that was set back makes another status of anything.
            Some((before, at)) if !touched.everything && !self.sites.is_contested() && at <= now => {
                self.build_touched(desired, &before, touched, now);
                if self.sites.is_contested() {
                    self.build_everything(desired, now);
                }
            }
            _ => self.build_everything(desired, now),
        }
        self.before = Some((desired.clone(), now));
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
            sites: self.sites.served().clone(),
            certificates: self.certificates.names().best().clone(),
            challenges,
            tls_challenges: self.challenges.of(desired),
            agent_protocols: super::agents::protocols(desired),
        };
        Built { snapshot, problems: self.problems(desired), changes_at: self.certificates.turn_at() }
    }

    /// Some certificates of which it was not seen yet whether their private keys open.
    pub(crate) fn take_unchecked(&mut self) -> Vec<(CertificateId, Arc<ServedKey>)> {
        self.certificates.take_unchecked()
    }

    /// Has the private keys of these certificates looked at when they are touched the next time.
    pub(crate) fn doubt(&mut self, ids: impl IntoIterator<Item = CertificateId>) {
        self.certificates.doubt(ids);
    }

    /// Sites and certificates are built side by side, as with many of them a start waits for this.
    fn build_everything(&mut self, desired: &Desired, now: Timestamp) {
        let (certificates, sites) = (&mut self.certificates, &mut self.sites);
        thread::scope(|scope| {
            scope.spawn(|| sites.build(desired, now));
            certificates.build(desired, now);
        });
        let all: Vec<&Stored<Site>> = desired.sites.iter().collect();
        let found = side_by_side::find(&all, |stored| {
            let site = &stored.value;
            let problems = look(desired, site, &self.certificates);
            let is_fixed = site.certificate != SiteCertificate::Auto;
            (is_fixed || !problems.is_empty()).then_some((site, problems))
        });
        for (site, problems) in found {
            self.sites.complete(site, problems, &self.certificates);
        }
        self.of_dates.clear();
        let out_of_time: Vec<CertificateId> = self.certificates.out_of_time().cloned().collect();
        for id in out_of_time {
            self.put_date(desired, id, now);
        }
    }

    fn build_touched(&mut self, desired: &Desired, before: &Desired, touched: &Touched, now: Timestamp) {
        let mut certificates = touched.certificates.clone();
        certificates.extend(self.certificates.turned(desired.settings.warning, now));
        if !touched.certificates.is_empty() {
            // What was missing for one of these may have come.
            certificates.extend(self.certificates.unusable().keys().cloned());
        }
        // With whether they had a certificate.
        let mut names: HashMap<HostPattern, bool> = HashMap::new();
        let mut dates = certificates.clone();
        for id in &certificates {
            for name in self.certificates.withdraw(id) {
                dates.extend(self.certificates.names().all(&name));
                names.entry(name).or_insert(true);
            }
            match desired.certificate(id) {
                Some(stored) => {
                    for name in self.certificates.put(desired, stored, now) {
                        let had = self.certificates.names().has_several(&name);
                        names.entry(name).or_insert(had);
                    }
                }
                None => self.certificates.remove(id),
            }
        }
        let mut sites = touched.sites.clone();
        for (name, had) in &names {
            self.certificates.settle(name);
            dates.extend(self.certificates.names().all(name));
            if self.certificates.names().best().at(name).is_some() != *had {
                sites.extend(self.sites_by(desired, name));
            }
        }
        sites.extend(certificates.iter().filter_map(|id| self.sites.fixed_to(id)).flatten().cloned());
        let named = |stored: &Stored<Site>| match &stored.value.certificate {
            SiteCertificate::Auto => None,
            SiteCertificate::Fixed(id) => Some(id.clone()),
        };
        for stored in sites.iter().filter_map(|id| before.site(id)) {
            self.sites.remove(&stored.value);
            dates.extend(named(stored));
        }
        for id in &sites {
            let Some(stored) = desired.site(id) else {
                self.sites.forget(id);
                continue;
            };
            self.sites.put(desired, &stored.value, now);
            let found = look(desired, &stored.value, &self.certificates);
            self.sites.complete(&stored.value, found, &self.certificates);
            dates.extend(named(stored));
        }
        for id in dates {
            self.put_date(desired, id, now);
        }
    }

    /// The sites that may have no certificate any more, or have one now, with a name that has none any more, or one now.
    fn sites_by(&self, desired: &Desired, name: &HostPattern) -> Vec<SiteId> {
        let mut sites: Vec<SiteId> = self.sites.served().at(name).map(|site| site.id.clone()).into_iter().collect();
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
        problems.extend(self.certificates.unusable().values().cloned());
        problems.extend(self.of_bindings.iter().cloned());
        problems.extend(self.sites.problems().cloned());
        problems.extend(self.of_dates.values().cloned());
        problems
    }

    /// Tells of a certificate if it is out of its time, or soon will be.
    fn put_date(&mut self, desired: &Desired, id: CertificateId, now: Timestamp) {
        let problem = self
            .certificates
            .usable(&id)
            .zip(desired.certificate(&id))
            .and_then(|(usable, stored)| of_date(usable, stored, now, || self.is_used(desired, usable)));
        match problem {
            Some(problem) => drop(self.of_dates.insert(id, problem)),
            None => drop(self.of_dates.remove(&id)),
        }
    }

    /// Whether a certificate is presented to somebody.
    fn is_used(&self, desired: &Desired, usable: &Usable) -> bool {
        let id = &usable.served.id;
        let is_default =
            |stored: &Stored<Binding>| stored.value.is_https() && stored.value.default_certificate.as_ref() == Some(id);
        served_names(usable.facts()).any(|name| self.certificates.names().is_best(name, id))
            || self.sites.fixed_to(id).is_some()
            || desired.bindings.iter().any(is_default)
    }
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
