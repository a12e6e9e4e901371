//! The first content of an empty store, and whether the flags of a later start agree with it.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use portward_certs::{SELF_SIGNED_DAYS, self_signed, self_signed_validity};
use portward_core::{
    Binding, BindingId, CertificateId, HeaderRules, Host, HostName, HostPattern, Hsts, Management, Scheme, Site,
    SiteCertificate, SiteId, SiteLimits, Source, Timestamp, Upstream, UpstreamTrust, sockets_overlap,
};
use portward_proxy::Proxy;
use portward_store::{
    Store,
    change::{Change, Expected, NewKey, NewVersion, commit},
    desired::Desired,
    sealing::{Sealer, Secret},
};

use crate::{
    app::{Actor, new_key_id, slug},
    start_error::StartError,
};

/// Is what the flags of `serve` say about the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// `--http`; none if it was not given.
    pub(crate) http: Option<Vec<SocketAddr>>,
    /// `--https`; none if it was not given.
    pub(crate) https: Option<Vec<SocketAddr>>,
    /// `--upstream`.
    pub(crate) upstream: Option<Upstream>,
}

impl Flags {
    /// The addresses that were asked for of a scheme; none if its flag was not given.
    fn asked(&self, scheme: Scheme) -> Option<&[SocketAddr]> {
        match scheme {
            Scheme::Http => self.http.as_deref(),
            Scheme::Https => self.https.as_deref(),
        }
    }
}

/// Whether nobody ever asked for anything.
pub(crate) fn is_empty(desired: &Desired) -> bool {
    desired.bindings.is_empty() && desired.sites.is_empty() && desired.certificates.is_empty() && desired.bad.is_empty()
}

/// Gives an empty store its first content, all in one change: bindings, a self-signed certificate, and a site for all
/// hosts, which serves the application that was named, else the portal.
pub(crate) async fn seed(
    store: &dyn Store,
    sealer: &Sealer,
    proxy: &Proxy,
    flags: &Flags,
    host_name: &str,
    now: Timestamp,
) -> Result<(), StartError> {
    let failed = |what| move |source: Box<dyn std::error::Error + Send + Sync>| StartError::FirstStart { what, source };
    let addresses = choose(flags, proxy)?;

    let names = own_names(host_name);
    let bundle = self_signed(&names, self_signed_validity(now, SELF_SIGNED_DAYS))
        .map_err(|error| failed("no certificate could be made")(error.into()))?;
    let id = |error: portward_core::IdError| failed("no id could be made")(error.into());
    let certificate = CertificateId::parse("first-start").map_err(id)?;

    let mut change = Change::new(Actor::portward("first start").to_string(), "first start", now);
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for (scheme, address) in addresses {
        let name = slug(&format!("{scheme}-{}", address.port()), "binding", |id| taken.contains(id));
        let default_certificate = (scheme == Scheme::Https).then(|| certificate.clone());
        let binding_id = BindingId::parse(&name).map_err(id)?;
        let binding = Binding { default_certificate, ..Binding::new(binding_id, scheme.into(), address) };
        change.put_binding(&binding, Expected::Absent);
        taken.insert(name);
    }
    let upstream = flags.upstream.clone().unwrap_or(Upstream::Portal);
    let site = Site {
        id: SiteId::parse(if upstream == Upstream::Portal { "portal" } else { "default" }).map_err(id)?,
        names: [HostPattern::Any].into(),
        upstreams: [upstream].into(),
        upstream_trust: UpstreamTrust::System,
        force_https: None,
        hsts: Hsts::Off,
        certificate: SiteCertificate::Auto,
        forwarding: Arc::default(),
        limits: SiteLimits::default(),
        headers: HeaderRules::default(),
        preset: None,
    };
    change.put_site(&site, Expected::Absent);
    let secret = Secret::copy_of(bundle.key.as_pkcs8_der());
    let version = NewVersion {
        source: Source::SelfSigned,
        added: now,
        chain: bundle.chain,
        facts: bundle.facts.into(),
        key: new_key_id().map_err(|error| failed("no id could be made")(error.into()))?,
        private_key: NewKey::Here(&secret),
    };
    change.add_certificate(&certificate, "first start", Management::Unmanaged, version, sealer);
    commit(store, change).await.map_err(|error| failed("the store could not be written")(error.into()))?;
    tracing::info!("the store was empty and has its first content");
    Ok(())
}

