//! Operations about ACME, and about moving in from other programs.

use http::Method;

use super::{Client, ClientError, Effect, exchange::Sent};
use crate::{
    CertificateView, ForeignImport, ForeignImported, Page, Removed,
    acme::{
        AcmeCheck, AttemptView, CertificateRenew, CertificateRequestCreate, CertificateRevoke, CheckView,
        DnsProviderCreate, DnsProviderKindView, DnsProviderView, IssuerCreate, IssuerView, LetsEncryptConfigure,
        LetsEncryptStatus, RenewalView, Requested, Revoked, RolledOver, SimulateRequest, SimulateView,
    },
};
use portward_core::{AttemptId, CertificateId, DnsProviderId, IssuerId};

impl Client {
    /// All issuers.
    pub async fn list_issuers(&self) -> Result<Vec<IssuerView>, ClientError> {
        self.list("acme/issuers").await
    }

    /// One issuer.
    pub async fn show_issuer(&self, id: &IssuerId) -> Result<IssuerView, ClientError> {
        self.ask(Method::GET, &format!("acme/issuers/{id}"), Sent::Nothing).await
    }

    /// Adds an issuer; its account is made with the first order.
    pub async fn add_issuer(&self, create: &IssuerCreate, effect: Effect) -> Result<IssuerView, ClientError> {
        self.ask(Method::POST, &effect.of("acme/issuers"), Sent::json(create)?).await
    }

    /// Removes an issuer that no certificate is asked of.
    pub async fn remove_issuer(&self, id: &IssuerId, effect: Effect) -> Result<Removed, ClientError> {
        self.ask(Method::DELETE, &effect.of(&format!("acme/issuers/{id}")), Sent::Nothing).await
    }

    /// Gives the account with an issuer a new key (RFC 8555 section 7.3.5).
    pub async fn roll_over_account(&self, id: &IssuerId) -> Result<RolledOver, ClientError> {
        self.ask(Method::POST, &format!("acme/issuers/{id}/rollover"), Sent::Nothing).await
    }

    /// All kinds of DNS providers, with their settings.
    pub async fn list_dns_provider_kinds(&self) -> Result<Vec<DnsProviderKindView>, ClientError> {
        self.list("acme/dns-kinds").await
    }

    /// All DNS providers.
    pub async fn list_dns_providers(&self) -> Result<Vec<DnsProviderView>, ClientError> {
        self.list("acme/dns-providers").await
    }

    /// One DNS provider.
    pub async fn show_dns_provider(&self, id: &DnsProviderId) -> Result<DnsProviderView, ClientError> {
        self.ask(Method::GET, &format!("acme/dns-providers/{id}"), Sent::Nothing).await
    }

    /// Adds a DNS provider.
    pub async fn add_dns_provider(
        &self,
        create: &DnsProviderCreate,
        effect: Effect,
    ) -> Result<DnsProviderView, ClientError> {
        self.ask(Method::POST, &effect.of("acme/dns-providers"), Sent::json(create)?).await
    }

    /// Removes a DNS provider that no certificate needs.
    pub async fn remove_dns_provider(&self, id: &DnsProviderId, effect: Effect) -> Result<Removed, ClientError> {
        self.ask(Method::DELETE, &effect.of(&format!("acme/dns-providers/{id}")), Sent::Nothing).await
    }

    /// The newest attempts of all certificates, newest first.
    pub async fn list_attempts(&self) -> Result<Vec<AttemptView>, ClientError> {
        let newest: Page<AttemptView> = self.ask(Method::GET, "acme/attempts", Sent::Nothing).await?;
        Ok(newest.items)
    }

    /// The attempts of one certificate, newest first.
    pub async fn list_certificate_attempts(&self, id: &CertificateId) -> Result<Vec<AttemptView>, ClientError> {
        self.list(&format!("certificates/{id}/attempts")).await
    }

    /// One attempt.
    pub async fn show_attempt(&self, id: &AttemptId) -> Result<AttemptView, ClientError> {
        self.ask(Method::GET, &format!("acme/attempts/{id}"), Sent::Nothing).await
    }

    /// What would come of asking a CA for a name; nothing is asked of the CA itself.
    pub async fn check_name(&self, check: &AcmeCheck) -> Result<CheckView, ClientError> {
        self.ask(Method::POST, "acme/check", Sent::json(check)?).await
    }

    /// What will be renewed when.
    pub async fn simulate_renewals(&self, until: &SimulateRequest) -> Result<SimulateView, ClientError> {
        self.ask(Method::POST, "acme/simulate", Sent::json(until)?).await
    }

    /// All managed certificates, with what is going on.
    pub async fn list_renewals(&self) -> Result<Vec<RenewalView>, ClientError> {
        self.list("acme/renewals").await
    }

    /// When one certificate is renewed, and what is going on.
    pub async fn show_renewal(&self, id: &CertificateId) -> Result<RenewalView, ClientError> {
        self.ask(Method::GET, &format!("certificates/{id}/renewal"), Sent::Nothing).await
    }

    /// Asks for a managed certificate; it is self-signed when this returns, and ordered after that.
    pub async fn request_certificate(
        &self,
        create: &CertificateRequestCreate,
        effect: Effect,
    ) -> Result<Requested, ClientError> {
        self.ask(Method::POST, &effect.of("certificates/request"), Sent::json(create)?).await
    }

    /// Has a certificate renewed; the order is only begun when this returns.
    pub async fn renew_certificate(
        &self,
        id: &CertificateId,
        renew: &CertificateRenew,
    ) -> Result<RenewalView, ClientError> {
        self.ask(Method::POST, &format!("certificates/{id}/renew"), Sent::json(renew)?).await
    }

    /// Has the version that is served revoked by its CA.
    pub async fn revoke_certificate(
        &self,
        id: &CertificateId,
        revoke: &CertificateRevoke,
    ) -> Result<Revoked, ClientError> {
        self.ask(Method::POST, &format!("certificates/{id}/revoke"), Sent::json(revoke)?).await
    }

    /// Renews a certificate no more; it stays and is served until its end.
    pub async fn unmanage_certificate(&self, id: &CertificateId) -> Result<CertificateView, ClientError> {
        self.ask(Method::POST, &format!("certificates/{id}/unmanage"), Sent::Nothing).await
    }

    /// Gets a certificate for the server's own name.
    pub async fn configure_lets_encrypt(
        &self,
        configure: &LetsEncryptConfigure,
        effect: Effect,
    ) -> Result<LetsEncryptStatus, ClientError> {
        self.ask(Method::POST, &effect.of("acme/letsencrypt"), Sent::json(configure)?).await
    }

    /// What is configured for the server's own name.
    pub async fn show_lets_encrypt(&self) -> Result<LetsEncryptStatus, ClientError> {
        self.ask(Method::GET, "acme/letsencrypt", Sent::Nothing).await
    }

    /// Has the certificate for the server's own name renewed.
    pub async fn renew_lets_encrypt(&self, renew: &CertificateRenew) -> Result<LetsEncryptStatus, ClientError> {
        self.ask(Method::POST, "acme/letsencrypt/renew", Sent::json(renew)?).await
    }

    /// Gets no more certificates for the server's own name.
    pub async fn disable_lets_encrypt(&self) -> Result<LetsEncryptStatus, ClientError> {
        self.ask(Method::DELETE, "acme/letsencrypt", Sent::Nothing).await
    }

    /// Takes over what another program has on disk.
    pub async fn import_foreign(&self, import: &ForeignImport, effect: Effect) -> Result<ForeignImported, ClientError> {
        self.ask(Method::POST, &effect.of("import"), Sent::json(import)?).await
    }
}
