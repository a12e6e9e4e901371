//! What is known of the renewal of each managed certificate, and whether it fails.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use portward_api::Severity;
use portward_core::{
    Certificate, CertificateId, Revision, Sorted, Source, Timestamp,
    acme::{Diagnosis, Outcome},
};
use portward_store::{
    Store,
    desired::{Desired, StoredCertificate},
    work::{self, ReadWorkError, Renewal},
};

use super::words;
use crate::{
    problem::Problem,
    renewals::{Outlook, outlook},
};

/// Shows how renewals stand, to whoever counts.
#[derive(Debug, Default)]
pub(crate) struct RenewalBoard {
    standings: Mutex<BTreeMap<CertificateId, Standing>>,
}

/// Is how the renewal of one certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// When it is due; none if that was always so, as no CA has issued it.
    pub(crate) due: Option<Timestamp>,
    /// Attempts that failed in a row.
    pub(crate) failures: u32,
}

/// Knows all managed certificates.
#[derive(Debug, Default)]
pub(super) struct KnownRenewals {
    known: BTreeMap<CertificateId, Known>,
    /// The certificates as they were when they were last followed.
    followed: Sorted<StoredCertificate>,
    /// When a CA issued those versions in use that one did.
    issued: BTreeMap<CertificateId, Timestamp>,
}

/// Is what is known of one.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Of the certificate, when it was looked at.
    revision: Revision,
    pub(super) renewal: Renewal,
    pub(super) due: Outlook,
    /// When it was first seen to be due by this process.
    due_since: Option<Timestamp>,
    problem: Option<Problem>,
    /// When time alone makes something else of it.
    next_change: Option<Timestamp>,
}

/// Says whether a renewal fails, and when time alone changes that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Judgement {
    failing: Option<Severity>,
    next_change: Option<Timestamp>,
}

