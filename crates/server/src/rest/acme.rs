//! `/api/v1/acme`, and what of `/api/v1/certificates` is about managed ones.

use axum::response::Response;
use portward_api::{
    ForeignImport,
    acme::{
        AcmeCheck, CertificateRenew, CertificateRequestCreate, CertificateRevoke, DnsProviderCreate, IssuerCreate,
        LetsEncryptConfigure, SimulateRequest,
    },
};
use portward_certs::MAX_FOREIGN_BYTES;

use super::{answer, answer::Order, body::SMALL, call::Call};
use crate::app::{AppError, right};

pub(super) async fn list_issuers(call: Call<right::View>) -> Result<Response, AppError> {
    let issuers = call.app.list_issuers(&call.by).await?;
    answer::page(&call, Order::Ascending, issuers, |view| view.id.clone())
}

pub(super) async fn show_issuer(call: Call<right::View>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_issuer(&call.by, call.id()).await?)
}

pub(super) async fn add_issuer(mut call: Call<right::IssuerChange>) -> Result<Response, AppError> {
    let input: IssuerCreate = call.json(WITH_AUTHORITIES).await?;
    let added = call.app.add_issuer(&call.by, &input, call.apply).await?;
    answer::created(&added, format!("/api/v1/acme/issuers/{}", added.view.id))
}

pub(super) async fn remove_issuer(mut call: Call<right::IssuerChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_issuer(&call.by, call.id(), call.precondition, call.apply).await?)
}

pub(super) async fn roll_over_account(mut call: Call<right::IssuerChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.roll_over_account(&call.by, call.id()).await?)
}

pub(super) async fn list_dns_kinds(call: Call<right::View>) -> Result<Response, AppError> {
    answer::page(&call, Order::Ascending, call.app.list_dns_kinds(&call.by), |view| view.kind.clone())
}

pub(super) async fn list_dns_providers(call: Call<right::View>) -> Result<Response, AppError> {
    answer::page(&call, Order::Ascending, call.app.list_dns_providers(&call.by), |view| view.id.clone())
}

pub(super) async fn show_dns_provider(call: Call<right::View>) -> Result<Response, AppError> {
    answer::revised(&call.app.show_dns_provider(&call.by, call.id())?)
}

pub(super) async fn add_dns_provider(mut call: Call<right::IssuerChange>) -> Result<Response, AppError> {
    let input: DnsProviderCreate = call.json(SMALL).await?;
    let added = call.app.add_dns_provider(&call.by, &input, call.apply).await?;
    answer::created(&added, format!("/api/v1/acme/dns-providers/{}", added.view.id))
}

pub(super) async fn remove_dns_provider(mut call: Call<right::IssuerChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.remove_dns_provider(&call.by, call.id(), call.precondition, call.apply).await?)
}

pub(super) async fn list_attempts(call: Call<right::View>) -> Result<Response, AppError> {
    let attempts = call.app.list_attempts(&call.by).await?;
    answer::page(&call, Order::Descending, attempts, |view| format!("{}~{}", view.began, view.id))
}

pub(super) async fn show_attempt(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.show_attempt(&call.by, call.id()).await?)
}

pub(super) async fn list_certificate_attempts(call: Call<right::View>) -> Result<Response, AppError> {
    let attempts = call.app.list_certificate_attempts(&call.by, call.id()).await?;
    answer::page(&call, Order::Descending, attempts, |view| view.id.clone())
}

pub(super) async fn list_renewals(call: Call<right::View>) -> Result<Response, AppError> {
    let renewals = call.app.list_renewals(&call.by).await?;
    answer::page(&call, Order::Ascending, renewals, |view| view.certificate.clone())
}

pub(super) async fn show_renewal(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.show_renewal(&call.by, call.id()).await?)
}

pub(super) async fn request(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: CertificateRequestCreate = call.json(SMALL).await?;
    let requested = call.app.request_certificate(&call.by, &input, call.precondition, call.apply).await?;
    if input.replace.is_some() {
        return answer::revised(&requested);
    }
    answer::created(&requested, format!("/api/v1/certificates/{}", requested.view.certificate.id))
}

pub(super) async fn renew(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: CertificateRenew = call.json(SMALL).await?;
    answer::json(&call.app.renew_certificate(&call.by, call.id(), &input).await?)
}

pub(super) async fn revoke(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: CertificateRevoke = call.json(SMALL).await?;
    answer::json(&call.app.revoke_certificate(&call.by, call.id(), &input).await?)
}

pub(super) async fn unmanage(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::revised(&call.app.unmanage_certificate(&call.by, call.id(), call.precondition).await?)
}

pub(super) async fn configure(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: LetsEncryptConfigure = call.json(WITH_AUTHORITIES).await?;
    answer::revised(&call.app.configure_letsencrypt(&call.by, &input, call.apply).await?)
}

pub(super) async fn show_letsencrypt(call: Call<right::View>) -> Result<Response, AppError> {
    answer::json(&call.app.show_letsencrypt(&call.by).await?)
}

pub(super) async fn renew_letsencrypt(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: CertificateRenew = call.json(SMALL).await?;
    answer::json(&call.app.renew_letsencrypt(&call.by, &input).await?)
}

pub(super) async fn disable_letsencrypt(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    call.no_body().await?;
    answer::json(&call.app.disable_letsencrypt(&call.by).await?)
}

pub(super) async fn check(mut call: Call<right::View>) -> Result<Response, AppError> {
    let input: AcmeCheck = call.json(SMALL).await?;
    answer::json(&call.app.check_name(&call.by, &input).await?)
}

pub(super) async fn simulate(mut call: Call<right::View>) -> Result<Response, AppError> {
    let input: SimulateRequest = call.json(SMALL).await?;
    answer::json(&call.app.simulate(&call.by, &input).await?)
}

pub(super) async fn import_foreign(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: ForeignImport = call.json(FOREIGN).await?;
    answer::json(&call.app.import_foreign(&call.by, input, call.apply).await?)
}

/// All files of another program, in base64.
const FOREIGN: usize = 2 * MAX_FOREIGN_BYTES;
/// A bundle of all public authorities has 250 KB.
const WITH_AUTHORITIES: usize = 1024 * 1024;