/// Refuses flags that say otherwise than the store, which decides after the first start.
pub(crate) fn agree(flags: &Flags, desired: &Desired) -> Result<(), StartError> {
    for scheme in SCHEMES {
        let Some(asked) = flags.asked(scheme) else { continue };
        let asked: BTreeSet<SocketAddr> = asked.iter().copied().collect();
        let bindings =
            desired.bindings.iter().map(|stored| &stored.value).filter(|binding| binding.protocol == scheme.into());
        let stored: BTreeSet<SocketAddr> = bindings.map(|binding| binding.address).collect();
        if asked != stored {
            return Err(StartError::Configuration(format!(
                "--{scheme} says {}, but the store has {}; the flag counts only at the first start. Leave it out, and change bindings while the server runs: portward binding add {scheme}://ADDR:PORT, portward binding remove ID",
                addresses(&asked, scheme),
                addresses(&stored, scheme),
            )));
        }
    }
    if let Some(upstream) = &flags.upstream {
        let sites = desired.sites.iter().map(|stored| &stored.value);
        let any = sites.into_iter().find(|site| site.names.contains(&HostPattern::Any));
        if any.is_none_or(|site| *site.upstreams != [upstream.clone()]) {
            let (has, command) = match any {
                Some(site) => {
                    let upstreams = site.upstreams.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    (
                        format!("in the store the site \"{}\", which is for all hosts, has {upstreams}", site.id),
                        format!("portward site edit {} --upstream {upstream}", site.id),
                    )
                }
                None => (
                    "the store has no site for all hosts".to_owned(),
                    format!("portward site add '*' --upstream {upstream}"),
                ),
            };
            return Err(StartError::Configuration(format!(
                "--upstream says {upstream}, but {has}; the flag counts only at the first start. Leave it out, and change the site while the server runs: {command}"
            )));
        }
    }
    Ok(())
}

/// The bindings of a first start: those of the flags, else the usual ones. Each is tried, and none excludes another.
fn choose(flags: &Flags, proxy: &Proxy) -> Result<Vec<(Scheme, SocketAddr)>, StartError> {
    let ip = match portward_proxy::has_ipv6() {
        true => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        false => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    let mut chosen = wanted(flags, ip)?;
    for (scheme, address) in &chosen {
        proxy.try_bind(*scheme, *address).map_err(|source| StartError::Bind {
            url: format!("{scheme}://{address}"),
            flag: flag(*scheme),
            source,
        })?;
    }
    // The ports that browsers take are bound as well, where the machine lets us have them.
    for (scheme, address) in standard(flags, ip, &chosen) {
        match proxy.try_bind(scheme, address) {
            Ok(()) => chosen.push((scheme, address)),
            Err(error) => tracing::info!(%error, "{scheme}://{address} is not bound at the first start"),
        }
    }
    Ok(chosen)
}

/// What a first start has to bind: what each flag says, else the usual port. Two that exclude each other are refused.
fn wanted(flags: &Flags, ip: IpAddr) -> Result<Vec<(Scheme, SocketAddr)>, StartError> {
    let mut wanted: Vec<(Scheme, SocketAddr)> = Vec::new();
    for scheme in SCHEMES {
        let port = match scheme {
            Scheme::Http => 8080,
            Scheme::Https => 8443,
        };
        let usual = [SocketAddr::new(ip, port)];
        for address in flags.asked(scheme).unwrap_or(&usual) {
            if let Some(other) = wanted.iter().find(|(_, other)| sockets_overlap(*other, *address)) {
                return Err(overlap(*other, (scheme, *address)));
            }
            wanted.push((scheme, *address));
        }
    }
    Ok(wanted)
}

/// The ports that browsers take, of the schemes of which nothing was asked for, where nothing is to be bound yet.
fn standard(flags: &Flags, ip: IpAddr, wanted: &[(Scheme, SocketAddr)]) -> Vec<(Scheme, SocketAddr)> {
    let unasked = SCHEMES.into_iter().filter(|scheme| flags.asked(*scheme).is_none());
    let standard = unasked.map(|scheme| (scheme, SocketAddr::new(ip, scheme.default_port())));
    let is_free = |address| !wanted.iter().any(|(_, other)| sockets_overlap(*other, address));
    standard.filter(|(_, address)| is_free(*address)).collect()
}

fn overlap(one: (Scheme, SocketAddr), other: (Scheme, SocketAddr)) -> StartError {
    let url = |(scheme, address): (Scheme, SocketAddr)| format!("{scheme}://{address}");
    let flags: BTreeSet<String> = [one, other].map(|(scheme, _)| format!("{} ADDR:PORT", flag(scheme))).into();
    let flags = flags.into_iter().collect::<Vec<_>>().join(" or ");
    StartError::Overlap { one: url(one), other: url(other), flags }
}

fn flag(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Http => "--http",
        Scheme::Https => "--https",
    }
}

/// The names of this machine that a certificate can have.
pub(crate) fn own_names(host_name: &str) -> Vec<HostPattern> {
    let mut hosts = Vec::new();
    hosts.extend(HostName::parse("localhost").map(Host::Name));
    // A machine may be called what no certificate can say.
    hosts.extend(HostName::parse(host_name).map(Host::Name));
    hosts.push(Host::from(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    hosts.push(Host::from(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    let mut names: Vec<HostPattern> = Vec::new();
    for name in hosts.into_iter().map(HostPattern::Exact) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn addresses(addresses: &BTreeSet<SocketAddr>, scheme: Scheme) -> String {
    if addresses.is_empty() {
        return format!("no {scheme} binding");
    }
    addresses.iter().map(|address| format!("{scheme}://{address}")).collect::<Vec<_>>().join(", ")
}

/// What a first start makes bindings of.
const SCHEMES: [Scheme; 2] = [Scheme::Http, Scheme::Https];

#[cfg(test)]
mod tests;
