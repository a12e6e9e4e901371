//! When a certificate will be renewed, and why then.

use portward_core::{
    CertificateVersion, HostPattern, Source, Timestamp,
    acme::{Jitter, Managed, RenewalFacts, SuggestedWindow, backstop, renewal_time},
};
use portward_store::{desired::StoredCertificate, work::Renewal};

/// Is when a certificate is due, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// When; one that has gone means now.
    pub(crate) at: Timestamp,
    /// Why then, for people.
    pub(crate) why: String,
}

/// Says when a certificate is due, whatever keeps it from being asked for then.
pub(crate) fn outlook(certificate: &StoredCertificate, managed: &Managed, renewal: &Renewal, cluster: &str) -> Outlook {
    let Some(version) = issued(certificate, renewal) else {
        return Outlook { at: Timestamp::EPOCH, why: "no CA has issued it yet".to_owned() };
    };
    if are_others_wanted(certificate, version, managed, renewal) {
        return Outlook { at: Timestamp::EPOCH, why: "other names are wanted than it has".to_owned() };
    }
    let thumbprint = &version.facts.thumbprint;
    let window = renewal.window.as_ref().filter(|window| window.of == *thumbprint);
    let suggested = window.map(|window| SuggestedWindow {
        start: window.start,
        end: window.end,
        explanation_url: window.explanation_url.clone(),
    });
    let what = match window {
        Some(window) => format!("{} {} {thumbprint}", window.start, window.end),
        None => thumbprint.to_string(),
    };
    let time = renewal_time(&RenewalFacts {
        validity: version.facts.validity,
        window: suggested.as_ref(),
        renew_before: managed.renew_before,
        jitter: Jitter::of(cluster, certificate.value.id.as_str(), &what),
    });
    if let Some(newer) = went_back_from(certificate) {
        // Once the newer one has ended there is nothing that was chosen against.
        let until = backstop(version.facts.validity).min(newer.facts.validity.not_after);
        if until > time.at {
            let number = newer.number;
            let why =
                format!("an operator went back to it from version {number}, until a tenth of its lifetime is left");
            return Outlook { at: until, why };
        }
    }
    Outlook { at: time.at, why: time.reason.to_string() }
}

/// The newest version, where an older one is served: an operator went back to that.
pub(super) fn went_back_from(certificate: &StoredCertificate) -> Option<&CertificateVersion> {
    let certificate = &certificate.value;
    let newer = certificate.versions.iter().filter(|version| version.number > certificate.current);
    newer.max_by_key(|version| version.number).map(|version| &**version)
}

/// Whether other names are wanted than were asked for, or one that a version lacks. Who went back to a version knows what
/// it lacks.
///
/// A CA may add names to those that were asked for. Where it is not known which those were, it is taken to have added none.
fn are_others_wanted(
    certificate: &StoredCertificate,
    version: &CertificateVersion,
    managed: &Managed,
    renewal: &Renewal,
) -> bool {
    let wanted = &managed.names;
    let has_all = |names: &[HostPattern]| wanted.iter().all(|name| names.contains(name));
    let asked_for: &[HostPattern] = if renewal.ordered.is_empty() { &version.facts.names } else { &renewal.ordered };
    let lacks = !has_all(&version.facts.names) && (renewal.ordered.is_empty() || went_back_from(certificate).is_none());
    asked_for.len() != wanted.len() || !has_all(asked_for) || lacks
}

/// The version that is served, if a CA issued it that is asked again.
///
/// One that was imported counts where it is known who issued it, as after moving in from another program: it is renewed
/// when it is due. Any other is to be replaced as soon as somebody asks a CA for it.
pub(super) fn issued<'a>(certificate: &'a StoredCertificate, renewal: &Renewal) -> Option<&'a CertificateVersion> {
    let version = certificate.value.current_version()?;
    let is_issued = match version.source {
        Source::Acme => true,
        Source::Imported => !version.facts.self_signed && renewal.issued_by.is_some(),
        Source::SelfSigned => false,
    };
    is_issued.then_some(&**version)
}
