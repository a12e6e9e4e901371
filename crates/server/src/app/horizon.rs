//! The horizon: every certificate against time, the most urgent first.

use std::{collections::HashMap, time::Duration};

use portward_core::{
    CertificateId, CertificateStatus, Source, Timestamp, Validity,
    acme::{Outcome, SHORT_LIFETIME, announced_lifetime, announced_lifetimes},
};
use portward_store::{
    desired::{Desired, StoredCertificate},
    work::{self, Renewal},
};

use super::{Allowed, App, AppError, right};
use crate::renewals::outlook;

/// Is one certificate against time.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    /// Names the certificate.
    pub(crate) id: CertificateId,
    /// What people call it.
    pub(crate) name: String,
    /// Who issues it: the first issuer of a managed one, else what its leaf says.
    pub(crate) issuer: String,
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
        let desired = self.served().desired.clone();
        let unreadable = |error| AppError::internal("what is remembered of renewals cannot be read", error);
        let renewals: HashMap<CertificateId, Renewal> =
            Renewal::read_all(&*self.parts.store).await.map_err(unreadable)?.into_iter().collect();
        let cluster = self.parts.engine.cluster();
        let sight = Sight { desired: &desired, now, until, lifetimes, cluster };
        let mut lanes: Vec<Lane> = desired
            .certificates
            .iter()
            .filter_map(|stored| sight.lane(stored, renewals.get(&stored.value.id)))
            .collect();
        lanes.sort_by_cached_key(urgency);
        for lane in lanes.iter_mut().take(DETAILED) {
            let attempts = work::newest_attempts(&*self.parts.store, Some(&lane.id), MOST_ATTEMPTS).await;
            lane.failed = attempts.map_err(unreadable)?.iter().filter_map(failed_at).collect();
        }
        Ok(lanes)
    }
}

/// Is what a lane is made from, besides its certificate.
struct Sight<'a> {
    desired: &'a Desired,
    now: Timestamp,
    until: Timestamp,
    lifetimes: Lifetimes,
    cluster: &'a str,
}

impl Sight<'_> {
    fn lane(&self, stored: &StoredCertificate, renewal: Option<&Renewal>) -> Option<Lane> {
        let certificate = &stored.value;
        let version = certificate.current_version()?;
        let facts = &version.facts;
        let fresh = Renewal::default();
        let renewal = renewal.unwrap_or(&fresh);
        let managed = certificate.management.managed();
        let planned = managed.map(|managed| {
            let due = outlook(stored, managed, renewal, self.cluster);
            let held = renewal.retry_at.unwrap_or(Timestamp::EPOCH);
            Planned { at: due.at.max(held).max(self.now), why: due.why }
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
        let issuer = match managed.and_then(|managed| managed.issuers.first()) {
            Some(issuer) => issuer.to_string(),
            None if facts.self_signed => "self-signed".to_owned(),
            None => common_name(&facts.issuer),
        };
        Some(Lane {
            id: certificate.id.clone(),
            name: facts.names.first().map_or_else(|| certificate.name.clone(), ToString::to_string),
            issuer,
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

/// The common name, or the organization, in a distinguished name; all of it if it has neither.
fn common_name(name: &str) -> String {
    let part = |key: &str| name.split(", ").find_map(|part| part.strip_prefix(key));
    part("CN=").or_else(|| part("O=")).unwrap_or(name).to_owned()
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

    #[test]
    fn an_issuer_is_called_by_its_common_name() {
        assert_eq!(common_name("CN=R13, O=Let's Encrypt, C=US"), "R13");
        assert_eq!(common_name("O=Northmole, C=SE"), "Northmole");
        assert_eq!(common_name("C=SE"), "C=SE");
    }
}
