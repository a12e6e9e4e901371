//! Certificates as they are served, which is presented for which name, and what is wrong with them.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use portward_core::{
    CertificateId, CertificateStatus, Finder, HostPattern, LeafFacts, Management, Timestamp, Validity, WarningPolicy,
};
use portward_proxy::ServedKey;
use portward_store::{
    desired::{Desired, StoredCertificate, StoredKey},
    sealing::MasterKey,
};

use super::super::{
    library::{Library, UnservableError, Usable},
    names::Names,
};
use crate::{
    app::chain_text,
    problem::{Problem, Subject},
    tasks::notice::{EXPIRED, EXPIRES_SOON},
};

/// Holds what is built of certificates.
#[derive(Debug)]
pub(super) struct Certificates {
    library: Library,
    names: Names,
    /// When time makes something else of one of them, at the earliest; none if it never does.
    turn_at: Option<Timestamp>,
    unusable: BTreeMap<CertificateId, Problem>,
}

impl Certificates {
    /// Nothing is built yet; private keys are sealed under that key.
    pub(super) fn new(master: MasterKey) -> Self {
        Self { library: Library::new(master), names: Names::default(), turn_at: None, unusable: BTreeMap::new() }
    }

    /// Begins another snapshot.
    pub(super) fn begin(&mut self) {
        self.library.begin();
    }

    /// The certificate of that id, if it can be served.
    pub(super) fn usable(&self, id: &CertificateId) -> Option<&Usable> {
        self.library.usable(id)
    }

    /// Whether no certificate can be served.
    pub(super) fn is_empty(&self) -> bool {
        self.library.is_empty()
    }

    /// Which certificate is presented for which name.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// When time alone makes something else of what is served, at the earliest.
    pub(super) fn turn_at(&self) -> Option<Timestamp> {
        self.turn_at
    }

    /// What is wrong with those that cannot be served.
    pub(super) fn unusable(&self) -> &BTreeMap<CertificateId, Problem> {
        &self.unusable
    }

    /// Those that are out of their time, or soon will be.
    pub(super) fn out_of_time(&self) -> impl Iterator<Item = &CertificateId> {
        let all = self.library.all().filter(|usable| usable.served.status != CertificateStatus::Valid);
        all.map(|usable| &usable.served.id)
    }

    /// Some of which it was not seen yet whether their private keys open.
    pub(super) fn take_unchecked(&mut self) -> Vec<(CertificateId, Arc<ServedKey>)> {
        self.library.take_unchecked()
    }

    /// Has the private keys of these looked at when they are put in the next time.
    pub(super) fn doubt(&mut self, ids: impl IntoIterator<Item = CertificateId>) {
        self.library.doubt(ids);
    }

    /// Builds all of them anew.
    pub(super) fn build(&mut self, desired: &Desired, now: Timestamp) {
        self.names = Names::with_room_for(desired.certificates.len());
        self.unusable.clear();
        self.turn_at = None;
        self.library.retain_known(desired);
        let mut keys = desired.keys.finder();
        let mut several = HashSet::new();
        for stored in &desired.certificates {
            self.put_found(desired, &mut keys, stored, now);
            let Some(usable) = self.library.usable(&stored.value.id) else { continue };
            several.extend(served_names(usable.facts()).filter(|name| self.names.has_several(name)).cloned());
        }
        for name in several {
            self.names.settle(&name, &self.library);
        }
    }

    /// Puts one in if it can be served, and gives its names; [`Certificates::settle`] must follow for each.
    pub(super) fn put(&mut self, desired: &Desired, stored: &StoredCertificate, now: Timestamp) -> Vec<HostPattern> {
        self.put_found(desired, &mut desired.keys.finder(), stored, now);
        self.library.usable(&stored.value.id).map_or_else(Vec::new, names_of)
    }

    /// Takes one out of what is presented, and gives its names; [`Certificates::settle`] must follow for each.
    pub(super) fn withdraw(&mut self, id: &CertificateId) -> Vec<HostPattern> {
        self.unusable.remove(id);
        let names = self.library.usable(id).map_or_else(Vec::new, names_of);
        for name in &names {
            self.names.remove(name, id);
        }
        names
    }

    /// Forgets one.
    pub(super) fn remove(&mut self, id: &CertificateId) {
        self.library.remove(id);
    }

    /// Finds the best one for a name anew.
    pub(super) fn settle(&mut self, name: &HostPattern) {
        self.names.settle(name, &self.library);
    }

    /// Those of which time has made something else by now.
    ///
    /// All are looked at then: to remember of each when that will be takes more, for all the time until then.
    pub(super) fn turned(&mut self, warning: WarningPolicy, now: Timestamp) -> Vec<CertificateId> {
        if self.turn_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let mut turned = Vec::new();
        let mut turn_at = None;
        for usable in self.library.all() {
            let validity = usable.facts().validity;
            if validity.status(now, warning) != usable.served.status {
                turned.push(usable.served.id.clone());
            }
            turn_at = earlier(turn_at, next_status_change(validity, now, warning));
        }
        self.turn_at = turn_at;
        turned
    }

    fn put_found(
        &mut self,
        desired: &Desired,
        keys: &mut Finder<'_, StoredKey>,
        stored: &StoredCertificate,
        now: Timestamp,
    ) {
        let certificate = &stored.value;
        let id = &certificate.id;
        if certificate.key_on().is_some() {
            self.library.remove(id);
            return;
        }
        let put = match certificate.current_version() {
            None => Err(UnservableError::NoVersion(certificate.current)),
            Some(version) => {
                let validity = version.facts.validity;
                let status = validity.status(now, desired.settings.warning);
                let put = self.library.put(desired, keys, id, version, status);
                put.map(|()| next_status_change(validity, now, desired.settings.warning))
            }
        };
        let (code, message) = match put {
            Ok(turn_at) => {
                self.turn_at = earlier(self.turn_at, turn_at);
                let Some(usable) = self.library.usable(id) else { return };
                for name in served_names(usable.facts()) {
                    self.names.add(name, &usable.served);
                }
                return;
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
        self.unusable.insert(id.clone(), problem);
    }
}

/// What is wrong with a certificate that is out of its time, or soon will be; `is_used` says whether it is presented to
/// somebody.
pub(super) fn of_date(
    usable: &Usable,
    stored: &StoredCertificate,
    now: Timestamp,
    is_used: impl FnOnce() -> bool,
) -> Option<Problem> {
    let certificate = &stored.value;
    let Validity { not_before, not_after } = usable.facts().validity;
    let status = usable.served.status;
    let (code, message) = match status {
        CertificateStatus::Valid => return None,
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
    Some(match status.is_in_force() || !is_used() {
        true => Problem::warning(code, subject, message, remedy),
        false => Problem::error(code, subject, message, remedy),
    })
}

/// The names of a leaf for which it is chosen.
pub(super) fn served_names(facts: &LeafFacts) -> impl Iterator<Item = &HostPattern> {
    facts.names.iter().filter(|name| **name != HostPattern::Any)
}

fn names_of(usable: &Usable) -> Vec<HostPattern> {
    served_names(usable.facts()).cloned().collect()
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// When time makes another status of a certificate.
fn next_status_change(validity: Validity, now: Timestamp, warn: WarningPolicy) -> Option<Timestamp> {
    let second = Duration::from_secs(1);
    let soon = validity.not_after.minus(warn.lead(validity.lifetime())).plus(second);
    [validity.not_before, soon, validity.not_after.plus(second)].into_iter().filter(|at| *at > now).min()
}
