//! `identity.pem`: since when, certificate, and key (PKCS #8).

use std::sync::Arc;

use portward_certs::{PrivateKey, export_pem};
use portward_core::{Chain, Timestamp};
use portward_link::Identity;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject};
use zeroize::Zeroizing;

use crate::HeldIdentity;

/// The text of the file.
pub(crate) fn write(held: &HeldIdentity) -> Result<Zeroizing<String>, String> {
    let chain = Chain::of_leaf(Arc::from(held.identity.certificate()));
    let key = PrivateKey::from_pkcs8_der(held.identity.expose_key()).map_err(|error| error.to_string())?;
    let pem = export_pem(&chain, &key);
    let mut text = Zeroizing::new(String::with_capacity(pem.len() + 64));
    text.push_str(SINCE);
    text.push_str(&held.since.to_string());
    text.push('\n');
    text.push_str(&pem);
    Ok(text)
}

/// Reads the text of the file.
pub(crate) fn read(text: &[u8]) -> Result<HeldIdentity, String> {
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let since = std::str::from_utf8(first).ok().and_then(|line| line.strip_prefix(SINCE));
    let since = since.ok_or_else(|| format!("it does not begin with \"{SINCE}\""))?;
    let since = Timestamp::parse(since.trim()).map_err(|error| error.to_string())?;
    let certificate = CertificateDer::from_pem_slice(text).map_err(|error| format!("its certificate: {error:?}"))?;
    let key = PrivatePkcs8KeyDer::from_pem_slice(text).map_err(|error| format!("its private key: {error:?}"))?;
    let key = Zeroizing::new(key.secret_pkcs8_der().to_vec());
    let identity = Identity::from_der(certificate.to_vec(), key).map_err(|error| error.to_string())?;
    Ok(HeldIdentity { identity, since })
}

const SINCE: &str = "Since: ";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_identity_is_read_as_it_was_written_and_torn_it_is_not() {
        let since = Timestamp::parse("2026-11-26T12:00:00Z").unwrap();
        let held = HeldIdentity { identity: Identity::new("web-03", since).unwrap(), since };
        let text = write(&held).unwrap();
        let read_back = read(text.as_bytes()).unwrap();
        assert_eq!(read_back.identity.thumbprint(), held.identity.thumbprint());
        assert_eq!(read_back.since, since);
        for end in 0..text.trim_end().len() {
            assert!(read(&text.as_bytes()[..end]).is_err(), "{end}");
        }
    }
}
