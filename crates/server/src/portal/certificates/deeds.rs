//! What is done to a certificate: each is one form of its page.

use std::time::Duration;

use axum::response::Response;
use http::{HeaderValue, header};
use portward_api::{
    CertificateExport, CertificateRollback, ExportFormat, SecretText,
    acme::{CertificateRenew, CertificateRevoke},
};

use super::{
    super::{answer, visit::Visit},
    detail::refuse,
};
use crate::app::{Allowed, App, AppError, Apply, Precondition, right};

/// Renews it now, or goes on with what was placed by hand.
pub(in crate::portal) async fn renew(mut visit: Visit<right::CertificateChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let id = visit.param("id").to_owned();
    let placed = form.is_ticked("placed");
    let before = newest_attempt(&visit.app, &visit.may()?, &id).await;
    let input = CertificateRenew { force: !placed, placed };
    if let Err(error) = visit.app.renew_certificate(&visit.by, &id, &input).await {
        return refuse(&visit, "renewal", error).await;
    }
    let place = match begun_after(&visit.app, &visit.may()?, &id, before.as_deref()).await {
        Some(attempt) => format!("/attempts/{attempt}"),
        None => format!("/certificates/{id}"),
    };
    Ok(visit.done(&place, format!("{id} is being renewed.")))
}

/// Goes back to the version before.
pub(in crate::portal) async fn roll_back(mut visit: Visit<right::CertificateChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let id = visit.param("id").to_owned();
    let input = CertificateRollback { allow_expired: form.is_ticked("allow_expired") };
    match visit.app.roll_back_certificate(&visit.by, &id, &input, Precondition::None, Apply::Carefully).await {
        Ok(back) => {
            let mut said = format!("Version {} of {id} is served.", back.view.certificate.version);
            for finding in &back.view.findings {
                said.push_str(&format!(" But {}.", finding.message));
            }
            Ok(visit.done(&format!("/certificates/{id}"), said))
        }
        Err(error) => refuse(&visit, "versions", error).await,
    }
}

/// Gives it out with its private key.
pub(in crate::portal) async fn export(
    mut visit: Visit<right::CertificateExportPrivateKey>,
) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let id = visit.param("id").to_owned();
    let (format, ending) = match form.text("format") {
        "pem" => (ExportFormat::Pem, "pem"),
        _ => (ExportFormat::Pfx, "pfx"),
    };
    let password = form.given("password").filter(|password| !password.is_empty());
    let password = password.map(|password| SecretText::new(password.to_owned()));
    let file = match visit.app.export_certificate(&visit.by, &id, &CertificateExport { format, password }).await {
        Ok(file) => file,
        Err(error) => return refuse(&visit, "export", error).await,
    };
    let mut response = answer::file(file.media_type, file.into_body());
    // Ids have nothing in them that would need quoting.
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{id}.{ending}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// Has it revoked by its CA.
pub(in crate::portal) async fn revoke(mut visit: Visit<right::CertificateChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let id = visit.param("id").to_owned();
    let Some(reason) = form.filled("reason").map(str::to_owned) else {
        let error = AppError::refused("invalid-value", "say why: what is asked of the CA depends on it");
        return refuse(&visit, "revoke", error).await;
    };
    match visit.app.revoke_certificate(&visit.by, &id, &CertificateRevoke { reason: Some(reason.clone()) }).await {
        Ok(revoked) => {
            let after = match reason.as_str() {
                "cessation-of-operation" => "It is served until you remove it.",
                _ => "Its successor is ordered.",
            };
            let said = format!("Version {} of {id} is revoked. {after}", revoked.version);
            Ok(visit.done(&format!("/certificates/{id}"), said))
        }
        Err(error) => refuse(&visit, "revoke", error).await,
    }
}

/// Stops managing it.
pub(in crate::portal) async fn unmanage(visit: Visit<right::CertificateChange>) -> Result<Response, AppError> {
    let id = visit.param("id").to_owned();
    match visit.app.unmanage_certificate(&visit.by, &id, Precondition::None).await {
        Ok(_) => Ok(visit.done(&format!("/certificates/{id}"), format!("{id} is renewed by nobody any more."))),
        Err(error) => refuse(&visit, "unmanage", error).await,
    }
}

/// The newest attempt for a certificate.
pub(in crate::portal) async fn newest_attempt(app: &App, by: &Allowed<right::View>, id: &str) -> Option<String> {
    app.list_certificate_attempts(by, id).await.ok()?.into_iter().next().map(|attempt| attempt.id)
}

/// The attempt that the engine has begun since; none if it has not, as when a CA is not to be asked yet.
pub(in crate::portal) async fn begun_after(
    app: &App,
    by: &Allowed<right::View>,
    id: &str,
    before: Option<&str>,
) -> Option<String> {
    for _ in 0..LOOKS {
        let newest = newest_attempt(app, by, id).await;
        if newest.as_deref() != before {
            return newest;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    None
}

/// The engine takes milliseconds to begin; whoever waits longer looks at the certificate's page.
const LOOKS: usize = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
