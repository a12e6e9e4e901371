//! Thumbprints as people paste them.

use anyhow::anyhow;
use portward_core::{Thumbprint, ThumbprintError};

use super::failure::Failure;
use crate::{DataDirectory, control};

/// Reads a SHA-256; for a SHA-1 the SHA-256 to use is told, if the certificate was seen.
pub(super) fn parse(text: &str, flag: &str, directory: &DataDirectory) -> Result<Thumbprint, Failure> {
    let error = match Thumbprint::parse(text) {
        Ok(thumbprint) => return Ok(thumbprint),
        Err(error) => error,
    };
    if error == ThumbprintError::Sha1 {
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        let ours = directory.read().ok().and_then(|draft| draft.identity).map(|held| held.identity);
        if ours.is_some_and(|ours| ours.sha1().to_string().eq_ignore_ascii_case(&digits)) {
            return Err(Failure::usage(anyhow!("{flag}: this is the thumbprint of this agent itself (SHA-1)")));
        }
        if let Some(known) = control::seen(directory, &digits) {
            return Err(Failure::usage(anyhow!(
                "{flag}: this is a SHA-1 thumbprint, which is too weak to trust; a certificate with it was seen, and its \
                 SHA-256 thumbprint is {known}. Compare it with what portward identity show tells on the server, and \
                 give {flag}={known}"
            )));
        }
    }
    Err(Failure::usage(anyhow::Error::new(error).context(flag.to_owned())))
}
