//! Reading the form of an import.

use axum::extract::Multipart;
use portward_api::{CertificateFile, SecretBytes, SecretText};

use super::{super::form::Form, uploads::Upload};
use crate::app::AppError;

/// Is what a form gave: files and a password apart, and the other fields.
pub(super) struct Given {
    pub(super) upload: Upload,
    pub(super) fields: Form,
}

/// Reads a form with files. Pasted text is a file too; a file without a name and content is a field left empty.
pub(super) async fn read(mut parts: Multipart) -> Result<Given, AppError> {
    let mut given = Given { upload: Upload::default(), fields: Form::default() };
    while let Some(part) = parts.next_field().await.map_err(|error| unreadable(&error))? {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        let bytes = part.bytes().await.map_err(|error| unreadable(&error))?;
        match (name.as_str(), file_name) {
            ("files", file_name) => {
                if !bytes.is_empty() {
                    let name = file_name.filter(|name| !name.is_empty()).unwrap_or_else(|| "file".to_owned());
                    given.add(name, bytes.to_vec());
                }
            }
            ("text", _) => {
                if !bytes.trim_ascii().is_empty() {
                    given.add(PASTED.to_owned(), bytes.to_vec());
                }
            }
            ("password", _) => {
                if !bytes.is_empty() {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    given.upload.password = Some(SecretText::new(text));
                }
            }
            (_, None) => given.fields.push(name, String::from_utf8_lossy(&bytes)),
            (_, Some(_)) => {}
        }
        if given.upload.files.len() > MOST_FILES {
            let message = format!("these are more than {MOST_FILES} files; give those of one certificate");
            return Err(AppError::refused("too-many-files", message));
        }
    }
    Ok(given)
}

impl Given {
    fn add(&mut self, name: String, bytes: Vec<u8>) {
        self.upload.files.push(CertificateFile { name, data: SecretBytes::new(bytes) });
    }
}

impl Upload {
    /// Adds what was given later; of two files with the same name and content one is enough.
    pub(super) fn add(&mut self, later: Self) -> Result<(), AppError> {
        for file in later.files {
            if !self.files.contains(&file) {
                self.files.push(file);
            }
        }
        if later.password.is_some() {
            self.password = later.password;
        }
        let size: usize = self.files.iter().map(|file| file.data.expose().len()).sum();
        if self.files.len() > MOST_FILES || size > MOST_BYTES {
            let message =
                format!("these are more than {MOST_FILES} files or 4 MiB together; give those of one certificate");
            return Err(AppError::refused("too-many-files", message));
        }
        Ok(())
    }
}

fn unreadable(error: &axum::extract::multipart::MultipartError) -> AppError {
    AppError::new(error.status(), "form", format!("the form could not be read: {}", error.body_text()))
}

/// What pasted text is called.
pub(super) const PASTED: &str = "pasted text";
/// A chain has a handful; more are a mistake.
const MOST_FILES: usize = 50;
const MOST_BYTES: usize = 4 * portward_certs::MAX_PFX_BYTES;
