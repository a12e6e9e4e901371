//! What DNS said to a CA.

use super::{Check, Finding, Look, own};
use crate::acme::registered_domain;

impl Look<'_> {
    /// The name has no address, or none that a CA can use.
    pub(super) fn dns(&self) -> Option<Finding> {
        let (name, base) = (self.name, own::base(self.name));
        let zone = registered_domain(name);
        if self.has(&["reserved", "private", "not a public", "non-routable"]) {
            return Some(
                Finding::new(
                    "address-private",
                    format!("The name {name} leads to an address that a CA on the internet cannot reach."),
                    format!("Set its A and AAAA records to public addresses that lead here.{}", self.or_dns()),
                )
                .with(&[Check::Addresses]),
            );
        }
        if self.has(&[
            "nxdomain",
            "no valid a records",
            "no valid ip addresses",
            "no ip addresses found",
            "no such host",
        ]) {
            return Some(
                Finding::new(
                    "dns-not-found",
                    format!("DNS has no address for {name} where the CA asks: the name does not exist, or has no A or AAAA record."),
                    format!(
                        "Add an A record for {name} with this machine's public address at whoever serves the zone (`dig NS \
                         {zone}`), and check the spelling. If it was added just now, wait until its absence is forgotten, up to \
                         an hour. Then {}.",
                        self.check()
                    ),
                )
                .with(&[Check::Addresses, Check::Dnssec]),
            );
        }
        if self.has(&["servfail", "server failure", "refused looking up", "networking error", "notimp"]) {
            return Some(
                Finding::new(
                    "dns-servfail",
                    format!("The name servers of {name} answer the CA with a failure."),
                    format!(
                        "Ask each of them with `dig {base} @SERVER` (`dig NS {zone}` names them), and see \
                         https://dnsviz.net/d/{zone}/: a server that does not know the zone, a delegation that leads nowhere, or \
                         broken DNSSEC do this."
                    ),
                )
                .with(&[Check::Dnssec, Check::Addresses]),
            );
        }
        if self.has(&["query timed out", "dns problem: timed out"])
            || (self.has(&["dns"]) && self.has(&["timed out", "timeout"]))
        {
            let from = if self.secondary { " from some places in the world" } else { "" };
            return Some(
                Finding::new(
                    "dns-timeout",
                    format!("The name servers of {name} do not answer the CA{from}."),
                    format!(
                        "See with `dig NS {zone}` that each of them is up, and let port 53 through to it by UDP and TCP from \
                         everywhere: CAs ask from several countries. It is tried again by itself."
                    ),
                )
                .with(&[Check::Dnssec, Check::Addresses]),
            );
        }
        None
    }

    /// The TXT record is missing or another one.
    pub(super) fn dns_01(&self) -> Option<Finding> {
        let (name, base) = (self.name, own::base(self.name));
        let zone = registered_domain(name);
        let partly = if self.secondary { "From some places in the world the CA" } else { "The CA" };
        if self.has(&["no txt record", "nxdomain looking up txt"]) {
            return Some(
                Finding::new(
                    "not-propagated",
                    format!("{partly} found no TXT record at _acme-challenge.{base}, though it was written."),
                    format!(
                        "Compare the servers with `dig TXT _acme-challenge.{base} @SERVER` for each that `dig NS {zone}` names: one \
                         may be late or stale, or the provider writes to a zone that the world does not ask. Where the inside has \
                         a DNS of its own, give the issuer resolvers that see the outside. A name that was asked for too early is \
                         remembered as absent for up to an hour; it is tried again by itself."
                    ),
                )
                .with(&[Check::Dnssec]),
            );
        }
        if self.has(&["incorrect txt", "correct value not found", "did not match", "wrong txt"]) {
            return Some(
                Finding::new(
                    "dns-record-wrong",
                    format!(
                        "{partly} found another TXT record at _acme-challenge.{base} than the one of this attempt: one that is \
                         left over, one of another ACME client, or that of a server that is late."
                    ),
                    format!(
                        "Remove old records at _acme-challenge.{base}, see that no other client uses the name (a CNAME there may \
                         send both to one place), and look at each server of `dig NS {zone}`. It is tried again by itself."
                    ),
                )
                .with(&[Check::Dnssec]),
            );
        }
        self.dns()
    }
}
