//! Writes a chain and its key as PEM or PFX.

mod pfx;

use portward_core::Chain;
use zeroize::Zeroizing;

use crate::{Password, PrivateKey, pem};

/// Says why a PFX could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportPfxError {
    /// The password is empty, and would protect nothing.
    #[error("a PFX cannot be exported with an empty password, as that would not protect the private key in it")]
    EmptyPassword,
    /// The encryption failed.
    #[error("the PFX could not be encrypted")]
    Encrypt,
    /// The system gave no random bytes.
    #[error("no random bytes could be had from the system")]
    Random,
}

/// Writes PEM: the leaf, the intermediates in order, then the key as unprotected PKCS #8.
///
/// The root is left out, as servers do not send it.
pub fn export_pem(chain: &Chain, key: &PrivateKey) -> Zeroizing<String> {
    let octets: usize = chain.sent().map(|der| der.len()).sum::<usize>() + key.as_pkcs8_der().len();
    // Sized beforehand, as a text that grows leaves copies of the key behind: base64, line ends, BEGIN and END lines.
    let mut out = Zeroizing::new(String::with_capacity(octets * 3 / 2 + 128 * (chain.length() + 1)));
    for certificate in chain.sent() {
        pem::write("CERTIFICATE", certificate, &mut out);
    }
    pem::write("PRIVATE KEY", key.as_pkcs8_der(), &mut out);
    out
}

/// Writes a PFX with the whole chain, protected by the password.
///
/// Encryption is PBES2 with AES-256-CBC and PBKDF2-HMAC-SHA256, the MAC is HMAC-SHA256 (RFC 7292, RFC 8018).
/// Windows, Java and OpenSSL show `friendly_name` as its name.
pub fn export_pfx(
    chain: &Chain,
    key: &PrivateKey,
    password: &Password,
    friendly_name: &str,
) -> Result<Zeroizing<Vec<u8>>, ExportPfxError> {
    if password.is_empty() {
        return Err(ExportPfxError::EmptyPassword);
    }
    pfx::write(chain, key, password, friendly_name)
}
