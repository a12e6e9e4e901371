//! The ways in to the portal: its sites, its name, its https binding, and what is presented there.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use portward_core::{
    Binding, CertificateId, Host, HostName, HostPattern, LeafFacts, Scheme, Site, SiteCertificate, Timestamp,
    preference,
};
use portward_store::desired::{Desired, Stored, StoredCertificate};

use crate::served::ServedState;

/// The sites that lead to the portal.
pub(crate) fn portal_sites(desired: &Desired) -> impl Iterator<Item = &Stored<Site>> {
    let sites: Vec<_> = desired.names().portal_sites().filter_map(|id| desired.site(id)).collect();
    sites.into_iter()
}

/// The name by which the portal is known on this machine: one that its sites have, else one that its certificate has and
/// no application, else `localhost`.
pub(crate) fn portal_host(desired: &Desired) -> Host {
    let here = || HostName::parse("localhost").map_or(Host::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)), Host::Name);
    known_host(desired).unwrap_or_else(here)
}

/// The same for people, who may be at another machine: the name of this one says more to them than `localhost`.
pub(crate) fn told_host(desired: &Desired, machine: &str) -> Host {
    let own = || HostName::parse(machine).ok().map(Host::Name).filter(|host| leads_to_portal(desired, host));
    known_host(desired).or_else(own).unwrap_or_else(|| portal_host(desired))
}

/// A name by which others find this server: one that the portal's sites have, else one that its certificate has, whoever
/// answers there.
pub(crate) fn server_host(desired: &Desired) -> Option<Host> {
    host_of_sites(desired).or_else(|| host_of_certificate(desired, |_| true))
}

fn known_host(desired: &Desired) -> Option<Host> {
    host_of_sites(desired).or_else(|| host_of_certificate(desired, |host| leads_to_portal(desired, host)))
}

fn host_of_sites(desired: &Desired) -> Option<Host> {
    portal_sites(desired).flat_map(|stored| &stored.value.names).find_map(exact)
}

/// One of the hosts that count of the certificate that stands for this server.
fn host_of_certificate(desired: &Desired, counts: impl Fn(&Host) -> bool) -> Option<Host> {
    let ours = desired.settings.letsencrypt.as_ref();
    let default = https_binding(desired).and_then(|binding| binding.value.default_certificate.as_ref());
    // A name that others can ask for says more than this machine's own.
    let is_own = |host: &Host| matches!(host, Host::Name(name) if name.as_str() == "localhost");
    [ours, default].into_iter().flatten().find_map(|id| {
        let facts = facts(desired.certificate(id)?)?;
        let hosts: Vec<Host> = facts.names.iter().filter_map(exact).filter(&counts).collect();
        let name = hosts.iter().find(|host| matches!(host, Host::Name(_)) && !is_own(host));
        name.or_else(|| hosts.first()).cloned()
    })
}

/// Whether the portal answers those who ask for a host; where it has no site, any host will do that nobody else has.
fn leads_to_portal(desired: &Desired, host: &Host) -> bool {
    site_of(desired, host).map_or_else(|| portal_sites(desired).next().is_none(), Site::is_portal)
}

fn exact(pattern: &HostPattern) -> Option<Host> {
    match pattern {
        HostPattern::Exact(host) => Some(host.clone()),
        HostPattern::Wildcard(_) | HostPattern::Any => None,
    }
}

/// The https binding that stands for the portal: the one at port 443, else at the lowest port.
pub(crate) fn https_binding(desired: &Desired) -> Option<&Stored<Binding>> {
    let https = desired.bindings.iter().filter(|stored| stored.value.is_https());
    https.min_by_key(|stored| (stored.value.address.port() != 443, stored.value.address.port()))
}

/// The certificate that is presented at a binding to clients that ask for a host.
pub(crate) fn presented_at<'a>(
    desired: &'a Desired,
    binding: &Binding,
    host: &Host,
    now: Timestamp,
) -> Option<&'a StoredCertificate> {
    let fixed = site_asked_for(desired, host).and_then(|site| match &site.certificate {
        SiteCertificate::Fixed(id) => desired.certificate(id),
        SiteCertificate::Auto => None,
    });
    let best = || {
        let covering = presentable_for(desired, host);
        let covering = covering.filter_map(|stored| Some((rank(desired, facts(stored)?, host, now)?, stored)));
        covering.max_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, stored)| stored)
    };
    let default = || desired.certificate(binding.default_certificate.as_ref()?);
    fixed.or_else(best).or_else(default)
}

