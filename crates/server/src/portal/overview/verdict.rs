//! The answer to "am I safe?", in one sentence.

use std::sync::Arc;

use portward_api::Severity;
use portward_core::{CertificateStatus, HostPattern, Site, Timestamp};
use portward_store::desired::StoredCertificate;

use super::super::view::{Mark, counted, relative};
use crate::{app::horizon::Lane, served::ServedState};

/// Is the sentence, with its mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The worst mark.
    pub(super) mark: Mark,
    /// What the mark means, for who does not see it.
    pub(super) label: &'static str,
    /// The sentence.
    pub(super) sentence: String,
}

/// Says how things stand: the sentence is about applications, as the portal is no reason to be woken.
pub(super) fn verdict(served: &ServedState, lanes: &[Lane], now: Timestamp) -> Verdict {
    let errors: Vec<_> = served.problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
    if let [first, rest @ ..] = errors.as_slice() {
        let sentence = match rest.len() {
            0 => format!("One thing is not served as asked for: {}.", first.subject),
            _ => format!("{} things are not served as asked for, {} among them.", errors.len(), first.subject),
        };
        return Verdict { mark: Mark::Bad, label: "Something is not served", sentence };
    }
    let sites: Vec<&Site> = applications(served).collect();
    if sites.is_empty() {
        let sentence = "No application is behind this door yet: add a site.".to_owned();
        return Verdict { mark: Mark::Off, label: "Nothing to serve", sentence };
    }
    let unsafe_sites: Vec<&&Site> = sites.iter().filter(|site| !is_safe(site, served, now)).collect();
    let all = match sites.len() {
        1 => "The site serves a valid certificate".to_owned(),
        count => format!("All {} serve a valid certificate", counted(count, "site")),
    };
    if let Some(first) = unsafe_sites.first() {
        let safe = sites.len() - unsafe_sites.len();
        let name = first.names.first().map(ToString::to_string).unwrap_or_default();
        let sentence = match (safe, unsafe_sites.len()) {
            (_, 1) => format!("Browsers warn of {name}: it has no certificate yet that they accept."),
            (_, count) => format!(
                "Browsers warn of {count} sites, {name} among them: they have no certificate yet that browsers accept."
            ),
        };
        return Verdict { mark: Mark::Warn, label: "Needs attention", sentence };
    }
    if let Some(trouble) = lanes.first().and_then(|lane| trouble(lane, now)) {
        return Verdict { mark: Mark::Warn, label: "Needs attention", sentence: format!("{all}, but {trouble}.") };
    }
    if !served.problems.is_empty() {
        let sentence = format!("{all}; {} a look.", needs(served.problems.len()));
        return Verdict { mark: Mark::Warn, label: "Needs attention", sentence };
    }
    let next = lanes.iter().filter_map(|lane| lane.planned.as_ref().map(|planned| planned.at)).min();
    let sentence = match (next, lanes.iter().map(|lane| lane.validity.not_after).min()) {
        (Some(at), _) => format!("{all}; the next renewal is {}.", relative(at, now)),
        (None, Some(end)) => format!("{all}; the first one ends {}.", relative(end, now)),
        (None, None) => format!("{all}."),
    };
    Verdict { mark: Mark::Ok, label: "All is well", sentence }
}

/// What the most urgent certificate needs; none if it needs nothing.
fn trouble(lane: &Lane, now: Timestamp) -> Option<String> {
    let ends = relative(lane.validity.not_after, now);
    match lane.status {
        CertificateStatus::Expired => Some(format!("{} expired {ends}", lane.name)),
        CertificateStatus::NotYetValid => Some(format!("{} is not valid yet", lane.name)),
        _ if lane.failures > 0 => Some(format!("{} expires {ends} and its renewal fails", lane.name)),
        CertificateStatus::ExpiresSoon if lane.planned.is_none() => {
            Some(format!("{} expires {ends} and nobody renews it", lane.name))
        }
        _ => None,
    }
}

/// The sites that have an application behind them.
pub(super) fn applications(served: &ServedState) -> impl Iterator<Item = &Site> {
    served.desired.sites.iter().map(|stored| &stored.value).filter(|site| !site.is_portal())
}

/// Whether a certificate in force, not signed by its own key, is shown for every name of a site.
pub(super) fn is_safe(site: &Site, served: &ServedState, now: Timestamp) -> bool {
    let desired = &served.desired;
    let warning = desired.settings.warning;
    let good = |stored: &StoredCertificate| {
        let version = Arc::clone(stored.value.current_version()?);
        let is_good = version.facts.validity.status(now, warning).is_in_force() && !version.facts.self_signed;
        is_good.then_some(version)
    };
    site.names.iter().all(|name| {
        if *name == HostPattern::Any {
            // What is shown for a name that no certificate has is the default one of each binding.
            let mut defaults = desired.bindings.iter().filter_map(|binding| binding.value.default_certificate.as_ref());
            return defaults.all(|id| desired.certificate(id).and_then(good).is_some());
        }
        let mut versions = desired.certificates.iter().filter_map(good);
        versions.any(|version| version.facts.names.iter().any(|has| has.covers(name)))
    })
}

fn needs(count: usize) -> String {
    if count == 1 { "one thing needs".to_owned() } else { format!("{count} things need") }
}
