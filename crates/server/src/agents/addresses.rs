//! Where agents find the server.

use std::net::IpAddr;

use portward_core::{DialAddress, Host};
use portward_link::opening::TrustMark;
use portward_proxy::BindingReport;

use super::{Agents, Identities};
use crate::{app::ways_in, tasks::publish::is_for_agents};

impl Agents {
    /// Where polling agents can dial: where https bindings are, by the names that lead to them.
    pub(crate) fn addresses(&self) -> Vec<DialAddress> {
        let served = self.parts.served.now();
        if let Some(trust) = &served.desired.trust
            && !trust.value.addresses.is_empty()
        {
            return trust.value.addresses.clone();
        }
        let mut addresses: Vec<DialAddress> = Vec::new();
        let mut push = |host: Host, port: u16| {
            let address = DialAddress { host, port };
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        };
        // Those for agents alone first: they are there for it.
        let mut https: Vec<&BindingReport> =
            served.bindings.iter().filter(|report| is_for_agents(&report.id)).collect();
        let of_sites = served.desired.bindings.iter().filter(|stored| stored.value.is_https());
        https.extend(of_sites.filter_map(|stored| served.binding(&stored.value.id)));
        for report in https {
            let Ok(bound) = &report.result else { continue };
            match bound.ip() {
                ip if !ip.is_unspecified() => push(Host::Ip(ip), bound.port()),
                _ => {
                    let known = ways_in::server_host(&served.desired);
                    let own = Host::parse(&self.parts.host_name).ok();
                    let is_name = |host: &Host| !is_of_this_machine_alone(host);
                    for host in [known, own].into_iter().flatten().filter(is_name) {
                        push(host, bound.port());
                    }
                }
            }
        }
        addresses
    }

    /// Where an agent is told to dial that has taken an older state of trust; none for where it does already. Whoever took
    /// addresses that were taken back since is told where the bindings are: what it has leads there no more.
    pub(super) fn announced(&self, identities: &Identities, known: TrustMark) -> Vec<DialAddress> {
        let trust = &identities.trust;
        if trust.took_back(known.seq) { self.addresses() } else { trust.addresses.clone() }
    }
}

/// Whether a host leads to the machine that asks, wherever it asks.
fn is_of_this_machine_alone(host: &Host) -> bool {
    match host {
        Host::Name(name) => name.as_str() == "localhost" || name.as_str().ends_with(".localhost"),
        Host::Ip(ip) => match ip {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.is_loopback(),
        },
    }
}
