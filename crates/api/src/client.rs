//! The client of the REST API: one method for each operation.
//!
//! It reaches a server on the same machine through the socket in its data directory, where the operating system
//! says who asks, or any server through a URL with a token.
//! Each request has a connection of its own: commands ask once or twice.

use std::{path::Path, sync::Arc, time::Duration};

use http::Method;

use crate::{
    Applied, BindingCreate, BindingUpdate, BindingView, CertificateExport, CertificateImport, CertificateRollback,
    CertificateTaken, CertificateVersionView, CertificateView, Changed, DesiredState, DesiredStateApply,
    ExplainRequest, ExplainView, InspectionView, PresetView, Removed, Restored, SecretBytes, SecretText,
    SelfSignedCreate, SettingsUpdate, SettingsView, SiteCreate, SiteUpdate, SiteUpstreamsView, SiteView, StatusView,
    TrafficView, UpgradeInput, UpgradeView,
};
use portward_core::{BindingId, CertificateId, ConfirmWithin, SiteId, Thumbprint};

mod access;
mod acme;
mod agent;
mod audit;
mod changes;
mod connect;
mod delivery;
mod endpoint;
mod error;
mod exchange;
mod notification;
mod oidc;
mod owner;
mod pin;

use endpoint::Endpoint;
pub use endpoint::RemoteUrlError;
pub use error::ClientError;
use exchange::Sent;

/// Asks one server; cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: Arc<Endpoint>,
    manner: Manner,
}

/// Says how a client makes changes that could shut somebody out.
#[derive(Clone, Copy, Debug, Default)]
enum Manner {
    /// At once and for good.
    #[default]
    Plain,
    /// Not at all: they are checked.
    DryRun,
    /// They go back by themselves unless they are confirmed.
    Within(ConfirmWithin),
    /// The same, although they break something.
    ByForce(ConfirmWithin),
}

/// Says whether a request changes anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// It does.
    #[default]
    Apply,
    /// Everything is checked and nothing is changed.
    DryRun,
}

impl Client {
    /// Reaches the server that runs with that data directory on this machine.
    pub fn local(data_dir: impl AsRef<Path>) -> Self {
        Self { endpoint: Arc::new(Endpoint::local(data_dir.as_ref())), manner: Manner::Plain }
    }

    /// Reaches a server by its URL, as in `https://portward.example:8443`.
    ///
    /// The authorities that this machine trusts are asked about its certificate; the environment variable
    /// `SSL_CERT_FILE` names others. Without TLS only this machine itself is accepted, as the token would be
    /// readable on its way.
    pub fn remote(url: &str, token: SecretText) -> Result<Self, RemoteUrlError> {
        Ok(Self { endpoint: Arc::new(Endpoint::remote(url, token, None)?), manner: Manner::Plain })
    }

    /// Reaches a server by its URL and the SHA-256 of its certificate; no authority is asked.
    pub fn remote_pinned(url: &str, token: SecretText, pin: Thumbprint) -> Result<Self, RemoteUrlError> {
        Ok(Self { endpoint: Arc::new(Endpoint::remote(url, token, Some(pin))?), manner: Manner::Plain })
    }

    /// A client whose changes that could shut somebody out go back by themselves unless they are confirmed in time.
    #[must_use]
    pub fn safely(&self, within: ConfirmWithin) -> Self {
        Self { endpoint: Arc::clone(&self.endpoint), manner: Manner::Within(within) }
    }

    /// The same, for changes that break something.
    #[must_use]
    pub fn by_force(&self, within: ConfirmWithin) -> Self {
        Self { endpoint: Arc::clone(&self.endpoint), manner: Manner::ByForce(within) }
    }

    /// A client whose changes that could shut somebody out are checked, and not made.
    #[must_use]
    pub fn trying(&self) -> Self {
        Self { endpoint: Arc::clone(&self.endpoint), manner: Manner::DryRun }
    }

    /// What is served, and what is wrong.
    pub async fn status(&self) -> Result<StatusView, ClientError> {
        self.ask(Method::GET, "status", Sent::Nothing).await
    }

    /// Why a host name answers as it does.
    pub async fn explain(&self, request: &ExplainRequest) -> Result<ExplainView, ClientError> {
        self.ask(Method::POST, "explain", Sent::json(request)?).await
    }

