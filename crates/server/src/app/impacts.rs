//! What would break if something went away, and what would not.

use portward_api::{Impact, ImpactSeverity};
use portward_core::{
    Binding, BindingProtocol, CertificateId, ForceHttps, HostPattern, LeafFacts, Site, SiteCertificate, Timestamp,
};
use portward_store::desired::Desired;

use super::{AppError, certificates, safely::would_lock_out, ways_in};

/// What becomes of everything else without a certificate; the worst first.
pub(super) fn of_certificate(desired: &Desired, id: &CertificateId, now: Timestamp) -> Vec<Impact> {
    let mut impacts = Vec::new();
    let without = without_certificate(desired, id);
    let host = ways_in::portal_host(desired);
    let is_presented = ways_in::portal_certificates(desired, now).contains(id);
    let others: Vec<_> = ways_in::presented(&without, &host, now).filter_map(ways_in::facts).collect();
    if is_presented {
        let is_self_signed = |facts: Option<&LeafFacts>| facts.is_some_and(|facts| facts.self_signed);
        let before = desired.certificate(id).and_then(ways_in::facts);
        // Browsers that took this one go on without a question.
        let does_as_well = |other: &&LeafFacts| {
            let covers = other.names.iter().any(|name| name.covers(&HostPattern::Exact(host.clone())));
            covers && (is_self_signed(before) || !other.self_signed)
        };
        impacts.push(match others.first() {
            None => breaks("This portal", format!("has no other certificate for {host}")),
            Some(_) if others.iter().any(does_as_well) => {
                degrades("This portal", format!("presents another certificate to those who ask for {host}"))
            }
            Some(_) => breaks("This portal", format!("has no other certificate for {host} that browsers take")),
        });
    }
    for site in certificates::fixed_sites(desired, id) {
        impacts.push(breaks(&format!("Site \"{}\"", site.id), "names it, and presents no other".to_owned()));
    }
    for stored in desired.bindings.iter().filter(|stored| stored.value.default_certificate.as_ref() == Some(id)) {
        let what = format!("Binding \"{}\"", stored.value.id);
        impacts.push(breaks(&what, "presents it to clients that ask for a name that no certificate has".to_owned()));
    }
    let lost = certificates::lost_names(desired, id, None);
    for name in &lost {
        impacts.push(breaks(
            &name.to_string(),
            "no other certificate is valid for it: clients will refuse it over https".to_owned(),
        ));
    }
    for site in desired.sites.iter().map(|stored| &stored.value) {
        if redirects(site, desired) && loses_its_target(site, &lost, is_presented && others.is_empty()) {
            let why = "would send clients to a port where no certificate is presented for its names".to_owned();
            impacts.push(breaks(&format!("The redirect of site \"{}\"", site.id), why));
        }
    }
    if desired.settings.letsencrypt.as_ref() == Some(id) {
        impacts.push(degrades("Let’s Encrypt", "renews it no more for this server’s own name".to_owned()));
    }
    impacts.push(stays());
    impacts.sort_by_key(|impact| impact.severity);
    impacts
}

/// What becomes of everything else without a binding; the worst first.
pub(super) fn of_binding(desired: &Desired, binding: &Binding) -> Vec<Impact> {
    let mut impacts = Vec::new();
    let others = |protocol| {
        desired
            .bindings
            .iter()
            .filter(move |stored| stored.value.protocol == protocol && stored.value.id != binding.id)
            .count()
    };
    let is_last = others(binding.protocol) == 0;
    match binding.protocol {
        BindingProtocol::Https if is_last => {
            let why = format!("answers over https no more: {} was the last https binding", binding.url());
            impacts.push(breaks("Every site", why));
            for stored in desired.sites.iter().filter(|stored| redirects(&stored.value, desired)) {
                let why = "would have nowhere to send clients to, so plain HTTP is served as it is".to_owned();
                impacts.push(degrades(&format!("The redirect of site \"{}\"", stored.value.id), why));
            }
            if ways_in::portal_sites(desired).next().is_some() {
                impacts.push(breaks("This portal", "has no other way in for sign-in and tokens".to_owned()));
            }
        }
        BindingProtocol::Http if is_last => {
            impacts.push(degrades(
                "Plain HTTP",
                "is not answered any more, and nobody is sent to HTTPS from there".to_owned(),
            ));
            let managed =
                desired.certificates.iter().filter(|stored| stored.value.management.managed().is_some()).count();
            if managed > 0 {
                let why = format!("{managed} managed certificates may need http-01, which a CA looks for at port 80");
                impacts.push(degrades("Renewals", why));
            }
        }
        BindingProtocol::Http | BindingProtocol::Https => {
            impacts.push(degrades(&binding.url(), "does not answer any more; other bindings do".to_owned()));
        }
        BindingProtocol::TlsPassthrough => {}
    }
    for passage in &binding.to {
        let why = format!("is passed through to {} at {} no more", passage.target, binding.url());
        impacts.push(breaks(&passage.name.to_string(), why));
    }
    impacts.push(stays());
    impacts.sort_by_key(|impact| impact.severity);
    impacts
}

