//! Sites as they are served, and what is wrong with them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use portward_core::{
    Binding, BindingProtocol, CertificateId, ForceHttps, HostMap, HostPattern, Site, SiteCertificate, SiteId,
    Timestamp, addresses_overlap,
};
use portward_proxy::ServedSite;
use portward_store::{desired::Desired, sealing::MasterKey};

use super::{super::library::SiteLibrary, certificates::Certificates, list, uncovered};
use crate::problem::{Problem, Subject};

/// Holds what is built of sites.
#[derive(Debug)]
pub(super) struct Sites {
    library: SiteLibrary,
    served: HostMap<Arc<ServedSite>>,
    /// The sites that name a certificate.
    fixed: HashMap<CertificateId, BTreeSet<SiteId>>,
    /// Whether two have the same name, so that which of them is served hangs on both.
    is_contested: bool,
    problems: BTreeMap<SiteId, Vec<Problem>>,
}

impl Sites {
    /// Nothing is built yet; cookies are of that key.
    pub(super) fn new(master: &MasterKey) -> Self {
        Self {
            library: SiteLibrary::new(master),
            served: HostMap::new(),
            fixed: HashMap::new(),
            is_contested: false,
            problems: BTreeMap::new(),
        }
    }

    /// Which site is served for which name.
    pub(super) fn served(&self) -> &HostMap<Arc<ServedSite>> {
        &self.served
    }

    /// The sites that name a certificate.
    pub(super) fn fixed_to(&self, certificate: &CertificateId) -> Option<&BTreeSet<SiteId>> {
        self.fixed.get(certificate)
    }

    /// Whether two have the same name, so that which of them is served hangs on both.
    pub(super) fn is_contested(&self) -> bool {
        self.is_contested
    }

    /// What is wrong with them.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.values().flatten()
    }

    /// Builds all of them anew, but for what hangs on certificates: [`Sites::complete`] must follow for each.
    pub(super) fn build(&mut self, desired: &Desired, now: Timestamp) {
        self.served = HostMap::with_room_for(desired.sites.len());
        self.fixed.clear();
        self.is_contested = false;
        self.problems.clear();
        self.library.retain_known(desired);
        for stored in &desired.sites {
            self.put(desired, &stored.value, now);
        }
    }

    /// Puts one in, but for what hangs on certificates: [`Sites::complete`] must follow.
    pub(super) fn put(&mut self, desired: &Desired, site: &Site, now: Timestamp) {
        let mut problems = Vec::new();
        if site.upstreams.is_empty() {
            problems.push(Problem::error(
                "site-without-upstream",
                Subject::Site(site.id.clone()),
                "it has no upstream, and is left out",
                format!("portward site edit {} --upstream URL", site.id),
            ));
            self.problems.insert(site.id.clone(), problems);
            return;
        }
        if let SiteCertificate::Fixed(id) = &site.certificate {
            self.fixed.entry(id.clone()).or_default().insert(site.id.clone());
        }
        let served = Arc::new(ServedSite {
            id: site.id.clone(),
            upstreams: self.library.upstreams(site),
            upstream_trust: site.upstream_trust.clone(),
            force_https: site.force_https.unwrap_or(desired.settings.force_https),
            hsts: site.hsts,
            certificate: None,
            forwarding: Arc::clone(&site.forwarding),
            limits: site.limits,
            headers: (!site.headers.is_empty()).then(|| Arc::new(site.headers.clone())),
            traffic: self.library.traffic(&site.id, now),
        });
        self.library.remember(&served);
        for name in &site.names {
            if let Some(first) = self.served.at(name).map(|first| first.id.clone()) {
                self.is_contested = true;
                problems.push(Problem::error(
                    "site-name-taken",
                    Subject::Site(site.id.clone()),
                    format!("the site {first} has the name \"{name}\" too, and serves it"),
                    format!("take the name from one of them: portward site edit {}", site.id),
                ));
            } else {
                self.served.insert(name, Arc::clone(&served));
            }
        }
        if !problems.is_empty() {
            self.problems.insert(site.id.clone(), problems);
        }
    }

    /// Has a site that was put in present the certificate that it names, and tells of what was found by [`look`].
    pub(super) fn complete(&mut self, site: &Site, found: Vec<Problem>, certificates: &Certificates) {
        if let SiteCertificate::Fixed(id) = &site.certificate
            && let Some(usable) = certificates.usable(id)
            && let Some(before) = site.names.iter().find_map(|name| self.serves(name, &site.id))
        {
            let certificate = Some(Arc::clone(&usable.served));
            let served = Arc::new(ServedSite { certificate, ..(**before).clone() });
            for name in &site.names {
                if self.serves(name, &site.id).is_some() {
                    self.served.insert(name, Arc::clone(&served));
                }
            }
            self.library.remember(&served);
        }
        if !found.is_empty() {
            self.problems.entry(site.id.clone()).or_default().splice(..0, found);
        }
    }

    /// Takes a site out as it was put in.
    pub(super) fn remove(&mut self, site: &Site) {
        self.problems.remove(&site.id);
        for name in &site.names {
            if self.serves(name, &site.id).is_some() {
                self.served.remove(name);
            }
        }
        if let SiteCertificate::Fixed(id) = &site.certificate
            && let Some(sites) = self.fixed.get_mut(id)
        {
            sites.remove(&site.id);
            if sites.is_empty() {
                self.fixed.remove(id);
            }
        }
    }

    /// Forgets a site that is not there any more.
    pub(super) fn forget(&mut self, site: &SiteId) {
        self.library.forget(site);
    }

    /// A site as it is served, if it is the one that is served for a name.
    fn serves(&self, name: &HostPattern, site: &SiteId) -> Option<&Arc<ServedSite>> {
        self.served.at(name).filter(|served| served.id == *site)
    }
}