/// The certificates that are presented where the portal is; none if no site leads to it.
pub(crate) fn portal_certificates(desired: &Desired, now: Timestamp) -> Vec<CertificateId> {
    if portal_sites(desired).next().is_none() {
        return Vec::new();
    }
    let host = portal_host(desired);
    let presented = presented(desired, &host, now);
    let mut ids: Vec<CertificateId> = presented.map(|stored| stored.value.id.clone()).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// Whether a certificate that is new would be presented where the portal is.
pub(crate) fn takes_over(desired: &Desired, new: &LeafFacts, now: Timestamp) -> bool {
    let host = portal_host(desired);
    let is_fixed = site_asked_for(desired, &host).is_some_and(|site| site.certificate != SiteCertificate::Auto);
    let Some(rank_of_new) = rank(desired, new, &host, now).filter(|_| !is_fixed) else { return false };
    let others = presentable_for(desired, &host).filter_map(|stored| rank(desired, facts(stored)?, &host, now));
    portal_sites(desired).next().is_some() && others.max().is_none_or(|best| best <= rank_of_new)
}

/// The certificates that Portward can present and that may have a host, in the order of their ids.
fn presentable_for<'a>(desired: &'a Desired, host: &Host) -> impl Iterator<Item = &'a StoredCertificate> {
    let names = desired.names();
    let ids: BTreeSet<&CertificateId> = names.covering(&HostPattern::Exact(host.clone())).collect();
    let found: Vec<_> = ids.into_iter().filter_map(|id| desired.certificate(id)).collect();
    found.into_iter().filter(|stored| stored.value.key_on().is_none())
}

/// How well a certificate fits a host; none if it does not.
fn rank(desired: &Desired, facts: &LeafFacts, host: &Host, now: Timestamp) -> Option<(bool, impl Ord)> {
    let pattern = HostPattern::Exact(host.clone());
    let is_exact = facts.names.contains(&pattern);
    let covers = is_exact || facts.names.iter().any(|name| name.covers(&pattern));
    covers.then(|| (is_exact, preference(facts, facts.validity.status(now, desired.settings.warning))))
}

/// What is presented to clients that ask for a host, at each https binding that presents something.
pub(crate) fn presented<'a>(
    desired: &'a Desired,
    host: &Host,
    now: Timestamp,
) -> impl Iterator<Item = &'a StoredCertificate> {
    let https = desired.bindings.iter().filter(|stored| stored.value.is_https());
    https.filter_map(move |stored| presented_at(desired, &stored.value, host, now))
}

/// Where a binding can be reached from this machine: each kind of address that it takes.
pub(crate) fn reached_at(served: &ServedState, binding: &Binding) -> Vec<SocketAddr> {
    let Some(Ok(bound)) = served.binding(&binding.id).map(|report| &report.result) else { return Vec::new() };
    let port = bound.port();
    match bound.ip() {
        IpAddr::V6(ip) if ip.is_unspecified() => {
            vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
        }
        IpAddr::V4(ip) if ip.is_unspecified() => vec![(Ipv4Addr::LOCALHOST, port).into()],
        ip => vec![(ip, port).into()],
    }
}

/// The address of the portal over https, for a browser that may be at another machine; none if there is no https binding.
pub(crate) fn portal_url(served: &ServedState, machine: &str) -> Option<String> {
    let binding = &https_binding(&served.desired)?.value;
    let port = served.binding(&binding.id).and_then(|report| report.result.as_ref().ok()).map(SocketAddr::port);
    Some(url(Scheme::Https, &told_host(&served.desired, machine), port.unwrap_or_else(|| binding.address.port())))
}

/// A URL without the port that its scheme has anyway.
pub(crate) fn url(scheme: Scheme, host: &Host, port: u16) -> String {
    if port == scheme.default_port() { format!("{scheme}://{host}/") } else { format!("{scheme}://{host}:{port}/") }
}

/// What the leaf says that a certificate presents.
pub(crate) fn facts(stored: &StoredCertificate) -> Option<&LeafFacts> {
    stored.value.current_version().map(|version| &*version.facts)
}

/// The site that a handshake asks for; none at an address, as only names are asked for (RFC 6066 section 3).
fn site_asked_for<'a>(desired: &'a Desired, host: &Host) -> Option<&'a Site> {
    matches!(host, Host::Name(_)).then(|| site_of(desired, host)).flatten()
}

/// The site that a host leads to: by its name, by a wildcard, or the one for all hosts.
fn site_of<'a>(desired: &'a Desired, host: &Host) -> Option<&'a Site> {
    let above = match host {
        Host::Name(name) => name.parent().and_then(|parent| HostPattern::parse(&format!("*.{parent}")).ok()),
        Host::Ip(_) => None,
    };
    let names = desired.names();
    let patterns = [Some(HostPattern::Exact(host.clone())), above, Some(HostPattern::Any)];
    let found = patterns.iter().flatten().find_map(|pattern| names.sites(pattern).last());
    found.and_then(|id| desired.site(id)).map(|stored| &stored.value)
}
