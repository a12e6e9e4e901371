//! TeamCity's door for the certificate of its HTTPS port.

use axum::{extract::multipart::MultipartError, response::Response};
use http::StatusCode;
use portward_api::{CertificateFile, HttpsSettingsView, SecretBytes};
use serde_json::{Value, json};

use super::{knock::Knock, manner::answer};
use crate::app::{
    AppError, Apply,
    https_settings::{CertificateFiles, HttpsSettingsInput},
    right,
};

/// `POST /app/https/settings/uploadCertificate`: certificate, key and port, tried before they count.
pub(super) async fn upload_certificate(mut knock: Knock<right::HttpsSettingsChange>) -> Result<Response, AppError> {
    let mut form = knock.multipart().await?;
    let (mut files, mut port) = (Vec::new(), None);
    while let Some(field) = form.next_field().await.map_err(|error| malformed(&error))? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "certificate" | "key" => {
                let bytes = field.bytes().await.map_err(|error| malformed(&error))?;
                if bytes.is_empty() {
                    return Err(AppError::refused(
                        "invalid-value",
                        format!("{name}: the file is empty. Nothing was changed"),
                    ));
                }
                files.push(CertificateFile { name, data: SecretBytes::new(bytes.to_vec()) });
            }
            "port" => port = Some(field.text().await.map_err(|error| malformed(&error))?),
            // A later TeamCity may know more.
            _ => {}
        }
    }
    for name in ["certificate", "key"] {
        if files.iter().filter(|file| file.name == name).count() != 1 {
            let message = format!("the form needs one file \"{name}\", as in -F {name}=@FILE. Nothing was changed");
            return Err(AppError::malformed("form", message));
        }
    }
    let input = HttpsSettingsInput {
        certificate: Some(CertificateFiles { files, password: None }),
        port: Some(port.as_deref().map_or(Ok(HTTPS_PORT), parse_port)?),
        force_https: None,
    };
    let applied = knock.app.change_https_settings(&knock.by, input, Apply::Now).await?;
    Ok(answer(StatusCode::OK, &facts(&applied.result)))
}

/// `GET /app/https/settings/certificateInfo`: what is served.
pub(super) async fn certificate_facts(knock: Knock<right::View>) -> Result<Response, AppError> {
    let settings = knock.app.show_https_settings(&knock.by);
    if settings.certificate.is_none() {
        let message = "no certificate is presented over https; upload one";
        return Err(AppError::new(StatusCode::NOT_FOUND, "not-found", message));
    }
    Ok(answer(StatusCode::OK, &facts(&settings)))
}

fn facts(settings: &HttpsSettingsView) -> Value {
    let certificate = settings.certificate.as_ref();
    json!({
        "port": settings.port,
        "url": settings.url,
        "subject": certificate.map(|certificate| &certificate.subject),
        "issuer": certificate.map(|certificate| &certificate.issuer),
        "names": certificate.map(|certificate| &certificate.names),
        "validFrom": certificate.map(|certificate| &certificate.not_before),
        "validTo": certificate.map(|certificate| &certificate.not_after),
        "sha256": certificate.map(|certificate| &certificate.thumbprint),
    })
}

fn parse_port(text: &str) -> Result<u16, AppError> {
    let port = text.trim().parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| {
        let message = format!("port: \"{text}\" is no port; give 1 to 65535, as in -F port=443. Nothing was changed");
        AppError::refused("invalid-value", message)
    })
}

fn malformed(error: &MultipartError) -> AppError {
    AppError::malformed("form", format!("the form cannot be read: {}. Nothing was changed", error.body_text()))
}

/// As TeamCity's page suggests.
const HTTPS_PORT: u16 = 443;
