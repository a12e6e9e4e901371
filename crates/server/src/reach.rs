//! Which addresses are connected to because somebody asked for it.
//!
//! Whoever may look, or may say where messages go, must not get a way to machines that only this one reaches. What the
//! engine does by itself, as asking the CA that an operator chose, is no matter of this.

use std::{collections::BTreeSet, net::IpAddr};

use portward_core::{Host, HostPattern};
use portward_store::desired::Desired;

/// Says where a look may go that is made for somebody.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    /// Whether the name is a matter of this server: then it is looked at wherever DNS leads.
    pub(crate) is_ours: bool,
    /// The addresses of this machine.
    pub(crate) own: Vec<IpAddr>,
    /// Ports that are asked besides 80 and 443.
    pub(crate) ports: BTreeSet<u16>,
}

impl Reach {
    /// Why nobody connects to an address; none if one may.
    pub(crate) fn refusal(&self, address: IpAddr, port: u16) -> Option<String> {
        let address = address.to_canonical();
        let is_own = address.is_loopback() || self.own.contains(&address);
        if !is_own && is_no_server(address) {
            return Some("no server on the internet has such an address".to_owned());
        }
        if !is_own && !self.is_ours {
            return Some(
                "no site and no certificate of this server has the name, and it is not an address of this machine"
                    .to_owned(),
            );
        }
        if !self.ports.contains(&port) && !matches!(port, 80 | 443) {
            return Some(format!("port {port} is not 80, 443 or one of a binding"));
        }
        None
    }
}

/// Whether a site or a certificate has a name, by itself or by a wildcard.
pub(crate) fn is_named(desired: &Desired, host: &Host) -> bool {
    names(desired).any(|name| *name != HostPattern::Any && name.matches(host))
}

/// Whether a site or a certificate has what is asked for, as it is or as the host that it is.
pub(crate) fn is_pattern_named(desired: &Desired, pattern: &HostPattern) -> bool {
    match pattern {
        HostPattern::Exact(host) => is_named(desired, host),
        HostPattern::Wildcard(_) => names(desired).any(|name| name == pattern),
        HostPattern::Any => false,
    }
}

/// Why no message is sent to an address; none if one is. Plain ones reach this machine and private networks alone.
pub(crate) fn refusal_of_message(address: IpAddr, is_plain: bool) -> Option<&'static str> {
    let address = address.to_canonical();
    if is_no_server(address) {
        return Some("which is no address of a server");
    }
    let is_private = match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    };
    match is_plain && !is_private && !address.is_loopback() {
        true => Some("which is in no private network, so plain http is not used; give an https URL"),
        false => None,
    }
}

/// Whether no server has such an address. At link-local ones clouds give out credentials of the machine.
fn is_no_server(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_link_local() || address.is_multicast() || address.is_broadcast() || address.is_unspecified()
        }
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast() || address.is_unspecified(),
    }
}

/// All names that sites and certificates have.
fn names(desired: &Desired) -> impl Iterator<Item = &HostPattern> {
    let of_sites = desired.sites.iter().flat_map(|stored| &stored.value.names);
    let versions = desired.certificates.iter().filter_map(|stored| stored.value.current_version());
    let managed = desired.certificates.iter().filter_map(|stored| stored.value.management.managed());
    of_sites.chain(versions.flat_map(|version| version.facts.names.iter())).chain(managed.flat_map(|all| &all.names))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_what_leads_to_us_or_has_a_name_of_ours_is_connected_to() {
        for (address, port, is_ours, allowed) in [
            ("203.0.113.5", 443, false, true),
            ("127.0.0.1", 8443, false, true),
            ("203.0.113.5", 22, true, false),
            ("198.51.100.9", 443, true, true),
            ("198.51.100.9", 8443, true, true),
            ("198.51.100.9", 6379, true, false),
            ("198.51.100.9", 443, false, false),
            ("169.254.169.254", 80, true, false),
            ("::ffff:169.254.169.254", 80, true, false),
            ("fe80::1", 443, true, false),
            ("0.0.0.0", 443, true, false),
            ("224.0.0.1", 443, true, false),
        ] {
            let reach = Reach { is_ours, own: vec!["203.0.113.5".parse().unwrap()], ports: [8443].into() };
            let refused = reach.refusal(address.parse().unwrap(), port);
            assert_eq!(refused.is_none(), allowed, "{address} {port} {is_ours}: {refused:?}");
        }
    }

    #[test]
    fn plain_http_reaches_private_networks_alone_and_nothing_reaches_link_local_addresses() {
        for (address, https, http) in [
            ("127.0.0.1", true, true),
            ("::1", true, true),
            ("10.1.2.3", true, true),
            ("192.168.0.9", true, true),
            ("fd00::1", true, true),
            ("203.0.113.9", true, false),
            ("2001:db8::1", true, false),
            ("169.254.169.254", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("fe80::1", false, false),
            ("0.0.0.0", false, false),
            ("224.0.0.1", false, false),
            ("255.255.255.255", false, false),
        ] {
            let ip: IpAddr = address.parse().unwrap();
            let is_sent = |is_plain| refusal_of_message(ip, is_plain).is_none();
            assert_eq!((is_sent(false), is_sent(true)), (https, http), "{address}");
        }
    }
}
