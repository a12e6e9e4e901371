//! The certificate that a browser sees on its way to the portal, so that people can compare it.

use portward_core::{Host, Source, Thumbprint};

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
        let mut bindings = bindings.filter(|binding| binding.is_https());
        // Behind a port that is mapped, the browser has another one than the binding.
        let port = way.bound.or(way.port);
        let binding = bindings.find(|binding| {
            let result = served.binding(&binding.id).map(|report| &report.result);
            result.is_some_and(|result| result.as_ref().is_ok_and(|at| Some(at.port()) == port))
        });
        let snapshot = self.parts.proxy.snapshot();
        let named = way.host.as_ref().and_then(|host| {
            // A browser asks for names alone, not for addresses (RFC 6066 section 3).
            let site = matches!(host, Host::Name(_)).then(|| snapshot.sites.find(host)).flatten();
            let fixed = site.and_then(|site| site.certificate.as_ref());
            fixed.or_else(|| snapshot.certificates.find(host)).map(|found| found.thumbprint)
        });
        let default = binding.and_then(|binding| binding.default_certificate.as_ref());
        let default = default.and_then(|id| desired.certificate(id)?.value.current_version());
        let thumbprint = named.or_else(|| default.map(|version| version.facts.thumbprint))?;
        let versions = desired.certificates.iter().filter_map(|stored| stored.value.current_version());
        let mut sources =
            versions.filter(|version| version.facts.thumbprint == thumbprint).map(|version| version.source);
        Some(SeenCertificate { thumbprint, is_self_signed: sources.next() == Some(Source::SelfSigned) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_api::SelfSignedCreate;

    use super::*;
    use crate::{
        app::{Apply, Precondition},
        fixture::{Fixture, binding, bundle, by, import},
        web::Listener,
    };

    #[tokio::test]
    async fn what_a_browser_sees_is_by_name_or_what_its_binding_presents() {
        let fixture = Fixture::start().await;
        let app = &fixture.app;
        let input = SelfSignedCreate { names: vec!["box.lan".to_owned()], days: None };
        let made = app.make_self_signed(&by(), &input, Apply::Now).await.unwrap().view.certificate;
        let mut https = binding("https://127.0.0.1:0");
        https.default_certificate = Some(made.id);
        app.add_binding(&by(), &https, Apply::Now).await.unwrap();
        let port = fixture.served.now().bindings[0].result.as_ref().unwrap().port();
        let way = |host: &str| Way {
            listener: Listener::Binding,
            is_tls: true,
            client: None,
            host: Some(Host::parse(host).unwrap()),
            // As behind a port that is mapped.
            port: Some(443),
            bound: Some(port),
            is_outdated: false,
        };
        for host in ["box.lan", "10.0.0.7"] {
            let seen = app.seen_certificate(&way(host)).unwrap();
            assert_eq!((seen.thumbprint.to_string(), seen.is_self_signed), (made.thumbprint.clone(), true), "{host}");
        }
        app.import_certificate(&by(), import(&bundle(&["shop.test"], 90), None), Precondition::None, Apply::Now)
            .await
            .unwrap();
        let seen = app.seen_certificate(&way("shop.test")).unwrap();
        assert!(!seen.is_self_signed && seen.thumbprint.to_string() != made.thumbprint);
        assert!(app.seen_certificate(&Way { is_tls: false, ..way("box.lan") }).is_none());
        assert!(app.seen_certificate(&Way { bound: Some(1), ..way("10.0.0.7") }).is_none());
    }
}
