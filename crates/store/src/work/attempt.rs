//! Attempts, as people read about them.

use portward_core::{
    AttemptId, CertificateId, HostPattern, IssuerId, Timestamp,
    acme::{AcmeProblem, Attempt, Diagnosis, Event, Outcome, Stage, Subproblem},
};
use serde::{Deserialize, Serialize};

use super::{ReadWorkError, WorkPlace, read, read_all};
use crate::{Key, Prefix, Store, change::Change, records::text};

#[derive(Serialize, Deserialize)]
struct AttemptRecord {
    #[serde(with = "text")]
    issuer: IssuerId,
    #[serde(with = "text::list")]
    names: Vec<HostPattern>,
    why: String,
    #[serde(with = "text")]
    began: Timestamp,
    order: Option<String>,
    timeline: Vec<EventRecord>,
    outcome: Option<OutcomeRecord>,
}

#[derive(Serialize, Deserialize)]
struct EventRecord {
    #[serde(with = "text")]
    at: Timestamp,
    #[serde(with = "text")]
    stage: Stage,
    what: String,
}

#[derive(Serialize, Deserialize)]
struct OutcomeRecord {
    #[serde(with = "text")]
    at: Timestamp,
    failure: Option<DiagnosisRecord>,
}

#[derive(Serialize, Deserialize)]
struct DiagnosisRecord {
    code: String,
    cause: String,
    remedy: String,
    problem: Option<ProblemRecord>,
}

#[derive(Serialize, Deserialize)]
struct ProblemRecord {
    kind: String,
    detail: String,
    status: Option<u16>,
    /// Identifier, kind, detail.
    subproblems: Vec<(Option<String>, String, String)>,
}

/// Reads the newest attempts, newest first: those for a certificate, or for all.
pub async fn newest_attempts(
    store: &dyn Store,
    certificate: Option<&CertificateId>,
    most: usize,
) -> Result<Vec<Attempt>, ReadWorkError> {
    let prefix = certificate.map_or_else(|| ATTEMPTS.to_owned(), |id| format!("{ATTEMPTS}{id}/"));
    let mut attempts: Vec<Attempt> = Vec::new();
    for (key, record) in read_all::<AttemptRecord>(store, &prefix).await? {
        if let Some((certificate, id)) = ids(&key) {
            attempts.push(record.into_attempt(certificate, id));
        }
    }
    match certificate {
        // In the order in which they were begun, even if the clock was set back meanwhile.
        Some(_) => attempts.sort_by(|a, b| b.id.cmp(&a.id)),
        None => attempts.sort_by(|a, b| (b.began, &b.id).cmp(&(a.began, &a.id))),
    }
    attempts.truncate(most);
    Ok(attempts)
}

/// Reads one attempt.
pub async fn attempt(
    store: &dyn Store,
    certificate: &CertificateId,
    id: &AttemptId,
) -> Result<Option<Attempt>, ReadWorkError> {
    let record: Option<AttemptRecord> = read(store, &WorkPlace::Attempt(certificate, id)).await?;
    Ok(record.map(|record| record.into_attempt(certificate.clone(), id.clone())))
}

/// Reads the attempt of that id, whichever of the certificates it is for; only that one is read.
pub async fn find_attempt(
    store: &dyn Store,
    certificates: impl Iterator<Item = &CertificateId>,
    id: &AttemptId,
) -> Result<Option<Attempt>, ReadWorkError> {
    for certificate in certificates {
        if let Some(found) = attempt(store, certificate, id).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

impl Change {
    /// Writes an attempt.
    pub fn put_attempt(&mut self, attempt: &Attempt) {
        let record = AttemptRecord::from(attempt);
        self.put_work(&WorkPlace::Attempt(&attempt.certificate, &attempt.id), &record);
    }

    /// Forgets an attempt.
    pub fn remove_attempt(&mut self, certificate: &CertificateId, id: &AttemptId) {
        self.delete_work(&WorkPlace::Attempt(certificate, id));
    }
}

fn ids(key: &Key) -> Option<(CertificateId, AttemptId)> {
    let mut segments = key.segments().skip(2);
    Some((CertificateId::parse(segments.next()?).ok()?, AttemptId::parse(segments.next()?).ok()?))
}

impl From<&Attempt> for AttemptRecord {
    fn from(attempt: &Attempt) -> Self {
        let event = |event: &Event| EventRecord { at: event.at, stage: event.stage, what: event.what.clone() };
        Self {
            issuer: attempt.issuer.clone(),
            names: attempt.names.clone(),
            why: attempt.why.clone(),
            began: attempt.began,
            order: attempt.order.clone(),
            timeline: attempt.timeline.iter().map(event).collect(),
            outcome: attempt.outcome.as_ref().map(|outcome| OutcomeRecord {
                at: outcome.at(),
                failure: match outcome {
                    Outcome::Served { .. } => None,
                    Outcome::Failed { diagnosis, .. } => Some(DiagnosisRecord::from(diagnosis)),
                },
            }),
        }
    }
}

impl AttemptRecord {
    fn into_attempt(self, certificate: CertificateId, id: AttemptId) -> Attempt {
        let event = |event: EventRecord| Event { at: event.at, stage: event.stage, what: event.what };
        Attempt {
            id,
            certificate,
            issuer: self.issuer,
            names: self.names,
            why: self.why,
            began: self.began,
            order: self.order,
            timeline: self.timeline.into_iter().map(event).collect(),
            outcome: self.outcome.map(|OutcomeRecord { at, failure }| match failure {
                None => Outcome::Served { at },
                Some(failure) => Outcome::Failed { at, diagnosis: failure.into() },
            }),
        }
    }
}

impl From<&Diagnosis> for DiagnosisRecord {
    fn from(diagnosis: &Diagnosis) -> Self {
        Self {
            code: diagnosis.code.clone(),
            cause: diagnosis.cause.clone(),
            remedy: diagnosis.remedy.clone(),
            problem: diagnosis.problem.as_ref().map(|problem| ProblemRecord {
                kind: problem.kind.clone(),
                detail: problem.detail.clone(),
                status: problem.status,
                subproblems: problem
                    .subproblems
                    .iter()
                    .map(|sub| (sub.identifier.clone(), sub.kind.clone(), sub.detail.clone()))
                    .collect(),
            }),
        }
    }
}

impl From<DiagnosisRecord> for Diagnosis {
    fn from(record: DiagnosisRecord) -> Self {
        let subproblem = |(identifier, kind, detail)| Subproblem { identifier, kind, detail };
        Self {
            code: record.code,
            cause: record.cause,
            remedy: record.remedy,
            problem: record.problem.map(|problem| AcmeProblem {
                kind: problem.kind,
                detail: problem.detail,
                status: problem.status,
                subproblems: problem.subproblems.into_iter().map(subproblem).collect(),
            }),
        }
    }
}

/// Reads the ids of the attempts for a certificate, oldest first, without reading them.
pub async fn attempt_ids(store: &dyn Store, certificate: &CertificateId) -> Result<Vec<AttemptId>, ReadWorkError> {
    let prefix = Prefix::of_checked(format!("{ATTEMPTS}{certificate}/"));
    let listed = store.list(&prefix, None, crate::Page::first(MOST_KEPT)).await?;
    Ok(listed.kvs.iter().filter_map(|kv| ids(&kv.key)).map(|(_, id)| id).collect())
}

const ATTEMPTS: &str = "work/attempt/";
/// Attempts are cleared away long before there are so many.
const MOST_KEPT: usize = 1000;
