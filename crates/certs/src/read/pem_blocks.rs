//! Files in PEM: each block says by its label what it is.

use super::{
    binary::{public_key, read_pkcs7, request},
    pile::{Pile, Rejected},
};
use crate::{
    Password, PrivateKey, PrivateKeyError,
    der::{self, Reader},
    pbe::{Budget, Container},
    pem::{self, Block},
    pkcs12,
    read_error::ReadFailure,
};

/// Reads all blocks of a text.
pub(super) fn read(
    text: &str,
    password: Option<&Password>,
    budget: &mut Budget,
    pile: &mut Pile,
) -> Result<(), ReadFailure> {
    let blocks = pem::blocks(text).map_err(|error| ReadFailure::Broken { what: "PEM file", reason: error.0 })?;
    let mut curve = None;
    for block in blocks {
        match block.label {
            "CERTIFICATE" | "X509 CERTIFICATE" => pile.add_certificate(&block.der)?,
            // OpenSSL puts settings of its own behind the certificate.
            "TRUSTED CERTIFICATE" => {
                let certificate = Reader::new(&block.der)
                    .any()
                    .map_err(|error| ReadFailure::Broken { what: "certificate", reason: error.0.to_owned() })?;
                pile.add_certificate(certificate.raw)?;
            }
            "PRIVATE KEY" => pile.add_key(PrivateKey::from_pkcs8_der(&block.der))?,
            "ENCRYPTED PRIVATE KEY" => {
                let info = der::whole(&block.der).map_err(|error| Container::Key.broken(error))?;
                let key = pkcs12::decrypt_key(&info, password, Container::Key, budget)?;
                pile.add_key(PrivateKey::from_pkcs8_der(&key))?;
            }
            "RSA PRIVATE KEY" => {
                let key = PrivateKey::from_pkcs1_der(&decrypted(&block, password)?);
                pile.add_key(key)?;
            }
            "EC PRIVATE KEY" => {
                let key = PrivateKey::from_sec1_der(&decrypted(&block, password)?, curve.as_deref());
                pile.add_key(key)?;
            }
            // Stands before the key that OpenSSL writes; explicit parameters are in the key as well, and refused there.
            "EC PARAMETERS" => curve = der::whole(&block.der).and_then(|element| element.oid()).ok(),
            "DSA PRIVATE KEY" => pile.add_key(Err(PrivateKeyError::Unsupported("DSA".to_owned())))?,
            "PKCS7" | "CMS" | "PKCS #7 SIGNED DATA" => read_pkcs7(&block.der, pile)?,
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
                pile.reject(Rejected::Request, request(), "a certificate request".to_owned());
            }
            "PUBLIC KEY" | "RSA PUBLIC KEY" => {
                pile.reject(Rejected::PublicKey, public_key(), "a public key".to_owned())
            }
            "OPENSSH PRIVATE KEY" => {
                pile.reject(Rejected::PrivateKey, openssh(), "a private key in the format of OpenSSH".to_owned())
            }
            other => pile.leave(format!("a block of the kind {}", pem::shown(other))),
        }
    }
    Ok(())
}

fn decrypted(block: &Block<'_>, password: Option<&Password>) -> Result<zeroize::Zeroizing<Vec<u8>>, ReadFailure> {
    match block.encryption {
        Some(header) => pem::decrypt_legacy(header, &block.der, password),
        None => Ok(block.der.clone()),
    }
}

fn openssh() -> ReadFailure {
    ReadFailure::UnsupportedFormat {
        what: "a private key in the format of OpenSSH".to_owned(),
        remedy: "if it is the key of the certificate, convert it: ssh-keygen -p -m PKCS8 -f FILE".to_owned(),
    }
}
