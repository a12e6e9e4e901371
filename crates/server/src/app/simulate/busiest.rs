//! How much of each budget is used when most of it is.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use portward_core::{
    CertificateId, IssuerId, Timestamp,
    acme::{Issuer, Limit, LimitKind, Limits, Managed, registered_domain},
};

use super::forecast::Planned;

/// Is the most that is used of a budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Used {
    /// Of whom.
    pub(super) what: String,
    pub(super) limit: Limit,
    pub(super) most: u32,
}

/// Collects when what is counted happens.
pub(super) struct Busiest<'a> {
    issuers: &'a HashMap<&'a IssuerId, &'a Issuer>,
    orders: BTreeMap<IssuerId, Vec<Timestamp>>,
    /// By directory and domain: CAs count whoever asks.
    domains: BTreeMap<(&'a str, String), Vec<Timestamp>>,
    /// Certificates that use the most of what is allowed for the same names, by directory.
    same_names: BTreeMap<&'a str, Vec<(CertificateId, u32)>>,
}

impl<'a> Busiest<'a> {
    /// Begins with the orders that were placed lately.
    pub(super) fn new(
        issuers: &'a HashMap<&'a IssuerId, &'a Issuer>,
        orders: &HashMap<IssuerId, Vec<Timestamp>>,
    ) -> Self {
        let orders = orders.iter().map(|(id, times)| (id.clone(), times.clone())).collect();
        Self { issuers, orders, domains: BTreeMap::new(), same_names: BTreeMap::new() }
    }

    /// Adds what one certificate needs, and what it was issued lately.
    pub(super) fn add(&mut self, id: &CertificateId, managed: &Managed, issued: &[Timestamp], planned: &[Planned]) {
        let domains: BTreeSet<String> = managed.names.iter().map(registered_domain).collect();
        // Who issued it lately is most likely who is asked next.
        let before = planned.first().map(|planned| directory(self.issuers, &planned.issuer)).unwrap_or_default();
        let mut by_directory: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
        if !planned.is_empty() {
            by_directory.entry(before).or_default().extend(issued);
        }
        for planned in planned {
            self.orders.entry(planned.issuer.clone()).or_default().push(planned.at);
            by_directory.entry(directory(self.issuers, &planned.issuer)).or_default().push(planned.at);
        }
        for (directory, mut times) in by_directory {
            for domain in &domains {
                self.domains.entry((directory, domain.clone())).or_default().extend(&times);
            }
            let limit = Limits::of(directory).same_names;
            let most = most_within(&mut times, limit.per);
            let entries = self.same_names.entry(directory).or_default();
            keep(entries, id.clone(), most, limit);
        }
    }

    /// Counts: for each issuer its orders; for each CA the certificate and the domain that use most, and all that use
    /// more than is allowed.
    pub(super) fn finish(self) -> Vec<Used> {
        let mut budgets = Vec::new();
        for (id, mut times) in self.orders {
            let limit = Limits::of(directory(self.issuers, &id)).orders;
            let most = most_within(&mut times, limit.per);
            if most > 0 {
                budgets.push(Used { what: id.to_string(), limit, most });
            }
        }
        let same_names = self.same_names.into_iter();
        budgets.extend(same_names.flat_map(|(directory, entries)| used(entries, Limits::of(directory).same_names)));
        let mut by_directory: BTreeMap<&str, Vec<(String, u32)>> = BTreeMap::new();
        for ((directory, domain), mut times) in self.domains {
            let limit = Limits::of(directory).certificates_per_domain;
            let most = most_within(&mut times, limit.per);
            keep(by_directory.entry(directory).or_default(), domain, most, limit);
        }
        let domains = by_directory.into_iter();
        budgets.extend(
            domains.flat_map(|(directory, entries)| used(entries, Limits::of(directory).certificates_per_domain)),
        );
        budgets
    }
}

/// The directory of an issuer; empty for one that does not exist any more.
fn directory<'a>(issuers: &HashMap<&IssuerId, &'a Issuer>, id: &IssuerId) -> &'a str {
    issuers.get(id).map(|issuer| issuer.directory.as_str()).unwrap_or_default()
}

/// Keeps the first that uses most, and all that use more than is allowed.
fn keep<T>(entries: &mut Vec<(T, u32)>, what: T, most: u32, limit: Limit) {
    if most > limit.count {
        entries.retain(|(_, other)| *other > limit.count);
        entries.push((what, most));
    } else if entries.first().is_none_or(|(_, other)| *other < most) {
        *entries = vec![(what, most)];
    }
}

/// The busiest first.
fn used<T: ToString>(mut entries: Vec<(T, u32)>, limit: Limit) -> impl Iterator<Item = Used> {
    entries.sort_by_key(|(_, most)| std::cmp::Reverse(*most));
    entries.into_iter().map(move |(what, most)| Used { what: what.to_string(), limit, most })
}

/// The most that happens in any span of that length; what is exactly as far apart is not in the same one.
pub(super) fn most_within(times: &mut [Timestamp], per: Duration) -> u32 {
    times.sort_unstable();
    let (mut first, mut most) = (0, 0);
    for last in 0..times.len() {
        while times[last].since(times[first]) >= per {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    u32::try_from(most).unwrap_or(u32::MAX)
}

/// A limit for people, as in `orders in 3 hours`.
pub(super) fn limit_text(limit: Limit) -> String {
    let what = match limit.kind {
        LimitKind::Orders => "orders",
        LimitKind::SameNames => "certificates for the same names",
        LimitKind::FailedValidations => "failed validations of a name",
        LimitKind::CertificatesPerDomain => "certificates for the domain",
    };
    match limit.per.as_secs() / 3600 {
        hours if hours % 24 == 0 => format!("{what} in {} days", hours / 24),
        hours => format!("{what} in {hours} hours"),
    }
}
