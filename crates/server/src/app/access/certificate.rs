//! The certificate that a browser sees on its way to the portal, so that people can compare it.

use portward_core::{Scheme, Source, Thumbprint};

use crate::{app::App, web::Way};

/// Is a certificate as a browser sees it.
pub(crate) struct SeenCertificate {
    /// Its thumbprint.
    pub(crate) thumbprint: Thumbprint,
    /// Whether Portward made it itself, so that a browser warns.
    pub(crate) is_self_signed: bool,
}

impl App {
    /// The certificate that is presented to somebody who comes that way; none without TLS.
    pub(crate) fn seen_certificate(&self, way: &Way) -> Option<SeenCertificate> {
        if !way.is_tls {
            return None;
        }
        let served = self.served();
        let desired = &served.desired;
        let bindings = desired.bindings.iter().map(|stored| &stored.value);
        let mut bindings = bindings.filter(|binding| binding.scheme == Scheme::Https);
        let binding = bindings.find(|binding| {
            let result = served.binding(&binding.id).map(|report| &report.result);
            result.is_some_and(|result| result.as_ref().is_ok_and(|at| Some(at.port()) == way.port))
        });
        let named = way
            .host
            .as_ref()
            .and_then(|host| self.parts.proxy.snapshot().certificates.find(host).map(|found| found.thumbprint));
        let default = binding.and_then(|binding| binding.default_certificate.as_ref());
        let default = default.and_then(|id| desired.certificate(id)?.value.current_version());
        let thumbprint = named.or_else(|| default.map(|version| version.facts.thumbprint))?;
        let versions = desired.certificates.iter().filter_map(|stored| stored.value.current_version());
        let mut sources =
            versions.filter(|version| version.facts.thumbprint == thumbprint).map(|version| version.source);
        Some(SeenCertificate { thumbprint, is_self_signed: sources.next() == Some(Source::SelfSigned) })
    }
}

impl SeenCertificate {
    /// The thumbprint in groups of four upper-case digits, as people compare it.
    pub(crate) fn grouped(&self) -> String {
        let digits: Vec<char> = self.thumbprint.to_string().to_uppercase().chars().collect();
        digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
    }
}
