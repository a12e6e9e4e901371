//! The names by which the portal may be called.
//!
//! A name that somebody else made point here would give a page of theirs our answers to read (DNS rebinding).

use http::StatusCode;
use portward_core::{Host, HostName, HostPattern};

use super::{Listener, Way};
use crate::app::{App, AppError};

/// Holds what the machine is called.
#[derive(Clone, Debug, Default)]
pub(super) struct MachineNames(Vec<HostName>);

impl MachineNames {
    /// The name that the machine gives itself, and the short form of it.
    pub(super) fn of(host_name: &str) -> Self {
        let short = host_name.split('.').next().unwrap_or_default();
        Self([host_name, short].into_iter().filter_map(|name| HostName::parse(name).ok()).collect())
    }
}

/// Refuses a request that calls us by a name that is not ours.
pub(super) fn check(way: &Way, machine: &MachineNames, app: &App) -> Result<(), AppError> {
    let Some(host) = &way.host else { return Ok(()) };
    match way.listener {
        Listener::Socket => Ok(()),
        Listener::Loopback if is_loopback(host) => Ok(()),
        Listener::Loopback => {
            let message = format!("this listener answers to localhost, 127.0.0.1 and [::1] only, and not to {host}");
            Err(misdirected(message))
        }
        Listener::Binding => {
            if is_ours(host, machine, || app.portal_names()) || app.has_certificate_for(host) {
                return Ok(());
            }
            // Strangers are not told which names there are.
            Err(misdirected(format!(
                "{host} is no name of this portal, which answers to the names of its sites, the machine's own, localhost, the addresses of this machine, and every name that one of its certificates has; to give it this one: portward site add {host} --upstream portal"
            )))
        }
    }
}

fn misdirected(message: String) -> AppError {
    AppError::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", message)
}

/// Whether it is a name that only this machine can have.
fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Ip(address) => address.is_loopback(),
        Host::Name(name) => name.as_str() == "localhost",
    }
}

/// Whether it is an address, or a name that was given to the machine or to a site of the portal; `*` gives none.
fn is_ours(host: &Host, machine: &MachineNames, sites: impl FnOnce() -> Vec<HostPattern>) -> bool {
    let is_of_a_site = || sites().iter().any(|name| *name != HostPattern::Any && name.matches(host));
    match host {
        Host::Ip(_) => true,
        Host::Name(name) => name.as_str() == "localhost" || machine.0.contains(name) || is_of_a_site(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_name_of_somebody_else_is_none_of_ours() {
        let machine = MachineNames::of("box.lan");
        let sites: Vec<HostPattern> =
            ["*", "portal.test", "*.door.test"].iter().map(|name| HostPattern::parse(name).unwrap()).collect();
        for (host, expected) in [
            ("10.0.0.7", true),
            ("::1", true),
            ("localhost", true),
            ("box", true),
            ("BOX.lan.", true),
            ("portal.test", true),
            ("a.door.test", true),
            ("door.test", false),
            ("box.lan.evil.example", false),
            ("evil.example", false),
            ("10.0.0.7.nip.example", false),
        ] {
            assert_eq!(is_ours(&Host::parse(host).unwrap(), &machine, || sites.clone()), expected, "{host}");
        }
    }

    #[test]
    fn only_names_of_this_machine_are_answered_on_the_loopback_listener() {
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST.", true),
            ("127.0.0.1", true),
            ("127.1.2.3", true),
            ("[::1]", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("10.0.0.1", false),
            ("127.0.0.1.evil.example", false),
        ] {
            assert_eq!(is_loopback(&Host::parse(host).unwrap()), expected, "{host}");
        }
    }
}
