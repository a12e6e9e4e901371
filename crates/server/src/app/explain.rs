//! Why a host name answers as it does: what is seen on the way, from inside and where DNS leads.
//!
//! Who may look at what is configured may ask, so it must not become a way to look at other machines:
//! connections are made to our own bindings, to the upstreams that are configured, and where DNS leads only for names
//! that a site or a certificate of ours has by itself or by a wildcard, or to addresses of this machine; there only to
//! ports 80 and 443 and those of our bindings, and never to addresses that no name of a server leads to.

mod upstreams;

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::Method;
use portward_api::{ExplainDetail, ExplainRequest, ExplainStep, ExplainView};
use portward_certs::dns::{DnsRecords, LookupFailure};
use portward_core::{
    Binding, BindingProtocol, Host, HostPattern, Passage, Scheme, Site, UpstreamAddress,
    explain::{
        Answered, Asked, BindingFacts, Dns, Facts, Finding, Look, PassageFacts, SiteFacts, WantedCertificate, Why,
        explain, verdict,
    },
};
use portward_proxy::Snapshot;
use portward_store::desired::Desired;
use tokio::{task::JoinSet, time::timeout};

use super::{Allowed, App, AppError, right};
pub(super) use upstreams::ask_site;
use upstreams::{chosen, look_at_all, resolve};

use crate::{
    explain::{Ask, LIMIT, Place, Trust, answer, connect, look},
    handshake::Greeting,
    reach::{Reach, is_named},
    renewals::reachable,
    served::ServedState,
};

impl App {
    /// Explains why a host name answers as it does. It never fails because something on the way does.
    pub(crate) async fn explain(
        &self,
        _by: &Allowed<right::View>,
        input: &ExplainRequest,
    ) -> Result<ExplainView, AppError> {
        let asked = Asked::parse(&input.host).map_err(|error| AppError::invalid("host", &error))?;
        let facts = self.explain_facts(asked).await;
        let findings = explain(&facts);
        let (mark, message) = verdict(&facts, &findings);
        Ok(ExplainView {
            asked: facts.asked.to_string(),
            mark: mark.to_string(),
            message,
            site: facts.site.as_ref().map(|site| site.id.to_string()),
            certificate: facts.wanted.as_ref().map(|wanted| wanted.id.clone()),
            steps: findings.into_iter().map(view).collect(),
        })
    }

    async fn explain_facts(&self, asked: Asked) -> Facts {
        let (served, snapshot, now) = (self.served(), self.parts.proxy.snapshot(), self.now());
        let desired = &served.desired;
        let bindings: Vec<BindingFacts> = desired
            .bindings
            .iter()
            .filter_map(|stored| Some((&stored.value, served.binding(&stored.value.id)?)))
            .map(|(binding, report)| BindingFacts {
                id: binding.id.to_string(),
                protocol: binding.protocol,
                wanted: binding.address,
                bound: report.result.as_ref().copied().map_err(ToString::to_string),
            })
            .collect();
        let own = portward_proxy::addresses();
        if let Some((binding, passage)) = passage(&asked, &served) {
            let target =
                UpstreamAddress { scheme: Scheme::Http, host: passage.target.host.clone(), port: passage.target.port };
            let connected = async { connect(&Place::Address(resolve(&target).await?)).await };
            let (dns, connected) = tokio::join!(dns(&asked.host), connected);
            let passage = PassageFacts { binding: binding.id.to_string(), passage: passage.clone(), connected };
            return Facts {
                passage: Some(passage),
                asked,
                now,
                dns,
                own,
                bindings,
                inside: None,
                outside: Vec::new(),
                site: None,
                sites: desired.sites.len(),
                wanted: None,
                plain: None,
                upstreams: Vec::new(),
            };
        }
        let site =
            snapshot.sites.find(&asked.host).and_then(|served| desired.site(&served.id)).map(|stored| &stored.value);
        let own_binding = own_binding(&asked, &bindings);
        let scheme = own_binding.map_or_else(|| asked.scheme.unwrap_or(Scheme::Https), |(scheme, _)| scheme);
        // Roots are read from files.
        let of_machine = tokio::task::spawn_blocking(move || Trust::of_this_machine(now)).await.ok().map(Arc::new);
        let trust = of_machine.clone().filter(|_| scheme == Scheme::Https);
        let ask = |port: u16| Ask {
            host: asked.host.clone(),
            authority: authority(&asked.host, scheme, port),
            method: Method::HEAD,
            path: asked.path.clone(),
            trust: trust.clone(),
            opening: b"",
        };
        let inside = async {
            let (_, bound) = own_binding?;
            let at = reachable(bound);
            let opening = greeting(&served, bound, at).opening();
            Some(look(at, &Ask { opening, ..ask(asked.port.unwrap_or_else(|| at.port())) }).await)
        };
        let ports =
            BTreeSet::from_iter(bindings.iter().filter_map(|binding| Some(binding.bound.as_ref().ok()?.port())));
        let reach = Reach { is_ours: is_named(desired, &asked.host), own: own.clone(), ports };
        let outside = async {
            let dns = dns(&asked.host).await;
            let addresses = match &dns {
                Dns::Leads { addresses, .. } => addresses.clone(),
                Dns::NotAsked => match asked.host {
                    Host::Ip(ip) => vec![ip],
                    Host::Name(_) => Vec::new(),
                },
                Dns::Failed(_) => Vec::new(),
            };
            let port = asked.port.unwrap_or_else(|| scheme.default_port());
            let mut looks = JoinSet::new();
            for address in addresses.into_iter().take(MOST_ADDRESSES) {
                let (ask, refused) = (ask(port), reach.refusal(address, port));
                looks.spawn(async move {
                    match refused {
                        Some(why) => (address, Err(why)),
                        None => (address, Ok(look(SocketAddr::new(address, port), &ask).await)),
                    }
                });
            }
            let mut looks = looks.join_all().await;
            looks.sort_by_key(|(address, _)| *address);
            (dns, looks)
        };
        let plain = self.plain(&asked, &bindings, site.is_some() && scheme == Scheme::Https);
        let upstreams = async {
            let Some(site) = site else { return Vec::new() };
            let (_, chosen) = chosen(site, &asked.path);
            look_at_all(site, chosen.iter().collect(), &asked, &Method::HEAD, now).await
        };
        let (inside, (dns, outside), plain, upstreams) = tokio::join!(inside, outside, plain, upstreams);
        let plain = match scheme {
            Scheme::Http => inside.as_ref().and_then(|look: &Look| look.answer.clone()),
            Scheme::Https => plain,
        };
        Facts {
            site: site.and_then(|site| site_facts(site, &asked, desired)),
            sites: desired.sites.len(),
            wanted: wanted(&asked.host, &snapshot, desired, own_binding.map(|(_, at)| at), now),
            asked,
            now,
            dns,
            own,
            bindings,
            passage: None,
            inside,
            outside,
            plain,
            upstreams,
        }
    }

