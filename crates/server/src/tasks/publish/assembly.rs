//! Building a snapshot from the desired state. It cannot fail: what is bad is left out and told of.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use portward_core::{
    Binding, BindingProtocol, CertificateId, CertificateStatus, DialAddress, ForceHttps, HostMap, HostPattern,
    LeafFacts, Management, Site, SiteCertificate, Timestamp, Validity, WarningPolicy, addresses_overlap, preference,
};
use portward_proxy::{ServedBinding, ServedCertificate, ServedSite, Snapshot};
use portward_store::desired::{Desired, Stored, StoredCertificate};

use super::library::Library;
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

/// Builds what is to be served at a time.
pub(crate) fn build(desired: &Desired, now: Timestamp, library: &mut Library) -> Built {
    let mut assembly = Assembly { desired, now, problems: Vec::new(), usable: HashMap::new(), used: HashSet::new() };
    assembly.bad_records();
    assembly.certificates(library);
    let certificates = assembly.by_name();
    let mut bindings = assembly.bindings();
    bindings.extend(super::challenges::bindings(desired));
    bindings.extend(super::agents::bindings(desired));
    let sites = assembly.sites(&certificates, library);
    assembly.dates();
    let challenges = desired
        .challenges
        .iter()
        .map(|challenge| ((challenge.host().clone(), challenge.token().into()), challenge.key_authorization().into()))
        .collect();
    let validities = desired.certificates.iter().filter_map(|stored| stored.value.current_version());
    let changes_at = validities
        .filter_map(|version| next_status_change(version.facts.validity, now, desired.settings.warning))
        .min();
    library.keep(desired);
    let tls_challenges = library.challenges.of(desired);
    let agent_protocols = super::agents::protocols(desired);
    let snapshot = Snapshot {
        revision: desired.revision,
        bindings,
        sites,
        certificates,
        challenges,
        tls_challenges,
        agent_protocols,
    };
    Built { snapshot, problems: assembly.problems, changes_at }
}

/// When time makes another status of a certificate.
fn next_status_change(validity: Validity, now: Timestamp, warn: WarningPolicy) -> Option<Timestamp> {
    let second = Duration::from_secs(1);
    let soon = validity.not_after.minus(warn.lead(validity.lifetime())).plus(second);
    [validity.not_before, soon, validity.not_after.plus(second)].into_iter().filter(|at| *at > now).min()
}

struct Assembly<'a> {
    desired: &'a Desired,
    now: Timestamp,
    problems: Vec<Problem>,
    /// Certificates that can be served.
    usable: HashMap<&'a CertificateId, (Arc<ServedCertificate>, &'a LeafFacts)>,
    /// Those of them that are presented to somebody.
    used: HashSet<&'a CertificateId>,
}

impl<'a> Assembly<'a> {
    fn bad_records(&mut self) {
        for bad in &self.desired.bad {
            self.problems.push(Problem::error(
                "bad-record",
                Subject::Record(bad.key.clone()),
                format!("the record is left out: {}", chain_text(&*bad.reason)),
                "install the Portward that wrote it, or go back to a backup: portward store restore FILE",
            ));
        }
    }

    fn certificates(&mut self, library: &mut Library) {
        for StoredCertificate { value: certificate, .. } in self.desired.presentable() {
            let subject = || Subject::Certificate(certificate.id.clone());
            let Some(version) = certificate.current_version() else {
                self.problems.push(Problem::error(
                    "certificate-without-version",
                    subject(),
                    format!("version {} is to be served, and it is missing or cannot be read", certificate.current),
                    format!("import it again: portward certificate import FILE --replace {}", certificate.id),
                ));
                continue;
            };
            let status = version.facts.validity.status(self.now, self.desired.settings.warning);
            match library.served(self.desired, &certificate.id, version, status) {
                Ok(served) => {
                    self.usable.insert(&certificate.id, (served, &version.facts));
                }
                Err(error) => self.problems.push(Problem::error(
                    "certificate-unusable",
                    subject(),
                    format!("the certificate \"{}\" is left out: {}", certificate.name, chain_text(&error)),
                    format!("import it again: portward certificate import FILE --replace {}", certificate.id),
                )),
            }
        }
    }

