//! Octopus's doors for Let's Encrypt: its configuration, and the task that makes one.

mod task;

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use portward_api::acme::LetsEncryptConfigure;
use portward_core::CertificateId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{knock::Knock, manner::answer};
use crate::app::{Allowed, App, AppError, Apply, letsencrypt::LetsEncryptFacts, right};
use task::Task;

/// Is a change of the configuration; fields that say how it is are sent back by clients, and say nothing new.
#[derive(Deserialize)]
struct ConfigurationChange {
    #[serde(rename = "Enabled")]
    enabled: bool,
}

/// Is a task that is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TaskCreate {
    name: String,
    #[serde(default)]
    arguments: Option<ConfigureArguments>,
}

/// Is what `ConfigureLetsEncrypt` is told.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigureArguments {
    dns_name: String,
    #[serde(default)]
    registration_email_address: Option<String>,
    #[serde(default)]
    accept_lets_encrypt_terms_of_service: bool,
    #[serde(default)]
    https_port: Option<u16>,
    #[serde(default, rename = "IPAddress")]
    ip_address: Option<String>,
    #[serde(default)]
    path: Option<String>,
}

/// `GET /api/letsencryptconfiguration`.
pub(super) async fn show_configuration(knock: Knock<right::View>) -> Result<Response, AppError> {
    Ok(answer(StatusCode::OK, &configuration(&knock.app.letsencrypt_facts(&knock.by))))
}

/// `PUT /api/letsencryptconfiguration`: it can be disabled here; a task enables it.
pub(super) async fn change_configuration(mut knock: Knock<right::CertificateChange>) -> Result<Response, AppError> {
    let change: ConfigurationChange = knock.json().await?;
    let view = knock.may::<right::View>()?;
    let is_enabled = knock.app.letsencrypt_facts(&view).is_enabled;
    match (change.enabled, is_enabled) {
        (true, false) => {
            let message = "Let's Encrypt is enabled by a task, which says for which name: POST /api/tasks with Name ConfigureLetsEncrypt";
            return Err(AppError::refused("not-configured", message));
        }
        (false, true) => drop(knock.app.disable_letsencrypt(&knock.by).await?),
        (true, true) | (false, false) => {}
    }
    Ok(answer(StatusCode::OK, &configuration(&knock.app.letsencrypt_facts(&view))))
}

/// `POST /api/tasks`.
pub(super) async fn create_task(mut knock: Knock<right::CertificateChange>) -> Result<Response, AppError> {
    let create: TaskCreate = knock.json().await?;
    if create.name != CONFIGURE {
        let message = format!("there is no task \"{}\" here; known is {CONFIGURE}", create.name);
        return Err(AppError::malformed("unknown-task", message));
    }
    let arguments = create.arguments.ok_or_else(|| {
        AppError::malformed("malformed-json", format!("the task {CONFIGURE} needs Arguments, with DnsName among them"))
    })?;
    if let Some(path) = arguments.path.as_deref().filter(|path| !matches!(*path, "" | "/")) {
        let message =
            format!("Path: \"{path}\" is below the host; the portal has the whole host, so Path is / or left out");
        return Err(AppError::refused("invalid-value", message));
    }
    let input = LetsEncryptConfigure {
        dns_name: arguments.dns_name,
        email: arguments.registration_email_address.filter(|address| !address.is_empty()),
        accept_terms: arguments.accept_lets_encrypt_terms_of_service,
        https_port: arguments.https_port,
        ip_address: arguments.ip_address.filter(|address| !address.is_empty()),
        // Whoever configured another CA here before goes on with it.
        directory: knock.app.letsencrypt_directory(),
        renew_days_before: Some(OCTOPUS_RENEWS),
        ..LetsEncryptConfigure::default()
    };
    let queued = knock.app.now();
    let configured = knock.app.configure_letsencrypt(&knock.by, &input, Apply::Now).await?.view;
    let certificate = configured.renewal.and_then(|renewal| CertificateId::parse(&renewal.certificate).ok());
    let certificate = certificate.ok_or_else(|| {
        AppError::internal("Let's Encrypt was configured and is not there any more", "no certificate is configured")
    })?;
    let task = Task::queued(certificate, queued);
    let mut response = answer(StatusCode::CREATED, &task.resource());
    if let Ok(location) = HeaderValue::try_from(format!("/api/tasks/{}", task.id())) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// `GET /api/tasks/{id}`.
pub(super) async fn show_task(knock: Knock<right::View>) -> Result<Response, AppError> {
    Ok(answer(StatusCode::OK, &find(&knock.app, &knock.by, knock.id()).await?.resource()))
}

/// `GET /api/tasks/{id}/details`.
pub(super) async fn show_task_details(knock: Knock<right::View>) -> Result<Response, AppError> {
    Ok(answer(StatusCode::OK, &find(&knock.app, &knock.by, knock.id()).await?.details()))
}

async fn find(app: &App, by: &Allowed<right::View>, id: &str) -> Result<Task, AppError> {
    let unknown = || {
        let message = format!("there is no task \"{id}\"");
        AppError::new(StatusCode::NOT_FOUND, "not-found", message)
    };
    let mut task = Task::parse(id).ok_or_else(unknown)?;
    let attempts = app.list_certificate_attempts(by, task.certificate()).await.map_err(|_| unknown())?;
    task.attempt = task.attempt_in(attempts);
    if task.attempt.is_none() {
        let renewal = app.show_renewal(by, task.certificate()).await.ok();
        // What was configured again as it is already has nothing to do.
        task.is_settled = renewal.is_some_and(|renewal| renewal.last_renewed.is_some() && renewal.failures == 0);
    }
    Ok(task)
}

fn configuration(facts: &LetsEncryptFacts) -> Value {
    json!({
        "Id": "letsencryptconfiguration",
        "Enabled": facts.is_enabled,
        "DnsName": facts.dns_name,
        "RegistrationEmailAddress": facts.email,
        "AcceptLetsEncryptTermsOfService": facts.accepted_terms,
        "HttpsPort": facts.https_port,
        "IPAddress": facts.ip_address,
        "Path": "/",
        "CertificateThumbprint": facts.sha1,
        "CertificateExpiryDate": facts.expires.map(|expires| expires.to_string()),
        "LastModifiedBy": null,
        "LastModifiedOn": null,
        "Links": { "Self": "/api/letsencryptconfiguration" },
    })
}

const CONFIGURE: &str = "ConfigureLetsEncrypt";
/// Days: Octopus renews what expires within three weeks.
const OCTOPUS_RENEWS: u32 = 21;