    /// What a browser gets in the clear from our own http binding.
    async fn plain(&self, asked: &Asked, bindings: &[BindingFacts], is_due: bool) -> Option<Result<Answered, String>> {
        let http = bindings.iter().filter(|binding| binding.protocol == BindingProtocol::Http);
        let bound =
            http.filter_map(|binding| binding.bound.as_ref().ok()).min_by_key(|at| (at.port() != 80, at.port()));
        let bound = *bound.filter(|_| is_due)?;
        let at = reachable(bound);
        let greeting = greeting(&self.served(), bound, at);
        let authority = authority(&asked.host, Scheme::Http, at.port());
        let (host, path) = (asked.host.clone(), asked.path.clone());
        let opening = greeting.opening();
        let ask = Ask { host, authority, method: Method::HEAD, path, trust: None, opening };
        Some(answer(&Place::Address(at), &ask).await)
    }
}

/// The binding that passes the connections of a host through, and to whom; none if the host is served here.
fn passage<'a>(asked: &Asked, served: &'a ServedState) -> Option<(&'a Binding, &'a Passage)> {
    if asked.scheme == Some(Scheme::Http) {
        return None;
    }
    let port = asked.port.unwrap_or_else(|| Scheme::Https.default_port());
    let bindings = served.desired.bindings.iter().map(|stored| &stored.value);
    let there = bindings.filter(|binding| {
        let bound = served.binding(&binding.id).and_then(|report| report.result.as_ref().ok());
        bound.is_some_and(|at| at.port() == port)
    });
    let rank = |passage: &&Passage| match passage.name {
        HostPattern::Exact(_) => 0,
        HostPattern::Wildcard(_) => 1,
        HostPattern::Any => 2,
    };
    let found = there.filter_map(|binding| {
        let fits = binding.to.iter().filter(|passage| passage.name.matches(&asked.host));
        Some((binding, fits.min_by_key(rank)?))
    });
    found.min_by_key(|(_, passage)| rank(passage))
}

/// How our own binding that is bound there has to be greeted.
fn greeting(served: &ServedState, bound: SocketAddr, at: SocketAddr) -> Greeting {
    let is_it = |binding: &&Binding| {
        served.binding(&binding.id).is_some_and(|report| report.result.as_ref().is_ok_and(|is| *is == bound))
    };
    let binding = served.desired.bindings.iter().map(|stored| &stored.value).find(is_it);
    binding.map_or(Greeting::Nothing, |binding| Greeting::of(binding, at))
}

