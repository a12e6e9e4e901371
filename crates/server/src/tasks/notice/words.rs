//! What is said of certificates that expire or whose renewal fails.

use portward_api::Severity;
use portward_core::{CertificateVersion, NoticeKind, Timestamp, Tone, acme::Diagnosis};
use portward_store::desired::StoredCertificate;

use super::known::Known;
use crate::{
    notice::{About, Notice},
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
    let about = About::Thing(Subject::Certificate(id.clone()));
    let near_end = not_after.since(now) < version.facts.validity.lifetime() / 10;
    let left = span(not_after.since(now).as_secs());
    let (tone, title) = match kind {
        NoticeKind::Renewed => {
            let message = match known.filter(|known| known.due.at > now) {
                Some(known) => format!(
                    "the certificate \"{name}\" was got from a CA and is served; it is valid until {not_after}, and is renewed on {}",
                    known.due.at
                ),
                None => {
                    format!("the certificate \"{name}\" was got from a CA and is served; it is valid until {not_after}")
                }
            };
            let (title, version) = (format!("{name} has a new certificate"), Some(version.number));
            let (tone, remedy) = (Tone::Good, String::new());
            return Notice { kind, tone, subject: about, version, at: now, title, message, remedy };
        }
        NoticeKind::Expired => (Tone::Bad, format!("The certificate {name} has expired")),
        NoticeKind::RenewalFailing if near_end => {
            (Tone::Bad, format!("The renewal of {name} fails, and it expires in {left}"))
        }
        NoticeKind::RenewalFailing => (Tone::Warning, format!("The renewal of {name} fails")),
        _ => (Tone::Warning, format!("The certificate {name} expires in {left}")),
    };
    let dated = match kind {
        NoticeKind::Expired => format!("the certificate \"{name}\" expired on {not_after}"),
        _ => format!("the certificate \"{name}\" expires on {not_after}"),
    };
    let (message, remedy) = match known {
        None => (dated, format!("import its successor: portward certificate import FILE --replace {id}")),
        Some(known) => {
            let (standing, remedy) = standing(stored, known, failure, now);
            (format!("{dated}, and {standing}"), remedy)
        }
    };
    Notice { kind, tone, subject: about, version: Some(version.number), at: now, title, message, remedy }
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

/// A length of time in its one unit that matters.
fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
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
