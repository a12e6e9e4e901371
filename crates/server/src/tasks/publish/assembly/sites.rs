//! Sites as they are served, and what is wrong with them.

use std::sync::Arc;

use portward_core::{
    Binding, BindingProtocol, CertificateId, ForceHttps, HostPattern, Site, SiteCertificate, Timestamp,
    addresses_overlap,
};
use portward_proxy::{ServedCertificate, ServedSite};
use portward_store::desired::{Desired, Stored};

use super::{Assembly, list, uncovered};
use crate::problem::{Problem, Subject};

impl Assembly {
    /// Puts a site in; gives the certificate that it names.
    pub(super) fn put_site(
        &mut self,
        desired: &Desired,
        stored: &Stored<Site>,
        now: Timestamp,
    ) -> Option<CertificateId> {
        let site = &stored.value;
        let mut problems = Vec::new();
        if site.upstreams.is_empty() {
            problems.push(Problem::error(
                "site-without-upstream",
                Subject::Site(site.id.clone()),
                "it has no upstream, and is left out",
                format!("portward site edit {} --upstream URL", site.id),
            ));
            self.of_sites.insert(site.id.clone(), problems);
            return None;
        }
        let force_https = site.force_https.unwrap_or(desired.settings.force_https);
        let (certificate, named) = match &site.certificate {
            SiteCertificate::Auto => {
                problems.extend(self.check_auto(desired, site));
                (None, None)
            }
            SiteCertificate::Fixed(id) => {
                self.fixed.entry(id.clone()).or_default().insert(site.id.clone());
                (self.fixed_certificate(desired, site, id, &mut problems), Some(id.clone()))
            }
        };
        problems.extend(check_redirect(desired, site, force_https));
        let served = Arc::new(ServedSite {
            id: site.id.clone(),
            upstreams: self.library.upstreams(site),
            upstream_trust: site.upstream_trust.clone(),
            force_https,
            hsts: site.hsts,
            certificate,
            forwarding: site.forwarding.clone(),
            limits: site.limits,
            headers: (!site.headers.is_empty()).then(|| Arc::new(site.headers.clone())),
            traffic: self.library.traffic(&site.id, now),
        });
        self.library.remember(&served);
        for name in &site.names {
            if let Some(first) = self.sites.at(name).map(|first| first.id.clone()) {
                self.is_contested = true;
                problems.push(Problem::error(
                    "site-name-taken",
                    Subject::Site(site.id.clone()),
                    format!("the site {first} has the name \"{name}\" too, and serves it"),
                    format!("take the name from one of them: portward site edit {}", site.id),
                ));
            } else {
                self.sites.insert(name, Arc::clone(&served));
            }
        }
        if !problems.is_empty() {
            self.of_sites.insert(site.id.clone(), problems);
        }
        named
    }

    /// Takes a site out as it was put in; gives the certificate that it named.
    pub(super) fn remove_site(&mut self, site: &Site) -> Option<CertificateId> {
        self.of_sites.remove(&site.id);
        for name in &site.names {
            if self.sites.at(name).is_some_and(|served| served.id == site.id) {
                self.sites.remove(name);
            }
        }
        let SiteCertificate::Fixed(id) = &site.certificate else { return None };
        if let Some(sites) = self.fixed.get_mut(id) {
            sites.remove(&site.id);
            if sites.is_empty() {
                self.fixed.remove(id);
            }
        }
        Some(id.clone())
    }

    fn fixed_certificate(
        &self,
        desired: &Desired,
        site: &Site,
        id: &CertificateId,
        problems: &mut Vec<Problem>,
    ) -> Option<Arc<ServedCertificate>> {
        let subject = Subject::Site(site.id.clone());
        let remedy = format!("portward site edit {} --certificate auto, or the id of another certificate", site.id);
        let Some(usable) = self.library.usable(id) else {
            let why = match desired.certificate(id).map(|stored| stored.value.key_on()) {
                Some(Some(agent)) => format!("has its private key on the machine of agent \"{agent}\""),
                Some(None) => "cannot be served".to_owned(),
                None => "does not exist".to_owned(),
            };
            let message =
                format!("its certificate \"{id}\" {why}; the best one that has the name is presented instead");
            problems.push(Problem::error("site-certificate-missing", subject, message, remedy));
            return None;
        };
        let bare = uncovered(&site.names, &usable.version.facts);
        if !bare.is_empty() {
            let message = format!("its certificate \"{id}\" is not valid for {}: clients refuse it", list(&bare));
            problems.push(Problem::error("site-certificate-names", subject, message, remedy));
        }
        Some(Arc::clone(&usable.served))
    }

    /// Warns of names for which only the default of a binding can be presented.
    fn check_auto(&self, desired: &Desired, site: &Site) -> Option<Problem> {
        if !desired.bindings.iter().any(|stored| stored.value.is_https()) {
            return None;
        }
        let certificates = self.names.best();
        let has = |name: &HostPattern| match name {
            HostPattern::Any => true,
            HostPattern::Exact(host) => certificates.find(host).is_some(),
            HostPattern::Wildcard(_) => certificates.at(name).is_some(),
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
}

/// Warns where a redirect to https would lead nowhere.
fn check_redirect(desired: &Desired, site: &Site, force_https: ForceHttps) -> Option<Problem> {
    if force_https == ForceHttps::Off {
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