impl RenewalBoard {
    /// How the renewals of all managed certificates stand.
    pub(crate) fn all(&self) -> BTreeMap<CertificateId, Standing> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, id: &CertificateId, standing: Standing) {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), standing);
    }

    fn remove(&self, id: &CertificateId) {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

impl KnownRenewals {
    /// All managed certificates.
    pub(super) fn ids(&self) -> Vec<CertificateId> {
        self.known.keys().cloned().collect()
    }

    pub(super) fn of(&self, id: &CertificateId) -> Option<&Known> {
        self.known.get(id)
    }

    /// Forgets what is managed no more, and gives those that are new or were changed.
    pub(super) fn follow(&mut self, desired: &Desired, board: &RenewalBoard) -> Vec<CertificateId> {
        let mut changed = Vec::new();
        for (before, after) in Sorted::differences(&self.followed, &desired.certificates) {
            let Some(Certificate { id, .. }) = after.or(before).map(|stored| &stored.value) else { continue };
            match after.and_then(|stored| stored.value.current_version()) {
                Some(version) if version.source == Source::Acme => {
                    self.issued.insert(id.clone(), version.added);
                }
                _ => drop(self.issued.remove(id)),
            }
            match after.filter(|stored| stored.value.management.managed().is_some()) {
                Some(stored) if self.known.get(id).is_some_and(|known| known.revision == stored.revision()) => {}
                Some(_) => changed.push(id.clone()),
                None if self.known.remove(id).is_some() => board.remove(id),
                None => {}
            }
        }
        self.followed = desired.certificates.clone();
        changed
    }

    /// The certificates of which a CA issued the version in use after that time.
    pub(super) fn issued_after(&self, time: Timestamp) -> impl Iterator<Item = &CertificateId> {
        self.issued.iter().filter(move |(_, issued)| **issued > time).map(|(id, _)| id)
    }

    /// Those of which time alone has made something else.
    pub(super) fn ripe(&self, now: Timestamp) -> Vec<CertificateId> {
        let ripe = self.known.iter().filter(|(_, known)| known.next_change.is_some_and(|at| at <= now));
        ripe.map(|(id, _)| id.clone()).collect()
    }

    /// When time alone makes something else of one.
    pub(super) fn next_change(&self) -> Option<Timestamp> {
        self.known.values().filter_map(|known| known.next_change).min()
    }

    /// Reads what is remembered of one, and judges it.
    pub(super) async fn look_at(
        &mut self,
        store: &dyn Store,
        desired: &Desired,
        id: &CertificateId,
        now: Timestamp,
        board: &RenewalBoard,
    ) -> Result<(), ReadWorkError> {
        let Some(stored) = desired.certificate(id) else { return Ok(()) };
        let (Some(managed), Some(cluster)) = (stored.value.management.managed(), &desired.cluster) else {
            return Ok(());
        };
        let renewal = Renewal::read(store, id).await?.unwrap_or_default();
        let due = outlook(stored, managed, &renewal, &cluster.id);
        let before = self.known.get(id).and_then(|known| known.due_since);
        let due_since = (due.at <= now).then(|| before.unwrap_or(now));
        let Judgement { failing, next_change } = judge(stored, &renewal, due.at, due_since, now);
        let failures = renewal.failures;
        let mut known = Known { revision: stored.revision(), renewal, due, due_since, problem: None, next_change };
        if let Some(severity) = failing {
            let failure = known.failure(store, id).await?;
            known.problem = Some(words::problem(severity, stored, &known, failure.as_ref()));
        }
        let shown = (known.due.at != Timestamp::EPOCH).then_some(known.due.at);
        board.put(id, Standing { due: shown, failures });
        self.known.insert(id.clone(), known);
        Ok(())
    }

    /// The problems of all whose renewal fails.
    pub(super) fn problems(&self) -> Vec<Problem> {
        self.known.values().filter_map(|known| known.problem.clone()).collect()
    }

    /// Those whose renewal fails.
    pub(super) fn failing(&self) -> impl Iterator<Item = &CertificateId> {
        self.known.iter().filter(|(_, known)| known.problem.is_some()).map(|(id, _)| id)
    }
}

impl Known {
    /// What went wrong in the newest attempt that failed; none if the renewal is in no trouble.
    pub(super) async fn failure(
        &self,
        store: &dyn Store,
        id: &CertificateId,
    ) -> Result<Option<Diagnosis>, ReadWorkError> {
        if self.renewal.trouble.is_none() {
            return Ok(None);
        }
        let attempts = work::newest_attempts(store, Some(id), ATTEMPTS_LOOKED_AT).await?;
        Ok(attempts.into_iter().find_map(|attempt| match attempt.outcome {
            Some(Outcome::Failed { diagnosis, .. }) => Some(diagnosis),
            _ => None,
        }))
    }
}

/// Says whether a renewal fails: three attempts did, or a twentieth of the lifetime went by since it was due.
///
/// Without any attempt that failed, an hour must have gone by since the process saw that it is due: a machine that was
/// off for a month renews within minutes.
fn judge(
    stored: &StoredCertificate,
    renewal: &Renewal,
    due: Timestamp,
    due_since: Option<Timestamp>,
    now: Timestamp,
) -> Judgement {
    let Some(version) = stored.value.current_version() else {
        return Judgement { failing: None, next_change: None };
    };
    let validity = version.facts.validity;
    let lifetime = validity.lifetime();
    let (second, has_date) = (Duration::from_secs(1), due != Timestamp::EPOCH);
    let late = if has_date { due.plus(lifetime / 20).plus(second) } else { due };
    let patient = match due_since {
        _ if renewal.trouble.is_some() && has_date => None,
        Some(since) => Some(since.plus(PATIENCE)),
        None => Some(due.plus(PATIENCE)),
    };
    let from = if renewal.failures >= FAILURES { Timestamp::EPOCH } else { patient.map_or(late, |at| at.max(late)) };
    let worse = validity.not_after.minus(lifetime / 10).plus(second);
    let severity = if now >= worse { Severity::Error } else { Severity::Warning };
    // At the time when it is due it is looked at too, so that it is known since when.
    let next_change = [due, from, worse].into_iter().filter(|at| *at > now).min();
    Judgement { failing: (now >= from).then_some(severity), next_change }
}

/// The third is 11 minutes after the first; what passes by itself has passed.
const FAILURES: u32 = 3;
/// An attempt takes seconds, and minutes with DNS.
const PATIENCE: Duration = Duration::from_secs(3600);
/// The newest may be under way.
const ATTEMPTS_LOOKED_AT: usize = 3;