/// What is wrong with a site and its certificates, and with where it sends plain HTTP.
pub(super) fn look(desired: &Desired, site: &Site, certificates: &Certificates) -> Vec<Problem> {
    if site.upstreams.is_empty() {
        return Vec::new();
    }
    let of_certificate = match &site.certificate {
        SiteCertificate::Auto => check_auto(desired, site, certificates),
        SiteCertificate::Fixed(id) => check_fixed(desired, site, id, certificates),
    };
    of_certificate.into_iter().chain(check_redirect(desired, site)).collect()
}

/// Tells of a certificate that a site names and that cannot be presented, or that clients refuse for it.
fn check_fixed(desired: &Desired, site: &Site, id: &CertificateId, certificates: &Certificates) -> Option<Problem> {
    let subject = Subject::Site(site.id.clone());
    let remedy = || format!("portward site edit {} --certificate auto, or the id of another certificate", site.id);
    let Some(usable) = certificates.usable(id) else {
        let why = match desired.certificate(id).map(|stored| stored.value.key_on()) {
            Some(Some(agent)) => format!("has its private key on the machine of agent \"{agent}\""),
            Some(None) => "cannot be served".to_owned(),
            None => "does not exist".to_owned(),
        };
        let message = format!("its certificate \"{id}\" {why}; the best one that has the name is presented instead");
        return Some(Problem::error("site-certificate-missing", subject, message, remedy()));
    };
    let bare = uncovered(&site.names, usable.facts());
    (!bare.is_empty()).then(|| {
        let message = format!("its certificate \"{id}\" is not valid for {}: clients refuse it", list(&bare));
        Problem::error("site-certificate-names", subject, message, remedy())
    })
}

/// Warns of names for which only the default of a binding can be presented.
fn check_auto(desired: &Desired, site: &Site, certificates: &Certificates) -> Option<Problem> {
    if !desired.bindings.iter().any(|stored| stored.value.is_https()) {
        return None;
    }
    let best = certificates.names().best();
    let has = |name: &HostPattern| match name {
        HostPattern::Any => true,
        HostPattern::Exact(host) => best.find(host).is_some(),
        HostPattern::Wildcard(_) => best.at(name).is_some(),
    };
    let bare: Vec<&HostPattern> = site.names.iter().filter(|name| !has(name)).collect();
    (!bare.is_empty()).then(|| {
        Problem::warning(
            "no-certificate-for-name",
            Subject::Site(site.id.clone()),
            format!(
                "no certificate is valid for {}: over https the binding's default is presented, which clients refuse",
                list(&bare)
            ),
            "import one: portward certificate import FILE",
        )
    })
}

/// Warns where a redirect to https would lead nowhere.
fn check_redirect(desired: &Desired, site: &Site) -> Option<Problem> {
    if site.force_https.unwrap_or(desired.settings.force_https) == ForceHttps::Off {
        return None;
    }
    let of = |protocol: BindingProtocol| {
        desired.bindings.iter().map(|stored| &stored.value).filter(move |b| b.protocol == protocol)
    };
    let stranded: Vec<String> = of(BindingProtocol::Http)
        .filter(|http| {
            !of(BindingProtocol::Https).any(|https| addresses_overlap(http.address.ip(), https.address.ip()))
        })
        .map(Binding::url)
        .collect();
    (!stranded.is_empty()).then(|| {
        Problem::warning(
            "force-https-unreachable",
            Subject::Site(site.id.clone()),
            format!(
                "it sends plain HTTP to HTTPS, and no https binding has the address of {}: requests there are not redirected",
                stranded.join(", ")
            ),
            "portward binding add https://ADDRESS:PORT",
        )
    })
}
