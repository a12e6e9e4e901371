//! When a certificate will be renewed, and why then.

use portward_core::{
    CertificateVersion, Source, Timestamp,
    acme::{Jitter, Managed, RenewalFacts, SuggestedWindow, renewal_time},
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
    let Some(version) = issued(certificate) else {
        return Outlook { at: Timestamp::EPOCH, why: "no CA has issued it yet".to_owned() };
    };
    let has_all = managed.names.iter().all(|name| version.facts.names.contains(name));
    if !has_all || version.facts.names.len() != managed.names.len() {
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
    Outlook { at: time.at, why: time.reason.to_string() }
}

/// The version that is served, if a CA issued it.
pub(super) fn issued(certificate: &StoredCertificate) -> Option<&CertificateVersion> {
    certificate.value.current_version().map(|version| &**version).filter(|version| version.source == Source::Acme)
}
