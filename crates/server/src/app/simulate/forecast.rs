//! The renewals to come, one certificate after the other.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use portward_core::{
    CertificateId, IssuerId, Source, Timestamp, Validity,
    acme::{
        AnnouncedLifetime, Issuer, Jitter, Managed, RenewalFacts, announced_lifetime, announced_lifetimes, renewal_time,
    },
};
use portward_store::{
    desired::{Desired, StoredCertificate},
    work::Renewal,
};

use super::busiest::{Busiest, Used};
use crate::renewals::outlook;

/// Is all that the future is computed from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    pub(super) desired: &'a Desired,
    pub(super) renewals: &'a HashMap<CertificateId, Renewal>,
    /// When orders were placed lately.
    pub(super) orders: &'a HashMap<IssuerId, Vec<Timestamp>>,
    pub(super) now: Timestamp,
    pub(super) until: Timestamp,
    /// More renewals than that are not computed.
    pub(super) most: usize,
}

/// Is what will be.
#[derive(Debug)]
pub(super) struct Forecast {
    /// In the order of time, then of the certificates' ids.
    pub(super) renewals: Vec<Planned>,
    pub(super) budgets: Vec<Used>,
    /// Lifetimes that change meanwhile.
    pub(super) announced: Vec<(IssuerId, AnnouncedLifetime)>,
}

/// Is one renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) at: Timestamp,
    pub(super) certificate: CertificateId,
    pub(super) issuer: IssuerId,
    pub(super) lifetime: Duration,
    pub(super) why: String,
}

/// Computes what will be; none if that is too much.
pub(super) fn forecast(given: &Given<'_>) -> Option<Forecast> {
    let cluster = given.desired.cluster.as_ref().map(|cluster| cluster.id.as_str()).unwrap_or_default();
    let issuers: HashMap<&IssuerId, &Issuer> =
        given.desired.issuers.iter().map(|stored| (&stored.value.issuer.id, &stored.value.issuer)).collect();
    let mut busiest = Busiest::new(&issuers, given.orders);
    let mut announced: BTreeSet<(IssuerId, Timestamp, Duration)> = BTreeSet::new();
    let mut renewals = Vec::new();
    let none = Renewal::default();
    for stored in &given.desired.certificates {
        let Some(managed) = stored.value.management.managed() else { continue };
        let renewal = given.renewals.get(&stored.value.id).unwrap_or(&none);
        let first = renewals.len();
        let mut life = Life { stored, managed, issuers: &issuers, cluster, given, number: 0 };
        life.run(renewal, &mut renewals)?;
        busiest.add(&stored.value.id, managed, &renewal.issued, &renewals[first..]);
        for id in renewals[first..].iter().map(|planned| &planned.issuer).collect::<BTreeSet<_>>() {
            let changes =
                life.announced(id).into_iter().filter(|step| step.from > given.now && step.from <= given.until);
            announced.extend(changes.map(|step| (id.clone(), step.from, step.lifetime)));
        }
    }
    renewals.sort_by(|a, b| (a.at, &a.certificate).cmp(&(b.at, &b.certificate)));
    Some(Forecast {
        renewals,
        budgets: busiest.finish(),
        announced: announced
            .into_iter()
            .map(|(issuer, from, lifetime)| (issuer, AnnouncedLifetime { from, lifetime }))
            .collect(),
    })
}

/// Is the life of one certificate from now on.
struct Life<'a> {
    stored: &'a StoredCertificate,
    managed: &'a Managed,
    issuers: &'a HashMap<&'a IssuerId, &'a Issuer>,
    cluster: &'a str,
    given: &'a Given<'a>,
    /// How many renewals there were.
    number: usize,
}

impl Life<'_> {
    fn run(&mut self, renewal: &Renewal, renewals: &mut Vec<Planned>) -> Option<()> {
        let due = outlook(self.stored, self.managed, renewal, self.cluster);
        let now = self.given.now;
        let mut at = due.at.max(now).max(renewal.retry(now).unwrap_or(Timestamp::EPOCH));
        let mut why = due.why;
        let kept = self.kept_lifetime();
        let count = self.managed.issuers.len();
        let turn = usize::try_from(renewal.turn).unwrap_or(0);
        // Who failed last is not asked next; after a success the first one is.
        let mut issuer = self.managed.issuers.get(turn % count.max(1))?.clone();
        let mut announced = self.announced(&issuer);
        while at <= self.given.until {
            if renewals.len() >= self.given.most {
                return None;
            }
            let lifetime = announced_lifetime(&announced, at).unwrap_or(kept);
            let validity = Validity { not_before: at, not_after: at.plus(lifetime).minus(SECOND) };
            renewals.push(Planned {
                at,
                certificate: self.stored.value.id.clone(),
                issuer: issuer.clone(),
                lifetime,
                why: std::mem::take(&mut why),
            });
            if self.number == 0 && turn % count != 0 {
                issuer = self.managed.issuers[0].clone();
                announced = self.announced(&issuer);
            }
            self.number += 1;
            // Its real one depends on the certificate, which nobody knows; this one is spread the same way.
            let what = format!("simulated {}", self.number);
            let next = renewal_time(&RenewalFacts {
                validity,
                window: None,
                renew_before: self.managed.renew_before,
                jitter: Jitter::of(self.cluster, self.stored.value.id.as_str(), &what),
            });
            why = next.reason.to_string();
            at = next.at.max(at.plus(SECOND));
        }
        Some(())
    }

    fn announced(&self, issuer: &IssuerId) -> Vec<AnnouncedLifetime> {
        let Some(issuer) = self.issuers.get(issuer) else { return Vec::new() };
        let profile = self.managed.profile.as_deref().or(issuer.profile.as_deref());
        announced_lifetimes(&issuer.directory, profile)
    }

    /// The lifetime where nothing is announced: that of the version that is served, if a CA issued it.
    fn kept_lifetime(&self) -> Duration {
        let version = self.stored.value.current_version().filter(|version| version.source == Source::Acme);
        version.map_or(USUAL, |version| version.facts.validity.lifetime().saturating_add(SECOND))
    }
}

/// What public CAs issue today where nothing is asked for.
const USUAL: Duration = Duration::from_secs(90 * super::DAY);
const SECOND: Duration = Duration::from_secs(1);
