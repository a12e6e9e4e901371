//! The files of each format, as bytes.

use portward_certs::{ExportPfxError, Password, PrivateKey, export_pem, export_pfx};
use portward_core::{Chain, DeliveryFormat};
use zeroize::Zeroizing;

/// Writes the files of a format, in the order of their paths.
///
/// The root of a chain is in PFX files and key stores alone; servers do not send it.
pub(crate) fn render(
    format: DeliveryFormat,
    chain: &Chain,
    key: &PrivateKey,
    password: Option<&Password>,
    friendly_name: &str,
) -> Result<Vec<Zeroizing<Vec<u8>>>, ExportPfxError> {
    let files = match format {
        DeliveryFormat::Pem | DeliveryFormat::PemCombined => {
            let both = export_pem(chain, key);
            // Certificates come first there.
            let (certificates, key) = both.split_at(both.find(KEY_BEGINS).unwrap_or(both.len()));
            if format == DeliveryFormat::Pem {
                vec![secret(&[certificates.as_bytes()]), secret(&[key.as_bytes()])]
            } else {
                vec![secret(&[key.as_bytes(), certificates.as_bytes()])]
            }
        }
        DeliveryFormat::Pfx | DeliveryFormat::Pkcs12Java => {
            let password = password.ok_or(ExportPfxError::EmptyPassword)?;
            // Java calls an entry without a name "1", and finds it by that name alone.
            let name = if friendly_name.is_empty() { DEFAULT_NAME } else { friendly_name };
            vec![export_pfx(chain, key, password, name)?]
        }
        DeliveryFormat::Der => vec![secret(&[&chain.leaf]), secret(&[key.as_pkcs8_der()])],
    };
    Ok(files)
}

/// Sized beforehand, as bytes that grow leave copies behind.
fn secret(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

const KEY_BEGINS: &str = "-----BEGIN PRIVATE KEY-----";
const DEFAULT_NAME: &str = "portward";

#[cfg(test)]
mod tests;