    /// Has another program take over.
    pub async fn upgrade(&self, input: &UpgradeInput) -> Result<UpgradeView, ClientError> {
        self.ask(Method::POST, "upgrade", Sent::json(input)?).await
    }

    /// All bindings.
    pub async fn list_bindings(&self) -> Result<Vec<BindingView>, ClientError> {
        self.list("bindings").await
    }

    /// One binding.
    pub async fn show_binding(&self, id: &BindingId) -> Result<BindingView, ClientError> {
        self.ask(Method::GET, &format!("bindings/{id}"), Sent::Nothing).await
    }

    /// Adds a binding; it accepts connections when this returns.
    pub async fn add_binding(&self, create: &BindingCreate) -> Result<Changed<BindingView>, ClientError> {
        self.ask(Method::POST, &self.changing("bindings"), Sent::json(create)?).await
    }

    /// Has a binding present another certificate by default.
    pub async fn edit_binding(
        &self,
        id: &BindingId,
        update: &BindingUpdate,
    ) -> Result<Changed<BindingView>, ClientError> {
        self.ask(Method::PATCH, &self.changing(&format!("bindings/{id}")), Sent::json(update)?).await
    }

    /// Removes a binding; its connections finish.
    pub async fn remove_binding(&self, id: &BindingId) -> Result<Changed<Removed>, ClientError> {
        self.ask(Method::DELETE, &self.changing(&format!("bindings/{id}")), Sent::Nothing).await
    }

    /// All sites.
    pub async fn list_sites(&self) -> Result<Vec<SiteView>, ClientError> {
        self.list("sites").await
    }

    /// One site.
    pub async fn show_site(&self, id: &SiteId) -> Result<SiteView, ClientError> {
        self.ask(Method::GET, &format!("sites/{id}"), Sent::Nothing).await
    }

    /// Adds a site; it is served when this returns.
    pub async fn add_site(&self, create: &SiteCreate) -> Result<SiteView, ClientError> {
        self.ask(Method::POST, "sites", Sent::json(create)?).await
    }

    /// What came to a site since this server first served it.
    pub async fn show_traffic(&self, id: &SiteId) -> Result<TrafficView, ClientError> {
        self.ask(Method::GET, &format!("sites/{id}/traffic"), Sent::Nothing).await
    }

    /// How the upstreams of a site do.
    pub async fn show_upstreams(&self, id: &SiteId) -> Result<SiteUpstreamsView, ClientError> {
        self.ask(Method::GET, &format!("sites/{id}/upstreams"), Sent::Nothing).await
    }

    /// What well-known applications want of their sites.
    pub async fn list_presets(&self) -> Result<Vec<PresetView>, ClientError> {
        self.list("presets").await
    }

    /// Changes a site; what is left out stays.
    pub async fn edit_site(&self, id: &SiteId, update: &SiteUpdate) -> Result<Changed<SiteView>, ClientError> {
        self.ask(Method::PATCH, &self.changing(&format!("sites/{id}")), Sent::json(update)?).await
    }

    /// Removes a site.
    pub async fn remove_site(&self, id: &SiteId) -> Result<Changed<Removed>, ClientError> {
        self.ask(Method::DELETE, &self.changing(&format!("sites/{id}")), Sent::Nothing).await
    }

    /// All certificates, each with the version that is served.
    pub async fn list_certificates(&self) -> Result<Vec<CertificateView>, ClientError> {
        self.list("certificates").await
    }

    /// One certificate, with the version that is served.
    pub async fn show_certificate(&self, id: &CertificateId) -> Result<CertificateView, ClientError> {
        self.ask(Method::GET, &format!("certificates/{id}"), Sent::Nothing).await
    }

    /// All versions of a certificate that can be gone back to.
    pub async fn list_certificate_versions(
        &self,
        id: &CertificateId,
    ) -> Result<Vec<CertificateVersionView>, ClientError> {
        self.list(&format!("certificates/{id}/versions")).await
    }

    /// Takes a certificate with its key; every new handshake has it when this returns.
    pub async fn import_certificate(
        &self,
        import: &CertificateImport,
        effect: Effect,
    ) -> Result<Changed<CertificateTaken>, ClientError> {
        self.ask(Method::POST, &self.changing(&effect.of("certificates")), Sent::json(import)?).await
    }

