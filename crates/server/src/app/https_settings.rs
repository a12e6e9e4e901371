//! Use cases of the HTTPS settings: certificate, port and redirect of the portal, changed all at once.

mod change;
mod door;

use portward_api::{CertificateFile, CertificateImport, HttpsSettingsUpdate, HttpsSettingsView, SecretText};
use portward_core::{BindingId, ForceHttps, Scheme};
use portward_store::desired::Desired;

use super::{Allowed, App, AppError, certificates, impacts, right, sites, ways_in};
use crate::served::ServedState;

/// Is what is asked for, what is left out stays.
#[derive(Debug, Default)]
pub(crate) struct HttpsSettingsInput {
    /// Certificate, key and issuers.
    pub(crate) certificate: Option<CertificateFiles>,
    /// The port for https.
    pub(crate) port: Option<u16>,
    /// What happens to plain HTTP.
    pub(crate) force_https: Option<ForceHttps>,
}

/// Is a certificate as people have it.
#[derive(Debug)]
pub(crate) struct CertificateFiles {
    /// PEM, DER or PFX, in any order; the key among them.
    pub(crate) files: Vec<CertificateFile>,
    /// Opens the PFX, or the encrypted key.
    pub(crate) password: Option<SecretText>,
}

impl HttpsSettingsInput {
    /// Reads what came by the API.
    pub(crate) fn parse(input: HttpsSettingsUpdate) -> Result<Self, AppError> {
        let HttpsSettingsUpdate { files, password, port, force_https } = input;
        let certificate = (!files.is_empty()).then_some(CertificateFiles { files, password });
        let force_https = force_https.as_deref().map(sites::input::force_https).transpose()?;
        Ok(Self { certificate, port, force_https })
    }
}

impl CertificateFiles {
    fn into_import(self) -> CertificateImport {
        let Self { files, password } = self;
        CertificateImport { files, password, name: None, replace: None, allow_expired: false }
    }
}

impl App {
    /// Shows how the portal is reached.
    pub(crate) fn show_https_settings(&self, _by: &Allowed<right::View>) -> HttpsSettingsView {
        self.https_settings(&self.served(), None)
    }

    /// How the portal is reached by a binding; if none is named, by the one that stands for it.
    fn https_settings(&self, served: &ServedState, binding: Option<&BindingId>) -> HttpsSettingsView {
        let desired = &served.desired;
        let host = ways_in::told_host(desired, &self.parts.host_name);
        let named = binding.and_then(|id| desired.bindings.iter().find(|stored| stored.value.id == *id));
        let binding = named.or_else(|| ways_in::https_binding(desired)).map(|stored| &stored.value);
        let presented = binding.and_then(|binding| ways_in::presented_at(desired, binding, &host, self.now()));
        let port = binding.map(|binding| match served.binding(&binding.id).map(|report| &report.result) {
            Some(Ok(address)) => address.port(),
            _ => binding.address.port(),
        });
        HttpsSettingsView {
            url: port.map(|port| ways_in::url(Scheme::Https, &host, port)),
            host: host.to_string(),
            port,
            binding: binding.map(|binding| binding.id.to_string()),
            certificate: presented.and_then(|stored| certificates::view(stored, desired, self.now())),
            force_https: force_https(desired).map(|mode| mode.to_string()),
            sites: ways_in::portal_sites(desired).map(|stored| stored.value.id.to_string()).collect(),
            removal: presented
                .map(|stored| impacts::of_certificate(desired, &stored.value.id, self.now()))
                .unwrap_or_default(),
        }
    }
}

/// What happens to plain HTTP of the portal; the strictest one, if its sites differ.
fn force_https(desired: &Desired) -> Option<ForceHttps> {
    let rank = |mode: &ForceHttps| match mode {
        ForceHttps::Off => 0,
        ForceHttps::Browsers => 1,
        ForceHttps::All => 2,
    };
    let modes = ways_in::portal_sites(desired);
    let modes = modes.map(|stored| stored.value.force_https.unwrap_or(desired.settings.force_https));
    modes.max_by_key(rank)
}

#[cfg(test)]
mod tests;
