//! The horizon: every certificate against time, the most urgent first.

use std::{sync::Arc, time::Duration};

use portward_core::{
    CertificateId, CertificateStatus, IssuerId, LeafFacts, Source, Timestamp, Validity,
    acme::{Outcome, SHORT_LIFETIME, announced_lifetime, announced_lifetimes},
};
use portward_store::{
    desired::{Desired, StoredCertificate},
    work,
};

use super::{Allowed, App, AppError, renewals::Remembered, right};

/// Is one certificate against time.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    /// Names the certificate.
    pub(crate) id: CertificateId,
    /// What people call it.
    pub(crate) name: String,
    /// The first issuer of a managed one.
    pub(crate) issuer: Option<IssuerId>,
    /// What its leaf says.
    pub(crate) facts: Arc<LeafFacts>,
    /// How its dates stand.
    pub(crate) status: CertificateStatus,
    /// Its dates.
    pub(crate) validity: Validity,
    /// When it is renewed, and why then; none if nobody renews it.
    pub(crate) planned: Option<Planned>,
    /// When the CA suggests to renew it.
    pub(crate) window: Option<(Timestamp, Timestamp)>,
    /// The renewals after the planned one, if nothing changes.
    pub(crate) later: Vec<Timestamp>,
    /// When it was renewed.
    pub(crate) renewed: Vec<Timestamp>,
    /// When a try failed; only of the first lanes, see [`DETAILED`].
    pub(crate) failed: Vec<Timestamp>,
    /// How many tries failed in a row.
    pub(crate) failures: u32,
}

/// Is a renewal to come.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// When; never before now.
    pub(crate) at: Timestamp,
    /// Why then.
    pub(crate) why: String,
}

/// Says with which lifetimes the renewals to come are reckoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetimes {
    /// Those that are announced for the time of each renewal.
    Announced,
    /// Those of that time, as if it were there already.
    Of(Timestamp),
}

impl App {
    /// Sets every certificate against time, the most urgent first.
    pub(crate) async fn horizon(
        &self,
        _by: &Allowed<right::View>,
        lifetimes: Lifetimes,
        until: Timestamp,
    ) -> Result<Vec<Lane>, AppError> {
        let now = self.now();
        let served = self.served();
        let desired = &*served.desired;
        let remembered = self.remembered().await?;
        let sight = Sight { app: self, desired, remembered: &remembered, now, until, lifetimes };
        let mut lanes: Vec<Lane> = desired.certificates.iter().filter_map(|stored| sight.lane(stored)).collect();
        lanes.sort_by_cached_key(urgency);
        for lane in lanes.iter_mut().take(DETAILED) {
            let attempts = work::newest_attempts(&*self.parts.store, Some(&lane.id), MOST_ATTEMPTS).await;
            let unreadable = |error| AppError::internal("what is remembered of renewals cannot be read", error);
            lane.failed = attempts.map_err(unreadable)?.iter().filter_map(failed_at).collect();
        }
        Ok(lanes)
    }
}

/// Is what a lane is made from, besides its certificate.
struct Sight<'a> {
    app: &'a App,
    desired: &'a Desired,
    remembered: &'a Remembered,
    now: Timestamp,
    until: Timestamp,
    lifetimes: Lifetimes,
}