/// Which binding of ours is asked: the one at the port, else the usual one of the scheme.
fn own_binding(asked: &Asked, bindings: &[BindingFacts]) -> Option<(Scheme, SocketAddr)> {
    let bound = bindings.iter().filter_map(|binding| Some((binding.protocol.scheme()?, *binding.bound.as_ref().ok()?)));
    let fits = bound.filter(|(scheme, at)| {
        asked.scheme.is_none_or(|asked| asked == *scheme) && asked.port.is_none_or(|port| port == at.port())
    });
    // Who names no scheme means https, if there is some.
    fits.min_by_key(|(scheme, at)| (*scheme == Scheme::Http, at.port() != scheme.default_port(), at.port()))
}

async fn dns(host: &Host) -> Dns {
    let Host::Name(name) = host else { return Dns::NotAsked };
    let records = DnsRecords::new(&[]);
    let asking = async { tokio::join!(records.addresses(name.as_str()), records.follow_cname(name.as_str())) };
    match timeout(LIMIT, asking).await {
        Err(_) => Dns::Failed(format!("no answer came within {} seconds", LIMIT.as_secs())),
        Ok((found, end)) => {
            let alias = end.ok().filter(|end| !end.trim_end_matches('.').eq_ignore_ascii_case(name.as_str()));
            match found {
                Ok(found) => {
                    let v4 = found.v4.into_iter().map(IpAddr::V4);
                    Dns::Leads { alias, addresses: v4.chain(found.v6.into_iter().map(IpAddr::V6)).collect() }
                }
                Err(error) => match error.why {
                    LookupFailure::NoSuchName | LookupFailure::NoData => Dns::Leads { alias, addresses: Vec::new() },
                    why => Dns::Failed(why.to_string()),
                },
            }
        }
    }
}

fn site_facts(site: &Site, asked: &Asked, desired: &Desired) -> Option<SiteFacts> {
    let rank = |pattern: &&HostPattern| match pattern {
        HostPattern::Exact(_) => 0,
        HostPattern::Wildcard(_) => 1,
        HostPattern::Any => 2,
    };
    let pattern = site.names.iter().filter(|pattern| pattern.matches(&asked.host)).min_by_key(rank)?;
    Some(SiteFacts {
        id: site.id.clone(),
        pattern: pattern.clone(),
        force_https: site.force_https.unwrap_or(desired.settings.force_https),
        hsts: site.hsts,
        is_portal: site.is_portal(),
        route: chosen(site, &asked.path).0.map(|route| route.prefix.clone()),
        http: site.forwarding.http,
    })
}

/// The certificate that is to be presented for a host, as the data plane chooses it.
fn wanted(
    host: &Host,
    snapshot: &Snapshot,
    desired: &Desired,
    at: Option<SocketAddr>,
    now: portward_core::Timestamp,
) -> Option<WantedCertificate> {
    let of_site =
        snapshot.sites.find(host).and_then(|site| site.certificate.as_ref()).map(|served| (served, Why::Site));
    let by_name = || snapshot.certificates.find(host).map(|served| (served, Why::Name));
    let default = || {
        let https = snapshot.bindings.iter().filter(|binding| binding.is_https());
        let port = |binding: &Binding| binding.address.port();
        let id = desired
            .bindings
            .iter()
            .map(|stored| &stored.value)
            .find(|binding| at.is_some_and(|at| at.port() == port(binding)));
        let mut https: Vec<_> = https.collect();
        https.sort_by_key(|binding| id.is_none_or(|id| id.id != binding.id));
        https.into_iter().find_map(|binding| binding.default_certificate.as_ref()).map(|served| (served, Why::Default))
    };
    let (served, why) = of_site.or_else(by_name).or_else(default)?;
    let stored = desired.certificate(&served.id)?;
    let version = stored.value.current_version()?;
    Some(WantedCertificate {
        id: served.id.to_string(),
        why,
        stored: (*version.facts).clone(),
        status: version.facts.validity.status(now, desired.settings.warning),
        managed: stored.value.management.managed().is_some(),
    })
}

/// As in a `Host` header.
fn authority(host: &Host, scheme: Scheme, port: u16) -> String {
    if port == scheme.default_port() { host.to_string() } else { format!("{host}:{port}") }
}

fn view(finding: Finding) -> ExplainStep {
    let details = finding.details.into_iter();
    ExplainStep {
        step: finding.step.to_string(),
        vantage: finding.vantage.map(|vantage| vantage.to_string()),
        mark: finding.mark.to_string(),
        message: finding.message,
        remedy: finding.remedy,
        details: details.map(|(name, value)| ExplainDetail { name: name.to_owned(), value }).collect(),
    }
}

/// A name with more addresses is that of a CDN.
const MOST_ADDRESSES: usize = 4;

#[cfg(test)]
mod tests;
