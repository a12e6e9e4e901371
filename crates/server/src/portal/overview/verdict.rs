//! The answer to "am I safe?", in one sentence.

use portward_api::Severity;
use portward_core::{CertificateStatus, HostPattern, Site, Timestamp};

use super::super::{
    standing::{Reach, Standing},
    view::{Mark, counted, grouped, relative},
};
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
pub(super) fn verdict(served: &ServedState, sites: &[(&Site, Standing)], lanes: &[Lane], now: Timestamp) -> Verdict {
    let errors: Vec<_> = served.problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
    if let [first, rest @ ..] = errors.as_slice() {
        let sentence = match rest.len() {
            0 => format!("One thing is not served as asked for: {}.", first.subject),
            _ => format!("{} things are not served as asked for, {} among them.", errors.len(), first.subject),
        };
        return Verdict { mark: Mark::Bad, label: "Something is not served", sentence };
    }
    let applications: Vec<&(&Site, Standing)> = sites.iter().filter(|(site, _)| !site.is_portal()).collect();
    if applications.is_empty() {
        let sentence = "No application is behind this door yet: add a site.".to_owned();
        return Verdict { mark: Mark::Off, label: "Nothing to serve", sentence };
    }
    let unsafe_sites: Vec<&(&Site, Standing)> =
        applications.iter().filter(|(_, standing)| !standing.is_safe()).copied().collect();
    if let Some(sentence) = warned_of(&unsafe_sites) {
        return Verdict { mark: Mark::Warn, label: "Needs attention", sentence };
    }
    let all = match applications.len() {
        1 => "The site serves a valid certificate".to_owned(),
        count => format!("All {} serve a valid certificate", counted(count, "site")),
    };
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

/// Whether browsers warn of the portal: no reason to be woken, but said beside the verdict.
pub(super) fn portal_warned(sites: &[(&Site, Standing)]) -> bool {
    sites.iter().any(|(site, standing)| site.is_portal() && standing.reach == Reach::Https && !standing.is_safe())
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

/// What is wrong with sites that are not safe; none if there are none.
fn warned_of(sites: &[&(&Site, Standing)]) -> Option<String> {
    let (first, standing) = sites.first()?;
    let name = name_of(first);
    Some(match (standing.reach, sites.len()) {
        (Reach::Nothing, _) => format!("{name} is not served yet."),
        (Reach::HttpAlone, _) => "No site is served over HTTPS: there is no https binding.".to_owned(),
        (Reach::Https, 1) => format!("Browsers warn of {name}: it has no certificate yet that they accept."),
        (Reach::Https, count) => format!(
            "Browsers warn of {} sites, {name} among them: they have no certificate yet that browsers accept.",
            grouped(count as u64)
        ),
    })
}

/// What people call a site.
pub(super) fn name_of(site: &Site) -> String {
    let name = site.names.first().filter(|name| **name != HostPattern::Any);
    name.map_or_else(|| format!("the site {}", site.id), ToString::to_string)
}

fn needs(count: usize) -> String {
    if count == 1 { "one thing needs".to_owned() } else { format!("{count} things need") }
}