    /// Says what is in files, and what importing them would come to; nothing is imported.
    pub async fn inspect_certificate(&self, import: &CertificateImport) -> Result<InspectionView, ClientError> {
        self.ask(Method::POST, "certificates/inspect", Sent::json(import)?).await
    }

    /// Makes a certificate that is signed by its own key.
    pub async fn new_self_signed_certificate(
        &self,
        create: &SelfSignedCreate,
    ) -> Result<CertificateTaken, ClientError> {
        self.ask(Method::POST, "certificates/self-signed", Sent::json(create)?).await
    }

    /// A certificate with its private key, as the content of a file.
    pub async fn export_certificate(
        &self,
        id: &CertificateId,
        export: &CertificateExport,
    ) -> Result<SecretBytes, ClientError> {
        let answer = self.exchange(Method::POST, &format!("certificates/{id}/export"), Sent::json(export)?).await?;
        answer.bytes().await.map(SecretBytes::new)
    }

    /// Goes back to the version before the one that is served.
    pub async fn rollback_certificate(
        &self,
        id: &CertificateId,
        rollback: &CertificateRollback,
    ) -> Result<Changed<CertificateTaken>, ClientError> {
        self.ask(Method::POST, &self.changing(&format!("certificates/{id}/rollback")), Sent::json(rollback)?).await
    }

    /// Removes a certificate with all its versions.
    pub async fn remove_certificate(&self, id: &CertificateId) -> Result<Changed<Removed>, ClientError> {
        self.ask(Method::DELETE, &self.changing(&format!("certificates/{id}")), Sent::Nothing).await
    }

    /// What applies to the whole server.
    pub async fn show_settings(&self) -> Result<SettingsView, ClientError> {
        self.ask(Method::GET, "settings", Sent::Nothing).await
    }

    /// Changes what applies to the whole server; what is left out stays.
    pub async fn edit_settings(&self, update: &SettingsUpdate) -> Result<Changed<SettingsView>, ClientError> {
        self.ask(Method::PATCH, &self.changing("settings"), Sent::json(update)?).await
    }

    /// All that operators asked for, without secrets.
    pub async fn export_desired_state(&self) -> Result<DesiredState, ClientError> {
        self.ask(Method::GET, "desired-state", Sent::Nothing).await
    }

    /// Makes the desired state what is declared.
    pub async fn apply_desired_state(&self, apply: &DesiredStateApply) -> Result<Changed<Applied>, ClientError> {
        self.ask(Method::POST, &self.changing("apply"), Sent::json(apply)?).await
    }

    /// Hands a backup of all that is stored to `write`, piece by piece; it is whole only if this succeeds.
    pub async fn backup_store(
        &self,
        write: &mut (dyn FnMut(&[u8]) -> std::io::Result<()> + Send),
    ) -> Result<(), ClientError> {
        let answer = self.exchange(Method::POST, "store/backup", Sent::Nothing).await?;
        answer.pieces(write).await
    }

    /// Puts a backup in the place of all that is stored; it is served when this returns.
    pub async fn restore_store(&self, backup: std::fs::File) -> Result<Restored, ClientError> {
        self.ask(Method::POST, "store/restore", Sent::File(backup)).await
    }
}

impl Client {
    /// The path of a change that could shut somebody out, in the manner of this client.
    fn changing(&self, path: &str) -> String {
        let query = match self.manner {
            Manner::Plain => return path.to_owned(),
            Manner::DryRun => "dry_run=true".to_owned(),
            Manner::Within(within) => format!("confirm_within={}", within.duration().as_secs()),
            Manner::ByForce(within) => format!("confirm_within={}&force=true", within.duration().as_secs()),
        };
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{path}{joint}{query}")
    }
}

impl Effect {
    fn of(self, path: &str) -> String {
        match self {
            Self::Apply => path.to_owned(),
            Self::DryRun => format!("{path}?dry_run=true"),
        }
    }
}

/// How long a connection, with its TLS handshake, may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the answer to a request may take: a restore of 100,000 certificates is the longest of them.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// How long an answer may pause.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
