//! What is configured, as Octopus's page shows it.

use std::net::SocketAddr;

use portward_core::{Scheme, Timestamp};
use portward_store::desired::Desired;

use crate::app::{Allowed, App, right};

/// Holds what Octopus's page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LetsEncryptFacts {
    /// Whether a certificate is kept for the server's own name.
    pub(crate) is_enabled: bool,
    /// The name.
    pub(crate) dns_name: Option<String>,
    /// The contact of the account.
    pub(crate) email: Option<String>,
    /// Whether the CA's terms were agreed to.
    pub(crate) accepted_terms: bool,
    /// The port that presents it.
    pub(crate) https_port: u16,
    /// The address that presents it; `0.0.0.0` for all.
    pub(crate) ip_address: String,
    /// The address of the one https binding that presents it by default; none if several do, or none.
    pub(crate) presented_at: Option<SocketAddr>,
    /// SHA-1 of the leaf, in the form that Octopus and Windows print.
    pub(crate) sha1: Option<String>,
    /// When what is served expires.
    pub(crate) expires: Option<Timestamp>,
}

impl App {
    /// Shows what is configured, as Octopus's page does.
    pub(crate) fn letsencrypt_facts(&self, _by: &Allowed<right::View>) -> LetsEncryptFacts {
        facts(&self.served().desired)
    }

    /// The directory of the CA that is asked for the server's own name; none if that is not configured.
    pub(crate) fn letsencrypt_directory(&self) -> Option<String> {
        let desired = &self.served().desired;
        let stored = desired.certificate(desired.settings.letsencrypt.as_ref()?)?;
        let id = stored.value.management.managed()?.issuers.first()?;
        let issuer = desired.issuers.iter().find(|stored| stored.value.issuer.id == *id)?;
        Some(issuer.value.issuer.directory.clone())
    }
}

fn facts(desired: &Desired) -> LetsEncryptFacts {
    let stored = desired.settings.letsencrypt.as_ref().and_then(|id| desired.certificate(id));
    let managed = stored.and_then(|stored| stored.value.management.managed());
    let issuer = managed.and_then(|managed| {
        let id = managed.issuers.first()?;
        desired.issuers.iter().map(|stored| &stored.value.issuer).find(|issuer| issuer.id == *id)
    });
    let https = || desired.bindings.iter().map(|stored| &stored.value).filter(|b| b.is_https());
    let presents = |id| https().find(|binding| binding.default_certificate.as_ref() == Some(id));
    let binding = desired.settings.letsencrypt.as_ref().and_then(presents).or_else(|| https().next());
    let mut presenting = https().filter(|binding| {
        binding.default_certificate.is_some() && binding.default_certificate == desired.settings.letsencrypt
    });
    let presented_at = presenting.next().filter(|_| presenting.next().is_none()).map(|binding| binding.address);
    let version = stored.filter(|_| managed.is_some()).and_then(|stored| stored.value.current_version());
    LetsEncryptFacts {
        is_enabled: managed.is_some(),
        dns_name: managed.and_then(|managed| managed.names.first()).map(ToString::to_string),
        email: issuer.and_then(|issuer| issuer.contacts.first()).map(ToString::to_string),
        accepted_terms: issuer.is_some_and(|issuer| issuer.terms_agreed),
        https_port: binding.map_or_else(|| Scheme::Https.default_port(), |binding| binding.address.port()),
        ip_address: match binding.map(|binding| binding.address.ip()) {
            Some(ip) if !ip.is_unspecified() => ip.to_string(),
            _ => "0.0.0.0".to_owned(),
        },
        presented_at,
        sha1: version.map(|version| version.facts.sha1.to_string()),
        expires: version.map(|version| version.facts.validity.not_after),
    }
}
