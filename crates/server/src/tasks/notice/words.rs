//! What is said of certificates that expire or whose renewal fails.

use portward_api::Severity;
use portward_core::{CertificateVersion, Timestamp, acme::Diagnosis};
use portward_store::desired::StoredCertificate;

use super::known::Known;
use crate::{
    notice::{Notice, NoticeKind},
    problem::{Problem, RENEWAL_FAILING, Subject},
};

/// Tells of an event; `known` is there for managed certificates, `failure` if the last attempt of one failed.
pub(super) fn notice(
    kind: NoticeKind,
    stored: &StoredCertificate,
    version: &CertificateVersion,
    known: Option<&Known>,
    failure: Option<&Diagnosis>,
    now: Timestamp,
) -> Notice {
    let (id, name) = (&stored.value.id, &stored.value.name);
    let not_after = version.facts.validity.not_after;
    let severity = match kind {
        NoticeKind::Expired => Severity::Error,
        NoticeKind::ExpiresSoon => Severity::Warning,
        NoticeKind::RenewalFailing if not_after.since(now) < version.facts.validity.lifetime() / 10 => Severity::Error,
        NoticeKind::RenewalFailing => Severity::Warning,
    };
    let dated = match kind {
        NoticeKind::Expired => format!("the certificate \"{name}\" expired on {not_after}"),
        NoticeKind::ExpiresSoon | NoticeKind::RenewalFailing => {
            format!("the certificate \"{name}\" expires on {not_after}")
        }
    };
    let (message, remedy) = match known {
        None => (dated, format!("import its successor: portward certificate import FILE --replace {id}")),
        Some(known) => {
            let (standing, remedy) = standing(stored, known, failure, now);
            (format!("{dated}, and {standing}"), remedy)
        }
    };
    Notice { kind, severity, certificate: id.clone(), version: version.number, not_after, message, remedy }
}

/// Tells of a renewal that fails.
pub(super) fn problem(
    severity: Severity,
    stored: &StoredCertificate,
    known: &Known,
    failure: Option<&Diagnosis>,
) -> Problem {
    let (id, name) = (&stored.value.id, &stored.value.name);
    let (message, remedy) = match failure {
        Some(failure) => (
            format!("the renewal of the certificate \"{name}\" fails{}: {}", in_a_row(known), failure.cause),
            failure.remedy.clone(),
        ),
        None => (format!("the certificate \"{name}\" is not renewed, though {}", due(known)), look(stored)),
    };
    Problem { code: RENEWAL_FAILING, severity, subject: Subject::Certificate(id.clone()), message, remedy }
}

/// How a renewal stands, and what to do.
fn standing(
    stored: &StoredCertificate,
    known: &Known,
    failure: Option<&Diagnosis>,
    now: Timestamp,
) -> (String, String) {
    match failure {
        Some(failure) => (
            format!("its renewal fails{} ({}): {}", in_a_row(known), failure.code, failure.cause),
            failure.remedy.clone(),
        ),
        None if known.due.at > now => (format!("is renewed on {}: {}", known.due.at, known.due.why), look(stored)),
        None => (format!("is not renewed yet, though {}", due(known)), look(stored)),
    }
}

fn in_a_row(known: &Known) -> String {
    match known.renewal.failures {
        0 | 1 => String::new(),
        count => format!(", {count} times in a row"),
    }
}

fn due(known: &Known) -> String {
    match known.due.at {
        Timestamp::EPOCH => known.due.why.clone(),
        at => format!("it is due since {at} ({})", known.due.why),
    }
}

fn look(stored: &StoredCertificate) -> String {
    format!("see how its renewal stands: portward acme renewals {}", stored.value.id)
}
