//! Numbers for whoever watches over servers: Prometheus' text format 0.0.4.
//!
//! The same state always gives the same text. Nothing is labelled by what clients send, so that they cannot make series.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write},
};

use portward_api::Severity;
use portward_core::{CertificateId, CertificateVersion, IssuerId};
use portward_proxy::CountsView;
use portward_store::desired::StoredCertificate;

use crate::{served::ServedState, tasks::notice::Standing};

/// Is the type of the answer.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Is what is shown.
#[derive(Debug)]
pub(super) struct Measured<'a> {
    pub(super) served: &'a ServedState,
    /// What the data plane counted.
    pub(super) counts: CountsView,
    /// How renewals stand.
    pub(super) standings: BTreeMap<CertificateId, Standing>,
    /// How many attempts ended, by issuer and outcome.
    pub(super) attempts: Vec<(IssuerId, &'static str, u64)>,
    /// How many turns certificates had.
    pub(super) turns: u64,
}

/// Writes all metrics.
pub(super) fn text(measured: &Measured<'_>) -> String {
    let mut page = Page::default();
    certificates(&mut page, measured);
    acme(&mut page, measured);
    server(&mut page, measured.served);
    traffic(&mut page, measured.counts);
    page.0
}

fn certificates(page: &mut Page, measured: &Measured<'_>) {
    let versions = || {
        let certificates = measured.served.desired.certificates.iter();
        certificates.filter_map(|stored| Some((stored, &**stored.value.current_version()?)))
    };
    let labels = |stored: &StoredCertificate| {
        let managed = stored.value.management.managed().is_some();
        vec![("certificate", stored.value.id.to_string()), ("managed", managed.to_string())]
    };
    let mut dates = |name, help, date: fn(&CertificateVersion) -> i64| {
        let samples = versions().map(|(stored, version)| (labels(stored), date(version)));
        page.family(name, Kind::Gauge, help, samples);
    };
    dates(
        "portward_certificate_not_after_timestamp_seconds",
        "Last second of validity of the version that is served.",
        |version| version.facts.validity.not_after.unix(),
    );
    dates(
        "portward_certificate_not_before_timestamp_seconds",
        "First second of validity of the version that is served.",
        |version| version.facts.validity.not_before.unix(),
    );
    let due = measured.standings.iter().filter_map(|(id, standing)| Some((of(id), standing.due?.unix())));
    page.family(
        "portward_certificate_renewal_timestamp_seconds",
        Kind::Gauge,
        "When the certificate is due to be renewed; a time that has gone means that it is due.",
        due,
    );
}

fn acme(page: &mut Page, measured: &Measured<'_>) {
    page.family(
        "portward_acme_attempts_total",
        Kind::Counter,
        "Attempts to get a certificate that ended since the start.",
        measured.attempts.iter().map(|(issuer, outcome, count)| {
            (vec![("issuer", issuer.to_string()), ("outcome", (*outcome).to_owned())], *count)
        }),
    );
    page.one(
        "portward_acme_turns_total",
        Kind::Counter,
        "Times that a managed certificate was looked at since the start.",
        measured.turns,
    );
    page.family(
        "portward_acme_failures_in_a_row",
        Kind::Gauge,
        "Attempts that failed since the certificate was last issued.",
        measured.standings.iter().map(|(id, standing)| (of(id), standing.failures)),
    );
}

fn server(page: &mut Page, served: &ServedState) {
    page.family(
        "portward_problems",
        Kind::Gauge,
        "What portward status tells of, by severity.",
        [("error", Severity::Error), ("warning", Severity::Warning)].map(|(word, severity)| {
            let count = served.problems.iter().filter(|problem| problem.severity == severity).count();
            (vec![("severity", word.to_owned())], count)
        }),
    );
    page.family(
        "portward_binding_bound",
        Kind::Gauge,
        "1 if connections are accepted there, else 0.",
        served.desired.bindings.iter().map(|stored| {
            let binding = &stored.value;
            let is_bound = served.binding(&binding.id).is_some_and(|report| report.result.is_ok());
            (vec![("binding", binding.id.to_string()), ("url", binding.url())], u8::from(is_bound))
        }),
    );
    page.one("portward_revision", Kind::Gauge, "Number of the change that is served.", served.desired.revision.0);
}

fn traffic(page: &mut Page, counts: CountsView) {
    let CountsView { open, accepted, refused, handshakes_failed, requests, panics } = counts;
    page.one("portward_connections_open", Kind::Gauge, "Connections of clients that are open.", open);
    let mut total = |name, help, count| page.one(name, Kind::Counter, help, count);
    total(
        "portward_connections_accepted_total",
        "Connections accepted since the start, the refused ones included.",
        accepted,
    );
    total("portward_connections_refused_total", "Connections refused because too many were open.", refused);
    total("portward_connections_panicked_total", "Connections that ended by a fault of Portward.", panics);
    total("portward_tls_handshakes_failed_total", "TLS handshakes that failed or took too long.", handshakes_failed);
    total("portward_requests_total", "Requests whose head was read.", requests);
}

fn of(certificate: &CertificateId) -> Labels {
    vec![("certificate", certificate.to_string())]
}

/// Is a metric's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

type Labels = Vec<(&'static str, String)>;

#[derive(Debug, Default)]
struct Page(String);

impl Page {
    /// Writes a metric with all its samples. Writing to a string cannot fail.
    fn family<V: Display>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, V)>,
    ) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, value) in samples {
            self.0.push_str(name);
            for (index, (label, text)) in labels.iter().enumerate() {
                let _ = write!(self.0, "{}{label}=\"{}\"", if index == 0 { '{' } else { ',' }, escaped(text));
            }
            let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
        }
    }

    /// Writes a metric without labels.
    fn one(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help, [(Vec::new(), value)]);
    }
}

/// Escapes the value of a label, as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