    /// The best certificate for each name.
    fn by_name(&mut self) -> HostMap<Arc<ServedCertificate>> {
        let mut best: HashMap<&HostPattern, (&'a CertificateId, (bool, bool, Timestamp))> = HashMap::new();
        // In the order of ids, so that the same state always gives the same snapshot.
        for StoredCertificate { value: certificate, .. } in &self.desired.certificates {
            let Some((served, facts)) = self.usable.get(&certificate.id) else { continue };
            let rank = preference(facts, served.status);
            for name in facts.names.iter().filter(|name| **name != HostPattern::Any) {
                match best.get(name) {
                    Some((_, other)) if *other >= rank => {}
                    _ => {
                        best.insert(name, (&certificate.id, rank));
                    }
                }
            }
        }
        let mut map = HostMap::new();
        for (name, (id, _)) in best {
            if let Some((served, _)) = self.usable.get(id) {
                self.used.insert(id);
                map.insert(name, Arc::clone(served));
            }
        }
        map
    }

    fn bindings(&mut self) -> Vec<Arc<ServedBinding>> {
        let mut served = Vec::with_capacity(self.desired.bindings.len());
        for Stored { value: binding, .. } in &self.desired.bindings {
            let default_certificate = match binding.protocol {
                BindingProtocol::Http | BindingProtocol::TlsPassthrough => None,
                BindingProtocol::Https => self.default_certificate(binding),
            };
            let Binding { id, protocol, address, default_certificate: _, accept_proxy_from, to: _ } = binding;
            served.push(Arc::new(ServedBinding {
                default_certificate,
                accept_proxy_from: accept_proxy_from.clone(),
                passages: self.passages(binding),
                ..ServedBinding::new(id.clone(), *protocol, *address)
            }));
        }
        served
    }

    /// Where names lead whose connections are passed through, without those that a site has.
    fn passages(&mut self, binding: &'a Binding) -> HostMap<DialAddress> {
        let mut passages = HostMap::new();
        for passage in &binding.to {
            let alone = Binding { to: vec![passage.clone()], ..binding.clone() };
            let sites = self.desired.sites.iter().map(|stored| &stored.value);
            let taken = sites.into_iter().find(|site| alone.takes_from(&site.names).is_some());
            let Some(site) = taken else {
                passages.insert(&passage.name, passage.target.clone());
                continue;
            };
            self.problems.push(Problem::error(
                "passage-name-taken",
                Subject::Binding(binding.id.clone()),
                format!("the site {} has \"{}\" and serves it: it is not passed through to {}", site.id, passage.name, passage.target),
                format!("take the name from one of them: portward site edit {}, or portward binding edit {} --to HOST=ADDRESS:PORT", site.id, binding.id),
            ));
        }
        passages
    }

    fn default_certificate(&mut self, binding: &'a Binding) -> Option<Arc<ServedCertificate>> {
        let subject = Subject::Binding(binding.id.clone());
        let remedy =
            "import one: portward certificate import FILE, or make one: portward certificate new-self-signed NAME";
        let wanted = binding.default_certificate.as_ref();
        if let Some((id, (served, _))) = wanted.and_then(|id| Some((id, self.usable.get(id)?))) {
            self.used.insert(id);
            return Some(Arc::clone(served));
        }
        let (code, message) = match wanted {
            Some(id) if self.desired.certificate(id).is_some() => {
                ("default-certificate-unusable", format!("its default certificate \"{id}\" cannot be served"))
            }
            Some(id) => ("default-certificate-missing", format!("its default certificate \"{id}\" does not exist")),
            None if self.usable.is_empty() => {
                ("no-certificate", "it is https, and there is no certificate to serve".to_owned())
            }
            None => {
                let message = "it has no default certificate: clients that name no host, or one that no certificate has, are refused";
                self.problems.push(Problem::warning(
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
        self.problems.push(Problem::error(code, subject, message, remedy));
        None
    }

    fn sites(
        &mut self,
        certificates: &HostMap<Arc<ServedCertificate>>,
        library: &mut Library,
    ) -> HostMap<Arc<ServedSite>> {
        let mut map: HostMap<Arc<ServedSite>> = HostMap::new();
        for Stored { value: site, .. } in &self.desired.sites {
            if site.upstreams.is_empty() {
                self.problems.push(Problem::error(
                    "site-without-upstream",
                    Subject::Site(site.id.clone()),
                    "it has no upstream, and is left out",
                    format!("portward site edit {} --upstream URL", site.id),
                ));
                continue;
            }
            let force_https = site.force_https.unwrap_or(self.desired.settings.force_https);
            let certificate = match &site.certificate {
                SiteCertificate::Auto => {
                    self.check_auto(site, certificates);
                    None
                }
                SiteCertificate::Fixed(id) => self.fixed_certificate(site, id),
            };
            self.check_redirect(site, force_https);
            let served = Arc::new(ServedSite {
                id: site.id.clone(),
                upstreams: site.upstreams.clone(),
                upstream_trust: site.upstream_trust.clone(),
                force_https,
                hsts: site.hsts,
                certificate,
                forwarding: site.forwarding.clone(),
                limits: site.limits,
                headers: (!site.headers.is_empty()).then(|| Arc::new(site.headers.clone())),
                traffic: library.traffic(&site.id, self.now),
            });
            for name in &site.names {
                if let Some(first) = map.at(name).map(|first| first.id.clone()) {
                    self.problems.push(Problem::error(
                        "site-name-taken",
                        Subject::Site(site.id.clone()),
                        format!("the site {first} has the name \"{name}\" too, and serves it"),
                        format!("take the name from one of them: portward site edit {}", site.id),
                    ));
                } else {
                    map.insert(name, Arc::clone(&served));
                }
            }
        }
        map
    }

    fn fixed_certificate(&mut self, site: &Site, id: &'a CertificateId) -> Option<Arc<ServedCertificate>> {
        let subject = Subject::Site(site.id.clone());
        let remedy = format!("portward site edit {} --certificate auto, or the id of another certificate", site.id);
        let Some((served, facts)) = self.usable.get(id) else {
            let why = match self.desired.certificate(id).map(|stored| stored.value.key_on()) {
                Some(Some(agent)) => format!("has its private key on the machine of agent \"{agent}\""),
                Some(None) => "cannot be served".to_owned(),
                None => "does not exist".to_owned(),
            };
            let message =
                format!("its certificate \"{id}\" {why}; the best one that has the name is presented instead");
            self.problems.push(Problem::error("site-certificate-missing", subject, message, remedy));
            return None;
        };
        let bare = uncovered(&site.names, facts);
        if !bare.is_empty() {
            let message = format!("its certificate \"{id}\" is not valid for {}: clients refuse it", list(&bare));
            self.problems.push(Problem::error("site-certificate-names", subject, message, remedy));
        }
        self.used.insert(id);
        Some(Arc::clone(served))
    }

    /// Warns of names for which only the default of a binding can be presented.
    fn check_auto(&mut self, site: &Site, certificates: &HostMap<Arc<ServedCertificate>>) {
        if !self.desired.bindings.iter().any(|stored| stored.value.is_https()) {
            return;
        }
        let has = |name: &HostPattern| match name {
            HostPattern::Any => true,
            HostPattern::Exact(host) => certificates.find(host).is_some(),
            HostPattern::Wildcard(_) => certificates.at(name).is_some(),
        };
        let bare: Vec<&HostPattern> = site.names.iter().filter(|name| !has(name)).collect();
        if !bare.is_empty() {
            self.problems.push(Problem::warning(
                "no-certificate-for-name",
                Subject::Site(site.id.clone()),
                format!(
                    "no certificate is valid for {}: over https the binding's default is presented, which clients refuse",
                    list(&bare)
                ),
                "import one: portward certificate import FILE",
            ));
        }
    }

    /// Warns where a redirect to https would lead nowhere.
    fn check_redirect(&mut self, site: &Site, force_https: ForceHttps) {
        if force_https == ForceHttps::Off {
            return;
        }
        let of = |protocol: BindingProtocol| {
            self.desired.bindings.iter().map(|stored| &stored.value).filter(move |b| b.protocol == protocol)
        };
        let stranded: Vec<String> = of(BindingProtocol::Http)
            .filter(|http| {
                !of(BindingProtocol::Https).any(|https| addresses_overlap(http.address.ip(), https.address.ip()))
            })
            .map(Binding::url)
            .collect();
        if !stranded.is_empty() {
            self.problems.push(Problem::warning(
                "force-https-unreachable",
                Subject::Site(site.id.clone()),
                format!(
                    "it sends plain HTTP to HTTPS, and no https binding has the address of {}: requests there are not redirected",
                    stranded.join(", ")
                ),
                "portward binding add https://ADDRESS:PORT",
            ));
        }
    }

    /// Tells of certificates that are out of their time, or soon will be.
    fn dates(&mut self) {
        for StoredCertificate { value: certificate, .. } in &self.desired.certificates {
            let Some((served, facts)) = self.usable.get(&certificate.id) else { continue };
            let Validity { not_before, not_after } = facts.validity;
            let (code, message) = match served.status {
                CertificateStatus::Valid => continue,
                CertificateStatus::ExpiresSoon => {
                    (EXPIRES_SOON, format!("the certificate \"{}\" expires on {not_after}", certificate.name))
                }
                CertificateStatus::NotYetValid => (
                    "certificate-not-yet-valid",
                    format!(
                        "the certificate \"{}\" is not valid before {not_before}; this machine's clock says {}",
                        certificate.name, self.now
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
            let harmless = served.status.is_in_force() || !self.used.contains(&certificate.id);
            self.problems.push(if harmless {
                Problem::warning(code, subject, message, remedy)
            } else {
                Problem::error(code, subject, message, remedy)
            });
        }
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
