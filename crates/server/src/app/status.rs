//! What is served, and what is not as it should be.

use std::net::SocketAddr;

use portward_api::{BindingStatus, Severity, StatusView};

use super::{Allowed, App, bindings, certificates, right};
use crate::problem::Problem;

impl App {
    /// Shows what is served now.
    pub(crate) fn show_status(&self, _by: &Allowed<right::View>) -> StatusView {
        let served = self.served();
        let desired = &served.desired;
        let now = self.now();
        let binding = |binding: &portward_core::Binding| {
            let view = bindings::view(binding, &served);
            let address = served.binding(&binding.id).and_then(|report| report.result.as_ref().ok());
            BindingStatus {
                id: view.id,
                url: view.url,
                bound: view.bound,
                address: address.map(SocketAddr::to_string),
                default_certificate: binding.default_certificate.as_ref().map(ToString::to_string),
                problem: view.problem,
            }
        };
        let certificates = desired.certificates.iter().filter(|stored| {
            let version = stored.value.current_version();
            let status = version.map(|version| version.facts.validity.status(now, desired.settings.warning));
            status != Some(portward_core::CertificateStatus::Valid)
        });
        let certificates: Vec<_> = certificates.collect();
        let usage = certificates::Usage::of_these(desired, certificates.iter().map(|stored| &stored.value.id), now);
        StatusView {
            revision: desired.revision.0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ok: served.is_published && !served.problems.iter().any(|problem| problem.severity == Severity::Error),
            bindings: desired.bindings.iter().map(|stored| binding(&stored.value)).collect(),
            sites: desired.sites.len(),
            certificates: certificates
                .into_iter()
                .filter_map(|stored| certificates::view_used(stored, desired, &usage, now))
                .collect(),
            problems: served.problems.iter().map(Problem::view).collect(),
        }
    }
}