/// What becomes of everything else without a site; the worst first.
pub(super) fn of_site(desired: &Desired, site: &Site) -> Vec<Impact> {
    let mut impacts = Vec::new();
    let fallback = desired.sites.iter().map(|stored| &stored.value);
    let fallback = fallback.filter(|other| other.id != site.id).find(|other| other.names.contains(&HostPattern::Any));
    for name in &site.names {
        impacts.push(match fallback {
            Some(other) => {
                degrades(&name.to_string(), format!("is answered by site \"{}\", which is for all hosts", other.id))
            }
            None => breaks(&name.to_string(), "is answered by no site any more".to_owned()),
        });
    }
    if is_last_portal(desired, site) {
        impacts.push(breaks("This portal", "is at no other site: nobody reaches it from other machines".to_owned()));
    }
    impacts.push(stays());
    impacts.sort_by_key(|impact| impact.severity);
    impacts
}

/// Refuses the removal of a certificate that something needs, and names the way out.
pub(super) fn refuse_certificate(desired: &Desired, id: &CertificateId, impacts: &[Impact]) -> Result<(), AppError> {
    let broken: Vec<&Impact> = impacts.iter().filter(|impact| impact.severity == ImpactSeverity::Breaks).collect();
    let mut users: Vec<String> =
        certificates::fixed_sites(desired, id).map(|site| format!("site \"{}\"", site.id)).collect();
    let bindings = desired.bindings.iter().map(|stored| &stored.value);
    let bindings = bindings.filter(|binding| binding.default_certificate.as_ref() == Some(id));
    users.extend(bindings.map(|binding| format!("binding \"{}\"", binding.id)));
    if let Some(impact) = broken.iter().find(|impact| impact.what.starts_with("The redirect of ")) {
        return Err(in_use(format!(
            "{} needs the certificate \"{id}\": it {}. Switch that redirect off first (portward site edit SITE --force-https off), or import another certificate over it: portward certificate import FILE --replace {id}. Nothing was removed",
            lower_first(&impact.what),
            impact.why
        )));
    }
    if !users.is_empty() {
        return Err(in_use(format!(
            "the certificate \"{id}\" is used by {}; let them use another one first, or give it a new version: portward certificate import FILE --replace {id}",
            users.join(", ")
        )));
    }
    if let Some(impact) = broken.iter().find(|impact| impact.what == "This portal") {
        return Err(would_lock_out(format!(
            "the portal {}, so nobody could sign in to it any more. Import another certificate first: portward certificate import FILE. Nothing was removed",
            impact.why
        )));
    }
    Ok(())
}

/// Refuses a removal that leaves no way in to the portal.
pub(super) fn refuse_lock_out(noun: &str, id: &str, impacts: &[Impact]) -> Result<(), AppError> {
    let is_portal = |impact: &&Impact| impact.severity == ImpactSeverity::Breaks && impact.what == "This portal";
    let Some(impact) = impacts.iter().find(is_portal) else { return Ok(()) };
    Err(would_lock_out(format!(
        "without the {noun} \"{id}\" the portal {}. Add another way in first, or try it: portward {noun} remove {id} --force --confirm-within 60s goes back by itself unless you confirm. Nothing was removed",
        impact.why
    )))
}

/// Whether a site is the only one that leads to the portal.
pub(super) fn is_last_portal(desired: &Desired, site: &Site) -> bool {
    site.is_portal() && !ways_in::portal_sites(desired).any(|stored| stored.value.id != site.id)
}

fn in_use(message: String) -> AppError {
    AppError::conflict("certificate-in-use", message)
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// Whether plain HTTP of a site is sent to HTTPS.
fn redirects(site: &Site, desired: &Desired) -> bool {
    site.force_https.unwrap_or(desired.settings.force_https) != ForceHttps::Off
}

fn loses_its_target(site: &Site, lost: &[HostPattern], nothing_presented: bool) -> bool {
    site.names.iter().any(|name| lost.contains(name)) || (nothing_presented && site.names.contains(&HostPattern::Any))
}

fn without_certificate(desired: &Desired, id: &CertificateId) -> Desired {
    let mut without = desired.clone();
    without.certificates.remove(id);
    for stored in desired.names().sites_fixed_to(id).filter_map(|site| desired.site(site)) {
        let mut stored = stored.clone();
        stored.value.certificate = SiteCertificate::Auto;
        without.sites.insert(stored);
    }
    without
}

fn stays() -> Impact {
    Impact {
        severity: ImpactSeverity::Stays,
        what: "The loopback admin listener".to_owned(),
        why: "and portward recover go on working".to_owned(),
    }
}

fn breaks(what: &str, why: String) -> Impact {
    Impact { severity: ImpactSeverity::Breaks, what: what.to_owned(), why }
}

fn degrades(what: &str, why: String) -> Impact {
    Impact { severity: ImpactSeverity::Degrades, what: what.to_owned(), why }
}

#[cfg(test)]
mod tests;
