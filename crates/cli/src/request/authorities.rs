//! Authorities in files, as flags name them.

use std::{fs, path::Path};

use anyhow::{Context, anyhow};

use crate::failure::Failure;

/// Reads the certificates of authorities; the file goes to the server as it is.
pub(super) fn read(file: &Path, flag: &str) -> Result<String, Failure> {
    let pem = fs::read_to_string(file);
    let pem = pem.with_context(|| format!("cannot read the authorities from {}", file.display()))?;
    // A key in it would go along.
    if pem.contains("PRIVATE KEY-----") {
        return Err(Failure::failed(anyhow!(
            "{} has a private key in it; {flag} takes the certificates of authorities alone",
            file.display()
        )));
    }
    Ok(pem)
}