impl Sight<'_> {
    fn lane(&self, stored: &StoredCertificate) -> Option<Lane> {
        let certificate = &stored.value;
        let version = certificate.current_version()?;
        let facts = &version.facts;
        let renewal = self.remembered.renewal(&certificate.id);
        let managed = certificate.management.managed();
        let planned = managed.map(|managed| {
            let is_under_way = self.remembered.stage(&certificate.id).is_some();
            let next = self.app.next(stored, managed, renewal, is_under_way);
            Planned { at: next.at.max(self.now), why: next.why }
        });
        let lifetime = facts.validity.lifetime();
        let announced = managed.and_then(|managed| {
            let issuer = self.desired.issuer(managed.issuers.first()?)?;
            Some(announced_lifetimes(&issuer.value.issuer.directory, managed.profile.as_deref()))
        });
        let lifetime_at = |at: Timestamp| {
            let at = match self.lifetimes {
                Lifetimes::Announced => at,
                Lifetimes::Of(moment) => moment.max(at),
            };
            announced.as_ref().and_then(|announced| announced_lifetime(announced, at)).unwrap_or(lifetime)
        };
        let later = planned.as_ref().map(|planned| self.later(planned.at, lifetime_at)).unwrap_or_default();
        Some(Lane {
            id: certificate.id.clone(),
            name: facts.names.first().map_or_else(|| certificate.name.to_string(), ToString::to_string),
            issuer: managed.and_then(|managed| managed.issuers.first().cloned()),
            facts: Arc::clone(facts),
            status: facts.validity.status(self.now, self.desired.settings.warning),
            validity: facts.validity,
            planned,
            window: renewal.window.as_ref().filter(|w| w.of == facts.thumbprint).map(|w| (w.start, w.end)),
            later,
            renewed: certificate.versions.iter().filter(|v| v.source == Source::Acme).map(|v| v.added).collect(),
            failed: Vec::new(),
            failures: renewal.failures,
        })
    }

    /// The renewals after one, each a third of the lifetime before the end (half of it, if it is short).
    fn later(&self, first: Timestamp, lifetime_at: impl Fn(Timestamp) -> Duration) -> Vec<Timestamp> {
        let mut later = Vec::new();
        let mut at = first;
        while later.len() < MOST_LATER {
            let lifetime = lifetime_at(at);
            let left = if lifetime < SHORT_LIFETIME { lifetime / 2 } else { lifetime / 3 };
            at = at.plus(lifetime.saturating_sub(left).max(Duration::from_secs(3600)));
            if at > self.until {
                break;
            }
            later.push(at);
        }
        later
    }
}

/// What sorts lanes: those that need a hand first, by what is soonest.
fn urgency(lane: &Lane) -> (u8, Timestamp, CertificateId) {
    let end = lane.validity.not_after;
    let (rank, at) = match lane.status {
        CertificateStatus::Expired | CertificateStatus::NotYetValid => (0, end),
        _ if lane.failures > 0 => (0, end),
        CertificateStatus::ExpiresSoon => (1, end),
        CertificateStatus::Valid => (2, lane.planned.as_ref().map_or(end, |planned| planned.at)),
    };
    (rank, at, lane.id.clone())
}

fn failed_at(attempt: &portward_core::acme::Attempt) -> Option<Timestamp> {
    match attempt.outcome {
        Some(Outcome::Failed { at, .. }) => Some(at),
        _ => None,
    }
}

/// That many lanes are drawn by themselves.
pub(crate) const DETAILED: usize = 10;
/// More marks in a lane are not seen apart.
const MOST_LATER: usize = 24;
/// What is kept of a certificate is not much more.
const MOST_ATTEMPTS: usize = 30;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{
        app::{Apply, Precondition},
        fixture::{Fixture, bundle, by, import},
    };

    #[tokio::test]
    async fn the_most_urgent_certificate_is_first() {
        let fixture = Fixture::start().await;
        let now = fixture.app.now();
        for (name, days) in [("later.test", 300), ("soon.test", 60)] {
            let input = import(&bundle(&[name], days), None);
            fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
        }
        fixture.set_now(now.plus(Duration::from_secs(50 * 86_400)));
        let until = now.plus(Duration::from_secs(90 * 86_400));
        let lanes = fixture.app.horizon(&by(), Lifetimes::Announced, until).await.unwrap();
        let names: Vec<&str> = lanes.iter().map(|lane| lane.name.as_str()).collect();
        assert_eq!(names, ["soon.test", "later.test"]);
        assert_eq!(lanes[0].status, CertificateStatus::ExpiresSoon);
        assert!(lanes.iter().all(|lane| lane.planned.is_none() && lane.later.is_empty()));
    }
}
