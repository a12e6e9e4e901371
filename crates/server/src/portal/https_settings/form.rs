//! Reading the form of the HTTPS settings.

use axum::extract::Multipart;
use portward_api::{CertificateFile, HttpsSettingsView, SecretBytes, SecretText};
use portward_core::ForceHttps;

use super::super::going_back::GoingBack;
use crate::app::{
    AppError,
    https_settings::{CertificateFiles, HttpsSettingsInput},
};

/// Is what the form gave.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) files: Vec<CertificateFile>,
    pub(super) password: Option<SecretText>,
    pub(super) port: Option<String>,
    pub(super) force_https: Option<String>,
    pub(super) going_back: GoingBack,
}

/// Reads it; a file without content is a field left empty.
pub(super) async fn read(mut parts: Multipart) -> Result<Given, AppError> {
    let unreadable = |error: &dyn std::error::Error| AppError::malformed("form", error.to_string());
    let mut given = Given::default();
    let (mut confirm, mut within) = (false, None);
    while let Some(part) = parts.next_field().await.map_err(|error| unreadable(&error))? {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned).filter(|name| !name.is_empty());
        let bytes = part.bytes().await.map_err(|error| unreadable(&error))?;
        let text = || Some(String::from_utf8_lossy(&bytes).trim().to_owned()).filter(|text| !text.is_empty());
        match name.as_str() {
            "certificate" | "key" if !bytes.is_empty() => {
                let name = file_name.unwrap_or(name);
                given.files.push(CertificateFile { name, data: SecretBytes::new(bytes.to_vec()) });
            }
            // Spaces belong to a password.
            "password" if !bytes.is_empty() => {
                given.password = Some(SecretText::new(String::from_utf8_lossy(&bytes).into_owned()));
            }
            "port" => given.port = text(),
            "force_https" => given.force_https = text(),
            "confirm" => confirm = true,
            "within" => within = text(),
            _ => {}
        }
    }
    given.going_back = GoingBack::of(confirm, within.as_deref());
    Ok(given)
}

/// It goes back by itself, unless somebody wants it otherwise.
impl Default for Given {
    fn default() -> Self {
        let going_back = GoingBack::usual(true);
        Self { files: Vec::new(), password: None, port: None, force_https: None, going_back }
    }
}

impl Given {
    /// What is asked for: what differs from how it is.
    pub(super) fn input(&self, now: &HttpsSettingsView) -> Result<HttpsSettingsInput, AppError> {
        let port = self.port.as_deref().map(str::parse::<u16>).transpose();
        let port = port.ok().filter(|port| *port != Some(0)).ok_or_else(|| {
            AppError::refused("invalid-value", "port: give a number from 1 to 65535; 443 is the one that browsers take")
        })?;
        let force_https = match self.force_https.as_deref() {
            None => None,
            Some(text) => Some(ForceHttps::parse(text).ok_or_else(|| {
                AppError::refused("invalid-value", format!("force_https: \"{text}\" is none of off, browsers, all"))
            })?),
        };
        let certificate = (!self.files.is_empty())
            .then(|| CertificateFiles { files: self.files.clone(), password: self.password.clone() });
        Ok(HttpsSettingsInput {
            certificate,
            port: port.filter(|port| now.port != Some(*port)),
            force_https: force_https.filter(|mode| now.force_https.as_deref() != Some(mode.as_str())),
        })
    }
}
